//! What each event does to a task, at the edges.

use super::*;

const NOW: u64 = 1_000_000;

fn claimed(task: &Task, worker: &str, now_ms: u64) -> (Task, Fence) {
    let (task, effects) = task.step(Event::Claimed { worker: worker.to_owned() }, now_ms).unwrap();
    assert_eq!(effects, []);
    let fence = Fence { worker: worker.to_owned(), attempt: task.attempt };
    (task, fence)
}

fn output() -> Digest {
    Digest::of(b"output")
}

fn fail(fence: &Fence, verdict: Verdict) -> Event {
    Event::Failed { fence: fence.clone(), verdict, detail: "why".to_owned() }
}

fn ended(outcome: Outcome, fence: &Fence, detail: Option<&str>) -> Effect {
    let detail = detail.map(str::to_owned);
    Effect::Ended { worker: fence.worker.clone(), attempt: fence.attempt, outcome, detail }
}

#[test]
fn a_task_without_children_is_ready_at_once() {
    assert_eq!(Task::new(0, false).state, TaskState::Ready);
    assert_eq!(Task::new(1, false).state, TaskState::Pending);
}

#[test]
fn the_last_child_makes_a_task_ready() {
    let task = Task::new(2, false);
    let (task, effects) = task.step(Event::ChildDone, NOW).unwrap();
    assert_eq!((task.state, effects), (TaskState::Pending, vec![]));
    let (task, effects) = task.step(Event::ChildDone, NOW).unwrap();
    assert_eq!((task.state, effects), (TaskState::Ready, vec![Effect::BecameReady]));
}

#[test]
fn a_result_ends_the_start_and_wakes_the_parents() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(Event::Completed { fence: fence.clone(), output: output() }, NOW).unwrap();
    assert_eq!((task.state, task.output, task.lease), (TaskState::Done, Some(output()), None));
    assert_eq!(effects, [ended(Outcome::Done, &fence, None), Effect::WakeParents]);
}

#[test]
fn the_result_of_the_last_task_is_the_jobs() {
    let (task, fence) = claimed(&Task::new(0, true), "ada", NOW);
    let (_, effects) = task.step(Event::Completed { fence, output: output() }, NOW).unwrap();
    assert!(effects.contains(&Effect::JobDone(output())));
}

#[test]
fn a_late_worker_changes_nothing() {
    let (task, late) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, _) = task.step(Event::LeaseChecked, NOW + LEASE_MS).unwrap();
    let again = NOW + LEASE_MS + BACKOFF_MS;
    let (task, _) = claimed(&task, "bea", again);
    let stale = Refusal::Stale { state: TaskState::Running, attempt: 2, claimed: 1 };
    for event in [
        Event::Beat(late.clone()),
        Event::Completed { fence: late.clone(), output: output() },
        fail(&late, Verdict::FailJob),
        Event::Released(late.clone()),
    ] {
        assert_eq!(task.step(event, again), Err(stale));
    }
}

#[test]
fn a_worker_with_the_right_attempt_and_the_wrong_name_changes_nothing() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let other = Fence { worker: "bea".to_owned(), ..fence };
    assert!(matches!(task.step(Event::Beat(other), NOW), Err(Refusal::Stale { .. })));
}

#[test]
fn a_beat_extends_the_lease_and_nothing_else() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (next, effects) = task.step(Event::Beat(fence), NOW + 5_000).unwrap();
    let lease = Lease { worker: "ada".to_owned(), until_ms: NOW + 5_000 + LEASE_MS };
    assert_eq!((next, effects), (Task { lease: Some(lease), ..task }, vec![]));
}

#[test]
fn a_lease_runs_out_at_its_end_and_not_before() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    assert_eq!(task.step(Event::LeaseChecked, NOW + LEASE_MS - 1), Err(Refusal::NotExpired));
    let (task, effects) = task.step(Event::LeaseChecked, NOW + LEASE_MS).unwrap();
    assert_eq!((task.state, task.failures), (TaskState::Ready, 1));
    let silent = "worker ada was silent for 30 seconds";
    assert_eq!(effects, [ended(Outcome::Expired, &fence, Some(silent)), Effect::BecameReady]);
}

#[test]
fn a_failed_task_waits_four_times_as_long_each_time_and_then_dies() {
    let mut task = Task::new(0, false);
    for wait_ms in [BACKOFF_MS, 4 * BACKOFF_MS] {
        let now_ms = task.run_after_ms + NOW;
        let (running, fence) = claimed(&task, "ada", now_ms);
        task = running.step(fail(&fence, Verdict::Retry), now_ms).unwrap().0;
        assert_eq!((task.state, task.run_after_ms), (TaskState::Ready, now_ms + wait_ms));
        let early = Event::Claimed { worker: "ada".to_owned() };
        assert_eq!(task.step(early, now_ms + wait_ms - 1), Err(Refusal::NotReady(TaskState::Ready)));
    }
    let (running, fence) = claimed(&task, "ada", task.run_after_ms);
    let (task, effects) = running.step(fail(&fence, Verdict::Retry), NOW).unwrap();
    assert_eq!(task.state, TaskState::Dead);
    assert_eq!(effects, [ended(Outcome::Retry, &fence, Some("why")), Effect::JobFailed("why".to_owned())]);
}

