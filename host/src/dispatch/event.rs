//! Which event an object's state makes for a handler: design §4's table as a pure function.
//!
//! Promises: what is computed depends only on what the cache shows now, what was last handed over, why the key was queued and which
//! changes the handler wants; never on which watch events led here. So an event that was missed, merged or seen twice makes no
//! difference. A change the handler does not want gives way to the next reason that holds; if none does, the state counts as
//! handed over without a call.
//!
//! Deliberately not here: whether the informer has synced (nothing is computed before), and where an object went that is no longer in the
//! cache: the caller asks both first.

use super::ledger::{Entry, First, Standing, Text};
use crate::{
    contract::Change,
    watch::{Fingerprint, ObjectKey},
};
use std::collections::BTreeSet;

/// Why a key was queued. OR-ed until a claim ends with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reasons {
    /// The watch saw something.
    pub changed: bool,
    /// The watch's period came round.
    pub resync: bool,
    /// The handler's own timer ran out.
    pub timer: bool,
    /// Something mapped to this object changed.
    pub related: bool,
}

/// What is there, as one watch sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    /// The cache has the object.
    Here {
        /// Its uid.
        uid: &'a str,
        /// Of its state, under the watch's view.
        fingerprint: Fingerprint,
        /// It was in the first list of a watch whose first list was never worked off.
        in_first_list: bool,
    },
    /// It does not exist.
    Gone,
    /// It exists, with the uid last handed over, outside the watch's selectors.
    Outside,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The handler knows all there is to know.
    Nothing,
    /// It does not want this change: write it as acknowledged, without a call.
    Acknowledge(Change),
    /// Call it.
    Call(Change),
}

/// A state as it is handed over.
#[derive(Debug, Clone)]
pub struct Handed {
    /// Of the object.
    pub uid: String,
    /// Of the state.
    pub resource_version: String,
    /// Of the state, under the watch's view.
    pub fingerprint: Fingerprint,
    /// The state under the watch's view.
    pub projection: Text,
}

impl Reasons {
    /// The watch saw something.
    pub const CHANGED: Reasons = Reasons { changed: true, resync: false, timer: false, related: false };

    /// Both.
    #[must_use]
    pub fn and(self, other: Reasons) -> Reasons {
        Reasons {
            changed: self.changed || other.changed,
            resync: self.resync || other.resync,
            timer: self.timer || other.timer,
            related: self.related || other.related,
        }
    }

    /// The changes these reasons make of themselves, the most telling first.
    fn changes(self) -> impl Iterator<Item = Change> {
        let held = [(self.related, Change::Related), (self.timer, Change::Requeued), (self.resync, Change::Resync)];
        held.into_iter().filter_map(|(holds, change)| holds.then_some(change))
    }
}

/// The table. `wanted` is the watch's `events`.
pub fn next(sight: Sight<'_>, entry: Option<&Entry>, reasons: Reasons, wanted: &BTreeSet<Change>) -> Next {
    let Some(entry) = entry else {
        return match sight {
            // It came and went before it was ever handed over.
            Sight::Gone | Sight::Outside => Next::Nothing,
            Sight::Here { in_first_list: true, .. } => choose(Change::Initial, reasons, None, wanted),
            Sight::Here { in_first_list: false, .. } => choose(Change::Added, reasons, None, wanted),
        };
    };
    let (uid, fingerprint) = match sight {
        Sight::Gone => return only(Change::Deleted, wanted),
        Sight::Outside => return only(Change::Left, wanted),
        Sight::Here { uid, fingerprint, .. } => (uid, fingerprint),
    };
    if uid != entry.uid {
        // The old one first; when that ended there is no entry, and the new one is `added`.
        return only(Change::Deleted, wanted);
    }
    match entry.outcome {
        Standing::Open => {
            let change = match entry.first {
                Some(First::Initial) => Change::Initial,
                Some(First::Added) => Change::Added,
                None => Change::Updated,
            };
            // What it was called for is owed even if nothing else holds any more, as after a restart: a resync that failed,
            // for a handler that wants no `updated`.
            let owed = (!entry.change.is_ending()).then_some(entry.change);
            choose(change, reasons, owed, wanted)
        }
        Standing::Acked | Standing::GaveUp if fingerprint != entry.fingerprint => {
            choose(Change::Updated, reasons, None, wanted)
        }
        Standing::Acked => reasons.changes().find(|change| wanted.contains(change)).map_or(Next::Nothing, Next::Call),
        Standing::GaveUp => Next::Nothing,
    }
}

