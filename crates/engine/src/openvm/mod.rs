//! The OpenVM engine: the four tasks on OpenVM 2.0.2's circuits, prover and folds.
//!
//! In: tasks and artifacts. Out: artifacts, each verified before it is returned. Making an engine is cheap; programs, VMs
//! and keys are loaded when a task first needs them and kept.

mod align;
mod backend;
mod calibration;
mod catch;
mod checkpoint;
pub mod config;
mod cost_model;
mod cut;
mod execute;
mod fold;
mod host;
mod interpreter;
pub mod keys;
mod loaded;
mod meter;
mod pages;
mod profile;
mod program;
mod program_trace;
mod proof;
mod prove;
mod references;
mod seal;
mod segment;
mod touched;
mod vm_table;

use std::{path::Path, sync::Arc};

use openvm_circuit::arch::instructions::exe::VmExe;
use openvm_sdk::F;
use openvm_sdk_config::SdkVmConfig;
use phalanx_claim::{ArtifactKind, Digest, EngineId, ProgramId};
use phalanx_plan::{FoldShape, Task};

pub use backend::Prover;
pub use phalanx_swirl::packing::unused_vectors;
pub use profile::{ChipCost, chip_name};
pub use references::references;

use crate::{Artifact, ArtifactSource, Cost, CostHint, Engine, Execution, Fault, Inputs, RunContext, TaskError};
use keys::{KeyCache, KeysError};
use loaded::Loaded;
use vm_table::VmTable;

/// OpenVM 2.0.2 on the CPU.
pub struct OpenVmEngine {
    id: EngineId,
    shape: FoldShape,
    loaded: Loaded,
}

impl OpenVmEngine {
    /// An engine with its keys in `keys_dir`, or in the user's cache directory. Reads no key yet.
    pub fn new(keys_dir: Option<&Path>, prover: Prover) -> Result<Self, KeysError> {
        Ok(Self {
            id: phalanx_receipt::engine_id().clone(),
            shape: FoldShape { arities: fold::ARITIES.to_vec() },
            loaded: Loaded::new(KeyCache::new(keys_dir)?, prover),
        })
    }

    /// What each chip of the VM contributed to an execution, most expensive first. Reads its segments.
    pub fn profile(&self, execution: &Execution, source: &dyn ArtifactSource) -> Result<Vec<ChipCost>, TaskError> {
        profile::profile(&self.loaded.table().airs, execution, source)
    }

    /// The constants that segment sizes are chosen from.
    pub fn calibration(&self) -> phalanx_plan::Calibration {
        self.loaded.calibration().for_sizing()
    }

    /// The id of a program, kept beside the keys: working it out takes seconds. Whoever must not trust these files asks
    /// [`program_id`].
    pub fn program_id(&self, file: &[u8]) -> Result<ProgramId, Fault> {
        let digest = Digest::of(file);
        if let Some(id) = self.keys().program_id(&digest) {
            return Ok(id);
        }
        let id = program_id(file)?;
        self.keys().keep_program_id(&digest, &id);
        Ok(id)
    }

    /// Where the proving keys are.
    pub fn keys(&self) -> &KeyCache {
        self.loaded.cache()
    }
}

/// The id of a program, computed without keys and without an engine.
pub fn program_id(file: &[u8]) -> Result<ProgramId, Fault> {
    let config = config::vm_config(Some(VmTable::committed().deferral));
    let program = program::LoadedProgram::new(file, &config)?;
    Ok(program.commit(&config::memory(&config)).map_err(Fault::BadElf)?.0)
}

/// The program as upstream's SDK takes it under `config`, for comparisons with upstream.
pub fn upstream_exe(file: &[u8], config: &SdkVmConfig) -> Result<Arc<VmExe<F>>, Fault> {
    Ok(program::LoadedProgram::new(file, config)?.exe)
}

impl Engine for OpenVmEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn fold_shape(&self) -> &FoldShape {
        &self.shape
    }

    fn resident_bytes(&self) -> u64 {
        self.loaded.calibration().resident_bytes
    }

    fn cost(&self, task: &Task, hint: &CostHint) -> Cost {
        self.loaded.calibration().cost(task, hint)
    }

    fn run(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError> {
        let input = |index: usize, kind| {
            let digest = inputs.digests.get(index).ok_or_else(|| Fault::BadArtifact {
                what: task.kind().name(),
                reason: format!("input {index} is missing"),
            })?;
            Ok::<_, TaskError>(inputs.source.get(digest, kind)?)
        };
        match task {
            Task::Execute(params) => {
                let program = self.loaded.program(&input(0, ArtifactKind::Program)?)?;
                let execution = self.loaded.execute(&program, &input(1, ArtifactKind::Stdin)?, params, ctx)?;
                Ok(Artifact { kind: ArtifactKind::Execution, bytes: execution.encode() })
            }
            Task::Prove => {
                let program = self.loaded.program(&input(0, ArtifactKind::Program)?)?;
                let segment = segment::Segment::decode(&input(1, ArtifactKind::Segment)?)?;
                let proof = self.loaded.prove(&program, &segment, inputs, ctx)?;
                Ok(Artifact { kind: ArtifactKind::Proof, bytes: proof::encode(0, &proof) })
            }
            Task::Fold { layer } => {
                let proof = self.loaded.folder()?.fold(*layer, inputs)?;
                Ok(Artifact { kind: ArtifactKind::Proof, bytes: proof::encode(layer + 1, &proof) })
            }
            Task::Seal => {
                let program = self.loaded.program(&input(0, ArtifactKind::Program)?)?;
                let bytes = self.loaded.seal(&program, inputs, ctx)?;
                Ok(Artifact { kind: ArtifactKind::Receipt, bytes })
            }
        }
    }
}
