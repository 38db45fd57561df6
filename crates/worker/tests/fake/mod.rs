//! An engine without proofs: its tasks check that the pool gives them the right inputs, count what runs at once, and fail
//! when the test says so.
//!
//! A fake program is its number of segments and a seed, after the magic of an ELF. A fake proof is the range of segments it covers; a fold checks
//! that its children are neighbours, a seal that all segments are there exactly once.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use phalanx_claim::{ArtifactKind, Claim, Digest, EngineId, ProgramId};
use phalanx_engine::{
    Artifact, Cost, CostHint, Engine, Event, Execution, Inputs, RunContext, SegmentEntry, SegmentReady, TaskError,
};
use phalanx_plan::{ExecuteParams, FoldShape, Task};
use phalanx_receipt::{Provenance, Receipt};
use phalanx_worker::JobSpec;

/// What a task does instead of succeeding.
#[derive(Clone, Debug)]
pub enum Trouble {
    Retry,
    BadProof,
    Panic,
    Fault(phalanx_engine::Fault),
    /// Ends only when cancelled.
    UntilCancelled,
    /// Does not even end then, for this long.
    Deaf(Duration),
    /// Returns an artifact of the wrong kind.
    WrongKind,
    /// Returns a receipt that nobody can read.
    GarbledReceipt,
    /// Ends as cancelled although nobody asked.
    Cancelled,
}

pub type Script = dyn Fn(&str, u32) -> Option<Trouble> + Send + Sync;

pub struct FakeEngine {
    pub id: EngineId,
    pub shape: FoldShape,
    pub resident_bytes: u64,
    /// Longest random duration of a task.
    pub task_ms_max: u64,
    /// Pause before each segment of an execution.
    pub segment_pause: Duration,
    /// Every artifact gets this in addition, so two engines with different salts make different proofs of one thing.
    pub salt: u8,
    pub script: Box<Script>,
    pub seen: Mutex<Seen>,
    pub used_bytes: AtomicU64,
    pub used_bytes_max: AtomicU64,
}

#[derive(Default)]
pub struct Seen {
    /// How often each task was started.
    starts: BTreeMap<String, u32>,
    /// Names in the order of their starts.
    order: Vec<String>,
    threads: BTreeMap<String, usize>,
}

impl FakeEngine {
    pub fn new() -> Self {
        Self::with_script(|_, _| None)
    }

    /// An engine whose task `name` does `script(name, attempt)` instead of succeeding.
    pub fn with_script(script: impl Fn(&str, u32) -> Option<Trouble> + Send + Sync + 'static) -> Self {
        Self {
            id: EngineId { name: "fake".into(), version: "1".into(), verifying_key: Digest::of(b"fake") },
            shape: FoldShape { arities: vec![4, 3, 3] },
            resident_bytes: 1000,
            task_ms_max: 3,
            segment_pause: Duration::ZERO,
            salt: 0,
            script: Box::new(script),
            seen: Mutex::default(),
            used_bytes: AtomicU64::new(0),
            used_bytes_max: AtomicU64::new(0),
        }
    }

    /// Names of all tasks started, in order, with repeats.
    pub fn order(&self) -> Vec<String> {
        self.seen.lock().unwrap().order.clone()
    }

    pub fn starts(&self, name: &str) -> u32 {
        self.seen.lock().unwrap().starts.get(name).copied().unwrap_or(0)
    }

    pub fn runs(&self) -> usize {
        self.order().len()
    }

    /// Threads that a task was given.
    pub fn threads(&self, name: &str) -> usize {
        self.seen.lock().unwrap().threads[name]
    }

    /// The most bytes that tasks used at once, by their costs, with what is resident.
    pub fn used_bytes_max(&self) -> u64 {
        self.resident_bytes + self.used_bytes_max.load(Ordering::SeqCst)
    }

    fn enter(&self, name: &str, bytes: u64) -> u32 {
        let used = self.used_bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.used_bytes_max.fetch_max(used, Ordering::SeqCst);
        let mut seen = self.seen.lock().unwrap();
        seen.order.push(name.to_owned());
        seen.threads.insert(name.to_owned(), rayon::current_num_threads());
        let starts = seen.starts.entry(name.to_owned()).or_default();
        *starts += 1;
        *starts
    }
}

