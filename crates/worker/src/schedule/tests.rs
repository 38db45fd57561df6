//! The schedule against seeded random histories: a store that loses artifacts, tasks that fail, answers in any order.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_claim::ArtifactKind;
use phalanx_engine::{Artifact, Fault, Inputs, RunContext, SourceError, TaskError};
use phalanx_plan::FoldShape;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::*;

const RESIDENT: u64 = 100;

/// Names and costs; it never runs.
struct Costs {
    id: phalanx_claim::EngineId,
    shape: FoldShape,
}

impl Costs {
    fn new(arities: &[u32]) -> Self {
        let id = phalanx_claim::EngineId { name: "costs".into(), version: "1".into(), verifying_key: Digest::of(b"") };
        Self { id, shape: FoldShape { arities: arities.to_vec() } }
    }
}

impl Engine for Costs {
    fn id(&self) -> &phalanx_claim::EngineId {
        &self.id
    }

    fn fold_shape(&self) -> &FoldShape {
        &self.shape
    }

    fn resident_bytes(&self) -> u64 {
        RESIDENT
    }

    fn cost(&self, task: &Task, hint: &CostHint) -> Cost {
        let peak_bytes = match task {
            Task::Execute(_) => 20,
            Task::Prove => hint.memory_bytes,
            Task::Fold { .. } => 10 * u64::from(hint.children),
            Task::Seal => 15,
        };
        Cost { peak_bytes, ..Cost::default() }
    }

    fn run(&self, _: &Task, _: &Inputs<'_>, _: &RunContext<'_>) -> Result<Artifact, TaskError> {
        unreachable!("the schedule never runs a task")
    }
}

fn given() -> Given {
    let execute = ExecuteParams { segment_cycles_max: 1, segment_bytes_max: 1, cycles_max: 1 };
    Given { program: Digest::of(b"program"), stdin: Digest::of(b"stdin"), execute }
}

fn execution(segments: u32) -> Execution {
    let segment = |index: u32| SegmentEntry {
        digest: Digest::of(&index.to_le_bytes()),
        hint: CostHint {
            cycles: 10,
            memory_bytes: 20 + u64::from(index * 7 % 60),
            columns: u64::MAX,
            ..CostHint::default()
        },
    };
    let segments: Vec<_> = (0..segments).map(segment).collect();
    Execution { cycles: 10 * segments.len() as u64, exit_code: 0, public_values: vec![], segments, state: vec![] }
}

/// A machine and its store, as far as the schedule can see them.
struct World {
    random: StdRng,
    execution: Execution,
    /// Results by key; some were there before.
    recorded: BTreeMap<TaskKey, Digest>,
    present: BTreeSet<Digest>,
    running: BTreeMap<TaskName, Start>,
    announced: u32,
    settle: bool,
    starts: BTreeMap<TaskName, u32>,
    /// One task in this many fails by itself, one in so many loses an input; 0 for never.
    failures: u32,
    losses: u32,
    made: u64,
}

