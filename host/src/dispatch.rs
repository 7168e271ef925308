//! From claim to outcome: one lane for each handler, which decides what the handler is called for and what the answer means.
//!
//! Promises:
//! - **Nothing missed.** An event is computed when it is delivered, from what the cache has and what this handler was last handed over; what
//!   was handed over and not answered is handed over again, as it then is; whoever was handed an object is told of its end.
//! - **One at a time.** A handler never runs twice at once for one object, nor on a state older than its own last write.
//! - **Nothing silently given up.** What exceeds its retries becomes a dead letter, and a new generation tries it again.
//! - **A handler hurts only itself.** Lanes share nothing but the informers, which never wait for a lane, and the bounded notes on who fights with whom.
//! - **Reload keeps the lane.** Queue, backoff and ledger outlive the component, which is swapped between two calls.
//!
//! Not promised: every intermediate state; any order between objects; exactly once. Without a state directory nothing here survives the process.

mod baseline;
mod book;
mod budget;
mod dead;
mod echo;
mod event;
mod fights;
mod health;
mod key;
mod lane;
mod ledger;
mod look;
mod metrics;
mod outcome;
mod settle;
mod status;
mod store;
mod worker;
mod world;

pub use budget::{FIRST_SLOWING, MAX_COUNTED_FIELDS, MAX_NAMED_FIELDS, MAX_TARGETS, WRITE_BUDGET, WRITE_WINDOW};
pub use dead::{DeadLetters, Letter, MAX_CAUSE_BYTES};
pub use event::{Handed, Next, Reasons, Sight, acknowledged, attempt, failed_before, next, opened};
pub use fights::{
    FIGHT_QUIET, FIGHT_TURNS, FIGHT_WINDOW, FightStatus, Fights, MAX_FIGHT_FIELDS, MAX_FIGHTS, MAX_WATCHED_FIELDS,
};
pub use key::LaneKey;
pub use lane::{Generation, Lane, LaneDeps, MAX_HELD_KEYS, PublishError};
pub use ledger::{Entry, First, Ledger, Standing, Text, Timer, WatchRecord};
pub use metrics::DispatchMetrics;
pub use outcome::{Attempt, Cause, CauseClass, Outcome, Pace, Retry, judge};
pub use status::{
    LaneState, LaneStatus, LedgerStatus, LetterStatus, MAX_LETTERS_SHOWN, MAX_SLOWED_SHOWN, QueueStatus, SlowedStatus,
};
pub use store::{
    DEFAULT_MAX_STATE_BYTES, DEFAULT_MEMTABLE_BYTES, Offline, OpenError, Store, StoreMetrics, StoreSettings,
    StoreStatus, Sync, Trouble,
};
pub use world::{FIRST_ABSENCE, LONGEST_ABSENCE, LONGEST_ASKED_ABSENCE};

#[cfg(test)]
mod tests;
