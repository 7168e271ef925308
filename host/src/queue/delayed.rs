//! Keys that wait for a time.
//!
//! Guarantees: one entry per key; putting a key again keeps the earlier time, holding it back again the later one, and both the higher priority; keys come
//! due in the order of their times, and in the order they were put where the times are equal.
//! Does not decide what being due means: the state has one set of these for timers and one for keys that back off.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};
use tokio::time::Instant;

use super::Priority;

/// A set of keys, each with the time it is due and the priority it will be queued with.
#[derive(Debug)]
pub(super) struct Delayed<K> {
    by_key: HashMap<K, Wait>,
    /// The same keys in the order they come due; exactly one entry for each entry of `by_key`.
    by_due: BTreeMap<(Instant, u64), K>,
    /// Numbers entries, to keep those with equal times in order.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    due: Instant,
    number: u64,
    priority: Priority,
}

impl<K: Clone + Eq + Hash> Delayed<K> {
    pub(super) fn new() -> Self {
        Self { by_key: HashMap::new(), by_due: BTreeMap::new(), next: 0 }
    }

    /// Lets `key` wait until `due`, or until it was due anyway if that is earlier.
    pub(super) fn put(&mut self, key: K, due: Instant, priority: Priority) {
        self.set(key, due, priority, |before| before <= due);
    }

    /// Lets `key` wait until `due`, or until it was due anyway if that is later.
    pub(super) fn hold_back(&mut self, key: K, due: Instant, priority: Priority) {
        self.set(key, due, priority, |before| before >= due);
    }

    fn set(&mut self, key: K, due: Instant, priority: Priority, stays: impl Fn(Instant) -> bool) {
        let number = self.next;
        self.next += 1;
        let wait = match self.remove_wait(&key) {
            Some(before) if stays(before.due) => Wait { priority: before.priority.max(priority), ..before },
            Some(before) => Wait { due, number, priority: before.priority.max(priority) },
            None => Wait { due, number, priority },
        };
        self.by_due.insert((wait.due, wait.number), key.clone());
        self.by_key.insert(key, wait);
    }

    /// Raises the priority of `key` to at least `priority`, and says whether it is waiting at all.
    pub(super) fn raise(&mut self, key: &K, priority: Priority) -> bool {
        let wait = self.by_key.get_mut(key);
        wait.map(|wait| wait.priority = wait.priority.max(priority)).is_some()
    }

    /// Takes `key` out, if it is in.
    pub(super) fn remove(&mut self, key: &K) {
        self.remove_wait(key);
    }

    /// Takes out the key that is due first, with its time and priority, if it is due by `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(K, Instant, Priority)> {
        self.next_due().filter(|due| *due <= now)?;
        let ((due, _), key) = self.by_due.pop_first()?;
        let wait = self.by_key.remove(&key)?;
        Some((key, due, wait.priority))
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_due.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes out all keys, in the order they would have come due.
    pub(super) fn take_all(&mut self) -> Vec<(K, Priority)> {
        let keys = std::mem::take(&mut self.by_due).into_values();
        let mut waits = std::mem::take(&mut self.by_key);
        keys.filter_map(|key| waits.remove(&key).map(|wait| (key, wait.priority))).collect()
    }

    /// How many keys wait.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    fn remove_wait(&mut self, key: &K) -> Option<Wait> {
        let wait = self.by_key.remove(key)?;
        self.by_due.remove(&(wait.due, wait.number));
        Some(wait)
    }
}
