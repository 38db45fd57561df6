//! Which memory a segment touched, and how many nodes of the memory tree that takes with it.
//!
//! OpenVM's memory is a binary Merkle tree over leaves of eight cells. Proving a segment costs rows for every touched leaf
//! and for every tree node above one. Upstream's meter counts whole pages of 64 leaves as touched; this set counts exactly,
//! in amortised constant time: a stack of bit sets in which each bit of one level says whether a word of the level below
//! holds anything.

/// Leaves in one word of a bit set; also the leaves of one page.
const WORD_BITS: u32 = u64::BITS;
const WORD_LOG: u32 = WORD_BITS.ilog2();

/// A set of leaves of a tree of `2^height` leaves.
pub(super) struct TouchedLeaves {
    height: u32,
    /// `levels[0]` has one bit for each leaf, `levels[l + 1]` one for each word of `levels[l]`.
    levels: Vec<Vec<u64>>,
    /// Words of `levels[0]` that hold a leaf, in the order in which they got their first.
    pages: Vec<u32>,
    leaves: u64,
    nodes: u64,
}

impl TouchedLeaves {
    /// The empty set.
    pub fn new(height: u32) -> Self {
        let mut levels = Vec::new();
        let mut bits = height;
        loop {
            levels.push(vec![0; 1 << bits.saturating_sub(WORD_LOG)]);
            if bits <= WORD_LOG {
                break;
            }
            bits -= WORD_LOG;
        }
        Self { height, levels, pages: Vec::new(), leaves: 0, nodes: 0 }
    }

    /// Adds a leaf. One outside the tree is ignored: the access that touched it fails on its own.
    #[inline(always)]
    pub fn insert(&mut self, leaf: u32) {
        let Some(word) = self.levels[0].get((leaf >> WORD_LOG) as usize) else { return };
        if word & (1 << (leaf % WORD_BITS)) == 0 {
            self.insert_new(leaf);
        }
    }

    #[inline(never)]
    fn insert_new(&mut self, leaf: u32) {
        self.leaves += 1;
        let mut index = leaf;
        let mut bits = self.height;
        for (level, words) in self.levels.iter_mut().enumerate() {
            let word = &mut words[(index >> WORD_LOG) as usize];
            let before = *word;
            *word |= 1 << (index % WORD_BITS);
            // Nodes over 2, 4, … 64 bits of this word; one is new while nothing below it was there.
            let steps = bits.min(WORD_LOG);
            let new = (1..=steps).take_while(|step| before & group(index % WORD_BITS, *step) == 0).count();
            self.nodes += new as u64;
            if before != 0 {
                return;
            }
            index >>= WORD_LOG;
            bits = bits.saturating_sub(WORD_LOG);
            if level == 0 {
                self.pages.push(index);
            }
        }
    }

    /// How many leaves are in the set.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// How many inner nodes, the root included, have a leaf of the set below them.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// Pages of 64 leaves that hold a leaf of the set, in order of first touch.
    pub fn pages(&self) -> &[u32] {
        &self.pages
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        for page in self.pages.drain(..) {
            let mut index = page;
            for words in &mut self.levels {
                words[index as usize] = 0;
                index >>= WORD_LOG;
            }
        }
        (self.leaves, self.nodes) = (0, 0);
    }
}

/// The bits of the aligned group of `2^step` that `bit` is in.
fn group(bit: u32, step: u32) -> u64 {
    let size = 1 << step;
    let ones = if size == WORD_BITS { u64::MAX } else { (1 << size) - 1 };
    ones << (bit & !(size - 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The definition: every ancestor of every leaf, once.
    fn nodes(height: u32, leaves: &BTreeSet<u32>) -> u64 {
        let ancestors = |leaf: &u32| (1..=height).map(|step| (step, leaf >> step)).collect::<Vec<_>>();
        leaves.iter().flat_map(ancestors).collect::<BTreeSet<_>>().len() as u64
    }

    proptest! {
        #[test]
        fn counts_equal_the_definition(height in 1u32..16, picks in prop::collection::vec(any::<u32>(), 0..300)) {
            let mut set = TouchedLeaves::new(height);
            for _ in 0..2 {
                let leaves: BTreeSet<u32> = picks.iter().map(|pick| pick % (1 << height)).collect();
                for pick in &picks {
                    set.insert(pick % (1 << height));
                }
                let pages: BTreeSet<u32> = leaves.iter().map(|leaf| leaf / 64).collect();
                prop_assert_eq!(set.leaves(), leaves.len() as u64);
                prop_assert_eq!(set.nodes(), nodes(height, &leaves));
                prop_assert_eq!(set.pages().iter().copied().collect::<BTreeSet<_>>(), pages);
                set.clear();
                prop_assert_eq!((set.leaves(), set.nodes(), set.pages().len()), (0, 0, 0));
            }
        }
    }

    #[test]
    fn a_leaf_outside_the_tree_is_ignored() {
        let mut set = TouchedLeaves::new(8);
        set.insert(u32::MAX);
        assert_eq!(set.leaves(), 0);
    }
}
