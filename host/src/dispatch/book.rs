//! All that a lane knows, behind one lock: the ledger, the dead letters, and what only this process needs to know of each key.
//!
//! Promises: a reason given while a key is claimed outlives the claim; reasons taken by a claim stay until one ends with an
//! answer, so a worker that is cancelled or panics loses none.
//!
//! Bounds: one [`Volatile`] for a key that the ledger or the queue also knows; at most [`MAX_GONE`] uids in each; the keys of first lists not yet
//! worked off.

use super::{
    budget::Budgets,
    dead::{DeadLetters, Letter},
    event::Reasons,
    key::LaneKey,
    ledger::{Entry, Ledger, Standing},
    store::{KeptHalf, Store},
};
use crate::watch::ObjectKey;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::time::Instant;

/// How many former uids of one key are remembered for releasing their tombstones; those forgotten fall to the cache's own bound.
const MAX_GONE: usize = 8;

#[derive(Debug)]
pub(super) struct Book {
    pub(super) ledger: Ledger,
    pub(super) dead: DeadLetters,
    /// Which ledger that is: a dry run has one of its own, so that nothing counts as done that was not.
    dry_run: bool,
    /// The other's ledger and letters.
    parked: (Ledger, DeadLetters),
    pub(super) volatile: HashMap<LaneKey, Volatile>,
    /// By watch: what was in the first list and has not been worked off. Gone once it is empty.
    pub(super) first_lists: HashMap<Arc<str>, HashSet<ObjectKey>>,
    /// What the handler writes to, and how often.
    pub(super) budgets: Budgets,
    /// Which generation is published; none while the handler is removed.
    pub(super) generation: Option<u64>,
    /// The watches of that generation whose informers have synced and whose entries fit them. Nothing is computed for others.
    pub(super) ready: HashSet<Arc<str>>,
}

/// What need not outlive the process.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    /// Reasons no claim has seen.
    waiting: Reasons,
    /// Reasons some claim has seen and none has answered.
    taken: Reasons,
    /// When the handler's timer runs out.
    pub(super) requeue: Option<Instant>,
    /// When the watch's period comes round.
    pub(super) resync: Option<Instant>,
    /// The object before this one was told to be deleted, so this one is `added`, whatever list it is in.
    pub(super) recreated: bool,
    /// uids that are gone from the cache; their tombstones are released once the ledger does not owe their end.
    gone: Vec<Box<str>>,
    /// How often in a row this key shut the lane, because a call for it found the world away.
    pub(super) shuts: u32,
}

/// What a claim begins with.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) entry: Option<Entry>,
    pub(super) telling: Option<Letter>,
}

impl Book {
    /// With what `store` knows of the handler, if there is a store.
    pub(super) fn new(handler: &str, store: Option<&Store>, max_letters: usize, max_letter_bytes: usize) -> Book {
        let kept = store.map(|store| store.take(handler)).unwrap_or_default();
        let half = |half: KeptHalf, dry_run| {
            let recorder = store.map(|store| store.recorder(handler, dry_run));
            let dead = DeadLetters::new(max_letters, max_letter_bytes);
            (
                Ledger::kept(recorder.clone(), half.entries, half.watches),
                dead.kept(recorder, half.letters, half.handler),
            )
        };
        let (ledger, dead) = half(kept.real, false);
        Book {
            ledger,
            parked: half(kept.dry, true),
            dead,
            dry_run: false,
            volatile: HashMap::new(),
            first_lists: HashMap::new(),
            budgets: Budgets::default(),
            generation: None,
            ready: HashSet::new(),
        }
    }

    /// Turns to the ledger of dry runs, or back; whether that changed anything.
    pub(super) fn turn(&mut self, dry_run: bool) -> bool {
        let turns = self.dry_run != dry_run;
        if turns {
            self.dry_run = dry_run;
            std::mem::swap(&mut self.ledger, &mut self.parked.0);
            std::mem::swap(&mut self.dead, &mut self.parked.1);
            self.volatile.clear();
        }
        turns
    }

    /// Whether this ledger is that of dry runs.
    pub(super) fn is_dry(&self) -> bool {
        self.dry_run
    }

