//! Dead letters: the events a handler was given up on, so that nothing is given up silently.
//!
//! Promises: one letter for a handler, key and uid, replaced by a newer one and dropped by a later acknowledgement; at most so many letters and bytes
//! as the manifest's limits say, the oldest dropped first and counted; a letter about a deletion carries the object's last state, so it can be
//! told again although nobody else knows the object. Numbers only grow, and with a state directory letters and numbers outlive the process.

use super::{
    event::Handed,
    key::LaneKey,
    store::{HandlerRecord, Recorder},
};
use crate::contract::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest cause kept, in bytes; longer ones are cut.
pub const MAX_CAUSE_BYTES: usize = 4096;

/// One event that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Which object of which watch.
    pub key: LaneKey,
    /// As it was handed over last.
    pub event: Event,
    /// Why the last call failed.
    pub error: String,
    /// What the last call wrote to stderr, cut.
    pub stderr: String,
    /// How many calls failed.
    pub attempts: u32,
    /// When it was given up: milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Of the component that failed.
    pub digest: String,
    /// Which hand-over that was, of those of its object; 0 in a letter of a version that did not keep it.
    #[serde(default)]
    pub counter: u64,
    /// It is about an ending, and is being told again: how many calls of that failed.
    pub telling: Option<u32>,
}

/// The letters of one lane.
#[derive(Debug)]
pub struct DeadLetters {
    /// Writes down what changes; none without a state directory.
    recorder: Option<Recorder>,
    /// By number, which tells their age. Within `max_letters` and `max_bytes` after every call.
    letters: BTreeMap<u64, Letter>,
    /// What outlives the letters: the number last given, and which version of the handler they were last tried with.
    record: HandlerRecord,
    bytes: usize,
    max_letters: usize,
    max_bytes: usize,
    dropped: u64,
}

impl Letter {
    /// What keeping it costs, about, in bytes.
    pub fn weight(&self) -> usize {
        let event = &self.event;
        size_of::<Letter>()
            + event.object.len()
            + event.previous.as_ref().map_or(0, String::len)
            + event.uid.len()
            + self.error.len()
            + self.stderr.len()
    }

    /// The state it would be told again with.
    pub fn handed(&self) -> Handed {
        Handed {
            uid: self.event.uid.clone(),
            resource_version: self.event.resource_version.clone(),
            fingerprint: crate::watch::Fingerprint(0),
            projection: self.event.object.clone().into(),
        }
    }
}

impl DeadLetters {
    /// None yet; at most so many, and so many bytes.
    pub fn new(max_letters: usize, max_bytes: usize) -> DeadLetters {
        let (letters, record) = (BTreeMap::new(), HandlerRecord::default());
        DeadLetters { recorder: None, letters, record, bytes: 0, max_letters, max_bytes, dropped: 0 }
    }

    /// What was kept, within the bounds of these, going on to be kept by `recorder`.
    pub(super) fn kept(
        self,
        recorder: Option<Recorder>,
        letters: BTreeMap<u64, Letter>,
        record: HandlerRecord,
    ) -> DeadLetters {
        let bytes = letters.values().map(Letter::weight).sum();
        let last_letter = record.last_letter.max(letters.keys().next_back().copied().unwrap_or_default());
        let mut dead =
            DeadLetters { recorder, letters, bytes, record: HandlerRecord { last_letter, ..record }, ..self };
        dead.fit();
        dead
    }

    /// Whether this version of the handler is the one published last.
    pub(super) fn is_tried_with(&self, version: &str) -> bool {
        self.record.version == version
    }

    /// Notes that this version of the handler is published.
    pub(super) fn tried_with(&mut self, version: &str) {
        version.clone_into(&mut self.record.version);
        self.note();
    }

    /// Forgets everything but the numbers given.
    pub(super) fn clear(&mut self) {
        let numbers: Vec<u64> = self.letters.keys().copied().collect();
        numbers.into_iter().for_each(|number| _ = self.take(number));
    }
    /// How many there may be.
    pub fn max_letters(&self) -> usize {
        self.max_letters
    }

