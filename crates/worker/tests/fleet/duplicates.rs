//! Messages of a worker that come twice, in another order, at once or long after its lease: the first one of the start that
//! runs counts, and no other changes anything.

use std::thread;

use phalanx_api::{Assignment, Beat, Claim, Complete, Completed, NewWorker, Running};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_client::{Client, ClientError};
use phalanx_engine::Engine;
use phalanx_plan::{Position, TaskKind};
use phalanx_store::encode_artifact;

use crate::{
    child::WorkerPart,
    cluster::{Cluster, on_both, until},
    fake::{self, FakeEngine},
};

const NAME: &str = "stutterer";
const BOOT: &str = "1";

/// A worker that proves segments and says so as this test wants it.
struct Stutterer(Client);

impl Stutterer {
    fn register(fleet: &Cluster) -> Self {
        let worker = NewWorker {
            name: NAME.into(),
            boot: BOOT.into(),
            version: "test".into(),
            engine: FakeEngine::new().id().clone(),
            kinds: vec![TaskKind::Prove],
            ram_bytes: 1 << 20,
            cores: 1,
            slots: 8,
        };
        fleet.client.register(&worker).unwrap();
        Self(fleet.client.clone())
    }

    fn claim(&self) -> Assignment {
        let claim = Claim { boot: BOOT.into(), kinds: vec![TaskKind::Prove], ram_bytes: 1 << 20, wait_ms: 20_000 };
        self.0.claim(NAME, &claim).unwrap().expect("there are proofs to make")
    }

    fn beat(&self, running: &[Assignment]) {
        let running = running.iter().map(|task| Running { held: task.held, cycles: None }).collect();
        let beat = Beat { boot: BOOT.into(), running, resident_bytes: 0, is_draining: false };
        self.0.beat(NAME, &beat).unwrap();
    }

    /// A proof of the segment. Of another salt it is another one, which is right as well.
    fn prove(&self, task: &Assignment, salt: u8) -> Digest {
        let Position::Prove { index } = task.held.task.0 else { panic!("{} is no segment", task.held.task) };
        let proof = fake::proof(salt, 0, &(index..index + 1));
        let digest = Digest::of(&proof);
        self.0.put_artifact_stored(&digest, &encode_artifact(ArtifactKind::Proof, &proof).unwrap()).unwrap();
        digest
    }

    fn complete(&self, task: &Assignment, output: Digest) -> Result<Completed, ClientError> {
        self.0.complete(NAME, &Complete { held: task.held, output, cpu_ms: 1, peak_bytes: None })
    }
}

/// What is recorded of a task: its result, and who made it at which start.
fn recorded(fleet: &Cluster, task: &Assignment) -> (Option<Digest>, Option<String>, u32) {
    let view = fleet.tasks(task.held.job).into_iter().find(|view| view.task == task.held.task).unwrap();
    (view.output, view.worker, view.attempt)
}

#[test]
fn results_that_come_twice_in_another_order_and_too_late_change_nothing() {
    on_both(|fleet| {
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        fleet.worker(&executor);
        let job = fleet.submit(16, 1);
        let worker = Stutterer::register(fleet);
        let mut tasks: Vec<Assignment> = (0..8).map(|_| worker.claim()).collect();
        let late = tasks.split_off(5);
        let outputs: Vec<Digest> = tasks.iter().map(|task| worker.prove(task, 0)).collect();

        // The last first, each one twice at once and once again.
        for (task, output) in tasks.iter().zip(&outputs).rev() {
            worker.beat(&[&tasks[..], &late].concat());
            let twice = thread::scope(|scope| {
                let says = || scope.spawn(|| worker.complete(task, *output));
                [says(), says()].map(|said| said.join().unwrap())
            });
            let again = worker.complete(task, *output);
            for answer in twice.into_iter().chain([again]) {
                assert_eq!(answer, Ok(Completed { output: *output }), "{}", task.held.task);
            }
        }
        // The same start has another result after all.
        for (task, output) in tasks.iter().zip(&outputs) {
            let other = worker.prove(task, 1);
            match worker.complete(task, other) {
                Ok(completed) => assert_eq!(completed.output, *output),
                Err(error) => assert!(error.is_stale(), "{error}"),
            }
            assert_eq!(recorded(fleet, task), (Some(*output), Some(NAME.to_owned()), task.held.attempt));
        }

        // From now on nobody hears of it, and others take what it held.
        let heir = fleet.part("heir");
        fleet.worker(&heir);
        let early = &late[0];
        until("what it held runs or ran elsewhere", || recorded(fleet, early).1.is_some_and(|name| name != NAME));
        for task in &late {
            let output = worker.prove(task, 1);
            if task.held == early.held {
                assert!(worker.complete(task, output).unwrap_err().is_stale());
            }
        }
        fleet.proven(job, 16);
        let before: Vec<_> = late.iter().map(|task| recorded(fleet, task)).collect();
        let receipt = fleet.client.receipt(job).unwrap();

        // The job is long over.
        for task in late.iter().rev().chain(&late) {
            let error = worker.complete(task, worker.prove(task, 1)).unwrap_err();
            assert!(error.is_stale(), "{error}");
        }
        for (task, output) in tasks.iter().zip(&outputs) {
            assert_eq!(worker.complete(task, *output), Ok(Completed { output: *output }), "its own is known");
        }
        let after: Vec<_> = late.iter().map(|task| recorded(fleet, task)).collect();
        assert_eq!(before, after);
        assert_eq!(fleet.client.receipt(job).unwrap(), receipt);
        fleet.proven(job, 16);
    });
}
