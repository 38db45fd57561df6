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
    assert_eq!(Task::new(0, false).state, State::Ready);
    assert_eq!(Task::new(1, false).state, State::Pending);
}

#[test]
fn the_last_child_makes_a_task_ready() {
    let task = Task::new(2, false);
    let (task, effects) = task.step(Event::ChildDone, NOW).unwrap();
    assert_eq!((task.state, effects), (State::Pending, vec![]));
    let (task, effects) = task.step(Event::ChildDone, NOW).unwrap();
    assert_eq!((task.state, effects), (State::Ready, vec![Effect::BecameReady]));
}

#[test]
fn a_result_ends_the_start_and_wakes_the_parents() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(Event::Completed { fence: fence.clone(), output: output() }, NOW).unwrap();
    assert_eq!((task.state, task.output, task.lease), (State::Done, Some(output()), None));
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
    let stale = Refusal::Stale { state: State::Running, attempt: 2, claimed: 1 };
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
    assert_eq!((task.state, task.failures), (State::Ready, 1));
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
        assert_eq!((task.state, task.run_after_ms), (State::Ready, now_ms + wait_ms));
        let early = Event::Claimed { worker: "ada".to_owned() };
        assert_eq!(task.step(early, now_ms + wait_ms - 1), Err(Refusal::NotReady(State::Ready)));
    }
    let (running, fence) = claimed(&task, "ada", task.run_after_ms);
    let (task, effects) = running.step(fail(&fence, Verdict::Retry), NOW).unwrap();
    assert_eq!(task.state, State::Dead);
    assert_eq!(effects, [ended(Outcome::Retry, &fence, Some("why")), Effect::JobFailed("why".to_owned())]);
}

#[test]
fn bad_proofs_are_counted_apart_and_need_no_wait() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, _) = task.step(fail(&fence, Verdict::BadProof), NOW).unwrap();
    assert_eq!((task.state, task.bad_proofs, task.failures, task.run_after_ms), (State::Ready, 1, 0, 0));
    let task = Task { bad_proofs: BAD_PROOFS_MAX - 1, ..task };
    let (task, fence) = claimed(&task, "bea", NOW);
    assert_eq!(task.step(fail(&fence, Verdict::BadProof), NOW).unwrap().0.state, State::Dead);
}

#[test]
fn what_fails_whoever_runs_it_is_not_tried_again() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(fail(&fence, Verdict::FailJob), NOW).unwrap();
    assert_eq!(task.state, State::Dead);
    assert_eq!(effects[1], Effect::JobFailed("why".to_owned()));
}

#[test]
fn a_worker_that_shuts_down_gives_the_task_back_unharmed() {
    let (task, fence) = claimed(&Task::new(0, false), "ada", NOW);
    let (task, effects) = task.step(Event::Released(fence.clone()), NOW).unwrap();
    assert_eq!((task.state, task.failures, task.run_after_ms), (State::Ready, 0, NOW));
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
    assert_eq!((task.state, task.attempt, task.failures, task.bad_proofs), (State::Ready, 1, 0, 0));
    assert_eq!(effects, [Effect::BecameReady]);
    assert_eq!(claimed(&task, "ada", NOW).1.attempt, 2, "a worker of the first life stays fenced off");
}
