//! Task keys: pinned, and different whenever anything that matters differs.
//!
//! The pinned keys were computed from the definition by another implementation of BLAKE3 (the Python package `blake3`,
//! `derive_key_context="phalanx task key 1"`, each field preceded by its length as eight little-endian bytes).

use phalanx_claim::{Digest, EngineId};
use phalanx_plan::{ExecuteParams, Task, TaskKey};
use proptest::prelude::*;

fn engine() -> EngineId {
    EngineId { name: "openvm".into(), version: "2.0.2".into(), verifying_key: Digest::new([7; 32]) }
}

fn digests(count: u8) -> Vec<Digest> {
    (1..=count).map(|byte| Digest::new([byte; 32])).collect()
}

const PARAMS: ExecuteParams =
    ExecuteParams { segment_cycles_max: 1 << 20, segment_bytes_max: 8 << 30, cycles_max: 1_000_000_000 };

#[test]
fn keys_of_every_kind_are_pinned() {
    let key = |task, inputs| TaskKey::new(&engine(), &task, &digests(inputs)).to_string();
    assert_eq!(key(Task::Execute(PARAMS), 2), "34a1010e065f61a06a0e5e9aef9c18bd59a9c4ff2973b3676e214801ae8e471d");
    assert_eq!(key(Task::Prove, 2), "defd0a05955620bb29fc8ae1be2249650e83f740adbdcf254b4f3dea33c246ae");
    assert_eq!(key(Task::Fold { layer: 2 }, 3), "61b1ff7629bf6865eb0c999fccc6d7d73ae7326411679ad617a58ae185d8170a");
    assert_eq!(key(Task::Seal, 3), "2cfc73d5f39e49feb6422692dfc6d70051c17a836ccdb83a3a55bfe2310c44f4");
}

#[test]
fn changing_any_field_or_input_changes_the_key() {
    let (engine, execute, inputs) = (engine(), Task::Execute(PARAMS), digests(3));
    let other_engines = [
        EngineId { name: "openvn".into(), ..engine.clone() },
        EngineId { version: "2.0.3".into(), ..engine.clone() },
        EngineId { verifying_key: Digest::new([8; 32]), ..engine.clone() },
        // The same bytes, divided otherwise.
        EngineId { name: "openvm2".into(), version: ".0.2".into(), ..engine.clone() },
    ];
    let tasks = [
        execute,
        Task::Execute(ExecuteParams { segment_cycles_max: 1, ..PARAMS }),
        Task::Execute(ExecuteParams { segment_bytes_max: 1, ..PARAMS }),
        Task::Execute(ExecuteParams { cycles_max: 1, ..PARAMS }),
        Task::Prove,
        Task::Fold { layer: 0 },
        Task::Fold { layer: 1 },
        Task::Seal,
    ];
    let mut swapped = inputs.clone();
    swapped.swap(0, 1);
    let mut flipped = inputs.clone();
    flipped[2] = Digest::new([4; 32]);
    let other_inputs = [vec![], inputs[..2].to_vec(), [&inputs[..], &inputs[..1]].concat(), swapped, flipped];

    let mut keys = Vec::new();
    keys.extend(other_engines.iter().map(|engine| TaskKey::new(engine, &execute, &inputs)));
    keys.extend(tasks.iter().map(|task| TaskKey::new(&engine, task, &inputs)));
    keys.extend(other_inputs.iter().map(|inputs| TaskKey::new(&engine, &execute, inputs)));
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

/// Few distinct letters and numbers, so that encodings without lengths would often collide.
fn any_request() -> impl Strategy<Value = (EngineId, Task, Vec<Digest>)> {
    let engine = ("[ab]{0,3}", "[ab]{0,3}", 0u8..2).prop_map(|(name, version, key)| EngineId {
        name,
        version,
        verifying_key: Digest::new([key; 32]),
    });
    let task = prop_oneof![
        (0u64..2, 0u64..2, 0u64..2).prop_map(|(segment_cycles_max, segment_bytes_max, cycles_max)| {
            Task::Execute(ExecuteParams { segment_cycles_max, segment_bytes_max, cycles_max })
        }),
        Just(Task::Prove),
        (0u32..3).prop_map(|layer| Task::Fold { layer }),
        Just(Task::Seal),
    ];
    let inputs = prop::collection::vec((0u8..2).prop_map(|byte| Digest::new([byte; 32])), 0..3);
    (engine, task, inputs)
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_when_everything_is(a in any_request(), b in any_request()) {
        let key = |(engine, task, inputs): &(EngineId, Task, Vec<Digest>)| TaskKey::new(engine, task, inputs);
        prop_assert_eq!(key(&a) == key(&b), a == b);
    }

    #[test]
    fn moving_a_byte_between_two_fields_changes_the_key(text in "[a-z]{1,12}", cuts in (0usize..13, 0usize..13)) {
        let (a, b) = (cuts.0.min(text.len()), cuts.1.min(text.len()));
        let key = |cut: usize| {
            let (name, version) = text.split_at(cut);
            let engine = EngineId { name: name.into(), version: version.into(), ..engine() };
            TaskKey::new(&engine, &Task::Prove, &[])
        };
        prop_assert_eq!(key(a) == key(b), a == b);
    }
}
