//! Whole jobs by hand, through the worker protocol.

use phalanx_api::{ErrorCode, JobState, NewJob, TaskState, Verdict};
use phalanx_claim::ArtifactKind;

use crate::support::{RECEIPT, Server, fleet::Worker, input, new_job, program};

fn submit(server: &Server, text: &str) -> phalanx_api::Submitted {
    let job: NewJob = serde_json::from_value(new_job(server, None, text)).unwrap();
    server.client(None).submit(&job, None).unwrap()
}

#[test]
fn a_job_goes_from_upload_to_receipt() {
    let (server, _directory) = Server::open();
    let client = server.client(None);
    let submitted = submit(&server, "a");
    assert!(!submitted.is_known);
    assert_eq!(client.job(submitted.job).unwrap().state, JobState::Queued);
    let worker = Worker::new(&server, None, "w1");
    worker.job("a");
    let job = client.wait(submitted.job, 10_000).unwrap();
    assert_eq!((job.state, job.cycles, job.segments), (JobState::Done, Some(2_000), Some(2)));
    assert_eq!(job.tasks.prove.done, 2);
    let receipt = client.receipt(submitted.job).unwrap();
    assert_eq!(receipt, [RECEIPT, b"a"].concat());
    assert!(client.verification(submitted.job).unwrap().is_valid);
    let tasks = client.tasks(submitted.job, None, None).unwrap().tasks;
    let names: Vec<String> = tasks.iter().map(|task| task.task.to_string()).collect();
    assert_eq!(names, ["execute", "prove-0", "prove-1", "fold-0.0", "seal"]);
    assert!(tasks.iter().all(|task| task.state == TaskState::Done && !task.is_reused));
    // Nothing of the job is kept but its receipt.
    let roots: Vec<String> = server.store.roots().unwrap().into_keys().collect();
    assert_eq!(roots, [format!("receipt-{}", job.receipt.unwrap())]);
}

#[test]
fn an_identical_request_finds_the_job() {
    let (server, _directory) = Server::open();
    let first = submit(&server, "a");
    let second = submit(&server, "a");
    assert_eq!((second.job, second.is_known), (first.job, true));
    Worker::new(&server, None, "w1").job("a");
    let third = submit(&server, "a");
    assert_eq!((third.job, third.is_known, third.state), (first.job, true, JobState::Done));
    assert_ne!(submit(&server, "b").job, first.job);
}

#[test]
fn what_another_job_has_proven_is_not_given_out_again() {
    let (server, _directory) = Server::with_tokens();
    let [one, other] = ["one", "other"].map(|tenant| server.token(phalanx_api::Scope::Client, tenant));
    let token = server.token(phalanx_api::Scope::Worker, "workers");
    let worker = Worker::new(&server, Some(&token), "w1");
    let submit = |token: &str| {
        let job: NewJob = serde_json::from_value(new_job(&server, Some(token), "a")).unwrap();
        server.client(Some(token)).submit(&job, None).unwrap()
    };
    submit(&one);
    worker.job("a");
    // Another tenant's identical job is another job, but all that was made for the first is there.
    let second = submit(&other);
    assert!(!second.is_known);
    worker.execute("a");
    assert_eq!(worker.try_claim(0).unwrap(), None);
    let client = server.client(Some(&other));
    assert_eq!(client.job(second.job).unwrap().state, JobState::Done);
    let tasks = client.tasks(second.job, None, None).unwrap().tasks;
    let reused: Vec<bool> = tasks.iter().map(|task| task.is_reused).collect();
    assert_eq!(reused, [false, true, true, true, true]);
}

#[test]
fn the_first_result_of_a_task_counts() {
    let (server, _directory) = Server::open();
    submit(&server, "a");
    submit(&server, "b");
    let worker = Worker::new(&server, None, "w1");
    // Both have the same segments.
    worker.execute("same");
    worker.execute("same");
    let (first, second) = (worker.claim("prove-0"), worker.claim("prove-0"));
    assert_ne!(first.held.job, second.held.job);
    let made = worker.complete(&first, ArtifactKind::Proof, b"one proof");
    assert_eq!(worker.complete(&second, ArtifactKind::Proof, b"another proof"), made);
}

#[test]
fn a_receipt_that_does_not_verify_ends_no_job() {
    let (server, _directory) = Server::open();
    let submitted = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    worker.execute("a");
    worker.prove("prove-0", "a");
    worker.prove("prove-1", "a");
    worker.prove("fold-0.0", "a");
    let seal = worker.claim("seal");
    let forged = worker.put(ArtifactKind::Receipt, b"believe me");
    let error = worker.try_complete(&seal, forged).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Corrupt), "{error}");
    let client = server.client(None);
    assert_eq!(client.job(submitted.job).unwrap().state, JobState::Running);
    let workers = client.workers().unwrap();
    assert_eq!(workers[0].strikes, 1);
    let attempts = client.attempts(submitted.job, seal.held.task).unwrap();
    assert_eq!(attempts[0].outcome, "bad_proof");
    assert!(attempts[0].detail.as_deref().unwrap().contains("does not verify"));
}

