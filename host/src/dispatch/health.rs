//! How a handler fares: what its calls came to, and whether it is called slowly because traps and timeouts repeat.
//!
//! Promises: [`FAULTS_BEFORE_SLOW`] traps or timeouts in a row slow the whole lane, each further one more, up to [`LONGEST_FAULT_WAIT`] between two
//! calls of a worker; the first call that ends otherwise, and every new generation, ends that at once. Becoming unhealthy and recovering are each told
//! once: in the log, in `weir_handler_unhealthy`, and in a Kubernetes Event about the object of that call.
//!
//! A component that traps for some objects only is not unhealthy: those keys have their own backoff.

use super::lane::Shared;
use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

/// Traps and timeouts in a row before the whole lane is slowed.
pub(super) const FAULTS_BEFORE_SLOW: u32 = 5;
/// The first wait before each call of a slowed lane; doubled with each further fault.
const FIRST_FAULT_WAIT: Duration = Duration::from_millis(100);
/// The longest.
pub(super) const LONGEST_FAULT_WAIT: Duration = Duration::from_secs(30);

/// What calls came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Since the lane began.
    pub(super) calls: u64,
    /// Of those.
    pub(super) failures: u64,
    /// Traps and timeouts in a row; none after any other ending, or with a new generation.
    pub(super) faults: u32,
    /// Of the last failure. The room that made it has cut it.
    pub(super) last_error: Option<String>,
}

/// What one more ending did to the handler's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// As before.
    Same,
    /// It is unhealthy from now on.
    Worse,
    /// It is well again.
    Better,
}

impl Tally {
    /// How long each worker waits before it takes a key, because the component traps or hangs again and again.
    pub(super) fn fault_wait(&self) -> Duration {
        let Some(beyond) = self.faults.checked_sub(FAULTS_BEFORE_SLOW) else { return Duration::ZERO };
        FIRST_FAULT_WAIT.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(LONGEST_FAULT_WAIT)
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        self.faults >= FAULTS_BEFORE_SLOW
    }

    /// One call ended; for `error`, why it failed, and whether that was the component's fault.
    fn count(&mut self, error: Option<(&str, bool)>) -> Turn {
        let before = self.is_unhealthy();
        self.calls += 1;
        self.failures += u64::from(error.is_some());
        self.faults = if error.is_some_and(|(_, fault)| fault) { self.faults.saturating_add(1) } else { 0 };
        if let Some((message, _)) = error {
            self.last_error = Some(message.to_owned());
        }
        match (before, self.is_unhealthy()) {
            (false, true) => Turn::Worse,
            (true, false) => Turn::Better,
            _ => Turn::Same,
        }
    }
}

impl Shared {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call.
    pub(super) fn count(&self, error: Option<(&str, bool)>) -> Turn {
        let turn = self.tally().count(error);
        match turn {
            Turn::Same => {}
            Turn::Worse => {
                self.metrics.unhealthy.set(1);
                let longest_ms = LONGEST_FAULT_WAIT.as_millis();
                tracing::error!(
                    faults = FAULTS_BEFORE_SLOW,
                    longest_ms,
                    "the handler is unhealthy: call after call traps or does not end in time; it is called more and more slowly until one ends well or another version is loaded"
                );
            }
            Turn::Better => {
                self.metrics.unhealthy.set(0);
                tracing::info!("the handler is healthy again");
                self.recovered.notify_waiters();
            }
        }
        turn
    }

    /// A new generation has not trapped yet, and one that was removed does not any more.
    pub(super) fn forgive(&self) {
        let mut tally = self.tally();
        (tally.faults, tally.last_error) = (0, None);
        self.metrics.unhealthy.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_end_with_the_first_call_that_is_no_fault() {
        let mut tally = Tally::default();
        let mut waits = Vec::new();
        for fault in 1..=20 {
            let turn = tally.count(Some(("it trapped", true)));
            assert_eq!(turn == Turn::Worse, fault == FAULTS_BEFORE_SLOW);
            waits.push(tally.fault_wait());
        }
        assert_eq!(waits[3], Duration::ZERO);
        assert_eq!(waits[4..7], [FIRST_FAULT_WAIT, 2 * FIRST_FAULT_WAIT, 4 * FIRST_FAULT_WAIT]);
        assert_eq!(waits.last(), Some(&LONGEST_FAULT_WAIT));
        // Also one that fails, as long as the component said so itself.
        assert_eq!(tally.count(Some(("not yet", false))), Turn::Better);
        assert_eq!((tally.fault_wait(), tally.count(None)), (Duration::ZERO, Turn::Same));
    }
}
