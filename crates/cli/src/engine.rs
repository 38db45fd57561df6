//! The one place that chooses a proving backend: OpenVM, or none when the cargo feature `openvm` is off.
//!
//! In: the directory of the proving keys. Out: a [`Prover`]. Making one is cheap; keys are read when they are first used.

use phalanx_claim::Digest;

#[cfg(feature = "openvm")]
pub use with_openvm::Prover;
#[cfg(not(feature = "openvm"))]
pub use without::Prover;

/// What one chip contributed to an execution.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Chip {
    /// Its name.
    pub chip: String,
    /// Rows that the execution used.
    pub rows: u64,
    /// Cells of its trace, padding included: what is committed to and what memory follows.
    pub cells: u64,
    /// Rows times interactions, padding included.
    pub interaction_cells: u64,
    /// Columns of its trace.
    pub columns: u64,
}

/// The cached proving keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Where the files are.
    pub directory: std::path::PathBuf,
    /// The key that receipts are verified with.
    pub verifying_key: Digest,
    /// One for each kind of key.
    pub files: Vec<KeyFile>,
}

/// One kind of key.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// Its file name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Size and digest, if it is there.
    pub present: Option<(u64, Option<Digest>)>,
}

/// Who makes the proofs; both make the same.
#[derive(clap::ValueEnum, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum StarkProver {
    // Help on a value would put the help of the whole command into clap's long form.
    #[default]
    Swirl,
    Upstream,
}

#[cfg(feature = "openvm")]
mod with_openvm {
    use std::{path::Path, sync::Arc};

    use phalanx_claim::{ArtifactKind, Digest, ProgramId};
    use phalanx_engine::{
        ArtifactSource, Engine, Execution, Fault,
        openvm::{self, OpenVmEngine, references},
    };
    use phalanx_plan::{Calibration, Sizing, SizingError, SizingRequest};

    use super::{Chip, KeyFile, Keys, StarkProver};
    use crate::error::{Error, Result};

    /// A proving backend.
    pub struct Prover(Arc<OpenVmEngine>);

    impl Prover {
        /// OpenVM with its keys in `keys`.
        pub fn open(keys: &Path) -> Result<Self> {
            Self::open_with(keys, StarkProver::default())
        }

        /// The same, with this prover.
        pub fn open_with(keys: &Path, prover: StarkProver) -> Result<Self> {
            let prover = match prover {
                StarkProver::Swirl => openvm::Prover::Swirl,
                StarkProver::Upstream => openvm::Prover::Upstream,
            };
            OpenVmEngine::new(Some(keys), prover)
                .map(|engine| Self(Arc::new(engine)))
                .map_err(|error| keys_failed(&error))
        }

        /// Vectors of this processor that the prover was not compiled for.
        pub fn unused_vectors(&self) -> Option<&'static str> {
            openvm::unused_vectors()
        }

        /// The backend as schedulers see it.
        pub fn engine(&self) -> Arc<dyn Engine> {
            Arc::clone(&self.0) as Arc<dyn Engine>
        }

        /// Names a program, which takes seconds.
        pub fn program_id(&self, elf: &[u8]) -> std::result::Result<ProgramId, Fault> {
            openvm::program_id(elf)
        }

        /// The same, but believes what this machine worked out before.
        pub fn known_program_id(&self, elf: &[u8]) -> std::result::Result<ProgramId, Fault> {
            self.0.program_id(elf)
        }

        /// What an execution cost, chip by chip, the most expensive first.
        pub fn profile(&self, execution: &Execution, source: &dyn ArtifactSource) -> Result<Vec<Chip>> {
            let chip = |cost: phalanx_engine::openvm::ChipCost| Chip {
                chip: cost.chip,
                rows: cost.rows,
                cells: cost.cells,
                interaction_cells: cost.interaction_cells,
                columns: cost.columns,
            };
            let costs = self.0.profile(execution, source).map_err(|error| Error::from(&error))?;
            Ok(costs.into_iter().map(chip).collect())
        }

