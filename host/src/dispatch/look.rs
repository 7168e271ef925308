//! The beginning of a claim: what is there, what was handed over, and so what the handler is called for, if for anything.
//!
//! Promises: the ledger has the entry as `open` before a call begins; the event is computed against the ledger as it is at that
//! moment, under the generation that will be called; what the handler need not be called for is settled here.

use super::{
    baseline::{projected, schedule},
    book::Book,
    dead::Letter,
    event::{Handed, Next, Sight, attempt, failed_before, next, opened, passed_over, reference},
    key::LaneKey,
    lane::{Active, Shared, Watched},
    ledger::{Entry, Standing, Text},
    world::Heard,
};
use crate::{
    action::Subject,
    contract::{Change, Event},
    queue::Priority,
    watch::{Object, Whereabouts, older},
};
use bytes::Bytes;
use std::error::Error;
use tokio::time::Instant;

/// What a claim is for.
pub(super) enum Look {
    /// Nothing, or nothing yet: whatever it waits for will queue it.
    Nothing,
    /// The published generation changed meanwhile: look again.
    Stale,
    /// Where the object went could not be asked, which may say something of the world: look again after a backoff.
    Unknown(Heard),
    /// A call.
    Call(Box<Plan>),
}

/// One call.
pub(super) struct Plan {
    pub(super) event: Event,
    pub(super) subject: Subject,
    /// The live state that is handed over; none for an ending.
    pub(super) object: Option<Object>,
    /// How many counted calls for this failed before.
    pub(super) failed_before: u32,
    /// It is told from a dead letter, not from the ledger.
    pub(super) telling: bool,
}

impl Plan {
    pub(super) fn change(&self) -> Change {
        self.event.change
    }

    pub(super) fn uid(&self) -> &str {
        &self.event.uid
    }
}

