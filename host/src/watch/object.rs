//! One object of the API: lean metadata and its JSON.
//!
//! Promises: an [`Object`] never changes; its JSON always begins with `apiVersion` and `kind` (list items come without them,
//! metadata-only answers with `PartialObjectMetadata`), so an object is byte for byte the same however it was read; managedFields
//! are cut out before anything is kept, which is 40 % of a typical pod. Everything else is kept as the server wrote it, and nothing
//! but the first two levels is looked at.
//!
//! Not promised: that uid and resourceVersion are there. Some aggregated APIs serve objects without; they are then empty.

use super::raw::{Members, write_name, write_text};
use crate::kinds::Resource;
use bytes::Bytes;
use serde::de::Error as _;
use std::{fmt, sync::Arc};

/// Names one object of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// None for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
    /// The object's name.
    pub name: Arc<str>,
}

/// One state of one object. Cheap to clone.
#[derive(Clone)]
pub struct Object(Arc<State>);

/// What the server sent is not an object.
#[derive(Debug, thiserror::Error)]
#[error("reading an object of {resource}")]
pub struct ObjectError {
    /// As printed by [`Resource`].
    pub resource: String,
    /// What is wrong and where.
    pub source: serde_json::Error,
}

struct State {
    key: ObjectKey,
    uid: Box<str>,
    resource_version: Box<str>,
    generation: Option<i64>,
    deleting: bool,
    json: Bytes,
}

