//! Many at once: an execution announces while workers complete, and everything still happens exactly once.

use std::{collections::BTreeSet, sync::Arc};

use phalanx_api::{Input, JobId, JobState, NewTask, TaskId, TaskState};
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Claimed, QueueError};
use tokio::task::JoinSet;

use crate::support::{Bench, digest, job, offer, tree};

const SEGMENTS: u32 = 16;
const WORKERS: [&str; 6] = ["ada", "bea", "cyd", "eve", "ada", "bea"];

/// Claims and completes until the job is over. Gives what it did.
async fn work(bench: Arc<Bench>, worker: &str, job: JobId) -> Vec<Claimed> {
    let offer = offer(worker, &[TaskKind::Prove, TaskKind::Fold, TaskKind::Seal]);
    let mut done = Vec::new();
    while bench.queue.job(job).await.unwrap().state == JobState::Running {
        match bench.queue.claim(&offer).await.unwrap() {
            Some(claimed) => {
                let (held, inputs) = (claimed.assignment.held, &claimed.assignment.inputs);
                let output = digest(&format!("{} of {inputs:?}", held.task));
                bench.complete(worker, held, output).await.unwrap();
                done.push(claimed);
            }
            None => tokio::task::yield_now().await,
        }
    }
    done
}

/// One job whose tasks are announced two by two while workers already complete them.
async fn announced_while_completed(bench: Arc<Bench>, name: &str) {
    let id = bench.queue.submit(&job(name)).await.unwrap().job;
    let execute = bench.queue.claim(&offer("executor", &[TaskKind::Execute])).await.unwrap().unwrap().assignment.held;
    let mut workers = JoinSet::new();
    for worker in WORKERS {
        workers.spawn(work(bench.clone(), worker, id));
    }
    // As soon as its children are announced a parent follows, so that it meets children that are being completed.
    let tasks = tree(SEGMENTS);
    let (seal, others) = tasks.split_last().unwrap();
    let mut announced: BTreeSet<TaskId> = BTreeSet::new();
    let mut left: Vec<NewTask> = others.to_vec();
    while !left.is_empty() {
        let is_free = |task: &NewTask| {
            task.inputs.iter().all(|input| match input {
                Input::Result { task } => announced.contains(task),
                Input::Artifact { .. } => true,
            })
        };
        // A parent before further segments.
        let is_prove = |task: &NewTask| matches!(task.task.0, Position::Prove { .. });
        let at = left.iter().rposition(is_free).unwrap();
        let at = if is_prove(&left[at]) { left.iter().position(is_prove).unwrap() } else { at };
        let task = left.remove(at);
        bench.announce("executor", execute, std::slice::from_ref(&task)).await.unwrap();
        announced.insert(task.task);
    }
    bench.announce("executor", execute, std::slice::from_ref(seal)).await.unwrap();
    bench.complete("executor", execute, digest("execution")).await.unwrap();
    let mut done: Vec<TaskId> = Vec::new();
    while let Some(worker) = workers.join_next().await {
        done.extend(worker.unwrap().iter().map(|claimed| claimed.assignment.held.task));
    }
    done.sort_unstable();
    let mut all: Vec<TaskId> = tasks.iter().map(|task| task.task).collect();
    all.sort_unstable();
    assert_eq!(done, all, "every task was done exactly once");
    assert_eq!(bench.queue.job(id).await.unwrap().state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_announced_while_it_is_completed_is_done_once_on_sqlite() {
    let bench = Arc::new(Bench::sqlite().await);
    for round in 0..5 {
        announced_while_completed(bench.clone(), &format!("round {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_announced_while_it_is_completed_is_done_once_on_postgres() {
    let bench = Arc::new(Bench::postgres().await);
    for round in 0..20 {
        announced_while_completed(bench.clone(), &format!("round {round}")).await;
    }
}

/// A job that is cancelled while its tasks are announced, claimed and completed leaves nothing that could run.
async fn cancelled_in_the_middle(bench: Arc<Bench>, name: &str) {
    let id = bench.queue.submit(&job(name)).await.unwrap().job;
    let execute = bench.queue.claim(&offer("executor", &[TaskKind::Execute])).await.unwrap().unwrap().assignment.held;
    let announcer = {
        let bench = bench.clone();
        tokio::spawn(async move {
            for task in tree(SEGMENTS) {
                match bench.announce("executor", execute, &[task]).await {
                    Ok(_) => {}
                    Err(QueueError::Refused(_)) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    let worker = {
        let bench = bench.clone();
        tokio::spawn(async move {
            let offer = offer("ada", &[TaskKind::Prove, TaskKind::Fold]);
            while bench.queue.job(id).await.unwrap().state == JobState::Running {
                let Some(claimed) = bench.queue.claim(&offer).await.unwrap() else { continue };
                match bench.complete("ada", claimed.assignment.held, digest("proof")).await {
                    Ok(_) | Err(QueueError::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    while bench.tasks(id).await.len() < 6 {
        tokio::task::yield_now().await;
    }
    assert!(bench.queue.cancel(id).await.unwrap());
    assert!(!bench.queue.cancel(id).await.unwrap(), "a second cancel changes nothing");
    announcer.await.unwrap();
    worker.await.unwrap();
    let tasks = bench.tasks(id).await;
    assert!(tasks.iter().all(|task| matches!(task.state, TaskState::Done | TaskState::Cancelled)), "{tasks:?}");
    assert_eq!(bench.queue.job(id).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_cancelled_in_the_middle_leaves_nothing_to_run_on_sqlite() {
    let bench = Arc::new(Bench::sqlite().await);
    for round in 0..5 {
        cancelled_in_the_middle(bench.clone(), &format!("round {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_cancelled_in_the_middle_leaves_nothing_to_run_on_postgres() {
    let bench = Arc::new(Bench::postgres().await);
    for round in 0..20 {
        cancelled_in_the_middle(bench.clone(), &format!("round {round}")).await;
    }
}
