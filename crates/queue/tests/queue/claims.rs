//! Who gets what: a task goes only to a worker that it fits, and a tenant has no more running than it may.

use phalanx_api::{TaskId, TenantLimits, Verdict};
use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{NewJob, Offer};

use crate::support::{Bench, KINDS, job, offer, tree};

async fn only_what_fits(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    let execute = [TaskKind::Execute];
    for kinds in [&[TaskKind::Prove, TaskKind::Fold, TaskKind::Seal][..], &[]] {
        assert_eq!(bench.queue.claim(&offer("ada", kinds)).await.unwrap(), None, "{kinds:?}");
    }
    bench.execute(id, &tree(1)).await;
    let fits = offer("ada", &KINDS);
    let unfit = [
        Offer { kinds: execute.to_vec(), ..fits.clone() },
        Offer { engine: "another".to_owned(), ..fits.clone() },
        Offer { ram_bytes: 99, ..fits.clone() },
    ];
    for unfit in unfit {
        assert_eq!(bench.queue.claim(&unfit).await.unwrap(), None, "{unfit:?}");
    }
    let claimed = bench.queue.claim(&fits).await.unwrap().unwrap();
    let held = claimed.assignment.held;
    assert_eq!((held.task, claimed.assignment.ram_bytes), (TaskId(Position::Prove { index: 0 }), 100));
    assert_eq!((claimed.engine, claimed.is_last, claimed.tenant.as_str()), (fits.engine, false, "tenant"));
    assert_eq!(bench.claim("bea").await, None, "it is given out once");

    bench.fail("ada", held, Verdict::BadProof, "it does not verify").await.unwrap();
    assert_eq!(bench.claim("ada").await, None, "another should try");
    assert!(bench.claim("bea").await.is_some());
}

async fn no_more_than_the_tenant_may(bench: Bench) {
    bench.queue.set_tenant("tenant", TenantLimits { running_max: Some(1), jobs_max: None }).await.unwrap();
    let first = bench.queue.submit(&job("first")).await.unwrap().job;
    bench.queue.submit(&job("second")).await.unwrap();
    let other = NewJob { tenant: "other".to_owned(), ..job("other") };
    let other = bench.queue.submit(&other).await.unwrap().job;
    let claim = async |worker| bench.claim(worker).await.map(|claimed| claimed.assignment.held.job);
    assert_eq!(claim("ada").await, Some(first));
    assert_eq!(claim("bea").await, Some(other), "the limit of one tenant is not another's");
    assert_eq!(claim("cyd").await, None);
    bench.queue.cancel(first).await.unwrap();
    assert!(claim("cyd").await.is_some());
}

/// A huge job is under way when a small one of the same priority comes.
async fn a_small_one_beside_a_huge_one(bench: Bench) {
    let huge = bench.queue.submit(&job("huge")).await.unwrap().job;
    bench.execute(huge, &tree(300)).await;
    bench.set_clock(21_000).await;
    let small = bench.queue.submit(&job("small")).await.unwrap().job;
    bench.execute(small, &tree(2)).await;
    let mut given = Vec::new();
    for _ in 0..40 {
        let claimed = bench.queue.claim(&offer("ada", &[TaskKind::Prove])).await.unwrap().unwrap();
        given.push(claimed.assignment.held.job);
    }
    let at = given.iter().position(|job| *job == small).expect("the small one waits for all of the huge one");
    assert!(at >= 19, "the huge one came first, so its first segments do, too: {at}");
    let both = [huge, small].map(|id| given.iter().filter(|job| **job == id).count());
    assert_eq!(both, [38, 2], "neither starves");
}

/// An execution that was given to a worker, which cuts and announces, goes only to workers with its engine then.
async fn one_engine_for_a_job(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    let other = Offer { engine: "another".to_owned(), ..offer("bea", &KINDS) };
    let first = bench.claim("ada").await.unwrap().assignment;
    assert_eq!(first.fleet.map(|fleet| fleet.slots), Some(5));
    bench.fail("ada", first.held, Verdict::Released, "").await.unwrap();
    let second = bench.queue.claim(&other).await.unwrap().expect("nothing was announced").assignment;
    assert_eq!(second.fleet.map(|fleet| fleet.slots), Some(0));
    bench.fail("bea", second.held, Verdict::Released, "").await.unwrap();
    let third = bench.claim("ada").await.unwrap().assignment;
    bench.announce("ada", third.held, &tree(1)[..1]).await.unwrap();
    bench.fail("ada", third.held, Verdict::Released, "").await.unwrap();
    let kinds = vec![TaskKind::Execute];
    assert_eq!(bench.queue.claim(&Offer { kinds: kinds.clone(), ..other }).await.unwrap(), None);
    let fourth = bench.queue.claim(&offer("cyd", &kinds)).await.unwrap().unwrap().assignment;
    assert_eq!((fourth.held.job, fourth.held.attempt), (id, 4));
    let results: [Digest; 2] = [job("one").program, job("one").input];
    assert_eq!(fourth.inputs, results);
}

async fn any_words(bench: Bench) {
    let id = bench.queue.submit(&job("panics")).await.unwrap().job;
    let held = bench.claim("ada").await.unwrap().assignment.held;
    let words = format!("panicked:\0{}", "é".repeat(10_000));
    bench.fail("ada", held, Verdict::FailJob, &words).await.unwrap();
    let view = bench.queue.job(id).await.unwrap();
    let failure = view.failure.unwrap();
    assert!(failure.starts_with("panicked:\u{fffd}é") && failure.len() < 5_000, "{} bytes", failure.len());
    assert_eq!(view.failed_task.as_deref(), Some("execute"));
}

#[tokio::test]
async fn a_failure_is_kept_whatever_the_worker_says_on_sqlite() {
    any_words(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_failure_is_kept_whatever_the_worker_says_on_postgres() {
    any_words(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_task_goes_to_a_worker_that_it_fits_on_sqlite() {
    only_what_fits(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_task_goes_to_a_worker_that_it_fits_on_postgres() {
    only_what_fits(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_running_than_it_may_on_sqlite() {
    no_more_than_the_tenant_may(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_running_than_it_may_on_postgres() {
    no_more_than_the_tenant_may(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_small_job_does_not_wait_for_all_of_a_huge_one_on_sqlite() {
    a_small_one_beside_a_huge_one(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_small_job_does_not_wait_for_all_of_a_huge_one_on_postgres() {
    a_small_one_beside_a_huge_one(Bench::postgres().await).await;
}

#[tokio::test]
async fn all_tasks_of_a_job_have_one_engine_on_sqlite() {
    one_engine_for_a_job(Bench::sqlite().await).await;
}

#[tokio::test]
async fn all_tasks_of_a_job_have_one_engine_on_postgres() {
    one_engine_for_a_job(Bench::postgres().await).await;
}
