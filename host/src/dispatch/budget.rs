//! How often one object may be written to before it is slowed: protection against handlers that fight with themselves or each other.
//!
//! Promises: within the budget nothing is slowed; beyond it each further write doubles the key's wait, up to a cap; a window
//! within the budget ends that. Counts per key of a lane, by fixed windows.

use std::time::Duration;
use tokio::time::Instant;

/// Effective writes for one key in one [`WRITE_WINDOW`] before it is slowed.
pub const WRITE_BUDGET: u32 = 20;
/// The window.
pub const WRITE_WINDOW: Duration = Duration::from_secs(60);
/// The first wait beyond the budget.
pub const FIRST_SLOWING: Duration = Duration::from_secs(1);

/// What one key wrote lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    window: Option<Instant>,
    writes: u32,
    /// How often in a row it was slowed.
    slowed: u32,
}

impl Budget {
    /// Counts writes that were made. Beyond the budget: how long the key has to wait, at most `cap`.
    pub(super) fn spend(&mut self, writes: u32, now: Instant, cap: Duration) -> Option<Duration> {
        if writes == 0 {
            return None;
        }
        if self.window.is_none_or(|start| now.duration_since(start) >= WRITE_WINDOW) {
            // A key whose waits have grown beyond the window is still slow, although each window has but one write; it is free
            // once it has been quiet for as long as it last had to wait, and a window more.
            let quiet = WRITE_WINDOW + self.wait(cap);
            if self.window.is_none_or(|start| now.duration_since(start) >= quiet) {
                self.slowed = 0;
            }
            (self.window, self.writes) = (Some(now), 0);
        }
        self.writes = self.writes.saturating_add(writes);
        if self.writes <= WRITE_BUDGET && self.slowed == 0 {
            return None;
        }
        self.slowed = self.slowed.saturating_add(1);
        Some(self.wait(cap))
    }

    /// Whether it is slowed at this time.
    pub(super) fn is_slowed(&self) -> bool {
        self.slowed > 0
    }

    fn wait(&self, cap: Duration) -> Duration {
        let Some(doublings) = self.slowed.checked_sub(1) else { return Duration::ZERO };
        FIRST_SLOWING.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(1000);

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_free_and_each_write_beyond_it_waits_twice_as_long() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert!((0..WRITE_BUDGET).all(|_| budget.spend(1, now, CAP).is_none()));
        assert_eq!(budget.spend(1, now, CAP), Some(Duration::from_secs(1)));
        assert_eq!(budget.spend(1, now, CAP), Some(Duration::from_secs(2)));
        assert_eq!((0..30).filter_map(|_| budget.spend(1, now, CAP)).last(), Some(CAP));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_writes_slowly_enough_is_never_slowed() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        for second in 0..600 {
            assert_eq!(budget.spend(1, start + Duration::from_secs(4 * second), CAP), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fight_goes_on_slowly_and_ends_with_a_quiet_window() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        budget.spend(WRITE_BUDGET, now, CAP);
        for _ in 0..12 {
            let wait = budget.spend(1, now, CAP);
            assert!(wait.is_some(), "still fighting");
            now += wait.unwrap_or_default();
        }
        now += CAP + 2 * WRITE_WINDOW;
        assert_eq!(budget.spend(1, now, CAP), None);
        assert!(!budget.is_slowed());
    }
}