    /// What they may weigh together, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Changes the bounds, and drops what no longer fits. Returns how many.
    pub fn bound(&mut self, max_letters: usize, max_bytes: usize) -> usize {
        (self.max_letters, self.max_bytes) = (max_letters, max_bytes);
        self.fit()
    }

    /// Keeps a letter instead of an older one about the same uid. Returns how many were dropped for the bounds, itself included
    /// if it alone is beyond them.
    pub fn put(&mut self, mut letter: Letter) -> usize {
        cut(&mut letter.error);
        cut(&mut letter.stderr);
        self.drop_for(&letter.key, &letter.event.uid);
        self.bytes += letter.weight();
        self.record.last_letter += 1;
        self.note();
        self.letters.insert(self.record.last_letter, letter);
        self.keep(self.record.last_letter);
        self.fit()
    }

    /// Drops the letter about this object, if there is one: it was acknowledged.
    pub fn drop_for(&mut self, key: &LaneKey, uid: &str) -> Option<Letter> {
        let number = self.number_of(key, uid)?;
        self.take(number)
    }

    /// A letter about an ending of this key that is to be told again.
    pub fn to_tell(&self, key: &LaneKey) -> Option<&Letter> {
        self.letters.values().find(|letter| letter.telling.is_some() && letter.key == *key)
    }

    /// One more telling of a letter failed, and is to be tried again. If it was the last, a new letter is put in its place instead.
    pub fn told_in_vain(&mut self, key: &LaneKey, uid: &str) {
        let Some(number) = self.number_of(key, uid) else { return };
        if let Some(letter) = self.letters.get_mut(&number) {
            letter.telling = letter.telling.map(|failed| failed.saturating_add(1));
        }
        self.keep(number);
    }

    /// Gives a letter another chance: an ending is told from it, once more from the first attempt. For a live object the ledger's entry has to be opened,
    /// and the letter stays until that is acknowledged. Returns whom it is about; none if there is no such letter.
    pub fn drive_again(&mut self, number: u64) -> Option<(LaneKey, String)> {
        let letter = self.letters.get_mut(&number)?;
        letter.telling = letter.event.change.is_ending().then_some(0);
        let about = (letter.key.clone(), letter.event.uid.clone());
        self.keep(number);
        Some(about)
    }

    /// The numbers of all letters, or of the one asked for, if there is such a one.
    pub fn numbers(&self, one: Option<u64>) -> Vec<u64> {
        self.letters.keys().copied().filter(|number| one.is_none_or(|one| one == *number)).collect()
    }

