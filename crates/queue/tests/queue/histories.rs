//! Seeded random histories: many in memory, the same seeds on both databases.

use crate::support::{Bench, history::History};

const EVENTS: usize = 120;

#[tokio::test]
async fn histories_in_memory_end_well() {
    let mut refused = 0;
    for seed in 0..10_000 {
        let mut history = History::new(None);
        history.run(seed, EVENTS).await;
        refused += history.refused;
    }
    assert!(refused > 10_000, "only {refused} workers were late in all histories");
}

#[tokio::test]
async fn sqlite_does_what_memory_does() {
    for seed in 0..40 {
        History::new(Some(&Bench::sqlite().await)).run(seed, EVENTS).await;
    }
}

#[tokio::test]
async fn postgres_does_what_memory_does() {
    for seed in 0..25 {
        History::new(Some(&Bench::postgres().await)).run(seed, EVENTS).await;
    }
}
