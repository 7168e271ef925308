//! Kubernetes Events (`events.k8s.io/v1`), recorded without flooding the cluster.
//!
//! Promises: an Event repeated within [`WINDOW`] becomes a patch of its series; the eleventh different note of one reason about
//! one object is combined with those that follow; about one object a handler records [`BURST`] Events at once and then
//! one each [`REFILL`]; the rest is dropped and counted. At most [`MAX_OBJECTS`] objects are remembered, the least recently
//! used goes first; a forgotten one only begins a new series.
//! The limits are client-go's (`tools/record/events_cache.go`). Deliberately not: Events are not kept for later when the API is
//! away; that is the queue's part.

use super::{plan::MAX_NOTE, syntax};
use crate::contract::{Note, ObjectRef, Severity};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long an Event waits for its repetition, and how long notes count as similar.
pub(super) const WINDOW: Duration = Duration::from_secs(600);
/// After so many different notes of one reason about one object, further ones are combined.
pub(super) const SIMILAR: usize = 10;
/// Events about one object at once.
pub(super) const BURST: u32 = 25;
/// After that, one each so long.
pub(super) const REFILL: Duration = Duration::from_secs(300);
/// Objects remembered per handler.
pub(super) const MAX_OBJECTS: usize = 4096;

/// What the note of a combined Event begins with; client-go's words.
const COMBINED: &str = "(combined from similar events): ";

/// What an Event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Regarding {
    pub(super) key: ObjectRef,
    /// Known for the event's own object only.
    pub(super) uid: Option<String>,
}

/// What to do with one Event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// POST this body to the collection.
    Create { collection: String, name: String, body: Value },
    /// PATCH this object with this body; if it is gone, [`Recorder::forget`] and record again.
    Repeat { path: String, name: String, body: Value },
    /// Beyond the limits.
    Drop,
}

/// Records one handler's Events. Decides only; sending is the executor's.
#[derive(Debug)]
pub(super) struct Recorder {
    handler: String,
    instance: String,
    /// At most [`MAX_OBJECTS`] objects; each has at most a burst of notes within a window. Locked for one decision.
    objects: Mutex<HashMap<Regarding, Object>>,
}

/// What is remembered of one object.
#[derive(Debug)]
struct Object {
    used: Instant,
    /// When the bucket will be full again: it lends until that is a burst ahead of now.
    full_at: Instant,
    series: Vec<Series>,
}

/// One Event that was created.
#[derive(Debug)]
struct Series {
    name: String,
    severity: Severity,
    reason: String,
    /// None for the combined one.
    note: Option<String>,
    count: u32,
    last: Instant,
}

impl Recorder {
    /// `instance` says which process reports: the pod's name.
    pub(super) fn new(handler: &str, instance: &str) -> Recorder {
        let instance = syntax::cut(instance, 128).to_owned();
        Recorder { handler: handler.to_owned(), instance, objects: Mutex::default() }
    }

    /// Decides on one Event.
    pub(super) fn record(&self, regarding: &Regarding, note: &Note) -> Record {
        let now = Instant::now();
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.len() >= MAX_OBJECTS && !objects.contains_key(regarding) {
            // A scan is cheap beside the request that follows, and there is one only while the memory is full.
            let oldest = objects.iter().min_by_key(|(_, object)| object.used).map(|(regarding, _)| regarding.clone());
            oldest.map(|oldest| objects.remove(&oldest));
        }
        let object =
            objects.entry(regarding.clone()).or_insert_with(|| Object { used: now, full_at: now, series: Vec::new() });
        object.used = now;
        if !object.may_record(now) {
            return Record::Drop;
        }
        object.series.retain(|series| now.saturating_duration_since(series.last) < WINDOW);
        let namespace = regarding.key.namespace.as_deref().unwrap_or("default");
        let collection = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let combined = object.is_flooded(note);
        if let Some(series) = object.find(note, combined) {
            series.count += 1;
            series.last = now;
            let body = json!({ "series": { "count": series.count, "lastObservedTime": timestamp() } });
            return Record::Repeat { path: format!("{collection}/{}", series.name), name: series.name.clone(), body };
        }
        let name = name(&regarding.key.name);
        object.series.push(Series {
            name: name.clone(),
            severity: note.severity,
            reason: note.reason.clone(),
            note: (!combined).then(|| note.message.clone()),
            count: 1,
            last: now,
        });
        let text = if combined { format!("{COMBINED}{}", note.message) } else { note.message.clone() };
        let body = self.body(regarding, note, &name, namespace, syntax::cut(&text, MAX_NOTE));
        Record::Create { collection, name, body }
    }

    /// Forgets an Event that could not be created, or that the server no longer has.
    pub(super) fn forget(&self, regarding: &Regarding, name: &str) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = objects.get_mut(regarding) {
            object.series.retain(|series| series.name != name);
        }
    }

    fn body(&self, regarding: &Regarding, note: &Note, name: &str, namespace: &str, text: &str) -> Value {
        let key = &regarding.key;
        let mut about = json!({ "apiVersion": key.api_version, "kind": key.kind, "name": key.name });
        if let Some(namespace) = &key.namespace {
            about["namespace"] = json!(namespace);
        }
        if let Some(uid) = &regarding.uid {
            about["uid"] = json!(uid);
        }
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "eventTime": timestamp(),
            "reportingController": format!("weir.dev/{}", self.handler),
            "reportingInstance": self.instance,
            "action": "Handle",
            "reason": note.reason,
            "type": match note.severity {
                Severity::Normal => "Normal",
                Severity::Warning => "Warning",
            },
            "regarding": about,
            "note": text,
        })
    }
}

impl Object {
    /// A token bucket kept as one time (the virtual scheduling form of the generic cell rate algorithm, ITU-T I.371).
    fn may_record(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now);
        let lends = full_at.saturating_duration_since(now) <= REFILL * (BURST - 1);
        if lends {
            self.full_at = full_at + REFILL;
        }
        lends
    }

    fn find(&mut self, note: &Note, combined: bool) -> Option<&mut Series> {
        let text = (!combined).then_some(note.message.as_str());
        self.series.iter_mut().find(|series| series.is_like(note) && series.note.as_deref() == text)
    }

    /// Whether this note is one too many of its reason; a note known already never is.
    fn is_flooded(&self, note: &Note) -> bool {
        let alike = || self.series.iter().filter(|series| series.is_like(note));
        !alike().any(|series| series.note.as_deref() == Some(&note.message))
            && alike().filter(|series| series.note.is_some()).count() >= SIMILAR
    }
}

impl Series {
    fn is_like(&self, note: &Note) -> bool {
        self.severity == note.severity && self.reason == note.reason
    }
}

/// Now, as Kubernetes' MicroTime.
fn timestamp() -> String {
    format!("{:.6}", Timestamp::now())
}

/// A new name: the object's, made a DNS name, and the time in nanoseconds, as client-go does.
fn name(object: &str) -> String {
    let ending = format!(".{:x}", Timestamp::now().as_nanosecond());
    let safe = |character: char| match character.to_ascii_lowercase() {
        safe @ ('a'..='z' | '0'..='9' | '-' | '.') => safe,
        _ => 'x',
    };
    let object: String = object.chars().map(safe).take(syntax::MAX_NAME - ending.len()).collect();
    format!("{}{ending}", object.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests;