/// The number of this call, from 1: counted failures are counted per uid and per kind of ending, so a deletion starts anew.
pub fn attempt(entry: Option<&Entry>, uid: &str, change: Change) -> u32 {
    failed_before(entry, uid, change).saturating_add(1)
}

/// How many counted calls for this failed before.
pub fn failed_before(entry: Option<&Entry>, uid: &str, change: Change) -> u32 {
    entry
        .filter(|entry| entry.outcome == Standing::Open && entry.uid == uid)
        .filter(|entry| entry.change.is_ending() == change.is_ending())
        .map_or(0, |entry| entry.attempts)
}

/// The entry that is written before a call.
pub fn opened(entry: Option<&Entry>, handed: Handed, change: Change) -> Entry {
    let attempts = failed_before(entry, &handed.uid, change);
    let before = entry.filter(|entry| entry.uid == handed.uid);
    let first = match change {
        Change::Initial => Some(First::Initial),
        Change::Added => Some(First::Added),
        _ => None,
    };
    Entry {
        attempts,
        first,
        change,
        outcome: Standing::Open,
        timer: None,
        counter: before.map_or(0, |entry| entry.counter),
        rescoped: false,
        acknowledged: before.and_then(|entry| entry.acknowledged.clone()),
        uid: handed.uid,
        resource_version: handed.resource_version,
        fingerprint: handed.fingerprint,
        projection: handed.projection,
    }
}

/// The entry that is written when the handler answered for a live object, or did not want to be asked: `state` is what counts as
/// known to it, which after an own write is the write's result.
pub fn acknowledged(open: &Entry, state: Handed, keeps_previous: bool) -> Entry {
    Entry {
        outcome: Standing::Acked,
        first: None,
        attempts: 0,
        timer: None,
        change: open.change,
        counter: open.counter.saturating_add(1),
        rescoped: false,
        acknowledged: keeps_previous.then(|| state.projection.clone()),
        uid: state.uid,
        resource_version: state.resource_version,
        fingerprint: state.fingerprint,
        projection: state.projection,
    }
}

/// The entry that is written for a live state the handler does not want to be called for. It did not answer, so its timer, its counter
/// and what it acknowledged last stay.
pub(super) fn passed_over(entry: Option<&Entry>, state: Handed, change: Change) -> Entry {
    let timer = entry.filter(|entry| entry.uid == state.uid).and_then(|entry| entry.timer);
    let open = opened(entry, state, change);
    Entry { outcome: Standing::Acked, first: None, attempts: 0, timer, ..open }
}

/// The object an event is about, as the contract names it.
pub(super) fn reference(api_version: &str, kind: &str, key: &ObjectKey) -> crate::contract::ObjectRef {
    crate::contract::ObjectRef {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: key.namespace.as_deref().map(str::to_owned),
        name: key.name.as_ref().to_owned(),
    }
}

fn only(change: Change, wanted: &BTreeSet<Change>) -> Next {
    if wanted.contains(&change) { Next::Call(change) } else { Next::Acknowledge(change) }
}

/// The first of these that is wanted: the change itself, what the reasons make, what is owed.
fn choose(change: Change, reasons: Reasons, owed: Option<Change>, wanted: &BTreeSet<Change>) -> Next {
    let mut candidates = std::iter::once(change).chain(reasons.changes()).chain(owed);
    candidates.find(|candidate| wanted.contains(candidate)).map_or(Next::Acknowledge(change), Next::Call)
}

#[cfg(test)]
mod tests;
