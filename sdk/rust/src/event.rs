//! What a handler is called with.
//!
//! Plain values with public fields, so that a test can write an [`Event`] down: `Event { change: …, ..Event::default() }`.

use crate::{Error, bindings::exports::weir::api::handler, bindings::weir::api::types};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the handler is called, compared with what it was last handed for this object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Existed when the handler first saw the cluster.
    #[default]
    Initial,
    /// Was created since.
    Added,
    /// Differs from the state last handed over, or that call did not end well.
    Updated,
    /// Something that a related watch maps to this object changed.
    Related,
    /// Is being deleted and waits for this handler; an answer without a failure lets it go.
    Finalizing,
    /// Still exists, but no longer matches the watch's selectors.
    Left,
    /// Is gone. The event carries the last state known.
    Deleted,
    /// Nothing changed; the watch's `resync` period came round.
    Resync,
    /// Nothing changed; the handler asked for this call with [`Actions::requeue_after`](crate::Actions::requeue_after).
    Requeued,
}

impl fmt::Display for Change {
    /// The name used in manifests: `initial`, `added`, …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Initial => "initial",
            Change::Added => "added",
            Change::Updated => "updated",
            Change::Related => "related",
            Change::Finalizing => "finalizing",
            Change::Left => "left",
            Change::Deleted => "deleted",
            Change::Resync => "resync",
            Change::Requeued => "requeued",
        })
    }
}

/// Names one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, `Deployment`, …
    pub kind: String,
    /// None for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl ObjectKey {
    /// An object of a kind without namespaces.
    pub fn cluster(api_version: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        ObjectKey { api_version: api_version.into(), kind: kind.into(), namespace: None, name: name.into() }
    }

    /// An object in a namespace.
    pub fn namespaced(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        ObjectKey { namespace: Some(namespace.into()), ..ObjectKey::cluster(api_version, kind, name) }
    }
}

impl fmt::Display for ObjectKey {
    /// `Pod web/frontend-1`, `Node worker-3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One change of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Why the handler is called.
    pub change: Change,
    /// The watch that matched, by the name [`Watch`](crate::Watch) gave it.
    pub watch: String,
    /// Which object.
    pub key: ObjectKey,
    /// The object's uid: another object of the same name has another.
    pub uid: String,
    /// Opaque: compare for equality only.
    pub resource_version: String,
    /// The object as JSON, cut down to the watch's [`Fields`](crate::Fields). Always has apiVersion, kind and
    /// metadata.{name,namespace,uid}; never managedFields. [`Event::object`] parses it.
    pub object_json: String,
    /// The state this handler last acknowledged, cut down alike; only if the watch asked for it. [`Event::previous`] parses it.
    pub previous_json: Option<String>,
    /// With [`Change::Deleted`]: the deletion itself was not observed, so the object may have changed after this state.
    pub final_state_unknown: bool,
    /// 1 on the first call for this change, higher when weir tries again.
    pub attempt: u32,
    /// What later hosts add, by name.
    pub extra: Vec<(String, String)>,
}

impl Event {
    /// The object, as the type that names the fields the handler needs. `&str` fields borrow from the event.
    ///
    /// # Errors
    ///
    /// [`Error::Permanent`] if the object has another shape: the same object cannot fit on the next try. A changed object is a
    /// new event.
    pub fn object<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        parse(&self.object_json, &self.key, "object")
    }

    /// The state that this handler acknowledged last, if the watch asked for it and there is one.
    ///
    /// # Errors
    ///
    /// As [`Event::object`].
    pub fn previous<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>, Error> {
        self.previous_json.as_deref().map(|json| parse(json, &self.key, "previous state")).transpose()
    }

    /// Whether the object is, for this watch, no more: gone, or outside its selectors.
    pub fn is_ending(&self) -> bool {
        matches!(self.change, Change::Left | Change::Deleted)
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str, key: &ObjectKey, what: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        let kind = std::any::type_name::<T>();
        Error::permanent(format!("cannot read the {what} of {key} as {kind}: {error}"))
    })
}

impl From<handler::Event> for Event {
    fn from(event: handler::Event) -> Self {
        Event {
            change: event.change.into(),
            watch: event.watch,
            key: event.key.into(),
            uid: event.uid,
            resource_version: event.resource_version,
            object_json: event.object,
            previous_json: event.previous,
            final_state_unknown: event.final_state_unknown,
            attempt: event.attempt,
            extra: event.extra,
        }
    }
}

impl From<types::Change> for Change {
    fn from(change: types::Change) -> Self {
        match change {
            types::Change::Initial => Change::Initial,
            types::Change::Added => Change::Added,
            types::Change::Updated => Change::Updated,
            types::Change::Related => Change::Related,
            types::Change::Finalizing => Change::Finalizing,
            types::Change::Left => Change::Left,
            types::Change::Deleted => Change::Deleted,
            types::Change::Resync => Change::Resync,
            types::Change::Requeued => Change::Requeued,
        }
    }
}

impl From<types::ObjectKey> for ObjectKey {
    fn from(key: types::ObjectKey) -> Self {
        ObjectKey { api_version: key.api_version, kind: key.kind, namespace: key.namespace, name: key.name }
    }
}

impl From<ObjectKey> for types::ObjectKey {
    fn from(key: ObjectKey) -> Self {
        types::ObjectKey { api_version: key.api_version, kind: key.kind, namespace: key.namespace, name: key.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Named<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Metadata<'a> {
        name: &'a str,
    }

    fn node(json: &str) -> Event {
        Event { key: ObjectKey::cluster("v1", "Node", "n1"), object_json: json.into(), ..Event::default() }
    }

    #[test]
    fn an_object_is_read_as_the_type_asked_for_without_copying_its_text() {
        let event = node(r#"{"metadata":{"name":"n1","uid":"u"}}"#);
        assert_eq!(event.object::<Named<'_>>(), Ok(Named { metadata: Metadata { name: "n1" } }));
        assert_eq!(event.previous::<Named<'_>>(), Ok(None));
    }

    #[test]
    fn an_object_of_another_shape_is_a_permanent_error_that_names_object_and_place() {
        let event = node(r#"{"metadata":[]}"#);
        let error = event.object::<Named<'_>>().expect_err("an array is not a map");
        assert!(
            matches!(&error, Error::Permanent(reason)
            if reason.starts_with("cannot read the object of Node n1 as ") && reason.contains("line 1")),
            "{error}"
        );
    }
}
