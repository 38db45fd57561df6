//! Takes standard output for data alone.
//!
//! OpenVM prints what a guest prints to file descriptor 1, and does so again each time a segment is executed once more to
//! be proven. Data would drown in it. So the command line keeps a duplicate of descriptor 1 for itself and points the
//! number 1 at `/dev/null`; guest output reaches the user through the engine's events instead.

use std::fs::{File, OpenOptions};

use anyhow::Context;

use crate::error::Result;

/// The real standard output. From here on descriptor 1 leads nowhere.
pub fn take() -> Result<File> {
    let data =
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).context("cannot duplicate standard output")?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null").context("cannot open /dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere).context("cannot redirect standard output")?;
    Ok(File::from(data))
}