impl ObjectKey {
    /// A key; an empty namespace is none.
    pub fn new(namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            namespace: namespace.filter(|namespace| !namespace.is_empty()).map(Arc::from),
            name: Arc::from(name),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Object {
    /// Reads an object as the API sends it: whole, as a list item, or as partial metadata.
    ///
    /// # Errors
    /// [`ObjectError`] if `raw` is not a JSON object with `metadata.name`.
    pub fn parse(raw: &[u8], resource: &Resource) -> Result<Object, ObjectError> {
        read(raw, resource).map_err(|source| ObjectError { resource: resource.to_string(), source })
    }

    /// Which object.
    pub fn key(&self) -> &ObjectKey {
        &self.0.key
    }

    /// Tells this object from another that had its name before; empty if the API gives none.
    pub fn uid(&self) -> &str {
        &self.0.uid
    }

    /// Which state; empty if the API gives none.
    pub fn resource_version(&self) -> &str {
        &self.0.resource_version
    }

    /// Counts changes of the spec, for kinds that have one.
    pub fn generation(&self) -> Option<i64> {
        self.0.generation
    }

    /// Whether it has a deletionTimestamp.
    pub fn deleting(&self) -> bool {
        self.0.deleting
    }

    /// The object as JSON, without managedFields.
    pub fn json(&self) -> &Bytes {
        &self.0.json
    }

    /// What keeping it costs, about, in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<State>() + self.0.json.len() + self.0.uid.len() + self.0.key.name.len()
    }

    /// Whether `other` is this very state.
    pub(super) fn same_state(&self, other: &Object) -> bool {
        self.uid() == other.uid()
            && self.resource_version() == other.resource_version()
            // Without resourceVersions only the content can tell.
            && (!self.resource_version().is_empty() || self.json() == other.json())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the content: logs are read by more people than objects are.
        write!(f, "{} (uid {}, resourceVersion {})", self.key(), self.uid(), self.resource_version())
    }
}

fn read(raw: &[u8], resource: &Resource) -> Result<Object, serde_json::Error> {
    let outer: Members<'_> = serde_json::from_slice(raw)?;
    let metadata = outer.get("metadata").ok_or_else(|| serde_json::Error::custom("it has no metadata"))?;
    let metadata: Members<'_> = serde_json::from_str(metadata.get())?;
    let name = metadata.text("name");
    if name.is_empty() {
        return Err(serde_json::Error::custom("it has no metadata.name"));
    }

    let mut json = String::with_capacity(raw.len() + 64);
    json.push_str("{\"apiVersion\":");
    write_text(&mut json, &resource.api_version());
    json.push_str(",\"kind\":");
    write_text(&mut json, &resource.kind);
    for (key, value) in &outer.0 {
        match key.as_ref() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                json.push_str(",\"metadata\":");
                let mut separator = '{';
                for (key, value) in metadata.0.iter().filter(|(key, _)| key != "managedFields") {
                    json.push(separator);
                    write_name(&mut json, key);
                    json.push_str(value.get());
                    separator = ',';
                }
                json.push('}');
            }
            key => {
                json.push(',');
                write_name(&mut json, key);
                json.push_str(value.get());
            }
        }
    }
    json.push('}');

    let namespace = if resource.namespaced { metadata.text("namespace") } else { String::new() };
    Ok(Object(Arc::new(State {
        key: ObjectKey::new(Some(&namespace), &name),
        uid: metadata.text("uid").into(),
        resource_version: metadata.text("resourceVersion").into(),
        generation: metadata.get("generation").and_then(|value| serde_json::from_str(value.get()).ok()),
        deleting: metadata.get("deletionTimestamp").is_some_and(|value| value.get() != "null"),
        // Boxed, so that the room kept for managedFields is given back.
        json: Bytes::from(json.into_bytes().into_boxed_slice()),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::pods;

    #[test]
    fn an_object_is_the_same_bytes_from_a_list_a_watch_and_as_metadata() {
        let pods = pods();
        let listed = Object::parse(br#"{"metadata":{"name":"a","namespace":"b"},"spec":{"x":1}}"#, &pods).unwrap();
        let watched = Object::parse(
            br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"b"},"spec":{"x":1}}"#,
            &pods,
        )
        .unwrap();
        assert_eq!(listed.json(), watched.json());
        assert_eq!(
            listed.json().as_ref(),
            br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"},"spec":{"x":1}}"#
        );
        let partial =
            br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","namespace":"b"}}"#;
        assert_eq!(
            Object::parse(partial, &pods).unwrap().json().as_ref(),
            br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"}}"#
        );
    }

    #[test]
    fn managed_fields_are_cut_wherever_they_stand_and_however_they_are_written() {
        for metadata in [
            r#"{"managedFields":[{"a":"}"}],"name":"a"}"#,
            r#"{"name":"a","managedFields":[]}"#,
            r#"{ "name" : "a" , "managedFields" : null }"#,
            r#"{"managed\u0046ields":[1],"name":"a"}"#,
        ] {
            let raw = format!(r#"{{"metadata":{metadata}}}"#);
            let object = Object::parse(raw.as_bytes(), &pods()).unwrap();
            assert_eq!(
                object.json().as_ref(),
                br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#.as_slice(),
                "{metadata}"
            );
        }
    }

    #[test]
    fn lean_metadata_is_read_once_and_kept() {
        let raw = br#"{"metadata":{"name":"a\"b","namespace":"n","uid":"u","resourceVersion":"7","generation":3,
            "deletionTimestamp":"2026-01-01T00:00:00Z","labels":{"k":"v\n"}}}"#;
        let object = Object::parse(raw, &pods()).unwrap();
        assert_eq!(object.key(), &ObjectKey::new(Some("n"), "a\"b"));
        assert_eq!((object.uid(), object.resource_version()), ("u", "7"));
        assert_eq!((object.generation(), object.deleting()), (Some(3), true));
        serde_json::from_slice::<serde_json::Value>(object.json()).unwrap();
    }

    #[test]
    fn what_is_no_object_is_an_error_and_not_a_panic() {
        for raw in ["", "[]", "{}", r#"{"metadata":null}"#, r#"{"metadata":{}}"#, r#"{"metadata":{"name":"a"}"#] {
            let error = Object::parse(raw.as_bytes(), &pods()).unwrap_err();
            assert_eq!(error.to_string(), "reading an object of pods", "{raw}");
        }
    }

    #[test]
    fn printing_an_object_for_a_log_shows_no_content() {
        let object = Object::parse(br#"{"metadata":{"name":"a"},"data":{"password":"x"}}"#, &pods()).unwrap();
        assert!(!format!("{object:?}").contains("password"));
    }
}