    /// Whether events of this watch may be computed for this generation.
    pub(super) fn serves(&self, generation: u64, watch: &str) -> bool {
        self.generation == Some(generation) && self.ready.contains(watch)
    }

    /// Adds a reason to look at a key.
    pub(super) fn because(&mut self, key: &LaneKey, reasons: Reasons) {
        let volatile = self.volatile.entry(key.clone()).or_default();
        volatile.waiting = volatile.waiting.and(reasons);
    }

    /// Remembers that an object of this uid left the cache.
    pub(super) fn gone(&mut self, key: &LaneKey, uid: &str) {
        let gone = &mut self.volatile.entry(key.clone()).or_default().gone;
        if !gone.iter().any(|known| **known == *uid) {
            if gone.len() >= MAX_GONE {
                gone.remove(0);
            }
            gone.push(uid.into());
        }
    }

    /// uids whose end the ledger does not owe, so that their tombstones may go.
    pub(super) fn released(&mut self, key: &LaneKey) -> Vec<Box<str>> {
        let owed = self.ledger.get(key).map(|entry| entry.uid.as_str());
        let Some(volatile) = self.volatile.get_mut(key) else { return Vec::new() };
        let (keep, released) = volatile.gone.drain(..).partition(|uid| Some(&**uid) == owed);
        volatile.gone = keep;
        released
    }

    /// What is known as a claim begins.
    pub(super) fn begin(&mut self, key: &LaneKey) -> Begun {
        Begun { entry: self.ledger.get(key).cloned(), telling: self.dead.to_tell(key).cloned() }
    }

    /// Takes the reasons there are, timers that ran out included.
    pub(super) fn take_reasons(&mut self, key: &LaneKey, now: Instant) -> Reasons {
        let Some(volatile) = self.volatile.get_mut(key) else { return Reasons::default() };
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        let due =
            Reasons { timer: due(&mut volatile.requeue), resync: due(&mut volatile.resync), ..Reasons::default() };
        volatile.taken = volatile.taken.and(std::mem::take(&mut volatile.waiting)).and(due);
        volatile.taken
    }

    /// A claim ended with an answer, or with the finding that there is nothing to ask: its reasons are worked off.
    pub(super) fn answered(&mut self, key: &LaneKey) {
        if let Some(volatile) = self.volatile.get_mut(key) {
            volatile.taken = Reasons::default();
            volatile.shuts = 0;
        }
        if let Some(first) = self.first_lists.get_mut(&key.watch)
            && first.remove(&key.object)
            && first.is_empty()
        {
            self.worked_off(&key.watch);
        }
    }

    /// Every object of a watch's first list has been handed over.
    pub(super) fn worked_off(&mut self, watch: &Arc<str>) {
        self.first_lists.remove(watch);
        if let Some(record) = self.ledger.watch(watch).cloned() {
            self.ledger.record(watch, Some(super::ledger::WatchRecord { worked_off: true, ..record }));
        }
    }

    /// Notes whether the object is outside of what its watch selects since the watch changed.
    pub(super) fn rescope(&mut self, key: &LaneKey, rescoped: bool) {
        if let Some(entry) = self.ledger.get(key).filter(|entry| entry.rescoped != rescoped) {
            let entry = Entry { rescoped, ..entry.clone() };
            self.ledger.put(key, entry);
        }
    }

    /// Forgets all about a key but its dead letters.
    pub(super) fn forget(&mut self, key: &LaneKey) {
        self.ledger.remove(key);
        self.volatile.remove(key);
        self.answered(key);
    }

    /// Forgets all that is known of any object, in this ledger and the other.
    pub(super) fn clear(&mut self) {
        for (ledger, dead) in [(&mut self.ledger, &mut self.dead), (&mut self.parked.0, &mut self.parked.1)] {
            ledger.clear();
            dead.clear();
        }
        self.volatile.clear();
        self.first_lists.clear();
        self.ready.clear();
    }

