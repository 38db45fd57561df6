//! A worker by hand: it does what it is told to, with artifacts that mean nothing.

use phalanx_api::{
    Announce, Announced, Assignment, Beat, BeatAnswer, Claim, Complete, Completed, Cut, ExecuteSpec, Fail, Input,
    NewTask, NewWorker, Running, Settle, TaskId, TaskSpec, Totals, Verdict,
};
use phalanx_claim::{ArtifactKind, Digest, EngineId};
use phalanx_client::{Client, ClientError};
use phalanx_plan::{Position, TaskKind};

use super::{RECEIPT, Server};

/// Kinds of tasks.
pub const ALL: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

/// The engine that all of them have.
pub fn engine() -> EngineId {
    EngineId { name: "none".to_owned(), version: "1".to_owned(), verifying_key: Digest::of(b"a key") }
}

/// A worker.
pub struct Worker {
    pub client: Client,
    pub name: String,
    pub boot: String,
}

impl Worker {
    /// One that has registered.
    pub fn new(server: &Server, token: Option<&str>, name: &str) -> Self {
        let worker = Self { client: server.client(token), name: name.to_owned(), boot: "1".to_owned() };
        worker.register().unwrap();
        worker
    }

    pub fn register(&self) -> Result<phalanx_api::Registered, ClientError> {
        self.client.register(&NewWorker {
            name: self.name.clone(),
            boot: self.boot.clone(),
            version: "0.1.0".to_owned(),
            engine: engine(),
            kinds: ALL.to_vec(),
            ram_bytes: 8 << 30,
            cores: 2,
            slots: 1,
        })
    }

    pub fn try_claim(&self, wait_ms: u64) -> Result<Option<Assignment>, ClientError> {
        let claim = Claim { boot: self.boot.clone(), kinds: ALL.to_vec(), ram_bytes: 8 << 30, wait_ms };
        self.client.claim(&self.name, &claim)
    }

    /// Takes the task that must be there.
    #[track_caller]
    pub fn claim(&self, task: &str) -> Assignment {
        let assignment = self.try_claim(10_000).unwrap().expect("a task");
        assert_eq!(assignment.held.task.to_string(), task);
        assignment
    }

    /// Stores an artifact as workers do.
    pub fn put(&self, kind: ArtifactKind, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.client.put_artifact_stored(&digest, &phalanx_store::encode_artifact(kind, bytes).unwrap()).unwrap();
        digest
    }

    pub fn try_complete(&self, assignment: &Assignment, output: Digest) -> Result<Completed, ClientError> {
        let complete = Complete { held: assignment.held, output, cpu_ms: 3, peak_bytes: Some(1 << 20) };
        self.client.complete(&self.name, &complete)
    }

    /// Stores a result and says so.
    #[track_caller]
    pub fn complete(&self, assignment: &Assignment, kind: ArtifactKind, bytes: &[u8]) -> Digest {
        let output = self.put(kind, bytes);
        self.try_complete(assignment, output).unwrap().output
    }

    pub fn fail(&self, assignment: &Assignment, verdict: Verdict, detail: &str) -> Result<(), ClientError> {
        self.client.fail(&self.name, &Fail { held: assignment.held, verdict, detail: detail.to_owned() })
    }

    pub fn beat(&self, running: &[&Assignment]) -> BeatAnswer {
        let running = running.iter().map(|assignment| Running { held: assignment.held, cycles: Some(7) }).collect();
        let beat = Beat { boot: self.boot.clone(), running, resident_bytes: 5, is_draining: false };
        self.client.beat(&self.name, &beat).unwrap()
    }

    /// Chooses where segments end.
    pub fn settle(&self, execution: &Assignment) -> Cut {
        let cut = Cut { segment_cycles_max: 1 << 20, segment_bytes_max: 1 << 30 };
        self.client.settle(&self.name, &Settle { held: execution.held, cut }).unwrap().cut
    }

    /// Announces two proofs, their fold and the seal, whose inputs are `text`'s.
    pub fn announce(&self, execution: &Assignment, text: &str) -> Announced {
        let [program, _] = execution.inputs[..] else { panic!("an execution takes two artifacts") };
        let segment = |index| self.put(ArtifactKind::Segment, format!("segment {index} of {text}").as_bytes());
        let artifact = |digest| Input::Artifact { digest };
        let result = |task| Input::Result { task: TaskId(task) };
        let task = |position, spec, inputs| NewTask { task: TaskId(position), spec, inputs, ram_bytes: 1 << 30 };
        let prove = |index| {
            let inputs = vec![artifact(program), artifact(segment(index))];
            task(Position::Prove { index }, TaskSpec::Prove { cycles: 1_000 }, inputs)
        };
        let fold = Position::Fold { layer: 0, index: 0 };
        let tasks = vec![
            prove(0),
            prove(1),
            task(
                fold,
                TaskSpec::Fold { layer: 0 },
                vec![result(Position::Prove { index: 0 }), result(Position::Prove { index: 1 })],
            ),
            task(Position::Seal, TaskSpec::Seal, vec![artifact(program), result(Position::Execute), result(fold)]),
        ];
        let totals = Some(Totals { cycles: 2_000, segments: 2 });
        self.client.announce(&self.name, &Announce { held: execution.held, tasks, totals }).unwrap()
    }

    /// Does the execution of a job.
    pub fn execute(&self, text: &str) -> Assignment {
        let execution = self.claim("execute");
        let TaskSpec::Execute(ExecuteSpec { .. }) = execution.spec else { panic!("an execution") };
        self.settle(&execution);
        self.announce(&execution, text);
        self.complete(&execution, ArtifactKind::Execution, format!("execution of {text}").as_bytes());
        execution
    }

    /// Does a proof or a fold.
    pub fn prove(&self, task: &str, text: &str) {
        let assignment = self.claim(task);
        self.complete(&assignment, ArtifactKind::Proof, format!("{task} of {text}").as_bytes());
    }

    /// Does a whole job.
    pub fn job(&self, text: &str) {
        self.execute(text);
        self.prove("prove-0", text);
        self.prove("prove-1", text);
        self.prove("fold-0.0", text);
        let seal = self.claim("seal");
        self.complete(&seal, ArtifactKind::Receipt, &[RECEIPT, text.as_bytes()].concat());
    }
}
