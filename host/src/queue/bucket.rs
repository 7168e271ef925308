//! A token bucket that lends: it never refuses, it says how long to wait.
//!
//! Guarantees: at most `burst` reservations at once wait for nothing; after that they are spaced `1 / rate` apart, in the
//! order they were made. Reservations are not given back.
//! Does not wait itself, and does not read a clock: the time is passed in.
//!
//! The arithmetic is `golang.org/x/time/rate`'s `Reserve().Delay()`, which client-go's default limiter joins with the
//! per-key backoff.

use std::time::Duration;
use tokio::time::Instant;

use super::LONGEST_DELAY;

/// Tokens that come back at a rate, and may be owed.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    /// Negative while reservations are owed, one token each.
    tokens: f64,
    last: Option<Instant>,
}

impl Bucket {
    /// A full bucket of `burst` tokens, refilled at `rate` tokens per second. A rate that is not above zero never refills:
    /// what exceeds the burst then waits the longest delay there is. A burst of zero makes every reservation wait.
    pub fn new(rate: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { rate, burst, tokens: burst, last: None }
    }

    /// Takes one token, and says how long to wait until it is there.
    pub fn reserve(&mut self, now: Instant) -> Duration {
        // Callers on several threads may arrive with slightly older times; time never runs backwards here.
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = self.last.max(Some(now));
        if self.rate > 0.0 {
            self.tokens = (self.tokens + elapsed.as_secs_f64() * self.rate).min(self.burst);
        }
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        // With a rate of zero the division is infinite, which no duration holds.
        Duration::try_from_secs_f64(-self.tokens / self.rate).map_or(LONGEST_DELAY, |delay| delay.min(LONGEST_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_burst_reservations_are_spaced_by_the_rate() {
        let (mut bucket, now) = (Bucket::new(10.0, 3), Instant::now());
        let delays: Vec<u128> = (0..6).map(|_| bucket.reserve(now).as_millis()).collect();
        assert_eq!(delays, [0, 0, 0, 100, 200, 300]);
    }

    #[test]
    fn debts_are_paid_back_before_anything_is_free_again() {
        let (mut bucket, now) = (Bucket::new(10.0, 1), Instant::now());
        let _ = (bucket.reserve(now), bucket.reserve(now), bucket.reserve(now));
        assert_eq!(bucket.reserve(now + Duration::from_millis(200)).as_millis(), 100);
        assert_eq!(bucket.reserve(now + Duration::from_millis(400)).as_millis(), 0);
    }

    #[test]
    fn tokens_do_not_pile_up_beyond_the_burst() {
        let (mut bucket, now) = (Bucket::new(10.0, 2), Instant::now());
        bucket.reserve(now);
        let later = now + Duration::from_secs(3600);
        let delays: Vec<u128> = (0..3).map(|_| bucket.reserve(later).as_millis()).collect();
        assert_eq!(delays, [0, 0, 100]);
    }

    #[test]
    fn an_older_time_neither_refills_nor_panics() {
        let (mut bucket, now) = (Bucket::new(10.0, 1), Instant::now());
        bucket.reserve(now + Duration::from_secs(1));
        assert_eq!(bucket.reserve(now).as_millis(), 100);
        assert_eq!(bucket.reserve(now + Duration::from_secs(1)).as_millis(), 200);
    }

    #[test]
    fn a_rate_of_zero_is_not_unlimited() {
        for rate in [0.0, -1.0, f64::NAN] {
            let (mut bucket, now) = (Bucket::new(rate, 1), Instant::now());
            assert_eq!(bucket.reserve(now), Duration::ZERO);
            assert_eq!(bucket.reserve(now + Duration::from_secs(60)), LONGEST_DELAY);
        }
    }
}
