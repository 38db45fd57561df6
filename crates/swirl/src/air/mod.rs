//! One AIR's constraints and interactions made ready to evaluate: at many rows at once, and at points of the extension.

mod arithmetic;
mod combination;
mod program;
mod rows;

pub use arithmetic::{BLOCK, Blocks, Points, Vectors};
pub use combination::Combination;
pub use program::{Input, Program};
pub use rows::{Parts, SELECTORS};
