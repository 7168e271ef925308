//! How long an informer waits after a failure.
//!
//! Promises: the wait doubles from 800 ms to 30 s and is drawn from its upper half, so that informers which failed together come back
//! apart; it starts over only if data came and no failure for two minutes. The numbers are client-go's (`tools/cache/reflector.go`),
//! but for the draw: client-go's lies between once and twice the wait.

use std::time::Duration;
use tokio::time::Instant;

/// The first wait.
pub const FIRST_WAIT: Duration = Duration::from_millis(800);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long there must be no failure for the waits to start over.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last_failure: Option<Instant>,
    /// Whether data came since the last failure.
    data: bool,
}

impl Backoff {
    /// Something failed: how long to wait. `chance` is drawn from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) -> Duration {
        let quiet = self.last_failure.is_none_or(|last| now.duration_since(last) >= HEALTHY_AFTER);
        if self.data && quiet {
            self.failures = 0;
        }
        // 2^6 times the first wait is beyond the longest.
        let wait = (FIRST_WAIT * 2_u32.pow(self.failures.min(6))).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
        self.data = false;
        wait.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    /// Data came.
    pub(super) fn data(&mut self) {
        self.data = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.failed(Instant::now(), 1.0).as_millis()).collect();
        assert_eq!(waits, [800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(backoff.failed(Instant::now(), 0.0).as_millis(), 15000);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_start_over_only_after_data_and_two_quiet_minutes() {
        let mut backoff = Backoff::default();
        let mut next = |data: bool, quiet: u64| {
            if data {
                backoff.data();
            }
            backoff.failed(Instant::now() + Duration::from_secs(quiet), 1.0).as_millis()
        };
        assert_eq!(next(false, 0), 800);
        assert_eq!(next(true, 119), 1600, "data, but a failure not long ago");
        assert_eq!(next(false, 300), 3200, "quiet, but no data");
        assert_eq!(next(true, 300), 6400, "the failure at 300 was just now");
        assert_eq!(next(true, 420), 800, "data and two quiet minutes");
    }
}
