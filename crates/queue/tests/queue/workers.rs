//! Workers come, go, come again, are drained, and are kept from work when their proofs do not verify.

use phalanx_api::{Beat, TaskState, Verdict, WorkerState};
use phalanx_plan::TaskKind;
use phalanx_queue::{Offer, QueueError};

use crate::support::{BOOT, Bench, KINDS, digest, job, offer, tree, worker};

async fn three_bad_proofs(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.execute(id, &tree(4)).await;
    for strike in 1..=3_u32 {
        let held = bench.claim("ada").await.unwrap().assignment.held;
        bench.fail("ada", held, Verdict::BadProof, "it does not verify").await.unwrap();
        let workers = bench.queue.workers().await.unwrap();
        let ada = workers.iter().find(|view| view.name == "ada").unwrap();
        let expected = if strike < 3 { WorkerState::Active } else { WorkerState::Quarantined };
        assert_eq!((ada.strikes, ada.state), (strike, expected));
    }
    let refused = bench.queue.claim(&offer("ada", &KINDS)).await;
    assert!(matches!(refused, Err(QueueError::Quarantined { strikes: 3, .. })), "{refused:?}");
    assert!(bench.beat("ada", BOOT, &[]).await.unwrap().drain);
    // To start again does not help.
    bench.queue.register(&worker("ada", "second")).await.unwrap();
    let again = Offer { boot: "second".to_owned(), ..offer("ada", &KINDS) };
    assert!(matches!(bench.queue.claim(&again).await, Err(QueueError::Quarantined { .. })));
    // Only an operator does.
    assert!(bench.queue.set_worker_state("ada", WorkerState::Active).await.unwrap());
    let resumed = bench.queue.claim(&again).await.unwrap().expect("the last one was never hers");
    assert_eq!(resumed.assignment.held.task.to_string(), "prove-3");
    assert!(bench.claim("bea").await.is_some(), "the others may take what failed");
}

async fn another_boot(bench: Bench) {
    bench.queue.submit(&job("one")).await.unwrap();
    let held = bench.claim("ada").await.unwrap().assignment.held;
    bench.queue.register(&worker("ada", BOOT)).await.unwrap();
    assert_eq!(bench.claim("bea").await, None, "the same process says again that it is there");
    bench.queue.register(&worker("ada", "second")).await.unwrap();
    let again = bench.claim("bea").await.unwrap().assignment.held;
    assert_eq!((again.task, again.attempt), (held.task, 2));
    let task = bench.queue.task(held.job, held.task).await.unwrap();
    assert_eq!(task.failures, 0, "nothing is wrong with it");
    let late = bench.complete("ada", held, digest("late")).await;
    assert!(matches!(late, Err(QueueError::Refused(_))), "{late:?}");
    for refused in
        [bench.queue.claim(&offer("ada", &KINDS)).await.map(drop), bench.beat("ada", BOOT, &[]).await.map(drop)]
    {
        assert!(matches!(refused, Err(QueueError::OtherBoot(_))), "{refused:?}");
    }
    let unknown = bench.queue.claim(&offer("nobody", &KINDS)).await;
    assert!(matches!(unknown, Err(QueueError::NoSuchWorker(_))), "{unknown:?}");
}

async fn drained(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.execute(id, &tree(3)).await;
    let held = bench.claim("ada").await.unwrap().assignment.held;
    assert!(bench.queue.set_worker_state("ada", WorkerState::Draining).await.unwrap());
    let answer = bench.beat("ada", BOOT, &[held]).await.unwrap();
    assert!(answer.drain && answer.stop.is_empty(), "it finishes what it has: {answer:?}");
    assert!(matches!(bench.queue.claim(&offer("ada", &KINDS)).await, Err(QueueError::Draining(_))));
    bench.complete("ada", held, digest("proof")).await.unwrap();
    // One that drains by itself says so.
    let held = bench.claim("bea").await.unwrap().assignment.held;
    let beat = Beat { boot: BOOT.to_owned(), running: Vec::new(), resident_bytes: 7, is_draining: true };
    assert!(bench.queue.beat("bea", &beat).await.unwrap().drain);
    assert!(matches!(bench.queue.claim(&offer("bea", &KINDS)).await, Err(QueueError::Draining(_))));
    // And goes, with what it has not finished.
    bench.queue.leave("bea", "another").await.unwrap();
    assert_eq!(bench.queue.task(id, held.task).await.unwrap().state, TaskState::Running);
    bench.queue.leave("bea", BOOT).await.unwrap();
    assert_eq!(bench.queue.task(id, held.task).await.unwrap().state, TaskState::Ready);
    let workers = bench.queue.workers().await.unwrap();
    let states: Vec<_> = workers.iter().map(|view| (view.name.as_str(), view.state)).take(2).collect();
    assert_eq!(states, [("ada", WorkerState::Draining), ("bea", WorkerState::Gone)]);
    assert!(!bench.queue.set_worker_state("nobody", WorkerState::Active).await.unwrap());
}

