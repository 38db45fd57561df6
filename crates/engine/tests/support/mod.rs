//! An engine with a store in memory, and one method for each task.
#![allow(dead_code, reason = "each test uses a part")]

pub mod asm;
pub mod cases;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use openvm_circuit::arch::Streams;
use openvm_sdk::{F, StdIn};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{
    Artifact, ArtifactSink, ArtifactSource, CancelToken, Engine, Event, Execution, Inputs, RunContext, SourceError,
    TaskError,
    openvm::{OpenVmEngine, Prover},
    stdin::Stdin,
};
use phalanx_plan::{ExecuteParams, Task};
use phalanx_receipt::Receipt;

/// The committed ELF of a guest.
pub fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/elf").join(format!("{name}.elf"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An input as upstream takes it.
pub fn streams(stdin: &Stdin) -> Streams<F> {
    let mut upstream = StdIn::<F>::default();
    stdin.items.iter().for_each(|item| upstream.write_bytes(item));
    upstream.into()
}

/// Artifacts in memory, with an account of what was written and read.
#[derive(Default)]
pub struct Memory {
    artifacts: Mutex<HashMap<Digest, Artifact>>,
    written: Mutex<HashMap<ArtifactKind, usize>>,
    read: Mutex<HashMap<ArtifactKind, usize>>,
}

impl Memory {
    /// Bytes of a kind that were written, again and again if they were.
    pub fn written(&self, kind: ArtifactKind) -> usize {
        self.written.lock().unwrap().get(&kind).copied().unwrap_or(0)
    }

    /// Bytes of a kind that were read.
    pub fn read(&self, kind: ArtifactKind) -> usize {
        self.read.lock().unwrap().get(&kind).copied().unwrap_or(0)
    }
}

impl ArtifactSource for Memory {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError> {
        let artifacts = self.artifacts.lock().unwrap();
        let artifact = artifacts.get(digest).filter(|artifact| artifact.kind == kind);
        let artifact = artifact.ok_or(SourceError::Missing { digest: *digest, kind })?;
        *self.read.lock().unwrap().entry(kind).or_default() += artifact.bytes.len();
        Ok(artifact.bytes.clone().into())
    }
}

impl ArtifactSink for Memory {
    fn put(&self, artifact: Artifact) -> Result<Digest, TaskError> {
        let digest = artifact.digest();
        *self.written.lock().unwrap().entry(artifact.kind).or_default() += artifact.bytes.len();
        self.artifacts.lock().unwrap().insert(digest, artifact);
        Ok(digest)
    }
}

/// One engine, one store, one program on one input.
pub struct Bench {
    pub engine: OpenVmEngine,
    pub store: Memory,
    pub cancel: CancelToken,
    pub printed: Mutex<Vec<u8>>,
    pub program: Option<Digest>,
    pub execution: Option<Digest>,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            engine: OpenVmEngine::new(None, Prover::default()).unwrap(),
            store: Memory::default(),
            cancel: CancelToken::default(),
            printed: Mutex::default(),
            program: None,
            execution: None,
        }
    }

    pub fn run(&self, task: &Task, digests: &[Digest]) -> Result<Artifact, TaskError> {
        let start = Instant::now();
        let events = |event: Event| {
            if let Event::GuestOutput(bytes) = event {
                self.printed.lock().unwrap().extend(bytes);
            }
        };
        let ctx = RunContext { sink: &self.store, cancel: &self.cancel, events: &events };
        let result = self.engine.run(task, &Inputs { digests, source: &self.store }, &ctx);
        println!("{task:?}: {:?}", start.elapsed());
        result
    }

    pub fn execute(&mut self, program: &[u8], stdin: &Stdin, segment_cycles_max: u64) -> Result<Execution, TaskError> {
        let program = self.store.put(Artifact { kind: ArtifactKind::Program, bytes: program.to_vec() })?;
        let stdin = self.store.put(Artifact { kind: ArtifactKind::Stdin, bytes: stdin.encode() })?;
        let params = ExecuteParams { segment_cycles_max, segment_bytes_max: u64::MAX, cycles_max: 1 << 40 };
        let artifact = self.run(&Task::Execute(params), &[program, stdin])?;
        let execution = Execution::decode(&artifact.bytes).unwrap();
        self.program = Some(program);
        self.execution = Some(self.store.put(artifact)?);
        Ok(execution)
    }

    pub fn prove(&self, segment: Digest) -> Result<Digest, TaskError> {
        let artifact = self.run(&Task::Prove, &[self.program.unwrap(), segment])?;
        self.store.put(artifact)
    }

    pub fn prove_all(&self, execution: &Execution) -> Result<Vec<Digest>, TaskError> {
        execution.segments.iter().map(|segment| self.prove(segment.digest)).collect()
    }

    pub fn fold_all(&self, mut proofs: Vec<Digest>) -> Result<Digest, TaskError> {
        let arities = &self.engine.fold_shape().arities;
        for layer in 0.. {
            if layer as usize >= arities.len() && proofs.len() == 1 {
                break;
            }
            let arity = arities[(layer as usize).min(arities.len() - 1)] as usize;
            let fold = |children: &[Digest]| self.store.put(self.run(&Task::Fold { layer }, children)?);
            proofs = proofs.chunks(arity).map(fold).collect::<Result<_, _>>()?;
        }
        Ok(proofs[0])
    }

    pub fn seal(&self, root: Digest) -> Result<Receipt, TaskError> {
        let artifact = self.run(&Task::Seal, &[self.program.unwrap(), self.execution.unwrap(), root])?;
        Ok(Receipt::decode(&artifact.bytes).unwrap())
    }
}