/// A job of `segments` segments.
pub fn job(segments: u32, seed: u8) -> JobSpec {
    JobSpec {
        program: [&b"\x7fELF"[..], &segments.to_le_bytes(), &[seed]].concat(),
        stdin: [&b"PHin"[..], &[seed]].concat(),
        execute: ExecuteParams { segment_cycles_max: 1 << 20, segment_bytes_max: 1 << 30, cycles_max: 1 << 40 },
    }
}

/// What proving segment `index` needs: 100 to 355 bytes, by chance of the seed.
fn segment_hint(seed: u8, index: u32) -> CostHint {
    let random = Digest::of(&[&[seed], &index.to_le_bytes()[..]].concat());
    CostHint {
        cycles: 1000 + u64::from(index),
        memory_bytes: 100 + u64::from(random.as_bytes()[0]),
        columns: 100,
        ..CostHint::default()
    }
}

/// The proof of these segments that a fake of this salt makes; segment proofs have layer 0, layer `l` of the tree has `l + 1`.
pub fn proof(salt: u8, layer: u32, range: &Range<u32>) -> Vec<u8> {
    let mut bytes = b"proof".to_vec();
    for number in [layer, range.start, range.end] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.push(salt);
    bytes
}

/// Layer and range of a proof.
fn read_proof(bytes: &[u8]) -> (u32, Range<u32>) {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((&bytes[..5], bytes.len()), (&b"proof"[..], 18), "no proof");
    (number(5), number(9)..number(13))
}

impl Engine for FakeEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn fold_shape(&self) -> &FoldShape {
        &self.shape
    }

    fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    fn cost(&self, task: &Task, hint: &CostHint) -> Cost {
        let peak_bytes = match task {
            Task::Execute(_) => 50,
            Task::Prove => hint.memory_bytes,
            Task::Fold { .. } => 40 * u64::from(hint.children),
            Task::Seal => 30,
        };
        Cost { peak_bytes, cores: 0, cpu_ms: 1, device_bytes: 0 }
    }

    fn run(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        match task {
            Task::Execute(_) => self.execute(task, inputs, ctx),
            Task::Prove => self.prove(task, inputs, ctx),
            Task::Fold { layer } => self.fold(task, *layer, inputs, ctx),
            Task::Seal => self.seal(task, inputs, ctx),
        }
    }
}

impl FakeEngine {
    /// Takes the task's time and trouble, then makes the artifact.
    fn perform(
        &self,
        name: &str,
        bytes: u64,
        ctx: &RunContext<'_>,
        make: impl FnOnce() -> Result<Artifact, TaskError>,
    ) -> Result<Artifact, TaskError> {
        let attempt = self.enter(name, bytes);
        let random = Digest::of(&[name.as_bytes(), &[self.salt]].concat());
        thread::sleep(Duration::from_millis(u64::from(random.as_bytes()[0]) % (self.task_ms_max + 1)));
        let made = match (self.script)(name, attempt) {
            None => make(),
            Some(trouble) => self.fail(trouble, ctx),
        };
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        made
    }

    fn fail(&self, trouble: Trouble, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        match trouble {
            Trouble::Retry => Err(TaskError::Retry("the fake is tired".into())),
            Trouble::BadProof => Err(TaskError::RetryElsewhere("a flipped bit".into())),
            Trouble::Panic => panic!("the fake panics"),
            Trouble::Fault(fault) => Err(fault.into()),
            Trouble::WrongKind => Ok(Artifact { kind: ArtifactKind::Pages, bytes: Vec::new() }),
            Trouble::GarbledReceipt => Ok(Artifact { kind: ArtifactKind::Receipt, bytes: b"phlx-rc".to_vec() }),
            Trouble::Cancelled => Err(TaskError::Cancelled),
            Trouble::UntilCancelled => {
                while !ctx.cancel.is_cancelled() {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TaskError::Cancelled)
            }
            Trouble::Deaf(time) => {
                thread::sleep(time);
                Err(TaskError::Cancelled)
            }
        }
    }

