//! One job with real proofs that lives through everything that can befall its service, one thing after the other, each at a
//! moment that is seen.

use std::collections::BTreeSet;

use phalanx_api::{TaskId, TaskState, TaskView};
use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};

use super::{
    fleet::{Fleet, Gateway, Start, running},
    phalanx::{expected, guest, proving},
    running::{until, until_some},
};

#[test]
fn a_job_outlives_all_that_befalls_its_service_and_each_task_counts_once() {
    let _alone = proving();
    let mut fleet = Fleet::new();
    fleet.start_worker("one", Gateway::First);
    two_execute(&mut fleet);
    all_between_workers_and_the_job_breaks(&mut fleet);
    let lost = a_worker_dies_and_a_proof_is_lost(&mut fleet);
    a_worker_is_too_late(&fleet);
    until("the lost proof is made again", || dones(&fleet, lost) == 2);
    let orphan = a_gateway_dies_for_good(&mut fleet);
    a_worker_is_told_to_end(&mut fleet, &orphan);
    fleet.start_worker("three", Gateway::First);
    each_task_counts_once(&fleet, lost);
    the_receipt_is_the_jobs(&fleet);
    #[cfg(feature = "otlp")]
    until("the job's spans are at the collector", || fleet.is_traced(&["task", "merkle_tree"]));
}

/// The executor stands still until another executes; then both do, and the first is heard no more.
fn two_execute(fleet: &mut Fleet) {
    let stalled = stall(fleet, "one", |task| task.0 == Position::Execute);
    fleet.start_worker("two", Gateway::Second);
    goes_on_too_late(fleet, &stalled);
}

/// Every connection to the database breaks, then its server crashes, then a gateway is killed; each comes again. Proofs that are
/// under way all the time end as if nothing had been.
fn all_between_workers_and_the_job_breaks(fleet: &mut Fleet) {
    let held = until_some("both workers prove", || {
        let held = fleet.running();
        (held.iter().filter(|start| start.task.0.kind() == TaskKind::Prove).count() == 2).then_some(held)
    });
    let cut = fleet.cut_connections();
    assert!(cut > 0, "there were connections");
    fleet.tell(&format!("{cut} connections to the database broke during {}", names(&held)));
    fleet.restart_database();
    fleet.tell(&format!("the database crashed and came again during {}", names(&fleet.running())));
    fleet.kill_gateway(Gateway::First);
    fleet.start_gateway(Gateway::First);
    fleet.tell(&format!("the first gateway was killed and came again during {}", names(&fleet.running())));
    fleet.all_end(&held, "done");
}

/// A worker is killed while it proves. It comes again under its name and gives back what it held. Before that, a proof that it
/// had made is lost with the store's copy, and a fold needs it. Gives the proof's task.
fn a_worker_dies_and_a_proof_is_lost(fleet: &mut Fleet) -> TaskId {
    let (lost, digest, held) = loop {
        let what = "a worker makes two of the proofs that a fold takes";
        let (lost, digest, held) = until_some(what, || two_of_one_fold(&fleet.tasks()));
        let (name, gateway) = if held.worker == "one" { ("one", Gateway::First) } else { ("two", Gateway::Second) };
        fleet.kill_worker(name);
        let was_in_time = fleet.running().contains(&held);
        if was_in_time {
            fleet.lose(&digest);
        }
        fleet.start_worker(name, gateway);
        if was_in_time {
            break (lost, digest, held);
        }
    };
    fleet.tell(&format!("{} was killed during {}, and {lost} was lost: {digest}", held.worker, held.task));
    fleet.all_end(&[held], "released");
    lost
}

/// A proof that is done and its digest, and one that is under way by the same worker, for the same fold.
fn two_of_one_fold(tasks: &[TaskView]) -> Option<(TaskId, Digest, Start)> {
    let is_waiting = |fold: &&TaskView| fold.task.0.kind() == TaskKind::Fold && fold.state == TaskState::Pending;
    let made = |fold: &TaskView, held: Start| {
        let is_its = |task: &&TaskView| {
            let is_done = task.kind == TaskKind::Prove && task.state == TaskState::Done;
            is_done && task.worker.as_ref() == Some(&held.worker) && fold.children.contains(&task.task)
        };
        let lost = tasks.iter().find(is_its)?;
        Some((lost.task, lost.output?, held))
    };
    tasks.iter().filter(is_waiting).find_map(|fold| {
        running(tasks).filter(|start| fold.children.contains(&start.task)).find_map(|held| made(fold, held))
    })
}

/// A worker stands still until another has its task; what it makes of it then changes nothing.
fn a_worker_is_too_late(fleet: &Fleet) {
    let stalled = stall(fleet, "two", |_| true);
    goes_on_too_late(fleet, &stalled);
}

