//! What one informer knows: the objects there are, and the last state of those that are gone.
//!
//! Promises: the cache never goes back: a state older than the one it has is dropped; an object is taken out only by a
//! DELETED event, by another uid under its name, or by a complete and consistent list that lacks it; what was taken out stays as
//! a tombstone until every subscription that was there has released it.
//!
//! Bounds: one entry an object; at most `max_tombstones`, the oldest forgotten first: asked for one of those, the cache answers
//! none, and the deletion is delivered without its final state.

use super::{
    object::{Object, ObjectKey},
    version::{at_least, older},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};
use tokio::sync::OnceCell;

/// One change of the cache. At least one of `before` and `now` is there; two uids are a recreation nobody saw.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Which object.
    pub key: ObjectKey,
    /// What the cache had.
    pub before: Option<Object>,
    /// What it has now; none if the object is gone.
    pub now: Option<Object>,
}

/// Where an object went that is no longer in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// It does not exist any more.
    Deleted,
    /// It exists, outside the watch's selectors.
    Left,
}

/// Tells subscriptions apart.
pub(super) type SubscriptionId = u64;

pub(super) struct Cache {
    objects: HashMap<ObjectKey, Entry>,
    /// The sum of the objects' weights.
    bytes: usize,
    /// Nearly always one a name: several only if it was recreated more than once before a subscription was told.
    tombstones: HashMap<ObjectKey, Vec<Tombstone>>,
    /// How many there are, over all names.
    dead: usize,
    /// In the order in which they came, for forgetting. May name tombstones that are already gone, at most as many again.
    buried: VecDeque<(ObjectKey, Box<str>)>,
    max_tombstones: usize,
    /// All changes up to this resourceVersion are in here.
    head: Option<String>,
    /// How many times a name came in; orders entries against subscriptions.
    births: u64,
}

struct Entry {
    object: Object,
    /// The value of `births` when this uid came in.
    born: u64,
}

struct Tombstone {
    last: Object,
    /// Who has not been told yet. A set of a handful.
    owed: Vec<SubscriptionId>,
    fate: Arc<OnceCell<Whereabouts>>,
}

impl Cache {
    pub(super) fn new(max_tombstones: usize) -> Cache {
        Cache {
            objects: HashMap::new(),
            bytes: 0,
            tombstones: HashMap::new(),
            dead: 0,
            buried: VecDeque::new(),
            max_tombstones: max_tombstones.max(1),
            head: None,
            births: 0,
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key).map(|entry| &entry.object)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|entry| &entry.object)
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn births(&self) -> u64 {
        self.births
    }

    /// Whether the object came in when `births` was at most `births`.
    pub(super) fn born_by(&self, key: &ObjectKey, births: u64) -> bool {
        self.objects.get(key).is_some_and(|entry| entry.born <= births)
    }

    /// Whether the cache has this state of the object, or everything up to it.
    pub(super) fn reached(&self, key: &ObjectKey, resource_version: &str) -> bool {
        let has = |version: &str| at_least(version, resource_version);
        self.get(key).is_some_and(|object| has(object.resource_version())) || self.head.as_deref().is_some_and(has)
    }

    /// Whether the cache is surely behind this state of an object, so that the object's absence says nothing. A tombstone from then or later speaks
    /// for itself.
    pub(super) fn is_behind(&self, key: &ObjectKey, uid: &str, resource_version: &str) -> bool {
        let earlier = |version: &str| older(version, resource_version);
        self.head.as_deref().is_some_and(earlier)
            && self.tombstone(key, uid).is_none_or(|tombstone| earlier(tombstone.last.resource_version()))
    }

    /// Everything up to `resource_version` is in here now.
    pub(super) fn advance(&mut self, resource_version: &str) {
        if !resource_version.is_empty() && !self.head.as_deref().is_some_and(|head| older(resource_version, head)) {
            self.head = Some(resource_version.to_owned());
        }
    }

    /// Takes a state in; none if the cache has it or a later one. `forced`, it is taken even if it is older: the API itself went back.
    pub(super) fn upsert(&mut self, object: Object, owed: &[SubscriptionId], forced: bool) -> Option<Delta> {
        let key = object.key().clone();
        let version = object.resource_version().to_owned();
        let before = self.objects.get(&key).map(|entry| (entry.object.clone(), entry.born));
        if let Some((known, _)) = &before
            && (known.same_state(&object) || (!forced && older(&version, known.resource_version())))
        {
            return None;
        }
        // An event that was under way when the deletion was taken in must not bring the object back.
        let dead = self.tombstone(&key, object.uid());
        if dead.is_some_and(|dead| !forced && older(&version, dead.last.resource_version())) {
            return None;
        }
        // The same uid again: it had only left the selectors, so there is nothing to mourn.
        self.drop_tombstones(&key, |tombstone| tombstone.last.uid() == object.uid());
        let born = match &before {
            Some((known, born)) if known.uid() == object.uid() => *born,
            _ => {
                self.births += 1;
                self.births
            }
        };
        self.bytes += object.weight();
        if let Some((known, _)) = &before {
            self.bytes -= known.weight();
            if known.uid() != object.uid() {
                self.bury(known.clone(), owed);
            }
        }
        self.objects.insert(key.clone(), Entry { object: object.clone(), born });
        Some(Delta { key, before: before.map(|(known, _)| known), now: Some(object) })
    }

