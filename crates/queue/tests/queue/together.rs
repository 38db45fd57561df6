//! Claims that come at once and are served together: each task goes out once, to a worker that may have it.

use std::collections::BTreeSet;

use phalanx_api::{TenantLimits, Verdict};
use phalanx_plan::TaskKind;
use phalanx_queue::{Claimed, NewJob, Offer};
use tokio::task::JoinSet;

use crate::support::{Bench, KINDS, job, offer, tree};

/// What each offer gets.
async fn at_once(bench: &Bench, offers: &[Offer]) -> Vec<(Offer, Option<Claimed>)> {
    let mut claims = JoinSet::new();
    for offer in offers {
        let (queue, offer) = (bench.queue.clone(), offer.clone());
        claims.spawn(async move { (offer.clone(), queue.claim(&offer).await.unwrap()) });
    }
    let mut answers = claims.join_all().await;
    answers.sort_by(|a, b| a.0.worker.cmp(&b.0.worker));
    answers
}

/// The names of the tasks that were given out, in order.
fn given(answers: &[(Offer, Option<Claimed>)]) -> Vec<String> {
    let names = answers.iter().filter_map(|(_, claimed)| claimed.as_ref());
    let mut names: Vec<String> = names.map(|claimed| claimed.assignment.held.task.to_string()).collect();
    names.sort_unstable();
    names
}

fn provers() -> Vec<Offer> {
    ["ada", "bea", "cyd", "eve", "eve"].map(|name| offer(name, &[TaskKind::Prove])).to_vec()
}

async fn each_gets_its_own(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    let answers = at_once(&bench, &["ada", "bea"].map(|name| offer(name, &KINDS))).await;
    assert_eq!(given(&answers), ["execute"], "the execution is given to one of them");
    let (executor, execute) = answers.into_iter().find_map(|(by, claimed)| Some((by, claimed?))).unwrap();
    let view = bench.queue.job(id).await.unwrap();
    assert!(view.state == phalanx_api::JobState::Running && view.started_ms.is_some(), "{view:?}");
    bench.announce(&executor.worker, execute.assignment.held, &tree(7)).await.unwrap();

    let mut offers = provers();
    offers.push(Offer { boot: "another".to_owned(), ..offer("bea", &[TaskKind::Prove]) });
    let mut claims = JoinSet::new();
    for offer in offers.clone() {
        let queue = bench.queue.clone();
        claims.spawn(async move { (offer.boot.clone(), queue.claim(&offer).await) });
    }
    let mut held = BTreeSet::new();
    for (boot, claimed) in claims.join_all().await {
        match claimed {
            Ok(Some(claimed)) => {
                assert_eq!((claimed.assignment.held.attempt, boot.as_str()), (1, "first"));
                assert!(held.insert(claimed.assignment.held.task), "a task is given out once");
            }
            Ok(None) => panic!("there is a proof for everyone"),
            Err(_) => assert_eq!(boot, "another", "only who is not known is refused"),
        }
    }
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    assert_eq!(held, ["prove-0", "prove-1", "prove-2", "prove-3", "prove-4"], "the first ones go first");
    let rest = at_once(&bench, &provers()).await;
    assert_eq!(given(&rest), ["prove-5", "prove-6"], "as many as there are");
}

async fn limits_count_within_a_turn(bench: Bench) {
    let limits = TenantLimits { running_max: Some(2), jobs_max: None };
    let ours = bench.queue.submit(&job("ours")).await.unwrap().job;
    bench.execute(ours, &tree(5)).await;
    let other = NewJob { tenant: "other".to_owned(), ..job("other") };
    let theirs = bench.queue.submit(&other).await.unwrap().job;
    bench.execute(theirs, &tree(5)).await;
    bench.queue.set_tenant("tenant", limits).await.unwrap();
    let answers = at_once(&bench, &provers()).await;
    let of = |tenant: &str| {
        let is_of = |claimed: &&Claimed| claimed.tenant == tenant;
        answers.iter().filter_map(|(_, claimed)| claimed.as_ref()).filter(is_of).count()
    };
    assert_eq!((of("tenant"), of("other")), (2, 3));
}

async fn whoever_failed_gets_something_else(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.execute(id, &tree(3)).await;
    let first = bench.queue.claim(&offer("ada", &[TaskKind::Prove])).await.unwrap().unwrap().assignment.held;
    bench.fail("ada", first, Verdict::BadProof, "it does not verify").await.unwrap();
    let answers = at_once(&bench, &["ada", "bea"].map(|name| offer(name, &[TaskKind::Prove]))).await;
    assert_eq!(given(&answers).len(), 2, "there is work for both");
    let by_ada = answers[0].1.as_ref().unwrap().assignment.held.task;
    assert_ne!(by_ada, first.task, "another should try");
}

#[tokio::test]
async fn each_gets_its_own_task_on_sqlite() {
    each_gets_its_own(Bench::sqlite().await).await;
}

#[tokio::test]
async fn each_gets_its_own_task_on_postgres() {
    each_gets_its_own(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_than_it_may_when_all_claim_at_once_on_sqlite() {
    limits_count_within_a_turn(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_than_it_may_when_all_claim_at_once_on_postgres() {
    limits_count_within_a_turn(Bench::postgres().await).await;
}

#[tokio::test]
async fn whoever_failed_gets_another_task_on_sqlite() {
    whoever_failed_gets_something_else(Bench::sqlite().await).await;
}

#[tokio::test]
async fn whoever_failed_gets_another_task_on_postgres() {
    whoever_failed_gets_something_else(Bench::postgres().await).await;
}