/// A gateway dies, and with it what its worker does. Gives the task that the worker held.
fn a_gateway_dies_for_good(fleet: &mut Fleet) -> Start {
    // It finishes what it has, and leaves the rest to the other.
    fleet.told(Gateway::First, &["workers", "drain", "one"]);
    let orphan = loop {
        let held = fleet.until_holds("two", |_| true);
        fleet.kill_gateway(Gateway::Second);
        if fleet.running().contains(&held) {
            break held;
        }
        fleet.start_gateway(Gateway::Second);
    };
    fleet.tell(&format!("the second gateway was killed during {} of its worker", orphan.task));
    fleet.told(Gateway::First, &["workers", "resume", "one"]);
    // The same request again finds the job, whichever gateway is asked.
    let again = fleet.submit(Gateway::First, &[]);
    assert_eq!((again["is_known"].as_bool(), again["job"].as_str()), (Some(true), Some(&*fleet.job.to_string())));
    until("the worker without a gateway knows that", || fleet.worker("two").said().contains("does not answer"));
    // It would keep its result for a gateway that comes again; the second signal ends that.
    fleet.worker("two").signal("TERM");
    until("it drains", || fleet.worker("two").said().contains("draining"));
    fleet.worker("two").signal("TERM");
    fleet.exit_code("two");
    fleet.all_end(std::slice::from_ref(&orphan), "expired");
    orphan
}

/// A worker that is told to end finishes the task that the other could not.
fn a_worker_is_told_to_end(fleet: &mut Fleet, orphan: &Start) {
    let held = fleet.until_holds("one", |task| task == orphan.task);
    fleet.worker("one").signal("TERM");
    fleet.tell(&format!("one was told to end during {}", held.task));
    assert_eq!(fleet.exit_code("one"), Some(0));
    fleet.all_end(&[held], "done");
}

/// The job is done, and so is each task, once; the one whose result was lost twice.
fn each_task_counts_once(fleet: &Fleet, lost: TaskId) {
    let done = fleet.done();
    fleet.tell("the job is done");
    let status = fleet.told(Gateway::First, &["status", "--verbose", &fleet.job.to_string()]);
    assert_eq!(status["state"], "done");
    let tasks = fleet.tasks();
    assert_eq!(status["task_list"].as_array().unwrap().len(), tasks.len());
    let proofs = tasks.iter().filter(|task| task.kind == TaskKind::Prove).count();
    assert_eq!(done.segments, Some(proofs as u64));
    for task in &tasks {
        assert_eq!((task.state, task.is_reused), (TaskState::Done, false), "{}", task.task);
        assert!(task.output.is_some(), "{}", task.task);
        let attempts = fleet.attempts(task.task);
        assert_eq!(dones(fleet, task.task), if task.task == lost { 2 } else { 1 }, "{}: {attempts:?}", task.task);
        let numbers: BTreeSet<u32> = attempts.iter().map(|attempt| attempt.attempt).collect();
        assert_eq!(numbers.len(), attempts.len(), "{}: a start ended twice", task.task);
    }
    // The same request again costs nothing: there is the receipt.
    let again = fleet.submit(Gateway::First, &["--wait", "-o", "again.receipt"]);
    assert_eq!((again["job"].as_str(), again["tasks_run"].as_u64()), (Some(&*fleet.job.to_string()), Some(0)));
    assert_eq!(fleet.tasks(), tasks);
}

/// The gateway that is left has the receipt, and it says what it must.
fn the_receipt_is_the_jobs(fleet: &Fleet) {
    let public_values = expected("mergesort", &[("file", "inputs/list-1000.bin")]);
    let fetched = fleet.told(Gateway::First, &["receipt", &fleet.job.to_string(), "-o", "sorted.receipt"]);
    assert_eq!(fetched["public_values"], public_values);
    let elf = guest("mergesort");
    let verified = fleet.place.run(&["verify", "sorted.receipt", "--program", elf.to_str().unwrap()]).ok();
    assert_eq!(verified.stdout, public_values + "\n");
    fleet.place.assert_store_is_clean();
}

/// Stops a worker's process while it holds such a task.
fn stall(fleet: &Fleet, worker: &str, is_such: impl Fn(TaskId) -> bool) -> Start {
    loop {
        let held = fleet.until_holds(worker, &is_such);
        fleet.worker(worker).signal("STOP");
        if fleet.running().contains(&held) {
            fleet.tell(&format!("{worker} stands still during {}", held.task));
            return held;
        }
        // It had just finished.
        fleet.worker(worker).signal("CONT");
    }
}

/// Lets a process go on once its task was given to another.
fn goes_on_too_late(fleet: &Fleet, stalled: &Start) {
    until("another has its task", || {
        fleet.tasks().iter().any(|task| task.task == stalled.task && task.attempt > stalled.attempt)
    });
    fleet.worker(&stalled.worker).signal("CONT");
    fleet.tell(&format!("{} goes on with {}, which another has", stalled.worker, stalled.task));
    let stopped = format!("stopped   {}/{}", fleet.job, stalled.task);
    until("it is told that it is too late", || fleet.worker(&stalled.worker).said().contains(&stopped));
    fleet.all_end(std::slice::from_ref(stalled), "expired");
}

/// How many starts of a task gave a result that was accepted.
fn dones(fleet: &Fleet, task: TaskId) -> usize {
    fleet.attempts(task).iter().filter(|attempt| attempt.outcome == "done").count()
}

fn names(starts: &[Start]) -> String {
    starts.iter().map(|start| format!("{} of {}", start.task, start.worker)).collect::<Vec<_>>().join(" and ")
}
