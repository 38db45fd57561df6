//! The measurement with an engine that does as it is told.

use phalanx_claim::EngineId;
use phalanx_engine::{Cost, CostHint, SegmentEntry};
use phalanx_plan::FoldShape;

use super::*;

/// What the engine does when it is run.
type Script = dyn Fn(&Task, &Inputs<'_>, &RunContext<'_>) -> Result<Artifact, TaskError> + Send + Sync;

struct Scripted {
    id: EngineId,
    shape: FoldShape,
    script: Box<Script>,
}

impl Engine for Scripted {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn fold_shape(&self) -> &FoldShape {
        &self.shape
    }

    fn resident_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, _: &Task, _: &CostHint) -> Cost {
        Cost::default()
    }

    fn run(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        (self.script)(task, inputs, ctx)
    }
}

fn measured(
    cancel: &CancelToken,
    script: impl Fn(&Task, &Inputs<'_>, &RunContext<'_>) -> Result<Artifact, TaskError> + Send + Sync + 'static,
) -> Result<Option<u64>, JobError> {
    let id = EngineId { name: "scripted".into(), version: "1".into(), verifying_key: Digest::of(b"") };
    let engine = Scripted { id, shape: FoldShape { arities: vec![2] }, script: Box::new(script) };
    let given = Given { program: b"program", stdin: b"stdin" };
    cycles(&engine, given, NonZeroU64::new(77).unwrap(), &|_| (), cancel)
}

#[test]
fn the_program_is_executed_on_its_input_without_limits_but_its_own() {
    let cycles = measured(&CancelToken::default(), |task, inputs, ctx| {
        let Task::Execute(params) = task else { panic!("{task:?}") };
        let limits = (params.segment_cycles_max, params.segment_bytes_max, params.cycles_max);
        assert_eq!(limits, (u64::MAX, u64::MAX, 77));
        assert_eq!(*inputs.source.get(&inputs.digests[0], ArtifactKind::Program)?, *b"program");
        assert_eq!(*inputs.source.get(&inputs.digests[1], ArtifactKind::Stdin)?, *b"stdin");
        let other = Digest::of(b"other");
        assert!(inputs.source.get(&other, ArtifactKind::Stdin).is_err());
        assert!(inputs.source.get(&inputs.digests[1], ArtifactKind::Pages).is_err());
        let digest = ctx.sink.put(Artifact { kind: ArtifactKind::Segment, bytes: b"segment".to_vec() })?;
        assert_eq!(digest, Digest::of(b"segment"));
        let segments = vec![SegmentEntry { digest, hint: CostHint::default() }];
        let execution = Execution { cycles: 76, exit_code: 0, public_values: vec![], segments, state: vec![] };
        Ok(Artifact { kind: ArtifactKind::Execution, bytes: execution.encode() })
    });
    assert_eq!(cycles.unwrap(), Some(76));
}

#[test]
fn what_is_wrong_with_the_job_is_said_as_the_real_run_says_it() {
    let error = measured(&CancelToken::default(), |_, _, _| Err(Fault::CycleLimit { cycles_max: 77 }.into()));
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "execute: the guest did not finish within 77 cycles");
    assert!(error.is_users());
}

#[test]
fn an_interrupt_ends_it() {
    let cancel = CancelToken::default();
    cancel.cancel();
    let ended = measured(&cancel, |_, _, ctx| match ctx.cancel.is_cancelled() {
        true => Err(TaskError::Cancelled),
        false => Err(TaskError::Retry("goes on".into())),
    });
    assert!(matches!(ended, Err(JobError::Cancelled)));
}

#[test]
fn what_the_real_run_has_to_deal_with_is_left_to_it() {
    let scripts: [fn() -> Result<Artifact, TaskError>; 4] = [
        || Err(TaskError::Retry("tired".into())),
        || Err(Fault::BudgetTooSmall { needed_bytes: 2, budget_bytes: 1 }.into()),
        || Ok(Artifact { kind: ArtifactKind::Execution, bytes: b"garbled".to_vec() }),
        || panic!("the engine panics"),
    ];
    for script in scripts {
        assert_eq!(measured(&CancelToken::default(), move |_, _, _| script()).unwrap(), None);
    }
}
