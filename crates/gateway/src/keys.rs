//! The key of a task as the queue holds it: engine as JSON, spec, inputs.

use phalanx_api::TaskSpec;
use phalanx_claim::{Digest, EngineId};
use phalanx_plan::{Task, TaskKey};

/// The key under which the result is recorded; none when the engine cannot be read or the cut of an execution is not settled.
pub(crate) fn task_key(engine: &str, spec: &TaskSpec, inputs: &[Digest]) -> Option<Digest> {
    let engine: EngineId = serde_json::from_str(engine).ok()?;
    let task = match spec {
        TaskSpec::Execute(spec) => Task::Execute(spec.params()?),
        TaskSpec::Prove { .. } => Task::Prove,
        TaskSpec::Fold { layer } => Task::Fold { layer: *layer },
        TaskSpec::Seal => Task::Seal,
    };
    Some(TaskKey::new(&engine, &task, inputs).digest())
}

#[cfg(test)]
mod tests {
    use phalanx_api::{Cut, ExecuteSpec};
    use phalanx_plan::ExecuteParams;

    use super::*;

    #[test]
    fn an_execution_has_a_key_once_its_cut_is_settled() {
        let engine = EngineId { name: "fake".into(), version: "1".into(), verifying_key: Digest::of(b"key") };
        let text = serde_json::to_string(&engine).unwrap();
        let inputs = [Digest::of(b"program"), Digest::of(b"input")];
        let open = ExecuteSpec { cycles_max: 9, segment_cycles: None, cut: None };
        assert_eq!(task_key(&text, &TaskSpec::Execute(open), &inputs), None);
        let cut = Cut { segment_cycles_max: 7, segment_bytes_max: 8 };
        let settled = TaskSpec::Execute(ExecuteSpec { cut: Some(cut), ..open });
        let params = ExecuteParams { segment_cycles_max: 7, segment_bytes_max: 8, cycles_max: 9 };
        let expected = TaskKey::new(&engine, &Task::Execute(params), &inputs).digest();
        assert_eq!(task_key(&text, &settled, &inputs), Some(expected));
    }

    #[test]
    fn a_task_without_an_engine_has_no_key() {
        assert_eq!(task_key("", &TaskSpec::Seal, &[]), None);
    }
}