#[test]
fn a_result_that_is_not_in_the_store_is_no_result() {
    let (server, _directory) = Server::open();
    submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    worker.settle(&execution);
    let error = worker.try_complete(&execution, phalanx_claim::Digest::of(b"nowhere")).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MissingArtifact));
    worker.complete(&execution, ArtifactKind::Execution, b"here");
}

#[test]
fn a_completion_said_twice_is_answered_twice_and_a_late_one_is_stale() {
    let (server, _directory) = Server::open();
    submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    worker.settle(&execution);
    let output = worker.complete(&execution, ArtifactKind::Execution, b"done");
    assert_eq!(worker.try_complete(&execution, output).unwrap().output, output);
    let other = Worker::new(&server, None, "w2");
    assert_eq!(other.try_complete(&execution, output).unwrap_err().code(), Some(ErrorCode::Stale));
    let mut later = execution.clone();
    later.held.attempt += 1;
    assert_eq!(worker.try_complete(&later, output).unwrap_err().code(), Some(ErrorCode::Stale));
    assert_eq!(worker.fail(&execution, Verdict::Retry, "late").unwrap_err().code(), Some(ErrorCode::Stale));
}

#[test]
fn a_cancelled_job_stops_its_worker() {
    let (server, _directory) = Server::open();
    let submitted = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    assert_eq!(worker.beat(&[&execution]).stop, []);
    let client = server.client(None);
    assert_eq!(client.cancel(submitted.job).unwrap().state, JobState::Cancelled);
    assert_eq!(client.cancel(submitted.job).unwrap().state, JobState::Cancelled);
    assert_eq!(worker.beat(&[&execution]).stop, [execution.held]);
    assert!(server.store.roots().unwrap().is_empty());
}

#[test]
fn a_dead_task_is_requeued_by_an_admin() {
    let (server, _directory) = Server::open();
    let submitted = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    worker.fail(&execution, Verdict::FailJob, "the guest panicked: \0 at line 7").unwrap();
    let client = server.client(None);
    let job = client.job(submitted.job).unwrap();
    assert_eq!((job.state, job.failed_task.as_deref()), (JobState::Failed, Some("execute")));
    assert!(job.failure.unwrap().contains("the guest panicked"));
    let dead = client.dead().unwrap();
    assert_eq!((dead.len(), dead[0].job), (1, submitted.job));
    assert_eq!(client.requeue(submitted.job, Some(dead[0].task)).unwrap().tasks, 1);
    worker.job("a");
    assert_eq!(client.job(submitted.job).unwrap().state, JobState::Done);
}

#[test]
fn two_gateways_serve_one_database() {
    let directory = tempfile::TempDir::new().unwrap();
    let one = Server::start(directory.path(), crate::support::Setup::default());
    let other = Server::start(directory.path(), crate::support::Setup::default());
    let submitted = submit(&one, "a");
    let (first, second) =
        (Worker::new(&one, None, "w1"), Worker { client: other.client(None), ..Worker::new(&one, None, "w1") });
    first.execute("a");
    second.prove("prove-0", "a");
    first.prove("prove-1", "a");
    second.prove("fold-0.0", "a");
    let seal = first.claim("seal");
    second.complete(&seal, ArtifactKind::Receipt, &[RECEIPT, b"a"].concat());
    assert_eq!(other.client(None).wait(submitted.job, 10_000).unwrap().state, JobState::Done);
}

#[test]
fn a_gateway_that_starts_again_goes_on() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), crate::support::Setup::default());
    let submitted = submit(&server, "a");
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    server.stop();
    drop(server);
    let server = Server::start(directory.path(), crate::support::Setup::default());
    let worker = Worker { client: server.client(None), ..worker };
    assert_eq!(worker.beat(&[&execution]).stop, []);
    worker.settle(&execution);
    worker.announce(&execution, "a");
    worker.complete(&execution, ArtifactKind::Execution, b"execution");
    assert_eq!(server.client(None).job(submitted.job).unwrap().tasks.prove.ready, 2);
}

#[test]
fn uploads_say_what_they_are_called() {
    let (server, _directory) = Server::open();
    let client = server.client(None);
    let stored = client.program(&program()).unwrap();
    assert_eq!((stored.digest, stored.bytes), (phalanx_claim::Digest::of(&program()), program().len() as u64));
    assert_eq!(client.artifact(&stored.digest).unwrap(), program());
    let stored = client.input(&input("x")).unwrap();
    assert_eq!(client.artifact(&stored.digest).unwrap(), input("x"));
}
