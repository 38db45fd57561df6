//! Who may do what and how much of it: submissions that are known, limits of tenants, tokens, what a tenant may read, what is
//! kept for whom.

use phalanx_api::{JobLimits, JobQuery, JobState, NewToken, Scope, TaskSpec, TenantLimits};
use phalanx_claim::Digest;
use phalanx_queue::{CYCLES_MAX, NewJob, QueueError};

use crate::support::{Bench, digest, job, tree};

fn keyed(name: &str, key: &str) -> NewJob {
    NewJob { idempotency_key: Some(key.to_owned()), ..job(name) }
}

async fn known_jobs(bench: Bench) {
    let first = bench.queue.submit(&keyed("one", "key")).await.unwrap();
    assert_eq!((first.state, first.is_known), (JobState::Queued, false));
    let again = bench.queue.submit(&keyed("one", "key")).await.unwrap();
    assert_eq!((again.job, again.is_known), (first.job, true));
    let reused = bench.queue.submit(&keyed("another", "key")).await;
    assert!(matches!(reused, Err(QueueError::KeyReused(_))), "{reused:?}");

    // The same request, whatever its key, its limits and its priority.
    let limits = JobLimits { cycles_max: Some(7), segment_cycles: Some(3) };
    let same = NewJob { priority: 9, limits, ..keyed("one", "other key") };
    let same = bench.queue.submit(&same).await.unwrap();
    assert_eq!((same.job, same.state, same.is_known), (first.job, JobState::Queued, true));
    let foreign = NewJob { tenant: "another".to_owned(), ..job("one") };
    assert_ne!(bench.queue.submit(&foreign).await.unwrap().job, first.job, "tenants share nothing");

    // One that failed is no answer; one that is done is.
    bench.queue.cancel(first.job).await.unwrap();
    let second = bench.queue.submit(&NewJob { limits, ..job("one") }).await.unwrap();
    assert!(!second.is_known && second.job != first.job);
    let spec = bench.claim("ada").await.unwrap().assignment.spec;
    assert!(
        matches!(spec, TaskSpec::Execute(spec) if spec.cycles_max == CYCLES_MAX),
        "the foreign one came first: {spec:?}"
    );
    let claimed = bench.claim("ada").await.unwrap().assignment;
    assert!(matches!(claimed.spec, TaskSpec::Execute(spec) if (spec.cycles_max, spec.segment_cycles) == (7, Some(3))));
    bench.announce("ada", claimed.held, &tree(1)).await.unwrap();
    bench.complete("ada", claimed.held, digest("execution")).await.unwrap();
    while let Some(claimed) = bench.claim("ada").await {
        bench.complete("ada", claimed.assignment.held, digest("receipt")).await.unwrap();
    }
    let third = bench.queue.submit(&job("one")).await.unwrap();
    assert_eq!((third.job, third.state, third.is_known), (second.job, JobState::Done, true));
}

async fn limits_of_tenants(bench: Bench) {
    let limits = TenantLimits { running_max: None, jobs_max: Some(2) };
    bench.queue.set_tenant("tenant", limits).await.unwrap();
    let first = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.queue.submit(&job("two")).await.unwrap();
    let refused = bench.queue.submit(&job("three")).await;
    assert!(matches!(refused, Err(QueueError::TooManyJobs { max: 2, .. })), "{refused:?}");
    assert!(bench.queue.submit(&job("two")).await.unwrap().is_known, "this one is there");
    bench.queue.submit(&NewJob { tenant: "another".to_owned(), ..job("three") }).await.unwrap();
    bench.queue.cancel(first).await.unwrap();
    bench.queue.submit(&job("three")).await.unwrap();
    let tenants = bench.queue.tenants().await.unwrap();
    assert_eq!((tenants.len(), tenants[0].name.as_str(), tenants[0].limits), (1, "tenant", limits));
}

async fn tokens(bench: Bench) {
    let new = |scope, expires_after_ms| NewToken {
        scope,
        tenant: "tenant".to_owned(),
        note: "ci".to_owned(),
        expires_after_ms,
    };
    let forever = bench.queue.create_token("hash 1", &new(Scope::Client, None)).await.unwrap();
    let short = bench.queue.create_token("hash 2", &new(Scope::Worker, Some(5_000))).await.unwrap();
    assert_eq!((forever.created_ms, forever.expires_ms, short.expires_ms), (1_000, None, Some(6_000)));
    assert!(bench.queue.create_token("hash 2", &new(Scope::Admin, None)).await.is_err(), "a secret is one token's");
    assert_eq!(bench.queue.find_token("hash 1").await.unwrap(), Some(forever.clone()));
    bench.set_clock(5_999).await;
    assert_eq!(bench.queue.find_token("hash 2").await.unwrap(), Some(short));
    bench.set_clock(6_000).await;
    assert_eq!(bench.queue.find_token("hash 2").await.unwrap(), None);
    assert!(bench.queue.revoke_token(&forever.id).await.unwrap());
    assert!(!bench.queue.revoke_token(&forever.id).await.unwrap());
    assert!(!bench.queue.revoke_token("nothing").await.unwrap());
    assert_eq!(bench.queue.find_token("hash 1").await.unwrap(), None);
    let all = bench.queue.tokens().await.unwrap();
    assert_eq!(all.iter().map(|token| token.revoked_ms).collect::<Vec<_>>(), [None, Some(6_000)]);
}