impl World {
    fn new(seed: u64, segments: u32) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            execution: execution(segments),
            recorded: BTreeMap::new(),
            present: BTreeSet::new(),
            running: BTreeMap::new(),
            announced: 0,
            settle: false,
            starts: BTreeMap::new(),
            failures: 0,
            losses: 0,
            made: 0,
        }
    }

    fn one_in(&mut self, many: u32) -> bool {
        many != 0 && self.random.random_ratio(1, many)
    }

    fn execution_digest() -> Digest {
        Digest::of(b"execution")
    }

    /// Runs the schedule to its end, checking every invariant on the way.
    fn play(&mut self, schedule: &mut Schedule<'_>, first: Vec<Effect>) -> Result<Outcome, JobError> {
        let mut todo: Vec<Effect> = first;
        for _ in 0..1_000_000 {
            let event = if let Some(at) = (0..todo.len()).choose(&mut self.random).filter(|_| self.one_in(2)) {
                match todo.remove(at) {
                    Effect::End(end) => return end,
                    effect => self.carry_out(effect, schedule),
                }
            } else {
                self.something(schedule)
            };
            todo.extend(event.map(|event| schedule.step(event)).unwrap_or_default());
        }
        panic!("no end in sight: running {:?}", self.running.keys());
    }

    fn carry_out(&mut self, effect: Effect, schedule: &Schedule<'_>) -> Option<Event> {
        match effect {
            Effect::Lookup { task, key } => {
                let output = self.recorded.get(&key).copied().filter(|output| self.present.contains(output));
                Some(match output {
                    Some(output) if task == TaskName::EXECUTE => {
                        Event::Executed { output, execution: self.execution.clone() }
                    }
                    output => Event::LookedUp { task, output },
                })
            }
            Effect::Start(start) => {
                if start.task == TaskName::EXECUTE {
                    self.announced = 0;
                }
                assert!(!self.running.contains_key(&start.task), "{} runs already", start.task);
                *self.starts.entry(start.task).or_default() += 1;
                self.running.insert(start.task, start);
                self.check(schedule);
                None
            }
            Effect::Settle => {
                self.settle = true;
                None
            }
            _ => None,
        }
    }

    fn check(&self, schedule: &Schedule<'_>) {
        let bytes: u64 = RESIDENT + self.running.values().map(|start| start.cost.peak_bytes).sum::<u64>();
        assert!(bytes <= schedule.limits.ram_bytes, "{bytes} bytes at once");
        let slots: BTreeSet<_> = self.running.values().map(|start| start.slot).collect();
        assert_eq!(slots.len(), self.running.len(), "two tasks in one slot");
        assert!(slots.iter().all(|slot| *slot <= schedule.limits.slots));
    }

    /// One running task goes on, or the clock does.
    fn something(&mut self, schedule: &Schedule<'_>) -> Option<Event> {
        if self.settle && self.one_in(4) {
            self.settle = false;
            return Some(Event::Settled);
        }
        let task = *self.running.keys().choose(&mut self.random)?;
        if task == TaskName::EXECUTE {
            if !schedule.execution_may_go_on() {
                return None;
            }
            if let Some(entry) = self.execution.segments.get(self.announced as usize) {
                let segment = SegmentReady { index: self.announced, digest: entry.digest, hint: entry.hint };
                self.announced += 1;
                self.present.insert(entry.digest);
                return Some(Event::Segment(segment));
            }
        }
        let start = self.running.remove(&task)?;
        let failure = |error| Some(Event::Failed { task, failure: Failure::Verdict(error) });
        if self.one_in(self.failures) {
            return failure(TaskError::Retry("bad luck".into()));
        }
        if self.one_in(self.losses)
            && let Some(lost) = start.inputs.iter().copied().choose(&mut self.random)
        {
            self.present.remove(&lost);
        }
        let given = [given().program, given().stdin];
        let missing = start.inputs.iter().find(|input| !given.contains(input) && !self.present.contains(input));
        if let Some(digest) = missing.copied() {
            return failure(SourceError::Missing { digest, kind: ArtifactKind::Proof }.into());
        }
        if task == TaskName::EXECUTE {
            let output = Self::execution_digest();
            self.present.insert(output);
            self.recorded.insert(start.key, output);
            return Some(Event::Executed { output, execution: self.execution.clone() });
        }
        // Proofs are not deterministic: each run makes another one.
        self.made += 1;
        let output = Digest::of(&[start.key.digest().as_bytes(), &self.made.to_le_bytes()[..]].concat());
        self.present.insert(output);
        self.recorded.insert(start.key, output);
        Some(Event::Finished { task, output })
    }
}

fn limits(slots: usize, ram_bytes: u64) -> Limits {
    Limits { slots, cores: 8, ram_bytes }
}

#[test]
fn whatever_the_order_every_task_runs_once_within_the_budget() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let engine = Costs::new([&[2][..], &[4, 3, 3], &[3, 2]][random.random_range(0..3)]);
        let segments = random.random_range(1..30);
        let (mut schedule, first) = Schedule::new(
            &engine,
            given(),
            Goal::Receipt,
            limits(random.random_range(1..5), RESIDENT + random.random_range(80..300)),
        )
        .unwrap();
        let mut world = World::new(seed, segments);
        world.play(&mut schedule, first).unwrap();
        let tasks =
            2 + u64::from(segments) + engine.shape.widths(segments).unwrap().iter().map(|w| u64::from(*w)).sum::<u64>();
        assert_eq!(world.starts.len() as u64, tasks, "seed {seed}");
        assert!(world.starts.values().all(|starts| *starts == 1), "seed {seed}: a task ran twice");

        // The same job again, with the same store: nothing runs.
        world.starts.clear();
        let (mut again, first) = Schedule::new(&engine, given(), Goal::Receipt, limits(2, RESIDENT + 100)).unwrap();
        world.play(&mut again, first).unwrap();
        assert_eq!(world.starts.len(), 0, "seed {seed}: a finished job ran again");
    }
}