impl Shared {
    /// Looks at a claimed key.
    pub(super) async fn look(&self, active: &Active, watched: &Watched, key: &LaneKey) -> Look {
        let begun = {
            let mut book = self.book();
            if !book.serves(active.number, &key.watch) {
                return if book.generation == Some(active.number) { Look::Nothing } else { Look::Stale };
            }
            book.begin(key)
        };
        if let Some(letter) = begun.telling {
            return tell(watched, &letter);
        }
        let source = &watched.source;
        let mut object = source.get(&key.object);
        let mut outside = false;
        if let (None, Some(entry)) = (&object, &begun.entry)
            && source.is_behind(&key.object, &entry.uid, &entry.resource_version)
        {
            // The informer may be another than the one that brought it, and lag, or its list may be from before. One GET tells; what that does not
            // find is gone, or was never selected, which is asked next.
            match source.refresh(&key.object).await {
                Err(error) if !is_missing(&error) => {
                    tracing::warn!(
                        error = &error as &dyn Error,
                        "could not ask for an object that the cache is behind on"
                    );
                    return Look::Unknown(heard(&error));
                }
                _ => object = source.get(&key.object),
            }
        }
        if let (None, Some(entry)) = (&object, &begun.entry) {
            match source.whereabouts(&key.object, &entry.uid).await {
                Ok(Whereabouts::Deleted) => {}
                Ok(Whereabouts::Left) => {
                    // It may have come back while that was asked.
                    object = source.get(&key.object);
                    outside = object.is_none();
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "could not ask where an object went");
                    return Look::Unknown(heard(&error));
                }
            }
        }
        if let (Some(seen), Some(entry)) = (&object, &begun.entry)
            && seen.uid() == entry.uid
            && older(seen.resource_version(), &entry.resource_version)
        {
            // A generation's new informer may lag behind what the old one's handler was shown or wrote. One GET brings it up; if it is
            // older still, the API itself went back, and what it has is what there is.
            if let Err(error) = source.refresh(&key.object).await {
                tracing::warn!(error = &error as &dyn Error, "could not ask for an object that the cache is behind on");
                return Look::Unknown(heard(&error));
            }
            object = source.get(&key.object);
            if object.is_none() {
                return Look::Stale;
            }
        }
        let handed = object.as_ref().map(|object| hand(watched, object));
        let mut book = self.book();
        if book.generation != Some(active.number) {
            return Look::Stale;
        }
        if handed.is_some() {
            book.rescope(key, false);
        }
        let entry = book.ledger.get(key).cloned();
        if entry.as_ref().map(|entry| &entry.uid) != begun.entry.as_ref().map(|entry| &entry.uid) {
            return Look::Stale;
        }
        let recreated = book.volatile.get(key).is_some_and(|volatile| volatile.recreated);
        let worked_off = book.ledger.watch(&key.watch).is_none_or(|record| record.worked_off);
        let sight = match &handed {
            Some(handed) => Sight::Here {
                uid: &handed.uid,
                fingerprint: handed.fingerprint,
                in_first_list: !worked_off && !recreated && source.in_first_list(&key.object),
            },
            None if outside => Sight::Outside,
            None => Sight::Gone,
        };
        if outside && entry.as_ref().is_some_and(|entry| entry.rescoped) {
            // It never left: the watch did.
            book.ledger.remove(key);
            self.settled(&mut book, watched, key);
            return Look::Nothing;
        }
        let reasons = book.take_reasons(key, Instant::now());
        match next(sight, entry.as_ref(), reasons, &watched.config.events) {
            Next::Nothing => {
                if let (Some(entry), Some(handed)) = (entry, handed) {
                    keep_up(&mut book, key, entry, handed, reasons.timer);
                }
                self.settled(&mut book, watched, key);
                Look::Nothing
            }
            Next::Acknowledge(change) => {
                match handed.filter(|_| change != Change::Deleted && change != Change::Left) {
                    Some(handed) => book.ledger.put(key, passed_over(entry.as_ref(), handed, change)),
                    None => self.ended(&mut book, watched, key),
                }
                self.settled(&mut book, watched, key);
                Look::Nothing
            }
            Next::Call(change) => {
                let Some(plan) = plan(watched, key, change, entry.as_ref(), object, handed) else {
                    return Look::Nothing;
                };
                book.ledger.put(key, plan.0);
                Look::Call(Box::new(plan.1))
            }
        }
    }

    /// The end of an object was told, or given up, or nobody wanted to hear of it: the entry goes, and what stands under the name now is new.
    pub(super) fn ended(&self, book: &mut Book, watched: &Watched, key: &LaneKey) {
        if let Some(entry) = book.ledger.remove(key) {
            watched.source.release(&key.object, &entry.uid);
        }
        let volatile = book.volatile.entry(key.clone()).or_default();
        (volatile.requeue, volatile.resync) = (None, None);
        volatile.recreated = watched.source.get(&key.object).is_some();
        if volatile.recreated {
            book.because(key, super::event::Reasons::CHANGED);
            self.queue.add(key.clone(), Priority::High);
        }
    }

    /// A claim ended with an answer or without a question: its reasons, its tombstones and its timers are brought up to date.
    pub(super) fn settled(&self, book: &mut Book, watched: &Watched, key: &LaneKey) {
        book.answered(key);
        if let (Some(volatile), Some(_)) = (book.volatile.get_mut(key), book.ledger.get(key)) {
            volatile.recreated = false;
        }
        for uid in book.released(key) {
            watched.source.release(&key.object, &uid);
        }
        schedule(self, book, key, &watched.config, Instant::now());
        book.tidy(key);
    }
}

/// The handler knows this state: notes that a later resourceVersion looks the same to it, so that a new projection can tell.
fn keep_up(book: &mut Book, key: &LaneKey, entry: Entry, handed: Handed, timer_ran_out: bool) {
    let later = entry.uid == handed.uid && entry.resource_version != handed.resource_version;
    let timer = entry.timer.filter(|_| !timer_ran_out);
    if entry.outcome != Standing::Acked || !(later || timer != entry.timer) {
        return;
    }
    // The projection follows, because for a whole object it keeps the cache's bytes alive.
    let projection = if entry.fingerprint == handed.fingerprint { handed.projection } else { entry.projection.clone() };
    book.ledger.put(key, Entry { resource_version: handed.resource_version, projection, timer, ..entry });
}