/// What is whose, what is needed still, and what remains of old jobs.
async fn artifacts(bench: Bench) {
    let id = bench.queue.submit(&job("one")).await.unwrap().job;
    bench.execute(id, &tree(1)).await;
    let proof = bench.claim("ada").await.unwrap().assignment.held;
    bench.complete("ada", proof, digest("proof")).await.unwrap();
    let may = async |tenant, name: &str| bench.queue.may_read(tenant, &digest(name)).await.unwrap();
    for name in ["one", "input", "execution", "proof"] {
        assert!(may("tenant", name).await && !may("another", name).await, "{name}");
    }
    assert!(!may("tenant", "segment 0").await, "a task takes it, but none made it");
    let names = |names: &[&str]| names.iter().map(|name| digest(name)).collect::<std::collections::HashSet<Digest>>();
    let live = bench.queue.live_artifacts().await.unwrap();
    assert_eq!(live, names(&["one", "input", "execution", "proof", "segment 0"]));
    let seal = bench.claim("ada").await.unwrap().assignment.held;
    bench.complete("ada", seal, digest("receipt")).await.unwrap();
    let view = bench.queue.job(id).await.unwrap();
    assert_eq!((view.state, view.receipt, view.progress), (JobState::Done, Some(digest("receipt")), 1.0));
    assert_eq!(bench.queue.live_artifacts().await.unwrap(), names(&["receipt"]));

    bench.queue.submit(&job("two")).await.unwrap();
    assert_eq!(bench.queue.prune(1_000).await.unwrap(), 0, "it ended then, not before");
    assert_eq!(bench.queue.prune(1_001).await.unwrap(), 1);
    assert!(matches!(bench.queue.job(id).await, Err(QueueError::NoSuchJob(_))));
    assert!(matches!(bench.queue.tasks(id, None, 10).await, Err(QueueError::NoSuchJob(_))));
    assert!(!may("tenant", "proof").await);
    assert_eq!(bench.queue.jobs(None, &JobQuery::default()).await.unwrap().jobs.len(), 1);
}

async fn pages(bench: Bench) {
    let mut ids = Vec::new();
    for name in 0..5 {
        ids.push(bench.queue.submit(&job(&format!("job {name}"))).await.unwrap().job);
    }
    bench.queue.submit(&NewJob { tenant: "another".to_owned(), ..job("foreign") }).await.unwrap();
    ids.reverse();
    let mut query = JobQuery { limit: Some(2), ..JobQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = bench.queue.jobs(Some("tenant"), &query).await.unwrap();
        assert!(page.jobs.len() <= 2);
        seen.extend(page.jobs.iter().map(|view| view.job));
        match page.next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    bench.queue.cancel(ids[3]).await.unwrap();
    let cancelled = JobQuery { state: Some(JobState::Cancelled), ..JobQuery::default() };
    let page = bench.queue.jobs(None, &cancelled).await.unwrap();
    assert_eq!((page.jobs.len(), page.jobs[0].job, page.jobs[0].tasks.execute.cancelled), (1, ids[3], 1));

    let id = *ids.last().unwrap();
    bench.execute(id, &tree(12)).await;
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = bench.queue.tasks(id, after, 5).await.unwrap();
        all.extend(page.tasks.iter().map(|view| view.task.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<String> =
        ["execute".to_owned()].into_iter().chain(tree(12).iter().map(|task| task.task.to_string())).collect();
    assert_eq!(all, expected, "in the order of the work");
    bench.set_clock(9_000).await;
    let proof = bench.claim("ada").await.unwrap().assignment.held;
    let changed = bench.queue.changed_since(proof.job, 9_000, 10).await.unwrap();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let task = &changed[0];
    assert_eq!((task.started_ms, task.ready_ms, task.changed_ms), (Some(9_000), Some(1_000), 9_000));
}

#[tokio::test]
async fn the_same_request_again_is_the_same_job_on_sqlite() {
    known_jobs(Bench::sqlite().await).await;
}

#[tokio::test]
async fn the_same_request_again_is_the_same_job_on_postgres() {
    known_jobs(Bench::postgres().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_jobs_than_it_may_on_sqlite() {
    limits_of_tenants(Bench::sqlite().await).await;
}

#[tokio::test]
async fn a_tenant_has_no_more_jobs_than_it_may_on_postgres() {
    limits_of_tenants(Bench::postgres().await).await;
}

#[tokio::test]
async fn only_tokens_that_are_valid_are_found_on_sqlite() {
    tokens(Bench::sqlite().await).await;
}

#[tokio::test]
async fn only_tokens_that_are_valid_are_found_on_postgres() {
    tokens(Bench::postgres().await).await;
}

#[tokio::test]
async fn artifacts_belong_to_the_tenants_of_their_jobs_on_sqlite() {
    artifacts(Bench::sqlite().await).await;
}

#[tokio::test]
async fn artifacts_belong_to_the_tenants_of_their_jobs_on_postgres() {
    artifacts(Bench::postgres().await).await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps_on_sqlite() {
    pages(Bench::sqlite().await).await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps_on_postgres() {
    pages(Bench::postgres().await).await;
}