#[test]
fn bad_proofs_are_counted_apart_and_need_no_wait() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, _) = task.step(fail(&fence, Verdict::BadProof), NOW).unwrap();
    assert_eq!((task.state, task.bad_proofs, task.failures, task.run_after_ms), (TaskState::Ready, 1, 0, 0));
    let task = Task { bad_proofs: BAD_PROOFS_MAX - 1, ..task };
    let (task, fence) = claimed(&task, "bea", NOW);
    assert_eq!(task.step(fail(&fence, Verdict::BadProof), NOW).unwrap().0.state, TaskState::Dead);
}

#[test]
fn what_fails_whoever_runs_it_is_not_tried_again() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(fail(&fence, Verdict::FailJob), NOW).unwrap();
    assert_eq!(task.state, TaskState::Dead);
    assert_eq!(effects[1], Effect::JobFailed("why".to_owned()));
}

#[test]
fn a_worker_that_shuts_down_gives_the_task_back_unharmed() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(Event::Released(fence.clone()), NOW).unwrap();
    assert_eq!((task.state, task.failures, task.run_after_ms), (TaskState::Ready, 0, NOW));
    assert_eq!(effects, [ended(Outcome::Released, &fence, None), Effect::BecameReady]);
}

#[test]
fn done_is_final() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (done, _) = task.step(Event::Completed { fence: fence.clone(), output: output() }, NOW).unwrap();
    for event in [
        Event::Claimed { worker: "bea".to_owned() },
        Event::Completed { fence: fence.clone(), output: Digest::of(b"another") },
        fail(&fence, Verdict::FailJob),
        Event::LeaseChecked,
        Event::JobEnded,
        Event::Requeued,
    ] {
        assert!(done.step(event.clone(), NOW + LEASE_MS).is_err(), "{event:?}");
    }
}

#[test]
fn what_is_queued_again_starts_its_failures_from_nothing_but_not_its_attempts() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (dead, _) = task.step(fail(&fence, Verdict::FailJob), NOW).unwrap();
    let dead = Task { failures: 2, bad_proofs: 2, ..dead };
    let (task, effects) = dead.step(Event::Requeued, NOW).unwrap();
    assert_eq!((task.state, task.attempt, task.failures, task.bad_proofs), (TaskState::Ready, 1, 0, 0));
    assert_eq!(effects, [Effect::BecameReady]);
    assert_eq!(claimed(&task, "ada", NOW).1.attempt, 2, "a worker of the first life stays fenced off");
}

#[test]
fn a_lost_result_is_made_again_and_the_parents_wait_for_it() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (done, _) = task.step(Event::Completed { fence, output: output() }, NOW).unwrap();
    let (again, effects) = done.step(Event::ResultLost, NOW + 1).unwrap();
    assert_eq!((again.state, again.output, again.failures), (TaskState::Ready, None, 1));
    assert_eq!(effects, [Effect::Forgotten, Effect::HoldParents, Effect::BecameReady]);
    assert_eq!(again.step(Event::ResultLost, NOW), Err(Refusal::NoResult(TaskState::Ready)));

    let (held, effects) = Task::new(0, false).step(Event::ChildLost, NOW).unwrap();
    assert_eq!((held.state, held.waiting_on, effects), (TaskState::Pending, 1, vec![]));
    assert_eq!(held.step(Event::ChildDone, NOW).unwrap().0.state, TaskState::Ready);
}

#[test]
fn a_result_that_is_lost_too_often_fails_the_job() {
    let (task, fence) = claimed(&Task { failures: FAILURES_MAX - 1, ..Task::new(0, false) }, "ada", NOW);
    let (done, _) = task.step(Event::Completed { fence, output: output() }, NOW).unwrap();
    let (dead, effects) = done.step(Event::ResultLost, NOW).unwrap();
    assert_eq!((dead.state, dead.output), (TaskState::Dead, None));
    assert!(matches!(&effects[..], [Effect::Forgotten, Effect::HoldParents, Effect::JobFailed(_)]), "{effects:?}");
}

#[test]
fn whoever_misses_an_input_waits_for_it_without_a_failure() {
    let (running, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let lost = |fence: &Fence| Event::InputLost { fence: fence.clone(), detail: "gone".to_owned() };
    let (waits, effects) = running.step(Event::ChildLost, NOW).unwrap().0.step(lost(&fence), NOW).unwrap();
    assert_eq!((waits.state, waits.failures, waits.run_after_ms), (TaskState::Pending, 0, NOW));
    assert_eq!(effects, [ended(Outcome::Retry, &fence, Some("gone"))]);
    // Its maker is no child of it, so only time helps.
    let (later, _) = running.step(lost(&fence), NOW).unwrap();
    assert_eq!((later.state, later.failures, later.run_after_ms), (TaskState::Ready, 0, NOW + INPUT_LOST_MS));
    let late = Fence { attempt: 7, ..fence };
    assert!(matches!(running.step(lost(&late), NOW), Err(Refusal::Stale { .. })));
}

#[test]
fn an_input_that_nobody_makes_again_is_a_failure() {
    let (running, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, _) = running.step(fail(&fence, Verdict::InputLost { digest: output() }), NOW).unwrap();
    assert_eq!((task.state, task.failures), (TaskState::Ready, 1));
}