    /// Every letter with its number, oldest first.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Letter)> {
        self.letters.iter().map(|(number, letter)| (*number, letter))
    }

    /// Takes a letter out.
    pub fn take(&mut self, number: u64) -> Option<Letter> {
        let letter = self.letters.remove(&number)?;
        self.bytes -= letter.weight();
        self.keep(number);
        Some(letter)
    }

    /// The letters, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Letter> {
        self.letters.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// What they weigh together, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were dropped for the bounds so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A walk over all letters, of which there are few (1,000 by default), and only where one is written or dropped.
    fn number_of(&self, key: &LaneKey, uid: &str) -> Option<u64> {
        let same = |letter: &Letter| letter.event.uid == uid && letter.key == *key;
        self.letters.iter().find(|(_, letter)| same(letter)).map(|(number, _)| *number)
    }

    /// Writes down what has become of a letter.
    fn keep(&self, number: u64) {
        if let Some(recorder) = &self.recorder {
            recorder.letter(number, self.letters.get(&number));
        }
    }

    fn note(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.handler(Some(&self.record));
        }
    }

    fn fit(&mut self) -> usize {
        let mut dropped = 0;
        while (self.letters.len() > self.max_letters || self.bytes > self.max_bytes)
            && let Some(oldest) = self.letters.keys().next().copied()
        {
            self.take(oldest);
            dropped += 1;
        }
        self.dropped += dropped;
        usize::try_from(dropped).unwrap_or(usize::MAX)
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_CAUSE_BYTES {
        let end = (0..=MAX_CAUSE_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::Change, dispatch::event::reference, watch::ObjectKey};

    fn letter(name: &str, uid: &str, change: Change) -> Letter {
        let object = ObjectKey { namespace: None, name: name.into() };
        let event = Event {
            change,
            watch: "nodes".into(),
            key: reference("v1", "Node", &object),
            uid: uid.into(),
            resource_version: "1".into(),
            object: "{}".into(),
            previous: None,
            final_state_unknown: false,
            attempt: 6,
            extra: Vec::new(),
        };
        Letter {
            key: LaneKey { watch: "nodes".into(), object },
            event,
            error: "no".into(),
            stderr: String::new(),
            attempts: 6,
            at_ms: 0,
            digest: "d".into(),
            counter: 1,
            telling: None,
        }
    }

    #[test]
    fn a_newer_letter_replaces_the_older_one_of_the_same_uid_only() {
        let mut dead = DeadLetters::new(10, 1 << 20);
        dead.put(letter("a", "1", Change::Updated));
        dead.put(Letter { error: "newer".into(), ..letter("a", "1", Change::Deleted) });
        dead.put(letter("a", "2", Change::Added));
        let kept: Vec<_> = dead.iter().map(|letter| (letter.event.uid.as_str(), letter.error.as_str())).collect();
        assert_eq!(kept, [("1", "newer"), ("2", "no")]);
    }

    #[test]
    fn an_acknowledgement_drops_the_letter_and_gives_its_bytes_back() {
        let mut dead = DeadLetters::new(10, 1 << 20);
        let one = letter("a", "1", Change::Updated);
        dead.put(one.clone());
        assert!(dead.drop_for(&one.key, "2").is_none());
        assert!(dead.drop_for(&one.key, "1").is_some());
        assert_eq!((dead.len(), dead.bytes(), dead.dropped()), (0, 0, 0));
    }

    #[test]
    fn beyond_either_bound_the_oldest_go_first_and_are_counted() {
        let mut dead = DeadLetters::new(2, 1 << 20);
        for uid in ["1", "2", "3"] {
            dead.put(letter("a", uid, Change::Updated));
        }
        assert_eq!(dead.iter().map(|letter| letter.event.uid.clone()).collect::<Vec<_>>(), ["2", "3"]);
        dead.bound(2, letter("a", "3", Change::Updated).weight());
        assert_eq!(dead.iter().map(|letter| letter.event.uid.clone()).collect::<Vec<_>>(), ["3"]);
        assert_eq!(dead.dropped(), 2);
        assert_eq!(
            DeadLetters::new(5, 8).put(letter("a", "1", Change::Updated)),
            1,
            "itself, if it alone is too large"
        );
    }

    #[test]
    fn a_new_generation_tells_endings_from_the_letter_until_told_or_tried_often_enough() {
        let mut dead = DeadLetters::new(10, 1 << 20);
        let (ended, live) = (letter("a", "1", Change::Deleted), letter("b", "2", Change::Updated));
        dead.put(ended.clone());
        dead.put(live.clone());
        assert_eq!(dead.to_tell(&ended.key), None, "not before it is driven again");
        assert_eq!(dead.numbers(None), [1, 2]);
        assert_eq!(dead.drive_again(1), Some((ended.key.clone(), "1".to_owned())));
        assert!(dead.drive_again(2).is_some() && dead.drive_again(3).is_none());
        assert_eq!(dead.to_tell(&live.key), None, "a live object is told as it now is");
        dead.told_in_vain(&ended.key, "1");
        assert_eq!(dead.to_tell(&ended.key).and_then(|letter| letter.telling), Some(1));
        dead.put(ended.clone());
        assert_eq!(dead.to_tell(&ended.key), None);
        assert_eq!(dead.len(), 2, "it is still there to be seen");
    }

    #[test]
    fn a_long_cause_is_cut_at_a_character() {
        let mut dead = DeadLetters::new(10, 1 << 20);
        dead.put(Letter { error: "é".repeat(MAX_CAUSE_BYTES), ..letter("a", "1", Change::Updated) });
        assert_eq!(dead.iter().next().map(|letter| letter.error.len()), Some(MAX_CAUSE_BYTES));
    }
}