/// Silence, and the end of it; what never reached a worker.
async fn silent(bench: Bench) {
    bench.queue.submit(&job("one")).await.unwrap();
    let held = bench.claim("ada").await.unwrap().assignment.held;
    bench.set_clock(6_000).await;
    assert_eq!(bench.beat("ada", BOOT, &[]).await.unwrap().stop, []);
    assert_eq!(bench.queue.task(held.job, held.task).await.unwrap().state, TaskState::Running, "it may be on its way");
    bench.set_clock(11_000).await;
    bench.beat("ada", BOOT, &[]).await.unwrap();
    assert_eq!(bench.queue.task(held.job, held.task).await.unwrap().state, TaskState::Ready, "it never arrived");
    assert_eq!(bench.beat("ada", BOOT, &[held]).await.unwrap().stop, [held]);

    let held = bench.claim("bea").await.unwrap().assignment.held;
    bench.set_clock(41_000).await;
    let swept = bench.queue.sweep().await.unwrap();
    assert_eq!((swept.expired, swept.gone, swept.too_late), (1, 5, 0));
    let attempts = bench.queue.attempts(held.job, held.task).await.unwrap();
    let outcomes: Vec<_> =
        attempts.iter().map(|view| (view.attempt, view.worker.as_str(), view.outcome.as_str())).collect();
    assert_eq!(outcomes, [(1, "ada", "released"), (2, "bea", "expired")]);
    assert_eq!(bench.queue.queue_view().await.unwrap().unclaimable, 1);
    // Whoever asks for a task is back, and so is whoever beats.
    bench.set_clock(43_000).await;
    assert!(bench.claim("cyd").await.is_some());
    assert!(!bench.beat("eve", BOOT, &[]).await.unwrap().drain);
    let workers = bench.queue.workers().await.unwrap();
    let active: Vec<_> = workers.iter().filter(|view| view.state == WorkerState::Active).collect();
    let names: Vec<_> = active.iter().map(|view| view.name.as_str()).collect();
    assert_eq!((names, active[0].running.len()), (vec!["cyd", "eve"], 1));
}

/// What people see of the queue and of what tasks took.
async fn load(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.execute(id, &tree(2)).await;
    bench.set_clock(3_000).await;
    let view = bench.queue.queue_view().await.unwrap();
    assert_eq!((view.ready, view.running, view.jobs, view.workers, view.slots_wanted), (2, 0, 1, 5, 2));
    assert_eq!((view.kinds["prove"].ready, view.kinds["prove"].oldest_ready_age_ms), (2, 2_000));
    assert_eq!((view.kinds["fold"].pending, view.kinds["seal"].pending, view.unclaimable), (1, 1, 0));
    let proof = bench.queue.claim(&offer("ada", &[TaskKind::Prove])).await.unwrap().unwrap().assignment.held;
    bench.set_clock(8_000).await;
    bench.complete("ada", proof, digest("proof")).await.unwrap();
    let proof = bench.claim("ada").await.unwrap().assignment.held;
    bench.fail("ada", proof, Verdict::FailJob, "the guest panicked").await.unwrap();
    let stats = bench.queue.stats(60_000).await.unwrap();
    let prove = stats.kinds["prove"];
    assert_eq!((stats.jobs_failed, prove.count, prove.wait_ms_mean, prove.run_ms_max), (1, 1, 2_000, 5_000));
    let attempts: Vec<_> = stats.attempts.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
    assert_eq!(attempts, [("done", 2), ("failed", 1)]);
    let dead = bench.queue.dead(Some("tenant"), 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].task, dead[0].failure.as_deref()), (1, proof.task, Some("the guest panicked")));
    assert_eq!(bench.queue.dead(Some("another"), 10).await.unwrap(), []);
    assert_eq!(bench.queue.queue_view().await.unwrap().dead, 1);
    assert_eq!(bench.queue.requeue(id, Some(proof.task)).await.unwrap(), 3);
    assert_eq!(bench.queue.dead(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn three_bad_proofs_keep_a_worker_from_work_on_sqlite() {
    three_bad_proofs(Bench::sqlite().await).await;
}

#[tokio::test]
async fn three_bad_proofs_keep_a_worker_from_work_on_postgres() {
    three_bad_proofs(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_worker_that_starts_again_gives_back_what_it_had_on_sqlite() {
    another_boot(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_worker_that_starts_again_gives_back_what_it_had_on_postgres() {
    another_boot(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_worker_that_drains_finishes_and_takes_nothing_on_sqlite() {
    drained(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_worker_that_drains_finishes_and_takes_nothing_on_postgres() {
    drained(Bench::postgres().await).await;
}

#[tokio::test]
async fn what_a_silent_worker_has_is_given_to_others_on_sqlite() {
    silent(Bench::sqlite().await).await;
}

#[tokio::test]
async fn what_a_silent_worker_has_is_given_to_others_on_postgres() {
    silent(Bench::postgres().await).await;
}

#[tokio::test]
async fn the_load_is_counted_by_kind_on_sqlite() {
    load(Bench::sqlite().await).await;
}

#[tokio::test]
async fn the_load_is_counted_by_kind_on_postgres() {
    load(Bench::postgres().await).await;
}
