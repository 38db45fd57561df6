//! What an artifact holds.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The kind of an artifact. The number is stored in the artifact's header and never changes its meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ArtifactKind {
    /// A RISC-V ELF, as the user gave it.
    Program = 1,
    /// The guest's input stream.
    Stdin = 2,
    /// Memory pages that changed between two checkpoints.
    Pages = 3,
    /// One segment: the checkpoint it starts from, its length and its trace heights.
    Segment = 4,
    /// One execution: its segments, public values and final state.
    Execution = 5,
    /// A STARK proof of a segment, or of a fold of them.
    Proof = 6,
    /// The final proof with its claim.
    Receipt = 7,
}

impl ArtifactKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Program, Self::Stdin, Self::Pages, Self::Segment, Self::Execution, Self::Proof, Self::Receipt];

    /// The number in the header.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind's name as users see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Stdin => "stdin",
            Self::Pages => "pages",
            Self::Segment => "segment",
            Self::Execution => "execution",
            Self::Proof => "proof",
            Self::Receipt => "receipt",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
