//! Log messages of all crates on stderr, for people who debug: warnings, or what `PHALANX_LOG` asks for.
//!
//! A phase that is asked for says at its end how long it took: `PHALANX_LOG=phalanx_swirl=info`.

use std::io;

use tracing_subscriber::{
    EnvFilter, Layer as _,
    fmt::{self, format::FmtSpan, time::uptime},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The target of what a command says to people, when a machine reads it.
pub const TALK: &str = "phalanx::talk";

/// How log messages are written.
#[derive(clap::ValueEnum, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum LogFormat {
    // Help on a value would put the help of the whole command into clap's long form.
    #[default]
    Text,
    Json,
}

/// Starts logging. A filter that does not parse is ignored part by part, with a message.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("PHALANX_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    // A command says what it says, whatever is logged.
    let filter = match format!("{TALK}=info").parse() {
        Ok(talk) => filter.add_directive(talk),
        Err(_) => filter,
    };
    let lines = fmt::layer().with_span_events(FmtSpan::CLOSE).with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_timer(uptime()).boxed(),
        // Whoever collects lines of many machines wants the time of day.
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let log = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(not(feature = "otlp"))]
    log.init();
    #[cfg(feature = "otlp")]
    match crate::otlp::layer() {
        Ok(spans) => log.with(spans).init(),
        Err(error) => {
            log.init();
            tracing::warn!(%error, "no spans are exported");
        }
    }
}

/// Ends logging: what is collected to be sent is sent.
pub fn end() {
    #[cfg(feature = "otlp")]
    crate::otlp::end();
}