    /// Takes in what one GET answered: only if the watch has not passed that state yet. If it has and the object is not in here as it is, then
    /// a later event already said so.
    pub(super) fn feed(&mut self, object: Object, owed: &[SubscriptionId]) -> Option<Delta> {
        let passed = self.head.as_deref().is_some_and(|head| at_least(head, object.resource_version()));
        if passed { None } else { self.upsert(object, owed, false) }
    }

    /// Takes an object out, as its DELETED event says. None if the cache does not have it, or has a later state or life of it.
    pub(super) fn remove(&mut self, last: Object, owed: &[SubscriptionId]) -> Option<Delta> {
        let known = self.get(last.key())?;
        if older(last.resource_version(), known.resource_version()) {
            return None;
        }
        // The deletion of a later life under this name ends the one known here too, whose own end went by unseen.
        let last = match known.uid() == last.uid() {
            true => last,
            false if older(known.resource_version(), last.resource_version()) => known.clone(),
            false => return None,
        };
        self.take_out(last, owed)
    }

    /// A list is complete: takes out what it lacks, unless that came in after the list was made.
    /// `forced`, also then.
    pub(super) fn complete(
        &mut self,
        listed: &HashSet<ObjectKey>,
        version: &str,
        owed: &[SubscriptionId],
        forced: bool,
    ) -> Vec<Delta> {
        let missing: Vec<Object> = self
            .objects()
            .filter(|object| !listed.contains(object.key()) && (forced || !older(version, object.resource_version())))
            .cloned()
            .collect();
        missing.into_iter().filter_map(|object| self.take_out(object, owed)).collect()
    }

    /// The API went back, as after a restored backup: what was known of its order no longer holds.
    pub(super) fn forget_order(&mut self) {
        self.head = None;
    }

    /// The last state of a gone object; none if all were told, or if it was forgotten for the bound.
    pub(super) fn last_known(&self, key: &ObjectKey, uid: &str) -> Option<Object> {
        self.tombstone(key, uid).map(|tombstone| tombstone.last.clone())
    }

    /// Where the fate of a gone object is remembered.
    pub(super) fn fate(&self, key: &ObjectKey, uid: &str) -> Option<Arc<OnceCell<Whereabouts>>> {
        self.tombstone(key, uid).map(|tombstone| tombstone.fate.clone())
    }

    /// One subscription was told.
    pub(super) fn release(&mut self, key: &ObjectKey, uid: &str, id: SubscriptionId) {
        self.drop_tombstones(key, |tombstone| {
            if tombstone.last.uid() == uid {
                tombstone.owed.retain(|owed| *owed != id);
            }
            tombstone.owed.is_empty()
        });
    }

    /// A subscription ended: nothing is owed to it.
    pub(super) fn release_all(&mut self, id: SubscriptionId) {
        self.tombstones.retain(|_, tombstones| {
            tombstones.retain_mut(|tombstone| {
                tombstone.owed.retain(|owed| *owed != id);
                !tombstone.owed.is_empty()
            });
            !tombstones.is_empty()
        });
        self.dead = self.tombstones.values().map(Vec::len).sum();
    }

    /// A subscription joins: it is owed what the others are still owed, because its lane may have been told of those objects by the
    /// subscription it follows. Returns the last states.
    pub(super) fn owe(&mut self, id: SubscriptionId) -> Vec<Object> {
        let tombstones = self.tombstones.values_mut().flatten();
        tombstones
            .map(|tombstone| {
                tombstone.owed.push(id);
                tombstone.last.clone()
            })
            .collect()
    }

    pub(super) fn tombstones(&self) -> usize {
        self.dead
    }

    fn tombstone(&self, key: &ObjectKey, uid: &str) -> Option<&Tombstone> {
        self.tombstones.get(key)?.iter().find(|tombstone| tombstone.last.uid() == uid)
    }

    fn drop_tombstones(&mut self, key: &ObjectKey, mut done: impl FnMut(&mut Tombstone) -> bool) {
        if let Some(tombstones) = self.tombstones.get_mut(key) {
            let before = tombstones.len();
            tombstones.retain_mut(|tombstone| !done(tombstone));
            self.dead -= before - tombstones.len();
            if tombstones.is_empty() {
                self.tombstones.remove(key);
            }
        }
    }

    fn take_out(&mut self, last: Object, owed: &[SubscriptionId]) -> Option<Delta> {
        let before = self.objects.remove(last.key())?.object;
        self.bytes -= before.weight();
        self.bury(last, owed);
        Some(Delta { key: before.key().clone(), before: Some(before), now: None })
    }

    fn bury(&mut self, last: Object, owed: &[SubscriptionId]) {
        if owed.is_empty() {
            return;
        }
        self.buried.push_back((last.key().clone(), last.uid().into()));
        let tombstone = Tombstone { owed: owed.to_vec(), fate: Arc::default(), last };
        self.tombstones.entry(tombstone.last.key().clone()).or_default().push(tombstone);
        self.dead += 1;
        while self.dead > self.max_tombstones
            && let Some((key, uid)) = self.buried.pop_front()
        {
            self.drop_tombstones(&key, |tombstone| *tombstone.last.uid() == *uid);
        }
        if self.buried.len() > 2 * self.max_tombstones {
            let tombstones = &self.tombstones;
            self.buried.retain(|(key, uid)| {
                tombstones.get(key).is_some_and(|all| all.iter().any(|tombstone| *tombstone.last.uid() == **uid))
            });
        }
    }
}

#[cfg(test)]
mod tests;
