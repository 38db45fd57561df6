//! What a receipt says.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ProgramId;

/// *There is an input on which `program` ends with `exit_code` and these public values.*
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Which program ran.
    pub program: ProgramId,
    /// How it ended; 0 is success and the only value a receipt can carry.
    pub exit_code: u32,
    /// The bytes it revealed, in order.
    pub public_values: Vec<u8>,
}
