//! The machine state at a segment boundary, as stored: small, because pages are shared with earlier checkpoints.
//!
//! A checkpoint lists where each page of memory that differs from the program's initial memory is found: in which pack of
//! pages, at which position. Registers and the position in the input are stored in place.

use std::{collections::BTreeMap, sync::Arc};

use openvm_circuit::{
    arch::{MemoryConfig, Streams, VmState, instructions::exe::VmExe},
    system::memory::{
        AddressMap,
        online::{GuestMemory, LinearMemory},
    },
};
use openvm_sdk::F;
use openvm_stark_backend::p3_field::{PrimeCharacteristicRing, PrimeField32};
use phalanx_claim::{ArtifactKind, Digest};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::pages::{PAGE_BYTES, Pack, PageId};
use crate::{ArtifactSource, Fault, TaskError, stdin::Stdin};

/// Address space of the registers; stored in place.
pub(super) const REGISTERS: usize = 1;
/// Address space of the guest's memory.
const MEMORY: usize = 2;
/// The seed of the VM's random bytes, `DEFAULT_RNG_SEED` of openvm-circuit 2.0.2.
const RNG_SEED: u64 = 0;

/// Bytes that the guest has asked for but not read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Hint {
    /// The last this many of the item of the input stream that was handed out last, with its length before and padding
    /// to four bytes after it.
    OfInput { remaining: u32 },
    /// These.
    Bytes(Vec<u8>),
}

/// Consecutive pages that are stored consecutively.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct PageRun {
    /// The first page.
    pub first: PageId,
    /// Index into [`Checkpoint::packs`].
    pub pack: u32,
    /// Position of the first page in the pack.
    pub slot: u32,
    /// How many pages.
    pub count: u32,
}

/// The machine state between two instructions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Address of the next instruction.
    pub pc: u32,
    /// The register file.
    pub registers: Vec<u8>,
    /// How many items of the input the guest has asked for.
    pub input_next: u32,
    /// What is left to read of them.
    pub hint: Hint,
    /// How many random bytes the guest was given.
    pub random_bytes: u64,
    /// Packs that `pages` refers to.
    pub packs: Vec<Digest>,
    /// Pages that differ from the program's initial memory.
    pub pages: Vec<PageRun>,
}

