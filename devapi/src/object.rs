//! Objects as the store keeps them.
//!
//! A stored object has no `apiVersion` and no `kind`: these belong to the version it is asked for in, and are put in front
//! when it is sent. So one stored object serves every version of its kind, and lists of built-in kinds, whose items carry
//! neither. Stored objects never change; a write replaces them. The JSON is rendered once, however many watches send it.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::resource::Resource;

/// An object's JSON members in the order they were written.
pub(crate) type Fields = Map<String, Value>;

/// Where an object is kept. The order is the order of lists: by resource, then by `namespace/name` as one string, as etcd
/// has it (so `a-b/x` comes before `a/x`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// `group/plural`; events of both groups share one.
    pub(crate) resource: String,
    /// `namespace/name`, or just the name of a cluster-scoped object.
    pub(crate) path: String,
}

/// One immutable state of one object.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Everything but `apiVersion` and `kind`.
    pub(crate) fields: Fields,
    json: OnceLock<Bytes>,
}

impl Key {
    /// The key of an object of `resource`.
    pub(crate) fn new(resource: &Resource, namespace: Option<&str>, name: &str) -> Key {
        let path = match namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        Key { resource: resource.storage.clone(), path }
    }

    /// The namespace, if it has one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.path.split_once('/').map(|(namespace, _)| namespace)
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl Stored {
    /// Takes an object's members; `apiVersion` and `kind` must have been taken out.
    pub(crate) fn new(fields: Fields) -> Stored {
        Stored { fields, json: OnceLock::new() }
    }

    /// `metadata.uid`.
    pub(crate) fn uid(&self) -> &str {
        text(&self.fields, "uid")
    }

    /// `metadata.resourceVersion`.
    pub(crate) fn version(&self) -> &str {
        text(&self.fields, "resourceVersion")
    }

    /// Whether it was asked to go.
    pub(crate) fn is_terminating(&self) -> bool {
        !text(&self.fields, "deletionTimestamp").is_empty()
    }

    /// The object as JSON with `apiVersion` and `kind` of the resource's version in front.
    pub(crate) fn to_json(&self, resource: &Resource) -> Bytes {
        if let Some(fields) = crate::event::in_version(resource, &self.fields) {
            return with_type(&resource.kind, &resource.api_version(), &render(&fields));
        }
        with_type(&resource.kind, &resource.api_version(), self.bare())
    }

    /// The object as an item of a list: of built-in kinds without `apiVersion` and `kind`, as the genuine server has it.
    pub(crate) fn to_list_item(&self, resource: &Resource) -> Bytes {
        if resource.custom {
            return self.to_json(resource);
        }
        match crate::event::in_version(resource, &self.fields) {
            Some(fields) => render(&fields),
            None => self.bare().clone(),
        }
    }

    /// Only the metadata, as the `PartialObjectMetadata` that metadata-only clients ask for.
    pub(crate) fn to_partial(&self) -> Bytes {
        render(&partial(&self.fields))
    }

    /// The object as a value with `apiVersion` and `kind` of the resource's version.
    pub(crate) fn to_value(&self, resource: &Resource) -> Value {
        let fields = crate::event::in_version(resource, &self.fields);
        Value::Object(typed(resource, fields.as_ref().unwrap_or(&self.fields)))
    }

    fn bare(&self) -> &Bytes {
        self.json.get_or_init(|| render(&self.fields))
    }
}

/// The members with `apiVersion` and `kind` in front.
pub(crate) fn typed(resource: &Resource, fields: &Fields) -> Fields {
    let mut whole = Fields::new();
    whole.insert("kind".into(), json!(resource.kind));
    whole.insert("apiVersion".into(), json!(resource.api_version()));
    whole.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    whole
}

/// The metadata of an object as `PartialObjectMetadata`.
pub(crate) fn partial(fields: &Fields) -> Fields {
    let mut whole = Fields::new();
    whole.insert("kind".into(), json!("PartialObjectMetadata"));
    whole.insert("apiVersion".into(), json!("meta.k8s.io/v1"));
    whole.insert("metadata".into(), fields.get("metadata").cloned().unwrap_or_else(|| json!({})));
    whole
}

/// A string member of the metadata; empty if it is absent or no string.
pub(crate) fn text<'a>(fields: &'a Fields, member: &str) -> &'a str {
    fields.get("metadata").and_then(|metadata| metadata.get(member)).and_then(Value::as_str).unwrap_or_default()
}

/// The metadata, made an object if it is none.
pub(crate) fn metadata_mut(fields: &mut Fields) -> &mut Fields {
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata.as_object_mut().expect("the metadata was just made an object")
}

/// The finalizers that still hold an object.
pub(crate) fn finalizers(fields: &Fields) -> Vec<&str> {
    let list = fields.get("metadata").and_then(|metadata| metadata.get("finalizers")).and_then(Value::as_array);
    list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Now, as Kubernetes writes times: RFC 3339 in UTC, whole seconds.
pub(crate) fn now() -> String {
    after(std::time::Duration::ZERO)
}

/// The time that much later than now.
pub(crate) fn after(delay: std::time::Duration) -> String {
    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::now().as_second().saturating_add(seconds);
    jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The members as JSON text. An object of JSON values always renders; strings are its only keys.
pub(crate) fn render(fields: &Fields) -> Bytes {
    serde_json::to_vec(fields).unwrap_or_default().into()
}

fn with_type(kind: &str, api_version: &str, bare: &[u8]) -> Bytes {
    let mut whole = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\"").into_bytes();
    whole.reserve(bare.len() + 1);
    if bare.len() > 2 {
        whole.push(b',');
    }
    whole.extend_from_slice(bare.get(1..).unwrap_or(b"}"));
    whole.into()
}
