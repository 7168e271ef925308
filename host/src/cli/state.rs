//! Where ledgers and dead letters are kept: the flags of `--state-dir`.

use super::UsageError;
use crate::app::StateSettings;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The least that `--state-max-size` may be, in bytes: what an empty one takes, and room to work.
const LEAST_STATE_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Where to keep what handlers were told, timers and dead letters over a restart; made if it is not there
    #[arg(long, value_name = "DIR", env = "WEIR_STATE_DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// When what is kept is forced to the disk: a killed process loses nothing either way, a power cut at most the last second or nothing
    #[arg(long, value_name = "WHEN", default_value = "second")]
    state_sync: When,
    /// What the state directory may take on disk, such as 512Mi [default: 4Gi]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    state_max_size: Option<u64>,
    /// What one table of the state directory keeps in memory; for tests that want many small files
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "BYTES", hide = true)]
    state_memtable: Option<u64>,
    /// End the process, as a crash would, at the Nth passing of a place; for tests
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "PLACE=N", hide = true)]
    failpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    /// Every second
    Second,
    /// Before each call and after it
    Always,
}

impl StateArgs {
    pub(super) fn settings(&self) -> Result<Option<StateSettings>, UsageError> {
        #[cfg(debug_assertions)]
        self.arm()?;
        let Some(dir) = &self.state_dir else { return Ok(None) };
        if self.state_max_size.is_some_and(|bytes| bytes < LEAST_STATE_BYTES) {
            return Err(UsageError("--state-max-size: give at least 64Mi".to_owned()));
        }
        let mut settings = StateSettings::new(dir);
        settings.always_synced = matches!(self.state_sync, When::Always);
        settings.max_bytes = self.state_max_size.unwrap_or(settings.max_bytes);
        #[cfg(debug_assertions)]
        {
            settings.memtable_bytes = self.state_memtable.unwrap_or(settings.memtable_bytes);
        }
        Ok(Some(settings))
    }

    #[cfg(debug_assertions)]
    fn arm(&self) -> Result<(), UsageError> {
        use crate::failpoint;
        let Some(text) = &self.failpoint else { return Ok(()) };
        let known = |name: &&str| failpoint::PLACES.contains(name);
        let (name, passing) = text
            .split_once('=')
            .and_then(|(name, passing)| Some((Some(name).filter(known)?, passing.parse().ok()?)))
            .ok_or_else(|| {
                UsageError(format!("--failpoint {text}: give one of {}, and `=N`", failpoint::PLACES.join(", ")))
            })?;
        failpoint::arm(name, passing);
        Ok(())
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    crate::handler::duration::parse_bytes(text).map_err(|error| error.to_string())
}