        /// The constants that sizes and predictions are computed from.
        pub fn calibration(&self) -> Calibration {
            self.0.calibration()
        }

        /// How to cut an execution on this machine.
        pub fn sizing(&self, request: &SizingRequest) -> std::result::Result<Sizing, SizingError> {
            Sizing::choose(&self.calibration(), self.0.fold_shape(), request)
        }

        /// What the key cache holds.
        pub fn keys(&self) -> Keys {
            let info = self.0.keys().info();
            let file = |file: &phalanx_engine::openvm::keys::KeyFile| KeyFile {
                name: file.name,
                purpose: file.purpose,
                present: file.bytes.map(|bytes| (bytes, file.digest)),
            };
            Keys {
                files: info.files.iter().map(file).collect(),
                directory: info.dir,
                verifying_key: info.verifying_key,
            }
        }

        /// Makes the keys that are missing.
        pub fn warm_keys(&self) -> Result<()> {
            let cache = self.0.keys();
            cache.proving().map_err(|error| keys_failed(&error))?;
            cache.deferral().map(drop).map_err(|error| keys_failed(&error))
        }

        /// Removes the keys of every version; says how many bytes that were.
        pub fn clear_keys(&self) -> Result<u64> {
            self.0.keys().clear().map_err(|error| keys_failed(&error))
        }

        /// Which artifacts an artifact names.
        pub fn references(&self, kind: ArtifactKind, bytes: &[u8]) -> Vec<Digest> {
            references(kind, bytes)
        }
    }

    fn keys_failed(error: &phalanx_engine::openvm::keys::KeysError) -> Error {
        Error::ours(format!("no proving keys: {error}"))
    }
}

#[cfg(not(feature = "openvm"))]
mod without {
    use std::{path::Path, sync::Arc};

    use phalanx_claim::{ArtifactKind, Digest, ProgramId};
    use phalanx_engine::{ArtifactSource, Engine, Execution, Fault};
    use phalanx_plan::{Calibration, Sizing, SizingError, SizingRequest};

    use super::{Chip, Keys, StarkProver};
    use crate::error::{Error, Result};

    /// There is none: no value of this type exists, so its methods are never called.
    pub enum Prover {}

    impl Prover {
        /// Says that there is none.
        pub fn open(_keys: &Path) -> Result<Self> {
            Err(Error::ours("this phalanx was built without a prover").hint("build it with the cargo feature `openvm`"))
        }

        pub fn open_with(keys: &Path, _prover: StarkProver) -> Result<Self> {
            Self::open(keys)
        }

        pub fn unused_vectors(&self) -> Option<&'static str> {
            match *self {}
        }

        pub fn engine(&self) -> Arc<dyn Engine> {
            match *self {}
        }

        pub fn program_id(&self, _elf: &[u8]) -> std::result::Result<ProgramId, Fault> {
            match *self {}
        }

        pub fn known_program_id(&self, _elf: &[u8]) -> std::result::Result<ProgramId, Fault> {
            match *self {}
        }

        pub fn profile(&self, _execution: &Execution, _source: &dyn ArtifactSource) -> Result<Vec<Chip>> {
            match *self {}
        }

        pub fn calibration(&self) -> Calibration {
            match *self {}
        }

        pub fn sizing(&self, _request: &SizingRequest) -> std::result::Result<Sizing, SizingError> {
            match *self {}
        }

        pub fn keys(&self) -> Keys {
            match *self {}
        }

        pub fn warm_keys(&self) -> Result<()> {
            match *self {}
        }

        pub fn clear_keys(&self) -> Result<u64> {
            match *self {}
        }

        pub fn references(&self, _kind: ArtifactKind, _bytes: &[u8]) -> Vec<Digest> {
            match *self {}
        }
    }
}
