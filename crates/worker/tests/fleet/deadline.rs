//! A job that is not done in time fails and frees its workers. Whose clock is right does not matter: time is the database's.

use phalanx_api::{JobState, NewJob};

use crate::{
    child::Mischief,
    cluster::{Cluster, On, on_both},
};

#[test]
fn a_job_that_is_late_fails() {
    on_both(|fleet| {
        fleet.villain("worker", Mischief::Hangs);
        let job = fleet.submit_with(3, 1, |job| NewJob { deadline_after_ms: Some(12_000), ..job });
        let view = fleet.over(job);
        assert_eq!(view.state, JobState::Failed);
        assert!(view.failure.unwrap().contains("deadline"));
        assert!(view.ended_ms >= view.deadline_ms);
    });
}

#[test]
fn workers_whose_clocks_are_a_day_off_work_as_well() {
    for on in [On::Sqlite, On::Postgres] {
        let mut fleet = Cluster::with(on, |_, gateway| gateway.clock_ahead_ms = 86_400_000);
        let part = fleet.part("worker");
        fleet.worker(&part);
        let job = fleet.submit(8, 1);
        fleet.proven(job, 8);
    }
}
