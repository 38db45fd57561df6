//! What an engine keeps between tasks: keys and programs.

use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock};

use openvm_circuit::arch::{SystemConfig, VmExecutionConfig};
use openvm_sdk::{F, SC};
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_backend::{keygen::types::MultiStarkVerifyingKey, p3_field::PrimeField32};
use phalanx_claim::{Digest, ProgramId};
use phalanx_plan::ExecuteParams;

use super::{
    backend::{Committed, Proof, Prover},
    calibration::Calibration,
    config,
    execute::{Setup, execute},
    fold::Folder,
    interpreter::Interpreter,
    keys::{KeyCache, ProvingKeys},
    program::LoadedProgram,
    prove::SegmentProver,
    seal::seal,
    segment::Segment,
    vm_table::VmTable,
};
use crate::{Execution, Fault, Inputs, RunContext, TaskError, stdin::Stdin};

/// Programs that are kept; a worker sees few at a time.
const PROGRAMS_MAX: usize = 8;

/// A program with what was computed for it.
pub(super) struct Program {
    digest: Digest,
    loaded: LoadedProgram,
    committed: OnceLock<(ProgramId, Committed)>,
    interpreter: OnceLock<Result<Interpreter, String>>,
}

impl Program {
    fn id(&self, loaded: &Loaded) -> Result<ProgramId, Fault> {
        Ok(self.committed(loaded)?.0)
    }

    fn committed(&self, loaded: &Loaded) -> Result<&(ProgramId, Committed), Fault> {
        if let Some(committed) = self.committed.get() {
            return Ok(committed);
        }
        let committed = self.loaded.commit(&config::memory(&loaded.config())).map_err(Fault::BadElf)?;
        loaded.cache.keep_program_id(&self.digest, &committed.0);
        Ok(self.committed.get_or_init(|| committed))
    }

    fn interpreter(&self, loaded: &Loaded) -> Result<&Interpreter, Fault> {
        let interpreter = self.interpreter.get_or_init(|| {
            let inventory = loaded.config().create_executors().map_err(|error| error.to_string())?;
            Interpreter::new(&self.loaded.exe, inventory, &loaded.table.of_executor)
        });
        interpreter.as_ref().map_err(|reason| Fault::BadElf(reason.clone()))
    }
}

/// Everything that is loaded on first use.
pub(super) struct Loaded {
    prover: Prover,
    cache: KeyCache,
    calibration: Calibration,
    table: VmTable,
    keys: OnceLock<Result<Arc<Keys>, String>>,
    warming: Once,
    programs: Mutex<Vec<Arc<Program>>>,
}

struct Keys {
    proving: ProvingKeys,
    verifying: Arc<MultiStarkVerifyingKey<SC>>,
}

impl Loaded {
    /// Nothing yet.
    pub fn new(cache: KeyCache, prover: Prover) -> Self {
        Self {
            prover,
            cache,
            calibration: Calibration::committed(prover),
            table: VmTable::committed(),
            keys: OnceLock::new(),
            warming: Once::new(),
            programs: Mutex::default(),
        }
    }

    /// Where the keys are on disk.
    pub fn cache(&self) -> &KeyCache {
        &self.cache
    }

    /// The measured constants.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// What executing knows of the keys.
    pub fn table(&self) -> &VmTable {
        &self.table
    }

    fn config(&self) -> SdkVmConfig {
        config::vm_config(Some(self.table.deferral.clone()))
    }

    fn loaded_keys(&self) -> Result<&Arc<Keys>, TaskError> {
        let keys = self.keys.get_or_init(|| {
            let proving = self.cache.proving().map_err(|error| error.to_string())?;
            let verifying = proving.app_vk();
            Ok(Arc::new(Keys { proving, verifying }))
        });
        keys.as_ref().map_err(|reason| TaskError::Retry(reason.clone()))
    }

    fn keys(&self) -> Result<&ProvingKeys, TaskError> {
        Ok(&self.loaded_keys()?.proving)
    }

    /// Who folds.
    pub fn folder(&self) -> Result<Folder<'_>, TaskError> {
        Ok(Folder { prover: self.prover, keys: self.keys()? })
    }

    /// A program, parsed once.
    pub fn program(&self, file: &[u8]) -> Result<Arc<Program>, Fault> {
        let digest = Digest::of(file);
        if let Some(program) = lock(&self.programs).iter().find(|program| program.digest == digest) {
            return Ok(program.clone());
        }
        let loaded = LoadedProgram::new(file, &self.config())?;
        let program = Arc::new(Program { digest, loaded, committed: OnceLock::new(), interpreter: OnceLock::new() });
        let mut programs = lock(&self.programs);
        if programs.len() == PROGRAMS_MAX {
            programs.remove(0);
        }
        programs.push(program.clone());
        Ok(program)
    }

    /// Runs the execute task.
    pub fn execute(
        &self,
        program: &Program,
        stdin: &[u8],
        params: &ExecuteParams,
        ctx: &RunContext<'_>,
    ) -> Result<Execution, TaskError> {
        let items =
            Stdin::decode(stdin).map_err(|error| Fault::BadArtifact { what: "stdin", reason: error.to_string() })?;
        let airs = self.table.airs.for_program(program.loaded.exe.program.num_defined_instructions());
        let config = self.config();
        let system: &SystemConfig = config.as_ref();
        let setup = Setup {
            program: &program.loaded,
            interpreter: program.interpreter(self)?,
            airs: &airs,
            model: self.calibration.segment,
            system,
            rows_max: 1 << config::app_params().log_stacked_height(),
            interactions_max: F::ORDER_U32.into(),
        };
        execute(&setup, &items, Digest::of(stdin), params, ctx)
    }

    /// Runs the prove task.
    pub fn prove(
        &self,
        program: &Program,
        segment: &Segment,
        inputs: &Inputs<'_>,
        ctx: &RunContext<'_>,
    ) -> Result<Proof, TaskError> {
        let keys = self.loaded_keys()?;
        // The provers of the folds take seconds to build, and a segment proof leaves a core idle now and then.
        self.warming.call_once(|| {
            let keys = keys.clone();
            std::thread::spawn(move || keys.proving.warm());
        });
        let committed = &program.committed(self)?.1;
        // A VM holds chips that may not leave their thread, so it is made for each segment; that takes milliseconds.
        let mut prover = SegmentProver::new(self.prover, &keys.proving, &program.loaded, committed)?;
        prover.prove(&program.loaded, segment, inputs, &keys.verifying, ctx)
    }

    /// Runs the seal task.
    pub fn seal(&self, program: &Program, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Vec<u8>, TaskError> {
        let id = program.id(self)?;
        let config = self.config();
        let system: &SystemConfig = config.as_ref();
        seal(&self.folder()?, &program.loaded, id, &system.memory_config, inputs, ctx)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking holder leaves is a list that is whole.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