#[test]
fn lost_artifacts_and_failures_end_in_a_receipt_or_a_named_error() {
    let mut receipts = 0;
    for seed in 0..400 {
        let engine = Costs::new(&[4, 3, 3]);
        let (mut schedule, first) = Schedule::new(&engine, given(), Goal::Receipt, limits(3, RESIDENT + 200)).unwrap();
        let mut world = World::new(seed, 17);
        (world.failures, world.losses) = (9, 12);
        match world.play(&mut schedule, first) {
            Ok(outcome) => {
                assert!(outcome.receipt.is_some_and(|receipt| world.present.contains(&receipt)));
                receipts += 1;
            }
            Err(JobError::Attempts { attempts, .. }) => assert_eq!(attempts, ATTEMPTS_MAX),
            Err(JobError::KeepsVanishing { times, .. }) => assert_eq!(times, REWINDS_MAX + 1),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(receipts > 200, "only {receipts} of 400 jobs got through");
}

#[test]
fn a_job_that_stops_anywhere_goes_on_where_it_was() {
    for seed in 0..200 {
        let engine = Costs::new(&[4, 3, 3]);
        let new = || Schedule::new(&engine, given(), Goal::Receipt, limits(2, RESIDENT + 150)).unwrap();
        let mut world = World::new(seed, 11);
        let (mut killed, mut todo) = new();
        for _ in 0..seed {
            let event = match todo.pop() {
                Some(Effect::End(_)) => break,
                Some(effect) => world.carry_out(effect, &killed),
                None => world.something(&killed),
            };
            todo.extend(event.map(|event| killed.step(event)).unwrap_or_default());
        }
        let finished = world.recorded.len();
        world.running.clear();
        world.starts.clear();
        world.settle = false;
        let (mut schedule, first) = new();
        world.play(&mut schedule, first).unwrap();
        assert_eq!(finished + world.starts.len(), 2 + 11 + 3 + 1 + 1, "seed {seed}: a finished task ran again");
    }
}

#[test]
fn folds_start_before_proofs() {
    let engine = Costs::new(&[2]);
    let (mut schedule, _) = Schedule::new(&engine, given(), Goal::Receipt, limits(1, RESIDENT + 1000)).unwrap();
    let mut world = World::new(0, 4);
    let mut effects = schedule.step(Event::LookedUp { task: TaskName::EXECUTE, output: None });
    let mut order = Vec::new();
    while let Some(effect) = effects.pop() {
        if let Effect::Start(start) = &effect {
            order.push(start.task.to_string());
        }
        let mut event = world.carry_out(effect, &schedule);
        while let Some(next) = event.take() {
            effects.extend(schedule.step(next));
            event = match effects.is_empty() {
                true if world.announced < 4 || !world.running.is_empty() => world.something(&schedule),
                _ => None,
            };
        }
        if effects.is_empty() && !world.running.is_empty() {
            effects.extend(world.something(&schedule).map(|event| schedule.step(event)).unwrap_or_default());
        }
    }
    let joins = order.iter().position(|task| task == "fold 0.0").unwrap();
    let proofs = order.iter().position(|task| task == "prove 3").unwrap();
    assert!(joins < proofs, "{order:?}");
}

/// A schedule whose execution was found, with every lookup unanswered.
fn executed(engine: &Costs, segments: u32, limits: Limits) -> (Schedule<'_>, Vec<Effect>) {
    let (mut schedule, _) = Schedule::new(engine, given(), Goal::Receipt, limits).unwrap();
    let output = World::execution_digest();
    let effects = schedule.step(Event::Executed { output, execution: execution(segments) });
    (schedule, effects)
}

fn starts(effects: &[Effect]) -> Vec<(TaskName, usize)> {
    let start = |effect: &Effect| match effect {
        Effect::Start(start) => Some((start.task, start.cores)),
        _ => None,
    };
    effects.iter().filter_map(start).collect()
}

#[test]
fn a_task_alone_gets_all_cores_and_several_share_them() {
    let engine = Costs::new(&[4]);
    let prove = |index| Event::LookedUp { task: TaskName::prove(index), output: None };
    let (mut one, _) = executed(&engine, 1, limits(4, 1000));
    assert_eq!(starts(&one.step(prove(0))), [(TaskName::prove(0), 8)]);

    let (mut two, _) = executed(&engine, 2, limits(2, 1000));
    let begun = [two.step(prove(0)), two.step(prove(1))].concat_starts();
    assert_eq!(begun, [(TaskName::prove(0), 4), (TaskName::prove(1), 4)]);
    // The last one standing does not grow, but the fold after it gets everything.
    let output = Digest::of(b"p0");
    assert_eq!(starts(&two.step(Event::Finished { task: TaskName::prove(0), output })), []);
    two.step(Event::Finished { task: TaskName::prove(1), output });
    let fold = TaskName::fold(0, 0);
    assert_eq!(starts(&two.step(Event::LookedUp { task: fold, output: None })), [(fold, 8)]);
}

trait Starts {
    fn concat_starts(&self) -> Vec<(TaskName, usize)>;
}

impl Starts for [Vec<Effect>; 2] {
    fn concat_starts(&self) -> Vec<(TaskName, usize)> {
        self.iter().flat_map(|effects| starts(effects)).collect()
    }
}

#[test]
fn a_slot_that_memory_forbids_gets_no_cores() {
    let engine = Costs::new(&[4]);
    // Proofs of 20 and 27 bytes in a budget of 30: one at a time, so each gets all cores.
    let (mut schedule, _) = executed(&engine, 2, limits(2, RESIDENT + 30));
    schedule.step(Event::LookedUp { task: TaskName::prove(1), output: None });
    let prove = TaskName::prove(1);
    assert_eq!(schedule.running[&prove].cores, 8);
}

#[test]
fn a_task_that_can_never_fit_says_how_much_it_needs() {
    let engine = Costs::new(&[4]);
    let (mut schedule, _) = executed(&engine, 4, limits(2, RESIDENT + 39));
    let effects = schedule.step(Event::LookedUp { task: TaskName::prove(3), output: None });
    match &effects[..] {
        [Effect::End(Err(JobError::BudgetTooSmall { task, needed_bytes, budget_bytes }))] => {
            assert_eq!((*task, *needed_bytes, *budget_bytes), (TaskName::prove(3), RESIDENT + 41, RESIDENT + 39));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_execution_pauses_for_proofs_but_never_when_nothing_else_runs() {
    let engine = Costs::new(&[4]);
    let (mut schedule, _) = Schedule::new(&engine, given(), Goal::Receipt, limits(1, 1000)).unwrap();
    schedule.step(Event::LookedUp { task: TaskName::EXECUTE, output: None });
    let many = UNPROVEN_SEGMENTS_MAX as u32;
    for (index, entry) in (0..).zip(execution(many).segments) {
        schedule.step(Event::Segment(SegmentReady { index, digest: entry.digest, hint: entry.hint }));
    }
    assert!(schedule.execution_may_go_on(), "nothing is being proven, so nothing would catch up");
    schedule.step(Event::Settled);
    schedule.step(Event::LookedUp { task: TaskName::prove(0), output: None });
    assert!(!schedule.execution_may_go_on());
    schedule.step(Event::Finished { task: TaskName::prove(0), output: Digest::of(b"p") });
    assert!(schedule.execution_may_go_on());
}

#[test]
fn an_engine_that_changes_its_mind_is_named() {
    let engine = Costs::new(&[4]);
    let (mut schedule, _) = Schedule::new(&engine, given(), Goal::Receipt, limits(1, 1000)).unwrap();
    schedule.step(Event::LookedUp { task: TaskName::EXECUTE, output: None });
    let announce = |index, bytes: &[u8]| {
        Event::Segment(SegmentReady { index, digest: Digest::of(bytes), hint: CostHint::default() })
    };
    schedule.step(announce(0, b"a"));
    let end = schedule.step(announce(0, b"b"));
    assert!(
        matches!(&end[..], [Effect::End(Err(JobError::Engine { reason, .. }))] if reason.contains("deterministic"))
    );
    assert!(schedule.step(announce(1, b"c")).is_empty(), "nothing happens after the end");
}

#[test]
fn a_fault_ends_the_job_at_once_with_its_cause() {
    let engine = Costs::new(&[4]);
    let (mut schedule, _) = executed(&engine, 2, limits(2, 1000));
    schedule.step(Event::LookedUp { task: TaskName::prove(0), output: None });
    let fault = Fault::BadElf("no ELF".into());
    let failure = Failure::Verdict(TaskError::FailJob(fault.clone()));
    let end = schedule.step(Event::Failed { task: TaskName::prove(0), failure });
    assert!(matches!(&end[..], [Effect::End(Err(JobError::Fault { fault: named, .. }))] if *named == fault));
}