impl Checkpoint {
    /// Captures everything but the pages.
    pub fn registers_and_streams(state: &VmState<F, GuestMemory>, stdin: &Stdin, random_bytes: u64) -> Self {
        let input_next = stdin.items.len() - state.streams.input_stream.len();
        let hint: Vec<u8> = state.streams.hint_stream.iter().map(|byte| byte.as_canonical_u32() as u8).collect();
        let of_input = input_next.checked_sub(1).and_then(|last| stdin.items.get(last)).map(|item| hint_of(item));
        let hint = match of_input {
            Some(source) if source.ends_with(&hint) => Hint::OfInput { remaining: hint.len() as u32 },
            _ => Hint::Bytes(hint),
        };
        Self {
            pc: state.pc(),
            registers: state.memory.memory.mem[REGISTERS].as_slice().to_vec(),
            input_next: input_next as u32,
            hint,
            random_bytes,
            packs: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Rebuilds the state. `memory_bytes` is how much of the guest's main memory the state must be able to address; less
    /// than the VM allows, because the prover copies all of it.
    pub fn restore(
        &self,
        exe: &VmExe<F>,
        memory: &MemoryConfig,
        memory_bytes: u64,
        stdin: &Stdin,
        source: &dyn ArtifactSource,
    ) -> Result<VmState<F, GuestMemory>, TaskError> {
        let bad = |reason: String| TaskError::from(Fault::BadArtifact { what: "checkpoint", reason });
        let mut config = memory.addr_spaces.clone();
        let main = &mut config[MEMORY];
        main.num_cells = main.num_cells.min(usize::try_from(memory_bytes).unwrap_or(usize::MAX));
        if exe.init_memory.keys().any(|(space, at)| *space as usize == MEMORY && *at as usize >= main.num_cells) {
            return Err(bad(format!("{memory_bytes} bytes of memory do not hold the program")));
        }
        let mut map: AddressMap = AddressMap::new(config);
        map.set_from_sparse(&exe.init_memory);
        let registers = map.mem[REGISTERS].as_mut_slice();
        if registers.len() != self.registers.len() {
            return Err(bad(format!("{} bytes of registers, expected {}", self.registers.len(), registers.len())));
        }
        registers.copy_from_slice(&self.registers);
        self.restore_pages(&mut map, source)?;
        let mut rng = StdRng::seed_from_u64(RNG_SEED);
        skip_random(&mut rng, self.random_bytes);
        Ok(VmState::new(self.pc, GuestMemory::new(map), self.streams(stdin)?, rng))
    }

    fn restore_pages(&self, map: &mut AddressMap, source: &dyn ArtifactSource) -> Result<(), TaskError> {
        let bad = |reason: String| TaskError::from(Fault::BadArtifact { what: "checkpoint", reason });
        let mut by_pack = BTreeMap::<u32, Vec<&PageRun>>::new();
        for run in &self.pages {
            by_pack.entry(run.pack).or_default().push(run);
        }
        for (index, runs) in by_pack {
            let digest = self.packs.get(index as usize).ok_or_else(|| bad(format!("there is no pack {index}")))?;
            let bytes: Arc<[u8]> = source.get(digest, ArtifactKind::Pages)?;
            let pack = Pack::read(&bytes).map_err(|reason| Fault::BadArtifact { what: "pages", reason })?;
            for run in runs {
                for step in 0..run.count {
                    let slot = run.slot.checked_add(step).and_then(|slot| pack.page(slot as usize));
                    let page = slot.ok_or_else(|| bad(format!("pack {index} has no page {}+{step}", run.slot)))?;
                    let space = map.mem.get_mut(usize::from(run.first.space));
                    let target = space.and_then(|space| {
                        let start = (run.first.number as usize).checked_add(step as usize)?.checked_mul(PAGE_BYTES)?;
                        space.as_mut_slice().get_mut(start..)
                    });
                    let target = target.ok_or_else(|| bad(format!("page {:?}+{step} is outside memory", run.first)))?;
                    let length = target.len().min(PAGE_BYTES);
                    target[..length].copy_from_slice(&page[..length]);
                }
            }
        }
        Ok(())
    }

    fn streams(&self, stdin: &Stdin) -> Result<Streams<F>, TaskError> {
        let bad = |reason: String| TaskError::from(Fault::BadArtifact { what: "checkpoint", reason });
        let next = self.input_next as usize;
        let rest = stdin
            .items
            .get(next..)
            .ok_or_else(|| bad(format!("{next} input items were read, but there are {}", stdin.items.len())))?;
        let elements = |bytes: &[u8]| bytes.iter().map(|byte| F::from_u8(*byte)).collect::<Vec<_>>();
        let mut streams = Streams::new(rest.iter().map(|item| elements(item)).collect::<Vec<_>>());
        streams.hint_stream = match &self.hint {
            Hint::Bytes(bytes) => elements(bytes).into(),
            Hint::OfInput { remaining } => {
                let item = next.checked_sub(1).and_then(|last| stdin.items.get(last));
                let source = hint_of(item.ok_or_else(|| bad("it reads an input item before the first".into()))?);
                let start = source.len().checked_sub(*remaining as usize);
                elements(&source[start.ok_or_else(|| bad("it reads more of an input item than there is".into()))?..])
                    .into()
            }
        };
        Ok(streams)
    }
}

/// An input item as the guest reads it: length, bytes, zeros up to a multiple of four.
fn hint_of(item: &[u8]) -> Vec<u8> {
    let mut hint = (item.len() as u32).to_le_bytes().to_vec();
    hint.extend(item);
    hint.resize(hint.len().next_multiple_of(4), 0);
    hint
}

/// Brings the generator to where it was after `bytes` draws of `u8`, each of which takes one word.
fn skip_random(rng: &mut StdRng, bytes: u64) {
    for _ in 0..bytes {
        rng.next_u32();
    }
}
