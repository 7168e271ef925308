//! What one lane remembers of each object: the state last handed over, how that ended, and when to call again.
//!
//! Promises: one entry for a key, from the first hand-over until the handler was told of the object's end; everything that changes
//! an entry goes through [`Ledger::put`], [`Ledger::remove`] and [`Ledger::record`], each a whole value under a key, and so into the state directory.
//! Entries and keys serialise, and mean the same after a restart.
//!
//! Deliberately not here: what only this process needs to know (reasons, monotonic timers, budgets), which is in `book`.
//!
//! Bound: one entry per object that the handler's watches hold or that it is owed the end of.

use super::{key::LaneKey, store::Recorder};
use crate::{
    contract::Change,
    handler::manifest::Watch,
    kinds::Resource,
    watch::{Fingerprint, Known, older},
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// One object, as one handler knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Of the object last handed over.
    pub uid: String,
    /// Of the state last handed over, or of a later one that looks the same to the handler.
    pub resource_version: String,
    /// Of the state last handed over, as the watch's view saw it.
    pub fingerprint: Fingerprint,
    /// How handing it over ended.
    pub outcome: Standing,
    /// As what it was handed over last.
    pub change: Change,
    /// As what it was handed over first; none once that was acknowledged, or once it was handed over as something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// Calls that failed and count towards the retry limit, for this uid and this kind of ending.
    pub attempts: u32,
    /// When the handler asked to be called again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Timer>,
    /// Grows with each acknowledgement.
    pub counter: u64,
    /// The watch's selectors changed under the entry, and the object was not in what they select then: should it turn out that it lives on, it did not leave, the
    /// watch did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rescoped: bool,
    /// What was handed over last: what a deletion is told with when nobody else knows the object any more.
    pub projection: Text,
    /// What was acknowledged last; only for watches with `previous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Text>,
}

/// How handing an object over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has not: a call is under way, is to be tried again, or was cut off by a crash.
    Open,
    /// The handler answered, or did not want to be called for it.
    Acked,
    /// Its retries are used up; a dead letter has it.
    GaveUp,
}

/// What an object's first event is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// It was there when the handler first saw the cluster.
    Initial,
    /// It was created since.
    Added,
}

/// A wish to be called again, kept as when it was made and how long it runs: a clock that is set back or forward can make it early or
/// late by at most its own length, never strand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timer {
    /// Milliseconds since the Unix epoch.
    pub set_at_ms: u64,
    /// Milliseconds.
    pub runs_for_ms: u64,
}

/// JSON text that is shared with the cache where the whole object was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Bytes);

/// What a watch was when its entries were written, to tell what a new manifest means for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchRecord {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, …
    pub kind: String,
    /// Sorted; empty: all.
    pub namespaces: Vec<String>,
    /// Server side.
    pub label_selector: String,
    /// Server side.
    pub field_selector: String,
    /// What was handed over.
    pub fields: Option<Vec<String>>,
    /// What was compared.
    pub changed: Option<Vec<String>>,
    /// Every object of the first list has been handed over, so whatever is new from now on is `added`.
    pub worked_off: bool,
    /// The resource, if its kind was seen to come from a definition: if that is gone after a restart, so are the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Resource>,
}

/// The entries of one lane.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Writes down what changes; none without a state directory.
    recorder: Option<Recorder>,
    entries: HashMap<LaneKey, Entry>,
    /// One for each watch that has entries; at most as many as manifests had watches.
    watches: BTreeMap<Arc<str>, WatchRecord>,
}

impl Entry {
    /// This entry, to be called for once more, with as many attempts as any.
    pub(super) fn reopened(&self) -> Entry {
        Entry { outcome: Standing::Open, attempts: 0, ..self.clone() }
    }
}

impl Timer {
    /// One that is set now.
    pub fn starting(runs_for: Duration) -> Timer {
        Timer { set_at_ms: unix_ms(), runs_for_ms: u64::try_from(runs_for.as_millis()).unwrap_or(u64::MAX) }
    }

    /// How long it still runs, by the wall clock; zero if it is due.
    pub fn remaining(&self, now_ms: u64) -> Duration {
        // A clock that now shows less than when it was set was set back: as if no time had passed.
        let elapsed = now_ms.saturating_sub(self.set_at_ms);
        Duration::from_millis(self.runs_for_ms.saturating_sub(elapsed))
    }
}

impl Text {
    /// Shares `json`.
    pub fn new(json: Bytes) -> Text {
        Text(json)
    }

    /// A copy, to be handed to a component.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(Bytes::from(text))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Text::from).map_err(D::Error::custom)
    }
}

impl WatchRecord {
    /// The record of a watch that nothing was handed over for yet.
    pub fn of(watch: &Watch) -> WatchRecord {
        let mut namespaces = watch.namespaces.clone();
        namespaces.sort();
        namespaces.dedup();
        WatchRecord {
            api_version: watch.api_version.clone(),
            kind: watch.kind.clone(),
            namespaces,
            label_selector: watch.label_selector.clone(),
            field_selector: watch.field_selector.clone(),
            fields: watch.fields.clone(),
            changed: watch.changed.clone(),
            worked_off: false,
            definition: None,
        }
    }

    /// Whether both are about objects of one kind; if not, entries of one say nothing about the other.
    pub fn same_kind(&self, other: &WatchRecord) -> bool {
        self.api_version == other.api_version && self.kind == other.kind
    }

