//! What breaks below the queue: a server that dies, connections that are cut, a disk that is full. Calls end in an error or as if
//! nothing had happened, nothing that was answered is lost, and afterwards the work goes on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use phalanx_api::{JobId, JobQuery, JobState, NewTask, TaskId};
use phalanx_claim::Digest;
use phalanx_queue::{Database, Queue, QueueError};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tokio::{task::JoinSet, time::sleep};

use crate::support::{BOOT, Bench, KINDS, digest, job, offer, postgres::Server, tree, worker};

/// Longer than any of these takes on a machine that has other work, too.
const WAIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Claims and completes whatever happens to the database, until the job is over. Gives what was answered.
async fn work(bench: Arc<Bench>, name: &str, id: JobId, failed: Arc<AtomicU32>) -> BTreeMap<TaskId, Digest> {
    let mut answered = BTreeMap::new();
    let end = Instant::now() + WAIT;
    loop {
        assert!(Instant::now() < end, "the job does not end");
        match bench.queue.claim(&offer(name, &KINDS)).await {
            Ok(Some(claimed)) => {
                let held = claimed.assignment.held;
                let output = digest(&format!("{} by {name}, {}", held.task, held.attempt));
                match bench.complete(name, held, output).await {
                    Ok(_) => drop(answered.insert(held.task, output)),
                    Err(QueueError::Refused(_)) => {}
                    Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                }
            }
            Ok(None) => {
                // What was given to it by a call whose answer was lost is given out again.
                let _ = bench.beat(name, BOOT, &[]).await;
                if bench.queue.job(id).await.is_ok_and(|view| view.state.is_over()) {
                    return answered;
                }
                sleep(PAUSE).await;
            }
            Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Breaks something again and again while workers work.
async fn worked_through(bench: Bench, mut breaks: impl AsyncFnMut(u32)) {
    let bench = Arc::new(bench);
    let id = bench.queue.submit(&job("faults")).await.unwrap().job;
    let tasks: Vec<NewTask> = tree(200);
    bench.execute(id, &tasks).await;
    let failed = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for name in ["ada", "bea", "cyd", "eve"] {
        let (bench, failed) = (bench.clone(), failed.clone());
        workers.spawn(async move { work(bench, name, id, failed).await });
    }
    let mut round = 0;
    let mut answered = BTreeMap::new();
    while let Some(worker) = {
        if round < 4 {
            breaks(round).await;
        }
        // Time passes, so that beats find what never arrived.
        round += 1;
        bench.try_set_clock(1_000 + 11_000 * u64::from(round)).await;
        match tokio::time::timeout(Duration::from_millis(200), workers.join_next()).await {
            Ok(worker) => worker.map(Some),
            Err(_) => Some(None),
        }
    } {
        answered.extend(worker.into_iter().flat_map(|worker| worker.unwrap()));
    }
    assert_eq!(bench.queue.job(id).await.unwrap().state, JobState::Done);
    let stored = bench.tasks(id).await;
    assert_eq!(stored.len(), tasks.len() + 1);
    for view in stored {
        // One whose answer was lost is done all the same.
        if let Some(output) = answered.get(&view.task) {
            assert_eq!(view.output, Some(*output), "{}: what was answered is lost", view.task);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_work_goes_on_after_the_server_was_killed() {
    let server = Server::start();
    let bench = Bench::open(&server.new_database().await).await;
    worked_through(bench, async |_| server.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_work_goes_on_after_all_connections_were_cut() {
    let bench = Bench::postgres().await;
    let mut operator = AnyConnection::connect(&bench.url).await.unwrap();
    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let breaks = async move |_| {
        sqlx::query(cut).execute(&mut operator).await.unwrap();
    };
    worked_through(bench, breaks).await;
}

/// A change in one process is heard in another, also after the server was away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_is_heard_by_another_process() {
    let server = Server::start();
    let url = server.new_database().await;
    let here = Queue::new(Database::open(&url).await.unwrap());
    let there = Queue::new(Database::open(&url).await.unwrap());
    let mut heard = there.wakes();
    for round in 0..2 {
        let end = Instant::now() + WAIT;
        for try_ in 0.. {
            assert!(Instant::now() < end, "nothing is heard in round {round}");
            heard.mark_unchanged();
            // While the server starts, calls may fail, and while nobody listens, changes are missed.
            let _ = here.submit(&job(&format!("job {round}.{try_}"))).await;
            let waited = tokio::time::timeout(Duration::from_millis(500), heard.changed()).await;
            if waited.is_ok() && here.ping().await.is_ok() {
                break;
            }
        }
        server.restart();
    }
}

#[tokio::test]
async fn a_change_is_heard_in_the_same_process() {
    let bench = Bench::sqlite().await;
    let mut heard = bench.queue.wakes();
    heard.mark_unchanged();
    bench.queue.submit(&job("one")).await.unwrap();
    assert!(heard.has_changed().unwrap());
    heard.mark_unchanged();
    bench.claim("ada").await.unwrap();
    assert!(heard.has_changed().unwrap());
    heard.mark_unchanged();
    assert_eq!(bench.claim("bea").await, None);
    assert!(!heard.has_changed().unwrap(), "nothing changed");
}

/// A database that may not grow refuses what is new, keeps what it has, and goes on once there is room.
#[tokio::test]
async fn a_full_database_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("queue.db").display());
    let database = Database::open(&url).await.unwrap();
    let queue = Queue::new(database.clone());
    for name in ["ada", "executor"] {
        queue.register(&worker(name, BOOT)).await.unwrap();
    }
    let mut pages = AnyConnection::connect(&url).await.unwrap();
    let count = AssertSqlSafe("PRAGMA page_count");
    let count: i64 = sqlx::query_scalar(count).fetch_one(&mut pages).await.unwrap();
    database.limit_pages(u32::try_from(count).unwrap() + 20).await.unwrap();
    let mut accepted = Vec::new();
    let refused = loop {
        match queue.submit(&job(&format!("job {}", accepted.len()))).await {
            Ok(submitted) => accepted.push(submitted.job),
            Err(error) => break error,
        }
        assert!(accepted.len() < 10_000, "the limit does not hold");
    };
    assert!(matches!(&refused, QueueError::Database(error) if error.to_string().contains("full")), "{refused}");
    let listed = async || {
        let query = JobQuery { limit: Some(500), ..JobQuery::default() };
        let mut jobs: Vec<JobId> = queue.jobs(None, &query).await.unwrap().jobs.iter().map(|view| view.job).collect();
        jobs.reverse();
        jobs
    };
    assert_eq!(listed().await, accepted, "what was accepted is there, and nothing else is");
    accepted.push(queue.submit(&job("there is room")).await.unwrap().job);
    assert_eq!(listed().await, accepted);
    let claimed = queue.claim(&offer("ada", &KINDS)).await.unwrap().unwrap();
    assert_eq!(claimed.assignment.held.job, accepted[0]);
}
