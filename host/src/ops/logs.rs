//! Where log lines go: stderr, as text or JSON, one line an event.

use std::{io::IsTerminal, str::FromStr};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// `--log-format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("it is neither text nor json".to_owned()),
        }
    }
}

/// What is logged unless `--log` says otherwise: weir and its handlers from `info` up, everything else from `warn` up. kube logs
/// every failed connection besides reporting it to weir, which says it once itself.
pub const DEFAULT_FILTER: &str = "warn,weir=info,weir_devapi=info,kube_client::client::builder=off";

/// Starts logging. Called once, by the program.
///
/// # Errors
/// If `filter` is not in tracing's filter syntax (`info`, `weir=debug,kube=warn`).
pub fn start(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A subscriber that is already there (a test's) is left alone.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
