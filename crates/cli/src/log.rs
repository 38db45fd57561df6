//! Log messages of all crates on stderr, for people who debug: warnings, or what `PHALANX_LOG` asks for.

use std::io;

use tracing_subscriber::EnvFilter;

/// Starts logging. A filter that does not parse is ignored part by part, with a message.
pub fn start() {
    let filter = EnvFilter::builder()
        .with_env_var("PHALANX_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time().init();
}
