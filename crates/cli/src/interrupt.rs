//! Ctrl-C: the first asks running tasks to stop, the second ends the process at once.
//!
//! SIGTERM and SIGHUP count as Ctrl-C. Either way the store stays whole: results are renamed into place or not there.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context;
use phalanx_engine::CancelToken;

use crate::{
    error::{Class, Result},
    printer::Talk,
};

/// A token that Ctrl-C cancels.
pub fn token(talk: Talk) -> Result<CancelToken> {
    let token = CancelToken::default();
    let cancelled = token.clone();
    let presses = AtomicU32::new(0);
    let on_press = move || {
        if presses.fetch_add(1, Ordering::Relaxed) > 0 {
            process::exit(Class::Interrupted.exit_code().into());
        }
        cancelled.cancel();
        talk.line("stopping; press Ctrl-C again to stop at once");
    };
    ctrlc::set_handler(on_press).context("cannot listen for Ctrl-C")?;
    Ok(token)
}
