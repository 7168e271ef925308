//! SIGTERM and Ctrl-C: the first asks for an orderly end, the second ends at once.

use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: 128 plus SIGINT's number, as shells count.
pub const SECOND_SIGNAL_EXIT: i32 = 130;

/// Cancels `stop` at the first signal and ends the process at the second. Returns only if signals cannot be listened to.
///
/// # Errors
/// If the handlers cannot be installed.
#[expect(clippy::exit, reason = "a second signal means: now")]
pub async fn listen(stop: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for count in 1.. {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        if count > 1 {
            tracing::warn!(signal = name, "second signal, ending at once");
            std::process::exit(SECOND_SIGNAL_EXIT);
        }
        tracing::info!(signal = name, "shutting down; a second signal ends at once");
        stop.cancel();
    }
    Ok(())
}
