//! Waiting: long polls and event streams.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    thread,
};

use phalanx_api::{ErrorCode, JobState, JobView, NewJob, TaskState, TaskView};
use phalanx_client::Event;
use serde_json::Value;

use crate::support::{Server, fleet::Worker, new_job, until};

fn submit(server: &Server, text: &str) -> phalanx_api::JobId {
    let job: NewJob = serde_json::from_value(new_job(server, None, text)).unwrap();
    server.client(None).submit(&job, None).unwrap().job
}

#[test]
fn a_stream_shows_a_job_until_it_is_over() {
    let (server, _directory) = Server::open();
    let job = submit(&server, "a");
    let client = server.client(None);
    let listener = thread::spawn(move || {
        let (mut tasks, mut last) = (BTreeMap::<String, Vec<TaskState>>::new(), None);
        for event in client.events(job, None).unwrap() {
            match event.unwrap() {
                Event::Task(task) => tasks.entry(task.task.to_string()).or_default().push(task.state),
                Event::Job(job) => last = Some(*job),
            }
        }
        (tasks, last.unwrap())
    });
    Worker::new(&server, None, "w1").job("a");
    let (tasks, last) = listener.join().unwrap();
    assert_eq!(last.state, JobState::Done);
    assert_eq!(tasks.len(), 5);
    for (task, states) in tasks {
        assert_eq!(states.last(), Some(&TaskState::Done), "{task}: {states:?}");
    }
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let (server, _directory) = Server::open();
    let job = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let client = server.client(None);
    let mut events = client.events(job, None).unwrap();
    // The first event is the execution, which nobody has.
    let Some(Ok(Event::Task(first))) = events.next() else { panic!("a task") };
    assert_eq!((first.task.to_string().as_str(), first.state), ("execute", TaskState::Ready));
    let last_id = events.last_id().unwrap().to_owned();
    drop(events);
    worker.job("a");
    let done: Vec<TaskView> = client
        .events(job, Some(&last_id))
        .unwrap()
        .filter_map(|event| match event.unwrap() {
            Event::Task(task) => Some(*task),
            Event::Job(_) => None,
        })
        .filter(|task| task.state == TaskState::Done)
        .collect();
    assert_eq!(done.len(), 5);
    // What is long past is not told again.
    let later = (last_id.parse::<u64>().unwrap() + 3_600_000).to_string();
    let again: Vec<Event> = client.events(job, Some(&later)).unwrap().map(Result::unwrap).collect();
    assert!(matches!(&again[..], [Event::Job(job)] if job.state == JobState::Done), "{again:?}");
    let path = format!("/v1/jobs/{job}/events");
    server.request("GET", &path).header("Last-Event-ID", "soon").send().refused(ErrorCode::BadRequest);
}

#[test]
fn the_stream_of_all_jobs_shows_each_from_beginning_to_end() {
    let (server, _directory) = Server::open();
    let first = submit(&server, "a");
    let mut stream = BufReader::new(server.request("GET", "/v1/events").open());
    let mut next_job = move || loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(data) = line.strip_prefix("data: ") {
            break serde_json::from_str::<JobView>(data).unwrap();
        }
    };
    let view = next_job();
    assert_eq!((view.job, view.state), (first, JobState::Queued));
    Worker::new(&server, None, "w1").job("a");
    let second = submit(&server, "b");
    let mut last = BTreeMap::new();
    while last.get(&first) != Some(&JobState::Done) || last.get(&second) != Some(&JobState::Queued) {
        let view = next_job();
        last.insert(view.job, view.state);
    }
    // Over before the stream looks again.
    let third = submit(&server, "c");
    server.client(None).cancel(third).unwrap();
    while last.get(&third) != Some(&JobState::Cancelled) {
        let view = next_job();
        last.insert(view.job, view.state);
    }
}

#[test]
fn streams_end_when_the_gateway_does() {
    let (mut server, _directory) = Server::open();
    let job = submit(&server, "a");
    let mut events = server.client(None).events(job, None).unwrap();
    assert!(events.next().is_some());
    server.stop();
    for event in events {
        event.unwrap();
    }
}

#[test]
fn who_waits_for_a_job_hears_of_its_end() {
    let (server, _directory) = Server::open();
    let job = submit(&server, "a");
    let client = server.client(None);
    assert_eq!(client.wait(job, 0).unwrap().state, JobState::Queued);
    assert_eq!(client.wait(job, 50).unwrap().state, JobState::Queued);
    let waiting = thread::spawn(move || client.wait(job, 60_000).unwrap());
    Worker::new(&server, None, "w1").job("a");
    assert_eq!(waiting.join().unwrap().state, JobState::Done);
}

#[test]
fn who_waits_for_a_task_gets_the_first_that_comes() {
    let (server, _directory) = Server::open();
    let worker = Worker::new(&server, None, "w1");
    let waiting = thread::spawn(move || worker.try_claim(30_000).unwrap());
    let job = submit(&server, "a");
    assert_eq!(waiting.join().unwrap().unwrap().held.job, job);
}

#[test]
fn a_worker_that_hangs_up_while_it_waits_loses_no_task() {
    let (server, _directory) = Server::open();
    let _first = Worker::new(&server, None, "w1");
    let claim = serde_json::json!({ "boot": "1", "kinds": ["execute"], "ram_bytes": 1_u64 << 40, "wait_ms": 30_000 });
    let waiting = server.request("POST", "/v1/workers/w1/claim").json(&claim).open();
    let metrics = || server.request("GET", "/metrics").send().text();
    until("a waiting claim", || {
        metrics()
            .lines()
            .any(|line| line.strip_prefix("phalanx_claims_waiting ").is_some_and(|n| n != "0"))
            .then_some(())
    });
    drop(waiting);
    submit(&server, "a");
    // At once, and not after a lease.
    let second = Worker::new(&server, None, "w2");
    until("the task", || second.try_claim(100).unwrap());
}

#[test]
fn a_claim_that_waits_ends_when_the_gateway_does() {
    let (mut server, _directory) = Server::open();
    let worker = Worker::new(&server, None, "w1");
    let claim = serde_json::json!({ "boot": "1", "kinds": ["execute"], "ram_bytes": 1, "wait_ms": 30_000 });
    let mut waiting = server.request("POST", "/v1/workers/w1/claim").json(&claim).open();
    // The answer to a later request says that this one has been read.
    worker.beat(&[]);
    server.stop();
    assert_eq!(crate::support::http::Reply::read(&mut waiting).status, 204);
}

#[test]
fn a_job_that_many_tasks_end_with_is_shown_whole() {
    let (server, _directory) = Server::open();
    let job = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    let digest = phalanx_claim::Digest::of(b"segment");
    for page in 0..6 {
        let tasks: Vec<Value> = (0..200)
            .map(|index| {
                serde_json::json!({ "task": format!("prove-{}", page * 200 + index), "spec": { "prove": { "cycles": 1 } },
                    "inputs": [{ "artifact": { "digest": digest } }], "ram_bytes": 1 })
            })
            .collect();
        let announce = serde_json::json!({ "held": execution.held, "tasks": tasks });
        server.request("POST", "/v1/workers/w1/announce").json(&announce).send().is(200);
    }
    // All tasks change at one moment.
    server.client(None).cancel(job).unwrap();
    let mut cancelled = 0;
    for event in server.client(None).events(job, None).unwrap() {
        if let Event::Task(task) = event.unwrap() {
            assert_eq!(task.state, TaskState::Cancelled);
            cancelled += 1;
        }
    }
    assert_eq!(cancelled, 1_201);
}
