//! Per-key exponential backoff.
//!
//! Guarantees: the n-th failure in a row of one key waits `base · 2ⁿ⁻¹`, never longer than the cap, without jitter
//! (keys that fail together are spread by the token bucket, not by chance); counting never overflows.
//! Does not know time: it answers how long, the state decides from when.
//!
//! The numbers and the doubling are client-go's `ItemExponentialFailureRateLimiter`
//! (`util/workqueue/default_rate_limiters.go`).

use std::{collections::HashMap, hash::Hash, time::Duration};

/// The shortest base there is. A base of zero would retry a failing key in a hot loop, and zero never means unlimited.
pub(super) const LEAST_BASE: Duration = Duration::from_millis(1);

/// How often each key has failed in a row, and how long that makes it wait.
#[derive(Debug)]
pub(super) struct Backoff<K> {
    base: Duration,
    cap: Duration,
    /// Only keys that failed since they were last forgotten; so never more than the keys the caller has.
    failures: HashMap<K, u32>,
}

impl<K: Clone + Eq + Hash> Backoff<K> {
    /// A backoff of `base`, doubled with each failure up to `cap`. A base under a millisecond counts as one, a cap under
    /// the base as the base.
    pub(super) fn new(base: Duration, cap: Duration) -> Self {
        let mut backoff = Self { base, cap, failures: HashMap::new() };
        backoff.set(base, cap);
        backoff
    }

    /// Changes base and cap, within the same bounds; how often keys failed stays.
    pub(super) fn set(&mut self, base: Duration, cap: Duration) {
        self.base = base.max(LEAST_BASE);
        self.cap = cap.max(self.base);
    }

    /// Counts one more failure of `key` and says how long it waits.
    pub(super) fn fail(&mut self, key: &K) -> Duration {
        let failures = self.failures.entry(key.clone()).or_default();
        let factor = 1_u32.checked_shl(*failures);
        *failures = failures.saturating_add(1);
        // Beyond 2³¹ the product would be past any cap that makes sense, as it would be where it overflows.
        factor.and_then(|factor| self.base.checked_mul(factor)).map_or(self.cap, |delay| delay.min(self.cap))
    }

    /// Forgets that `key` ever failed.
    pub(super) fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// Forgets all failures of all keys.
    pub(super) fn forget_all(&mut self) {
        self.failures.clear();
    }

    /// How often `key` failed since it was last forgotten.
    pub(super) fn failures(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_base_and_cap_hold_from_the_next_failure_on_and_nothing_is_forgotten() {
        let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));
        backoff.fail(&"a");
        backoff.set(Duration::from_millis(50), Duration::from_millis(150));
        assert_eq!(backoff.fail(&"a"), Duration::from_millis(100));
        assert_eq!(backoff.fail(&"a"), Duration::from_millis(150));
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_key_waits_5_10_20_ms_and_so_on_up_to_the_cap() {
        let mut backoff = Backoff::new(5 * MS, Duration::from_secs(1000));
        let waits: Vec<u128> = (0..20).map(|_| backoff.fail(&"a").as_millis()).collect();
        let doubling: Vec<u128> = (0..18).map(|n| 5 << n).collect();
        assert_eq!(waits[..18], doubling);
        assert_eq!(waits[18..], [1_000_000, 1_000_000]);
        assert_eq!(backoff.failures(&"a"), 20);
    }

    #[test]
    fn keys_do_not_share_failures_and_forgetting_starts_anew() {
        let mut backoff = Backoff::new(5 * MS, Duration::from_secs(1000));
        backoff.fail(&"a");
        backoff.fail(&"a");
        assert_eq!(backoff.fail(&"b"), 5 * MS);
        backoff.forget(&"a");
        assert_eq!((backoff.failures(&"a"), backoff.failures(&"b")), (0, 1));
        assert_eq!(backoff.fail(&"a"), 5 * MS);
        backoff.forget_all();
        assert_eq!(backoff.failures(&"b"), 0);
    }

    #[test]
    fn failing_for_ever_stays_at_the_cap() {
        let mut backoff = Backoff::new(5 * MS, Duration::MAX);
        for _ in 0..200 {
            backoff.fail(&"a");
        }
        assert_eq!(backoff.fail(&"a"), Duration::MAX);
    }

    #[test]
    fn zero_never_means_a_hot_loop() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert_eq!([backoff.fail(&"a"), backoff.fail(&"a")], [LEAST_BASE, LEAST_BASE]);
    }
}
