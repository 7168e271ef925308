//! From the API to the cache: list and watch, shared by all who want the same objects.
//!
//! Promises:
//! - every subscription hears of every object's latest state, deletions included, across broken watches, relists and kinds that
//!   come and go;
//! - an object is said to be gone only on consistent knowledge: a DELETED event, another uid under its name, or a complete list of the most
//!   recent state;
//! - the cache never goes back in time;
//! - however many handlers share a watch, it is one watch; a slow handler never slows it;
//! - the API is never hit hot: every failure is followed by a wait that grows.
//!
//! Not promised: every intermediate state. Nothing here decides what a handler is called for.

mod backoff;
mod cache;
mod definitions;
mod fingerprint;
mod informer;
mod machine;
mod metrics;
mod object;
mod raw;
mod registry;
mod source;
#[cfg(test)]
mod testing;
mod version;
mod view;
mod wire;

pub use backoff::{FIRST_WAIT, HEALTHY_AFTER, LONGEST_WAIT};
pub use cache::{Delta, Whereabouts};
pub use fingerprint::Fingerprint;
pub use machine::{
    ABSENT_WAIT, FORBIDDEN_WAIT, SHORT_WATCH, STALE_LISTS, STREAMING_AT_LEAST, STREAMING_SILENCE, STREAMING_TRIES,
    WATCH_GRACE,
};
pub use metrics::WatchMetrics;
pub use object::{Object, ObjectError, ObjectKey};
pub use registry::{Informers, Known, Mode, WatchSettings, WatchSpec, WatchStatus};
pub use source::{LONGEST_CATCH_UP, Presence, Source};
pub use version::older;
pub use view::{MAX_POINTER_BYTES, PointerError, View};
pub use wire::{ANSWER_PATIENCE, LONGEST_RETRY_AFTER, MAX_REFUSAL_BYTES, MAX_REFUSAL_MESSAGE};
