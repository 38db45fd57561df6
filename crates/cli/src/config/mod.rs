//! Where options come from when the command line does not say them: the environment, then files, then defaults.
//!
//! In: the command line's grammar, the environment, TOML files. Out: the same grammar with other defaults, and for `config show`
//! where each of them came from. Every long option of every command takes part by itself: `--some-option` is the variable
//! `PHALANX_SOME_OPTION` and the key `some-option`.
//!
//! A file has keys at its top, for every command that has such an option, and one table per command (`[serve]`,
//! `[token.create]`), which wins over the top. Keys that no command has, and values that their option does not take, are errors.

mod file;
mod layers;
mod places;
mod show;

pub use layers::Layers;
pub use show::{Setting, Source};
