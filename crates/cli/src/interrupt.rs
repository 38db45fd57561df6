//! Ctrl-C: the first asks running tasks to stop, the second ends the process at once.
//!
//! SIGTERM and SIGHUP count as Ctrl-C. Either way the store stays whole: results are renamed into place or not there.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use anyhow::Context;
use phalanx_engine::CancelToken;

use crate::{
    error::{Class, Result},
    printer::Talk,
};

/// How long a process that was asked twice may take to give back what it holds.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// The first Ctrl-C drains; the second aborts, and ends the process if that takes long.
pub fn twice(drain: impl Fn() + Send + 'static, abort: impl Fn() + Send + 'static) -> Result<()> {
    let presses = AtomicU32::new(0);
    let on_press = move || {
        if presses.fetch_add(1, Ordering::Relaxed) == 0 {
            return drain();
        }
        abort();
        thread::sleep(GIVE_BACK);
        process::exit(Class::Interrupted.exit_code().into());
    };
    Ok(ctrlc::set_handler(on_press).context("cannot listen for Ctrl-C")?)
}

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
