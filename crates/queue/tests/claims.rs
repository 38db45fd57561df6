//! Who gets what: a task goes only to a worker that it fits, and a tenant has no more running than it may.

mod support;

use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Offer, task::Verdict};
use support::{Bench, ENGINE, job};

fn offer(worker: &str) -> Offer {
    Offer { worker: worker.to_owned(), kinds: vec![TaskKind::Execute], engine: ENGINE.to_owned(), ram_bytes: 100 }
}

async fn only_what_fits(bench: Bench) {
    bench.queue.submit(&job("one")).await.unwrap();
    let unfit = [
        Offer { kinds: vec![TaskKind::Prove, TaskKind::Fold, TaskKind::Seal], ..offer("ada") },
        Offer { kinds: Vec::new(), ..offer("ada") },
        Offer { engine: "another".to_owned(), ..offer("ada") },
        Offer { ram_bytes: 99, ..offer("ada") },
    ];
    for unfit in unfit {
        assert_eq!(bench.queue.claim(&unfit).await.unwrap(), None, "{unfit:?}");
    }
    let claimed = bench.queue.claim(&offer("ada")).await.unwrap().unwrap();
    assert_eq!((claimed.position, claimed.ram_bytes), (Position::Execute, 100));
    assert_eq!(bench.queue.claim(&offer("bea")).await.unwrap(), None, "it is given out once");

    let (position, fence) = (claimed.position, &claimed.fence);
    bench.queue.fail(claimed.job, position, fence, Verdict::BadProof, "it does not verify").await.unwrap();
    assert_eq!(bench.queue.claim(&offer("ada")).await.unwrap(), None, "another should try");
    assert!(bench.queue.claim(&offer("bea")).await.unwrap().is_some());
}

async fn no_more_than_the_tenant_may(bench: Bench) {
    bench.limit_tenant("tenant", 1).await;
    let first = bench.queue.submit(&job("first")).await.unwrap().job;
    bench.queue.submit(&job("second")).await.unwrap();
    let mut other = job("other");
    other.tenant = "other".to_owned();
    let other = bench.queue.submit(&other).await.unwrap().job;
    let claim = async |worker| bench.queue.claim(&offer(worker)).await.unwrap().map(|claimed| claimed.job);
    assert_eq!(claim("ada").await, Some(first));
    assert_eq!(claim("bea").await, Some(other), "the limit of one tenant is not another's");
    assert_eq!(claim("cyd").await, None);
    bench.queue.cancel(first).await.unwrap();
    assert!(claim("cyd").await.is_some());
}

async fn any_words(bench: Bench) {
    let id = bench.queue.submit(&job("panics")).await.unwrap().job;
    let claimed = bench.queue.claim(&offer("ada")).await.unwrap().unwrap();
    let words = format!("panicked:\0{}", "é".repeat(10_000));
    bench.queue.fail(id, claimed.position, &claimed.fence, Verdict::FailJob, &words).await.unwrap();
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
