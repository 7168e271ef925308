//! Places where a test may end the process, as a crash would.
//!
//! Promises: without `debug_assertions` nothing of this is compiled in; with them nothing happens until [`arm`] names a place, and then the process
//! is aborted there, without unwinding or flushing anything, so that what survives is what was written before.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    /// The one place, and how many passings are left until it acts.
    static ARMED: OnceLock<(String, AtomicU64)> = OnceLock::new();

    pub(super) fn arm(name: &str, passing: u64) {
        // One place for one process: what was armed first stays.
        let _ = ARMED.set((name.to_owned(), AtomicU64::new(passing)));
    }

    pub(super) fn reach(name: &str) {
        if let Some((armed, left)) = ARMED.get()
            && armed == name
            && left.fetch_sub(1, Ordering::AcqRel) == 1
        {
            std::process::abort();
        }
    }
}

/// The places there are, in the order an event passes them.
pub const PLACES: [&str; 7] = ["opened", "called", "sent", "replied", "settled", "grouping", "grouped"];

/// From now on the process ends at the `passing`th time (from 1) that the place `name` is reached. The first call counts; without
/// `debug_assertions` none does.
pub fn arm(name: &str, passing: u64) {
    #[cfg(debug_assertions)]
    armed::arm(name, passing);
    #[cfg(not(debug_assertions))]
    let _ = (name, passing);
}

/// A place.
#[inline]
pub(crate) fn reach(name: &str) {
    #[cfg(debug_assertions)]
    armed::reach(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}
