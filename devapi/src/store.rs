//! The one place where objects live.
//!
//! Promises: one counter numbers all writes, and each successful write moves it by one; a change is seen by every reader at
//! once, complete; the last `watch_window` changes are kept with the state before and after each, so that a watch can go on
//! from any of them and a list can be read as it was. What is older is expired, never wrong. Nothing is written to disk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use serde_json::json;
use tokio::sync::watch;

use crate::{
    object::{Fields, Key, Stored, metadata_mut},
    resource::Registry,
};

/// The objects, and the signal that they changed.
#[derive(Debug)]
pub(crate) struct Store {
    // Held for the length of one request's work on memory, never across an await.
    state: Mutex<State>,
    // The newest resourceVersion; a watch waits here. Always sent after the state is unlocked, and only ever growing.
    latest: watch::Sender<u64>,
    // The store itself, for timers that must not keep it alive.
    own: Weak<Store>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    revision: u64,
    // Changes up to and including this one are no longer in `changes`.
    compacted: u64,
    objects: BTreeMap<Key, Arc<Stored>>,
    // Ascending by revision, without gaps; at most `window` long, the oldest dropped.
    changes: VecDeque<Arc<Change>>,
    window: usize,
    /// What is served.
    pub(crate) registry: Registry,
    /// Deletions to be finished after a while; taken and started by the end of the transaction that made them.
    pub(crate) graceful: Vec<Grace>,
}

/// One write.
#[derive(Debug)]
pub(crate) struct Change {
    /// The resourceVersion it was given.
    pub(crate) revision: u64,
    /// Whose it was.
    pub(crate) key: Key,
    /// The state before, absent for a create.
    pub(crate) before: Option<Arc<Stored>>,
    /// The state after; a deletion's carries the last state with the deletion's resourceVersion.
    pub(crate) after: Arc<Stored>,
    /// Whether the object is gone.
    pub(crate) is_deletion: bool,
}

/// A pod that ends when its grace period does.
#[derive(Debug)]
pub(crate) struct Grace {
    /// Which.
    pub(crate) key: Key,
    /// Only this one, not a namesake made since.
    pub(crate) uid: String,
    /// How long from now.
    pub(crate) period: Duration,
}

/// What was asked for is older than what is kept; the oldest resourceVersion that still can be asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct TooOld(pub(crate) u64);

impl Store {
    /// An empty store that keeps that many changes, at least one.
    pub(crate) fn new(window: usize) -> Arc<Store> {
        Arc::new_cyclic(|own| Store {
            state: Mutex::new(State {
                revision: 0,
                compacted: 0,
                objects: BTreeMap::new(),
                changes: VecDeque::new(),
                window: window.max(1),
                registry: Registry::new(),
                graceful: Vec::new(),
            }),
            latest: watch::Sender::new(0),
            own: own.clone(),
        })
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, tells every watch, and starts the timers of graceful deletions. Several writes in one transaction
    /// are seen together, though each has its own resourceVersion.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, revision, graceful) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut state);
            (result, state.revision, std::mem::take(&mut state.graceful))
        };
        self.latest.send_if_modified(|latest| {
            let moved = revision > *latest;
            *latest = revision.max(*latest);
            moved
        });
        for grace in graceful {
            // The timer ends itself if the store is gone by then.
            tokio::spawn(crate::delete::finish_later(self.own.clone(), grace));
        }
        result
    }

    /// The newest resourceVersion, and a way to wait for newer ones.
    pub(crate) fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }
}

impl State {
    /// The resourceVersion of the newest write.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// An object as it is now.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.objects.get(key)
    }

    /// All objects of a resource whose key's path starts so, in order.
    pub(crate) fn range<'a>(
        &'a self,
        resource: &'a str,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Stored>)> {
        let start = Key { resource: resource.to_owned(), path: prefix.to_owned() };
        self.objects.range(start..).take_while(move |(key, _)| key.resource == resource && key.path.starts_with(prefix))
    }

    /// The same as it was when `revision` was the newest.
    pub(crate) fn range_at<'a>(
        &'a self,
        revision: u64,
        resource: &'a str,
        prefix: &'a str,
    ) -> Result<Vec<(&'a Key, &'a Arc<Stored>)>, TooOld> {
        let mut then: BTreeMap<&Key, Option<&Arc<Stored>>> = BTreeMap::new();
        for change in self.changes_since(revision)? {
            if change.key.resource == resource && change.key.path.starts_with(prefix) {
                // The first change after `revision` knows the state at it; later ones do not matter.
                then.entry(&change.key).or_insert(change.before.as_ref());
            }
        }
        let untouched = self.range(resource, prefix).filter(|(key, _)| !then.contains_key(key));
        let mut all: Vec<_> = untouched.collect();
        if !then.is_empty() {
            all.extend(then.iter().filter_map(|(key, before)| before.map(|before| (*key, before))));
            all.sort_unstable_by_key(|(key, _)| *key);
        }
        Ok(all)
    }

    /// The changes after a resourceVersion, oldest first.
    pub(crate) fn changes_since(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Change>>, TooOld> {
        if revision < self.compacted {
            return Err(TooOld(self.compacted));
        }
        let skip = usize::try_from(revision - self.compacted).unwrap_or(usize::MAX);
        Ok(self.changes.iter().skip(skip))
    }

    /// Stores an object under a new resourceVersion.
    pub(crate) fn put(&mut self, key: Key, fields: Fields) -> Arc<Stored> {
        let after = self.stamp(fields);
        let before = self.objects.insert(key.clone(), after.clone());
        self.record(Change { revision: self.revision, key, before, after: after.clone(), is_deletion: false });
        after
    }

    /// Removes an object; its last state gets the deletion's resourceVersion.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Stored>> {
        let before = self.objects.remove(key)?;
        let after = self.stamp(before.fields.clone());
        let (key, before) = (key.clone(), Some(before));
        self.record(Change { revision: self.revision, key, before, after: after.clone(), is_deletion: true });
        Some(after)
    }

    /// Lets everything up to now fall out of the window.
    pub(crate) fn compact(&mut self) {
        self.changes.clear();
        self.compacted = self.revision;
    }

    fn stamp(&mut self, mut fields: Fields) -> Arc<Stored> {
        self.revision += 1;
        metadata_mut(&mut fields).insert("resourceVersion".into(), json!(self.revision.to_string()));
        Arc::new(Stored::new(fields))
    }

    fn record(&mut self, change: Change) {
        self.changes.push_back(Arc::new(change));
        if self.changes.len() > self.window
            && let Some(oldest) = self.changes.pop_front()
        {
            self.compacted = oldest.revision;
        }
    }
}