    /// Whether both select the same objects.
    pub fn same_scope(&self, other: &WatchRecord) -> bool {
        self.same_kind(other)
            && self.namespaces == other.namespaces
            && self.label_selector == other.label_selector
            && self.field_selector == other.field_selector
    }

    /// Whether a fingerprint means the same in both.
    pub fn same_view(&self, other: &WatchRecord) -> bool {
        self.fields == other.fields && self.changed == other.changed
    }

    /// Whether objects can leave without being deleted.
    pub fn has_selectors(&self) -> bool {
        !self.label_selector.is_empty() || !self.field_selector.is_empty()
    }

    /// Whether objects of this namespace are selected at all.
    pub fn covers(&self, namespace: Option<&str>) -> bool {
        self.namespaces.is_empty() || namespace.is_some_and(|namespace| self.namespaces.iter().any(|n| n == namespace))
    }
}

impl Ledger {
    /// What was kept, going on to be kept by `recorder`.
    pub(super) fn kept(
        recorder: Option<Recorder>,
        entries: HashMap<LaneKey, Entry>,
        watches: BTreeMap<Arc<str>, WatchRecord>,
    ) -> Ledger {
        Ledger { recorder, entries, watches }
    }

    /// What is known of an object.
    pub fn get(&self, key: &LaneKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Writes an entry. With a state directory it survives kill -9 once [`Store::written`](super::Store) says so.
    pub fn put(&mut self, key: &LaneKey, entry: Entry) {
        if let Some(recorder) = &self.recorder {
            recorder.entry(key, Some(&entry));
        }
        self.entries.insert(key.clone(), entry);
    }

    /// Keeps `projection`, which says what the entry's own says, in its place: one copy, shared with the cache.
    pub(super) fn share(&mut self, key: &LaneKey, projection: Text) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.projection = projection;
        }
    }

    /// Removes an entry: its object's end was told, or no watch covers it any more.
    pub fn remove(&mut self, key: &LaneKey) -> Option<Entry> {
        let removed = self.entries.remove(key);
        if let (Some(_), Some(recorder)) = (&removed, &self.recorder) {
            recorder.entry(key, None);
        }
        removed
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        let keys: Vec<LaneKey> = self.entries.keys().cloned().collect();
        keys.iter().for_each(|key| _ = self.remove(key));
        self.watches().iter().for_each(|name| self.record(name, None));
    }

    /// What the entries of a watch know of the API, for the informers that it is to be followed with.
    pub(super) fn known(&self, watch: &Watch) -> Known {
        let same_kind = |record: &&WatchRecord| record.same_kind(&WatchRecord::of(watch));
        let Some(record) = self.watch(&watch.name).filter(same_kind) else { return Known::default() };
        let entries = self.entries.iter().filter(|(key, _)| *key.watch == *watch.name);
        let versions = entries.map(|(_, entry)| &entry.resource_version);
        let version = versions.reduce(|a, b| if older(a, b) { b } else { a }).cloned();
        Known { version, defined: record.definition.clone() }
    }

    /// What a watch was.
    pub fn watch(&self, name: &str) -> Option<&WatchRecord> {
        self.watches.get(name)
    }

    /// Names of watches that were recorded.
    pub fn watches(&self) -> Vec<Arc<str>> {
        self.watches.keys().cloned().collect()
    }

    /// Writes what a watch is now; none forgets it.
    pub fn record(&mut self, name: &Arc<str>, record: Option<WatchRecord>) {
        if let Some(recorder) = &self.recorder {
            recorder.watch(name, record.as_ref());
        }
        match record {
            Some(record) => self.watches.insert(name.clone(), record),
            None => self.watches.remove(name),
        };
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&LaneKey, &Entry)> {
        self.entries.iter()
    }

    /// The keys of one watch, in no order.
    pub fn keys_of(&self, watch: &str) -> Vec<LaneKey> {
        self.entries.keys().filter(|key| &*key.watch == watch).cloned().collect()
    }
}

/// Milliseconds since the Unix epoch; zero for a clock before it.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::ObjectKey;

    #[test]
    fn a_clock_that_steps_never_strands_a_timer() {
        let timer = Timer { set_at_ms: 10_000, runs_for_ms: 3_000 };
        assert_eq!(timer.remaining(11_000), Duration::from_secs(2));
        assert_eq!(timer.remaining(13_000), Duration::ZERO);
        assert_eq!(timer.remaining(99_000), Duration::ZERO);
        assert_eq!(timer.remaining(0), Duration::from_secs(3), "set back by any amount: at most its whole run again");
    }

    #[test]
    fn an_entry_and_its_key_read_back_as_they_were_written() {
        let key = LaneKey { watch: "pods".into(), object: ObjectKey { namespace: Some("a".into()), name: "b".into() } };
        let entry = Entry {
            uid: "u".into(),
            resource_version: "7".into(),
            fingerprint: Fingerprint(u64::MAX),
            outcome: Standing::GaveUp,
            change: Change::Left,
            first: Some(First::Added),
            attempts: 3,
            timer: Some(Timer { set_at_ms: 1, runs_for_ms: 2 }),
            counter: 4,
            rescoped: true,
            projection: Text::from(r#"{"kind":"Pod"}"#.to_owned()),
            acknowledged: Some(Text::from("{}".to_owned())),
        };
        let written = serde_json::to_string(&(&key, &entry)).unwrap();
        assert!(written.contains(r#""outcome":"gave-up""#), "{written}");
        assert_eq!(serde_json::from_str::<(LaneKey, Entry)>(&written).unwrap(), (key, entry));
    }
}