    fn execute(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        let program = inputs.source.get(&inputs.digests[0], ArtifactKind::Program)?;
        inputs.source.get(&inputs.digests[1], ArtifactKind::Stdin)?;
        let segments = u32::from_le_bytes(program[4..8].try_into().unwrap());
        let seed = program[8];
        self.perform("execute", self.cost(task, &CostHint::default()).peak_bytes, ctx, || {
            let mut entries = Vec::new();
            for index in 0..segments {
                thread::sleep(self.segment_pause);
                if ctx.cancel.is_cancelled() {
                    return Err(TaskError::Cancelled);
                }
                let pages = [&b"pages"[..], &inputs.digests[0].as_bytes()[..], &index.to_le_bytes()].concat();
                let pages = ctx.sink.put(Artifact { kind: ArtifactKind::Pages, bytes: pages })?;
                let bytes = [&index.to_le_bytes()[..], &[seed], pages.as_bytes()].concat();
                let digest = ctx.sink.put(Artifact { kind: ArtifactKind::Segment, bytes })?;
                let hint = segment_hint(seed, index);
                entries.push(SegmentEntry { digest, hint });
                (ctx.events)(Event::SegmentReady(SegmentReady { index, digest, hint }));
                (ctx.events)(Event::Cycles(entries.iter().map(|entry| entry.hint.cycles).sum()));
            }
            (ctx.events)(Event::GuestOutput(b"hello".to_vec()));
            let cycles = entries.iter().map(|entry| entry.hint.cycles).sum();
            let execution =
                Execution { cycles, exit_code: 0, public_values: vec![seed], segments: entries, state: Vec::new() };
            Ok(Artifact { kind: ArtifactKind::Execution, bytes: execution.encode() })
        })
    }

    fn prove(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        inputs.source.get(&inputs.digests[0], ArtifactKind::Program)?;
        let segment = inputs.source.get(&inputs.digests[1], ArtifactKind::Segment)?;
        inputs.source.get(&Digest::new(segment[5..37].try_into().unwrap()), ArtifactKind::Pages)?;
        let index = u32::from_le_bytes(segment[..4].try_into().unwrap());
        let cost = self.cost(task, &segment_hint(segment[4], index));
        self.perform(&format!("prove {index}"), cost.peak_bytes, ctx, || {
            Ok(Artifact { kind: ArtifactKind::Proof, bytes: proof(self.salt, 0, &(index..index + 1)) })
        })
    }

    fn fold(&self, task: &Task, layer: u32, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        let mut covered: Option<Range<u32>> = None;
        assert!(inputs.digests.len() as u32 <= self.shape.arity(layer), "too many children");
        for digest in inputs.digests {
            let (below, range) = read_proof(&inputs.source.get(digest, ArtifactKind::Proof)?);
            assert_eq!(below, layer, "a child of another layer");
            let before = covered.get_or_insert(range.start..range.start);
            assert_eq!(before.end, range.start, "children that are no neighbours");
            before.end = range.end;
        }
        let range = covered.expect("a fold has children");
        let hint = CostHint { children: inputs.digests.len() as u32, ..CostHint::default() };
        let cost = self.cost(task, &hint);
        self.perform(&format!("fold {layer} from {}", range.start), cost.peak_bytes, ctx, || {
            Ok(Artifact { kind: ArtifactKind::Proof, bytes: proof(self.salt, layer + 1, &range) })
        })
    }

    fn seal(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        let [program, execution, root] = inputs.digests else { panic!("a seal has three inputs") };
        inputs.source.get(program, ArtifactKind::Program)?;
        let execution = inputs.source.get(execution, ArtifactKind::Execution)?;
        let Execution { cycles, exit_code, public_values, segments, .. } = Execution::decode(&execution).unwrap();
        let segments = segments.len() as u32;
        let (_, range) = read_proof(&inputs.source.get(root, ArtifactKind::Proof)?);
        assert_eq!(range, 0..segments, "not every segment exactly once");
        let cost = self.cost(task, &CostHint::default());
        self.perform("seal", cost.peak_bytes, ctx, || {
            let claim = Claim { program: ProgramId::new(*program.as_bytes()), exit_code, public_values };
            let provenance = Provenance { cycles, segments, made_by: "fake".into() };
            let bytes = Receipt::new(claim, provenance, vec![self.salt]).encode().unwrap();
            Ok(Artifact { kind: ArtifactKind::Receipt, bytes })
        })
    }
}

/// The digests that a fake artifact names: those of an execution's segments, and a segment's pages.
pub fn references(bytes: &[u8]) -> Vec<Digest> {
    if let Ok(execution) = Execution::decode(bytes) {
        return execution.segments.iter().map(|segment| segment.digest).collect();
    }
    let pages = bytes.get(5..37).filter(|_| bytes.len() == 37).and_then(|bytes| bytes.try_into().ok());
    pages.map(Digest::new).into_iter().collect()
}
