//! Packs of memory pages, and the index that decides which pages a checkpoint must store anew.
//!
//! Only pages that changed since the last checkpoint are written. A pack whose pages have nearly all been overwritten
//! since is emptied: its last pages move to the newest pack. With the threshold of one sixth, the bytes written are at most
//! 1.2 times those of the changed pages, and restoring a checkpoint reads at most six times the memory in use, however long
//! the execution has been running.

use std::collections::{BTreeMap, HashMap};

use openvm_circuit::system::memory::{AddressMap, online::LinearMemory};
use phalanx_claim::Digest;
use serde::{Deserialize, Serialize};

use super::checkpoint::PageRun;

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 4096;
/// A pack is emptied when at most one page in this many is still in use.
const LIVE_ONE_IN: usize = 6;
const MAGIC: &[u8; 8] = b"PHpages\x01";

/// A page of guest memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) struct PageId {
    /// Address space.
    pub space: u8,
    /// Byte address within the space, in pages.
    pub number: u32,
}

/// Pages in a row, as read from an artifact.
pub(super) struct Pack<'a>(&'a [u8]);

impl<'a> Pack<'a> {
    /// Reads a pack.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let pages = bytes.strip_prefix(MAGIC).ok_or("no magic of a pack of pages, version 1")?;
        if !pages.len().is_multiple_of(PAGE_BYTES) {
            return Err(format!("{} bytes are not a whole number of pages", pages.len()));
        }
        Ok(Self(pages))
    }

    /// The page at a position.
    pub fn page(&self, slot: usize) -> Option<&'a [u8]> {
        let start = slot.checked_mul(PAGE_BYTES)?;
        self.0.get(start..start.checked_add(PAGE_BYTES)?)
    }
}

#[derive(Clone, Copy)]
struct Stored {
    content: Digest,
    /// Pack and position in it.
    at: (usize, u32),
}

struct PackEntry {
    digest: Digest,
    slots: usize,
    live: usize,
}

/// Where every changed page is stored.
#[derive(Default)]
pub(super) struct PageIndex {
    pages: BTreeMap<PageId, Stored>,
    packs: Vec<PackEntry>,
}

/// A pack that must be stored before the checkpoint that refers to it.
pub(super) struct NewPack {
    /// The bytes of the artifact.
    pub bytes: Vec<u8>,
    slots: Vec<(PageId, Digest)>,
}

impl PageIndex {
    /// Packs the pages of `candidates` that differ from what is stored, and what is left of packs to be emptied. `None`
    /// when nothing changed.
    pub fn pack(
        &self,
        candidates: impl IntoIterator<Item = PageId>,
        memory: &AddressMap,
        initial: &AddressMap,
    ) -> Option<NewPack> {
        let mut slots = HashMap::new();
        for page in candidates {
            let bytes = page_of(memory, page);
            let content = Digest::of(bytes);
            let changed = match self.pages.get(&page) {
                Some(stored) => stored.content != content,
                None => bytes != page_of(initial, page),
            };
            if changed {
                slots.insert(page, content);
            }
        }
        if slots.is_empty() {
            return None;
        }
        let emptied = self.emptied(&slots);
        for (page, stored) in &self.pages {
            if emptied.get(stored.at.0) == Some(&true) {
                slots.entry(*page).or_insert(stored.content);
            }
        }
        let mut slots: Vec<_> = slots.into_iter().collect();
        slots.sort_unstable();
        let mut bytes = Vec::with_capacity(MAGIC.len() + slots.len() * PAGE_BYTES);
        bytes.extend(MAGIC);
        for (page, _) in &slots {
            let content = page_of(memory, *page);
            bytes.extend(content);
            bytes.resize(bytes.len() + PAGE_BYTES - content.len(), 0);
        }
        Some(NewPack { bytes, slots })
    }

    /// Which packs have too few live pages once `rewritten` are stored elsewhere.
    fn emptied(&self, rewritten: &HashMap<PageId, Digest>) -> Vec<bool> {
        let mut live: Vec<usize> = self.packs.iter().map(|pack| pack.live).collect();
        for page in rewritten.keys() {
            if let Some(stored) = self.pages.get(page) {
                live[stored.at.0] -= 1;
            }
        }
        let empty = |(live, pack): (usize, &PackEntry)| live > 0 && live * LIVE_ONE_IN <= pack.slots;
        live.into_iter().zip(&self.packs).map(empty).collect()
    }

    /// Takes note that `pack` is stored as `digest`.
    pub fn stored(&mut self, pack: NewPack, digest: Digest) {
        let index = self.packs.len();
        self.packs.push(PackEntry { digest, slots: pack.slots.len(), live: pack.slots.len() });
        for (slot, (page, content)) in pack.slots.into_iter().enumerate() {
            let stored = Stored { content, at: (index, slot as u32) };
            if let Some(old) = self.pages.insert(page, stored) {
                self.packs[old.at.0].live -= 1;
            }
        }
    }

    /// The page table as a checkpoint stores it: packs in use, and runs of pages.
    pub fn table(&self) -> (Vec<Digest>, Vec<PageRun>) {
        let mut numbers = vec![0; self.packs.len()];
        let mut packs = Vec::new();
        for (number, pack) in numbers.iter_mut().zip(&self.packs).filter(|(_, pack)| pack.live > 0) {
            *number = packs.len() as u32;
            packs.push(pack.digest);
        }
        let mut runs = Vec::<PageRun>::new();
        for (page, stored) in &self.pages {
            let (pack, slot) = (numbers[stored.at.0], stored.at.1);
            match runs.last_mut() {
                Some(run)
                    if run.first.space == page.space
                        && run.first.number + run.count == page.number
                        && run.pack == pack
                        && run.slot + run.count == slot =>
                {
                    run.count += 1;
                }
                _ => runs.push(PageRun { first: *page, pack, slot, count: 1 }),
            }
        }
        (packs, runs)
    }
}

/// The bytes of a page; shorter at the end of an address space, empty behind it.
fn page_of(memory: &AddressMap, page: PageId) -> &[u8] {
    let space = memory.mem.get(usize::from(page.space)).map_or(&[][..], |space| space.as_slice());
    let start = (page.number as usize * PAGE_BYTES).min(space.len());
    &space[start..(start + PAGE_BYTES).min(space.len())]
}