fn hand(watched: &Watched, object: &Object) -> Handed {
    Handed {
        uid: object.uid().to_owned(),
        resource_version: object.resource_version().to_owned(),
        fingerprint: watched.view.fingerprint(object),
        projection: projected(&watched.view, &watched.config, object),
    }
}

/// The entry to write as open, and the call.
fn plan(
    watched: &Watched,
    key: &LaneKey,
    change: Change,
    entry: Option<&Entry>,
    object: Option<Object>,
    handed: Option<Handed>,
) -> Option<(Entry, Plan)> {
    // A watch that has synced has its resource; without it nothing could have been cached.
    let resource = watched.source.resource()?;
    let (handed, object, state, unknown) = if change.is_ending() {
        let entry = entry?;
        let last = watched.source.last_known(&key.object, &entry.uid);
        let (version, projection, state) = match &last {
            Some(last) => {
                (last.resource_version(), projected(&watched.view, &watched.config, last), last.json().clone())
            }
            None => (&*entry.resource_version, entry.projection.clone(), entry.projection.bytes().clone()),
        };
        let handed = Handed {
            uid: entry.uid.clone(),
            resource_version: version.to_owned(),
            // Not of the last state: that one was not handed over alive, and is compared if the object comes back.
            fingerprint: entry.fingerprint,
            projection,
        };
        (handed, None, state, last.is_none() && change == Change::Deleted)
    } else {
        let (handed, object) = (handed?, object?);
        let state = object.json().clone();
        (handed, Some(object), state, false)
    };
    let previous = entry.filter(|entry| entry.uid == handed.uid && watched.config.previous);
    let event = Event {
        change,
        watch: watched.config.name.clone(),
        key: reference(&watched.config.api_version, &watched.config.kind, &key.object),
        uid: handed.uid.clone(),
        resource_version: handed.resource_version.clone(),
        object: handed.projection.to_text(),
        previous: previous.and_then(|entry| entry.acknowledged.as_ref()).map(Text::to_text),
        final_state_unknown: unknown,
        attempt: attempt(entry, &handed.uid, change),
        extra: Vec::new(),
    };
    let failed_before = failed_before(entry, &handed.uid, change);
    let open = opened(entry, handed, change);
    let subject = subject(resource, &event, open.counter, state);
    Some((open, Plan { event, subject, object, failed_before, telling: false }))
}

/// A call that tells an ending once more, from its letter.
fn tell(watched: &Watched, letter: &Letter) -> Look {
    let Some(resource) = watched.source.resource() else { return Look::Nothing };
    let failed_before = letter.telling.unwrap_or_default();
    let event = Event { attempt: failed_before.saturating_add(1), ..letter.event.clone() };
    let subject = subject(resource, &event, letter.counter, Bytes::from(event.object.clone()));
    Look::Call(Box::new(Plan { event, subject, object: None, failed_before, telling: true }))
}

/// What an error of a read says of the world; the same line as for writes (design §9).
fn heard(error: &kube::Error) -> Heard {
    match error {
        kube::Error::Api(status) if !matches!(status.code, 401 | 429 | 502..=504) => Heard::Answer,
        _ => Heard::Silence { at_least: None },
    }
}

/// Whether there is no collection to look for the object in.
fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn subject(resource: crate::kinds::Resource, event: &Event, counter: u64, state: Bytes) -> Subject {
    Subject {
        resource,
        key: event.key.clone(),
        uid: event.uid.clone(),
        resource_version: event.resource_version.clone(),
        change: event.change,
        counter,
        state,
    }
}