    /// Another version of the handler is there: what was given up gets another chance, with as many attempts as any. The version is written last, so that
    /// a crash before leaves it to be done again.
    pub(super) fn drive_again(&mut self, version: &str) {
        if !self.dead.is_tried_with(version) {
            let given_up = self.ledger.iter().filter(|(_, entry)| entry.outcome == Standing::GaveUp);
            let given_up: Vec<(LaneKey, Entry)> = given_up.map(|(key, entry)| (key.clone(), entry.clone())).collect();
            for (key, entry) in given_up {
                self.ledger.put(&key, entry.reopened());
            }
            for number in self.dead.numbers(None) {
                self.dead.drive_again(number);
            }
            self.dead.tried_with(version);
        }
    }

    /// One letter, or all of them, get another chance. Returns what to queue.
    pub(super) fn retry(&mut self, one: Option<u64>) -> Vec<LaneKey> {
        let mut keys = Vec::new();
        for number in self.dead.numbers(one) {
            let Some((key, uid)) = self.dead.drive_again(number) else { continue };
            if let Some(entry) = self.ledger.get(&key).filter(|it| it.uid == uid && it.outcome == Standing::GaveUp) {
                let entry = entry.reopened();
                self.ledger.put(&key, entry);
            }
            self.because(&key, Reasons::CHANGED);
            keys.push(key);
        }
        keys
    }

    /// Drops what says nothing, so that keys that are gone leave nothing behind.
    pub(super) fn tidy(&mut self, key: &LaneKey) {
        if self.ledger.get(key).is_none() && self.volatile.get(key).is_some_and(Volatile::is_idle) {
            self.volatile.remove(key);
        }
    }

    /// When this key is to be looked at again of itself, and whether that is because the handler asked for it.
    pub(super) fn next_due(&self, key: &LaneKey) -> Option<(Instant, bool)> {
        let volatile = self.volatile.get(key)?;
        let timer = volatile.requeue.map(|at| (at, true));
        let resync = volatile.resync.map(|at| (at, false));
        [timer, resync].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

impl Volatile {
    fn is_idle(&self) -> bool {
        self.waiting == Reasons::default()
            && self.taken == Reasons::default()
            && self.gone.is_empty()
            && !self.recreated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn key() -> LaneKey {
        LaneKey { watch: "nodes".into(), object: ObjectKey { namespace: None, name: "a".into() } }
    }

    #[tokio::test(start_paused = true)]
    async fn reasons_stay_until_an_answer_and_new_ones_outlive_it() {
        let (mut book, now) = (Book::new("h", None, 1, 1), Instant::now());
        let resync = Reasons { resync: true, ..Reasons::default() };
        book.because(&key(), resync);
        assert_eq!(book.take_reasons(&key(), now), resync);
        assert_eq!(book.take_reasons(&key(), now), resync, "the first claim was cancelled");
        book.because(&key(), Reasons::CHANGED);
        book.answered(&key());
        assert_eq!(book.take_reasons(&key(), now), Reasons::CHANGED, "it came after the claim began");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_a_reason_once_it_is_due_and_only_once() {
        let (mut book, now) = (Book::new("h", None, 1, 1), Instant::now());
        let volatile = book.volatile.entry(key()).or_default();
        volatile.requeue = Some(now + Duration::from_secs(1));
        volatile.resync = Some(now + Duration::from_secs(2));
        assert_eq!(book.next_due(&key()), Some((now + Duration::from_secs(1), true)));
        assert_eq!(book.take_reasons(&key(), now), Reasons::default());
        assert!(book.take_reasons(&key(), now + Duration::from_secs(1)).timer);
        book.answered(&key());
        assert!(!book.take_reasons(&key(), now + Duration::from_secs(1)).timer);
        assert_eq!(book.next_due(&key()), Some((now + Duration::from_secs(2), false)));
    }

    #[test]
    fn a_tombstone_is_released_unless_its_end_is_still_owed() {
        let mut book = Book::new("h", None, 1, 1);
        for uid in ["1", "2"] {
            book.gone(&key(), uid);
        }
        let state = super::super::event::Handed {
            uid: "2".into(),
            resource_version: "1".into(),
            fingerprint: crate::watch::Fingerprint(1),
            projection: super::super::ledger::Text::default(),
        };
        book.ledger.put(&key(), super::super::event::opened(None, state, crate::contract::Change::Added));
        assert_eq!(book.released(&key()), [Box::from("1")]);
        book.ledger.remove(&key());
        assert_eq!(book.released(&key()), [Box::from("2")]);
    }
}
