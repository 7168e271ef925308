//! What `/status` shows of a lane.
//!
//! Promises: no object content; names and uids only of dead letters, of which the newest [`MAX_LETTERS_SHOWN`] are shown.

use super::{
    lane::Shared,
    ledger::{Standing, unix_ms},
};
use serde::Serialize;

/// How many dead letters are shown.
pub const MAX_LETTERS_SHOWN: usize = 100;

/// How many objects written to too often are shown.
pub const MAX_SLOWED_SHOWN: usize = 20;

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// The handler.
    pub handler: String,
    /// In a word.
    pub state: LaneState,
    /// Which generation runs; none if the handler was removed.
    pub generation: Option<u64>,
    /// Of its component: SHA-256, hexadecimal.
    pub digest: Option<String>,
    /// How many calls may be under way.
    pub workers: usize,
    /// Watches that have not synced yet: nothing is computed for them.
    pub unsynced: Vec<String>,
    /// Keys.
    pub queue: QueueStatus,
    /// Entries.
    pub ledger: LedgerStatus,
    /// Calls made.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Traps and timeouts since the last call without.
    pub faults_in_a_row: u32,
    /// How long each worker waits before a call because of them, in milliseconds.
    pub slowed_ms: u64,
    /// Objects that it writes to too often, and is slowed for.
    pub over_budget: usize,
    /// Of those, at most [`MAX_SLOWED_SHOWN`].
    pub slowed: Vec<SlowedStatus>,
    /// Objects whose writes are not counted any more, because it writes to too many.
    pub budgets_forgotten: u64,
    /// The last failure, in the words the log has; the guest's are quoted.
    pub last_error: Option<String>,
    /// How many dead letters there are.
    pub dead_letters: usize,
    /// What they take, in bytes.
    pub dead_letter_bytes: usize,
    /// How many were dropped for the bounds.
    pub dead_letters_dropped: u64,
    /// The newest.
    pub dead: Vec<LetterStatus>,
}

/// An object that is written to too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowedStatus {
    /// `Kind namespace/name` or `Kind name`.
    pub object: String,
    /// JSON pointers of the fields written most.
    pub fields: Vec<String>,
}

/// A lane in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaneState {
    /// It works.
    Running,
    /// It waits for its first generation's watches.
    Waiting,
    /// The API does not answer.
    WorldAway,
    /// Its component traps or does not end, again and again: it is called slowly.
    Unhealthy,
    /// Its handler was removed; its ledger is kept.
    Removed,
}

/// Keys of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Ready, changed lately.
    pub high: usize,
    /// Ready, can wait.
    pub low: usize,
    /// With a timer, or backing off.
    pub delayed: usize,
    /// Being worked on, or held until the watch has caught up.
    pub claimed: usize,
}

/// Entries of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerStatus {
    /// Handed over and not answered.
    pub open: usize,
    /// Answered.
    pub acknowledged: usize,
    /// Given up.
    pub given_up: usize,
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterStatus {
    /// The watch.
    pub watch: String,
    /// `namespace/name` or `name`.
    pub object: String,
    /// Its uid.
    pub uid: String,
    /// As what it was handed over.
    pub change: &'static str,
    /// How many calls failed.
    pub attempts: u32,
    /// Why the last one did.
    pub error: String,
    /// Seconds since it was given up.
    pub age_seconds: u64,
}

impl Shared {
    pub(super) fn status(&self) -> LaneStatus {
        let active = self.current();
        let (away, depth) = (self.world().is_away(), self.queue.depth());
        let (calls, failures, last_error, faults, unhealthy, wait) = {
            let tally = self.tally();
            let last_error = tally.last_error.clone();
            (tally.calls, tally.failures, last_error, tally.faults, tally.is_unhealthy(), tally.fault_wait())
        };
        let book = self.book();
        let mut ledger = LedgerStatus::default();
        for (_, entry) in book.ledger.iter() {
            *match entry.outcome {
                Standing::Open => &mut ledger.open,
                Standing::Acked => &mut ledger.acknowledged,
                Standing::GaveUp => &mut ledger.given_up,
            } += 1;
        }
        let unsynced: Vec<String> = active
            .iter()
            .flat_map(|active| active.watches.keys())
            .filter(|watch| !book.ready.contains(*watch))
            .map(|watch| watch.to_string())
            .collect();
        let state = match &active {
            None => LaneState::Removed,
            Some(_) if away => LaneState::WorldAway,
            Some(_) if unhealthy => LaneState::Unhealthy,
            Some(active) if unsynced.len() == active.watches.len() => LaneState::Waiting,
            Some(_) => LaneState::Running,
        };
        let now = unix_ms();
        let dead =
            book.dead.iter().collect::<Vec<_>>().into_iter().rev().take(MAX_LETTERS_SHOWN).map(|letter| LetterStatus {
                watch: letter.key.watch.to_string(),
                object: letter.key.object.to_string(),
                uid: letter.event.uid.clone(),
                change: letter.event.change.name(),
                attempts: letter.attempts,
                error: letter.error.clone(),
                age_seconds: now.saturating_sub(letter.at_ms) / 1000,
            });
        LaneStatus {
            handler: self.name.to_string(),
            state,
            generation: active.as_ref().map(|active| active.number),
            digest: active.as_ref().map(|active| active.digest.clone()),
            workers: active.as_ref().map_or(0, |active| active.manifest.workers),
            unsynced,
            queue: QueueStatus { high: depth.high, low: depth.low, delayed: depth.delayed, claimed: depth.processing },
            ledger,
            calls,
            failures,
            faults_in_a_row: faults,
            slowed_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            over_budget: book.budgets.slowed().count(),
            slowed: book
                .budgets
                .slowed()
                .take(MAX_SLOWED_SHOWN)
                .map(|(target, fields)| SlowedStatus { object: target.to_string(), fields })
                .collect(),
            budgets_forgotten: book.budgets.forgotten(),
            last_error,
            dead_letters: book.dead.len(),
            dead_letter_bytes: book.dead.bytes(),
            dead_letters_dropped: book.dead.dropped(),
            dead: dead.collect(),
        }
    }
}
