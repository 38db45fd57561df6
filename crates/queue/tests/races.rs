//! Many at once: an execution announces while workers complete, and everything still happens exactly once.

mod support;

use std::{collections::BTreeSet, sync::Arc};

use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Claimed, JobState, Offer, QueueError, task::State};
use support::{Bench, ENGINE, digest, job, tree};
use tokio::task::JoinSet;

const SEGMENTS: u32 = 16;
const WORKERS: usize = 6;

fn offer(worker: &str, kinds: &[TaskKind]) -> Offer {
    Offer { worker: worker.to_owned(), kinds: kinds.to_vec(), engine: ENGINE.to_owned(), ram_bytes: 100 }
}

/// Claims and completes until the job is over. Gives what it did.
async fn work(bench: Arc<Bench>, worker: String, job: phalanx_queue::JobId) -> Vec<Claimed> {
    let offer = offer(&worker, &[TaskKind::Prove, TaskKind::Fold, TaskKind::Seal]);
    let mut done = Vec::new();
    while bench.queue.job(job).await.unwrap().state == JobState::Running {
        match bench.queue.claim(&offer).await.unwrap() {
            Some(claimed) => {
                let output = digest(&format!("{} of {:?}", claimed.position, claimed.inputs));
                bench.queue.complete(job, claimed.position, &claimed.fence, output).await.unwrap();
                done.push(claimed);
            }
            None => tokio::task::yield_now().await,
        }
    }
    done
}

/// One job whose tasks are announced two by two while workers already complete them.
async fn announced_while_completed(bench: Arc<Bench>) {
    let id = bench.queue.submit(&job("race")).await.unwrap().job;
    let execute = bench.queue.claim(&offer("executor", &[TaskKind::Execute])).await.unwrap().unwrap();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(work(bench.clone(), format!("worker {worker}"), id));
    }
    // As soon as its children are announced a parent follows, so that it meets children that are being completed.
    let tasks = tree(SEGMENTS);
    let (seal, others) = tasks.split_last().unwrap();
    let mut announced = BTreeSet::new();
    let mut left: Vec<_> = others.to_vec();
    while !left.is_empty() {
        let is_free = |task: &phalanx_queue::NewTask| {
            task.inputs.iter().all(|input| match input {
                phalanx_queue::Input::Result(child) => announced.contains(child),
                phalanx_queue::Input::Artifact(_) => true,
            })
        };
        // A parent before further segments.
        let at = left.iter().rposition(is_free).unwrap();
        let first_segment = left.iter().position(|task| matches!(task.position, Position::Prove { .. }));
        let at = if matches!(left[at].position, Position::Prove { .. }) { first_segment.unwrap() } else { at };
        let task = left.remove(at);
        bench.queue.announce(id, Position::Execute, &execute.fence, std::slice::from_ref(&task)).await.unwrap();
        announced.insert(task.position);
    }
    bench.queue.announce(id, Position::Execute, &execute.fence, std::slice::from_ref(seal)).await.unwrap();
    bench.queue.complete(id, Position::Execute, &execute.fence, digest("execution")).await.unwrap();
    let mut done: Vec<Position> = Vec::new();
    while let Some(worker) = workers.join_next().await {
        done.extend(worker.unwrap().iter().map(|claimed| claimed.position));
    }
    done.sort_unstable();
    let mut all: Vec<Position> = tasks.iter().map(|task| task.position).collect();
    all.sort_unstable();
    assert_eq!(done, all, "every task was done exactly once");
    assert_eq!(bench.queue.job(id).await.unwrap().state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_announced_while_it_is_completed_is_done_once_on_sqlite() {
    let bench = Arc::new(Bench::sqlite().await);
    for _ in 0..5 {
        announced_while_completed(bench.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_announced_while_it_is_completed_is_done_once_on_postgres() {
    let bench = Arc::new(Bench::postgres().await);
    for _ in 0..20 {
        announced_while_completed(bench.clone()).await;
    }
}

/// A job that is cancelled while its tasks are announced, claimed and completed leaves nothing that could run.
async fn cancelled_in_the_middle(bench: Arc<Bench>) {
    let id = bench.queue.submit(&job("cancelled")).await.unwrap().job;
    let execute = bench.queue.claim(&offer("executor", &[TaskKind::Execute])).await.unwrap().unwrap();
    let announcer = {
        let bench = bench.clone();
        tokio::spawn(async move {
            for task in tree(SEGMENTS) {
                match bench.queue.announce(id, Position::Execute, &execute.fence, &[task]).await {
                    Ok(()) => {}
                    Err(QueueError::Refused(_)) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    let worker = {
        let bench = bench.clone();
        tokio::spawn(async move {
            let offer = offer("worker", &[TaskKind::Prove, TaskKind::Fold]);
            while bench.queue.job(id).await.unwrap().state == JobState::Running {
                let Some(claimed) = bench.queue.claim(&offer).await.unwrap() else { continue };
                match bench.queue.complete(id, claimed.position, &claimed.fence, digest("proof")).await {
                    Ok(_) | Err(QueueError::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    while bench.queue.tasks(id).await.unwrap().len() < 6 {
        tokio::task::yield_now().await;
    }
    assert!(bench.queue.cancel(id).await.unwrap());
    assert!(!bench.queue.cancel(id).await.unwrap(), "a second cancel changes nothing");
    announcer.await.unwrap();
    worker.await.unwrap();
    let tasks = bench.queue.tasks(id).await.unwrap();
    assert!(tasks.iter().all(|task| matches!(task.state, State::Done | State::Cancelled)), "{tasks:?}");
    assert_eq!(bench.queue.job(id).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_cancelled_in_the_middle_leaves_nothing_to_run_on_sqlite() {
    let bench = Arc::new(Bench::sqlite().await);
    for _ in 0..5 {
        cancelled_in_the_middle(bench.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_cancelled_in_the_middle_leaves_nothing_to_run_on_postgres() {
    let bench = Arc::new(Bench::postgres().await);
    for _ in 0..20 {
        cancelled_in_the_middle(bench.clone()).await;
    }
}
