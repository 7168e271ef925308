//! Keys that may be claimed now.
//!
//! Guarantees: one entry per key; first in, first out within a priority; high before low, except that of eight keys taken
//! while both wait one is low, so that neither starves. A low key that is asked for with high priority moves up and keeps
//! its age.
//! Both directions are ordered maps and not rings, because a key that moves up or is removed must leave nothing behind:
//! stale entries in a low queue that is hardly ever popped would grow without bound.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};
use tokio::time::Instant;

use super::Priority;

/// Of this many keys taken while both priorities wait, one is low (client-go has no priorities; controller-runtime's never
/// yield, which lets a stream of changes hold up an initial list for ever).
pub(super) const LOW_TURN: u32 = 8;

/// The two queues.
#[derive(Debug)]
pub(super) struct Ready<K> {
    places: HashMap<K, Place>,
    /// By age; the keys whose place says high.
    high: BTreeMap<u64, K>,
    /// By age; the keys whose place says low. Together with `high` exactly the keys of `places`.
    low: BTreeMap<u64, K>,
    /// Numbers entries: the lower, the older.
    next: u64,
    /// High keys taken since the last low one while a low one waited; at most `LOW_TURN - 1`.
    high_run: u32,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    age: u64,
    priority: Priority,
    since: Instant,
}

/// A key taken from its queue.
#[derive(Debug)]
pub(super) struct Popped<K> {
    pub(super) key: K,
    pub(super) priority: Priority,
    /// Since when it was ready.
    pub(super) since: Instant,
}

impl<K: Clone + Eq + Hash> Ready<K> {
    pub(super) fn new() -> Self {
        Self { places: HashMap::new(), high: BTreeMap::new(), low: BTreeMap::new(), next: 0, high_run: 0 }
    }

    /// Queues `key`, ready since `since`; if it is queued already only its priority may rise. Says whether it is new.
    pub(super) fn push(&mut self, key: K, priority: Priority, since: Instant) -> bool {
        if let Some(place) = self.places.get_mut(&key) {
            if priority > place.priority {
                self.low.remove(&place.age);
                self.high.insert(place.age, key);
                place.priority = priority;
            }
            return false;
        }
        let age = self.next;
        self.next += 1;
        self.queue(priority).insert(age, key.clone());
        self.places.insert(key, Place { age, priority, since });
        true
    }

    /// Takes the key whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Popped<K>> {
        let low_turn = self.high.is_empty() || self.high_run + 1 >= LOW_TURN;
        if low_turn && let Some((_, key)) = self.low.pop_first() {
            self.high_run = 0;
            return self.leave(key);
        }
        let (_, key) = self.high.pop_first()?;
        if !self.low.is_empty() {
            self.high_run += 1;
        }
        self.leave(key)
    }

    /// Takes the key that was queued longest ago, whatever its priority. A key that comes back is the youngest, so taking
    /// the oldest again and again goes around all of them.
    pub(super) fn pop_oldest(&mut self) -> Option<Popped<K>> {
        let high = self.high.first_key_value().map(|(age, _)| *age);
        let low = self.low.first_key_value().map(|(age, _)| *age);
        let oldest = match (high, low) {
            (Some(high), Some(low)) if low < high => self.low.pop_first(),
            (Some(_), _) => self.high.pop_first(),
            (None, _) => self.low.pop_first(),
        };
        self.leave(oldest?.1)
    }

    /// Takes `key` out and says which priority it had, if it was in.
    pub(super) fn remove(&mut self, key: &K) -> Option<Priority> {
        let place = self.places.remove(key)?;
        self.queue(place.priority).remove(&place.age);
        Some(place.priority)
    }

    /// How many keys of a priority are ready.
    pub(super) fn len(&self, priority: Priority) -> usize {
        match priority {
            Priority::High => self.high.len(),
            Priority::Low => self.low.len(),
        }
    }

    fn queue(&mut self, priority: Priority) -> &mut BTreeMap<u64, K> {
        match priority {
            Priority::High => &mut self.high,
            Priority::Low => &mut self.low,
        }
    }

    fn leave(&mut self, key: K) -> Option<Popped<K>> {
        let place = self.places.remove(&key)?;
        Some(Popped { key, priority: place.priority, since: place.since })
    }
}
