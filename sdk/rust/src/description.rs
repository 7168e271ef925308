//! What a handler says about itself when it is loaded: struct literals that become the `spec` of its manifest.
//!
//! Everything is optional where the manifest has a default, so `..Default::default()` is the rest of every literal. What is
//! the operator's alone (settings, grants, limits) has no field here. Nothing is checked on this side: the host refuses what
//! is wrong with the place and the fix, and knows more than this crate does.

use crate::Change;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// Everything a handler says about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// One line for people.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: &'static str,
    /// What the handler is called for. At least one, no two on one kind.
    pub watches: Vec<Watch>,
    /// Kinds that [`cluster`](crate::cluster) may be asked for, if the operator grants it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Read>,
    /// What it would like to be granted; a wish, not a right.
    #[serde(skip_serializing_if = "Wants::is_empty")]
    pub wants: Wants,
    /// A JSON Schema of [`host::settings`](crate::host::settings); its `default`s are filled in by the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_schema: Option<serde_json::Value>,
}

/// One kind the handler is called for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// Unique in the handler; what [`Event::watch`](crate::Event::watch) says.
    pub name: &'static str,
    /// `v1`, `apps/v1`, …
    pub api_version: &'static str,
    /// `Node`, `Deployment`, …
    pub kind: &'static str,
    /// Empty: all that the host watches.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub namespaces: &'static [&'static str],
    /// Kubernetes' syntax, evaluated by the API server. Empty: all.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub label_selector: &'static str,
    /// Kubernetes' syntax, evaluated by the API server. Empty: all.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub field_selector: &'static str,
    /// Which changes make a call. Empty: initial, added, updated, left and deleted, and what [`Watch::resync`] and timers cause.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub events: &'static [Change],
    /// How much of the object to hand over. The less, the faster, and the fewer calls.
    #[serde(skip_serializing_if = "Fields::is_whole")]
    pub fields: Fields,
    /// JSON pointers: `updated` only if one of these differs. Empty: whatever is handed over.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub changed: &'static [&'static str],
    /// Hand over the state last acknowledged too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub previous: bool,
    /// Call for every object this often, changed or not, with [`Change::Resync`]. At least a second.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    pub resync: Option<Duration>,
}

/// How much of an object a watch hands over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fields {
    /// All of it, less managedFields.
    #[default]
    Whole,
    /// Its metadata; weir then watches metadata only, which is cheaper for the API server too.
    Metadata,
    /// What these JSON pointers name, beside apiVersion, kind and metadata.{name,namespace,uid}. A `/` inside a name is
    /// written `~1`: `/metadata/annotations/example.com~1team`.
    Only(&'static [&'static str]),
}

impl Fields {
    fn is_whole(&self) -> bool {
        matches!(self, Fields::Whole)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Fields::Whole => serializer.serialize_none(),
            Fields::Metadata => serializer.collect_seq::<[&str; 0]>([]),
            Fields::Only(pointers) => pointers.serialize(serializer),
        }
    }
}

/// A kind that [`cluster`](crate::cluster) may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// `v1`, `apps/v1`, …
    pub api_version: &'static str,
    /// `Pod`, …
    pub kind: &'static str,
    /// Empty: all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub namespaces: &'static [&'static str],
}

/// What a handler would like to be granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wants {
    /// Which writes to which objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<Write>,
    /// URL prefixes for [`Actions::http`](crate::Actions::http).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub http: &'static [&'static str],
}

impl Wants {
    fn is_empty(&self) -> bool {
        self.write.is_empty() && self.http.is_empty()
    }
}

/// Writes to the objects of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// `v1`, `apps/v1`, …
    pub api_version: &'static str,
    /// `Node`, …; for [`Verb::Emit`], the kind of the object that the Event is about.
    pub kind: &'static str,
    /// Which actions.
    pub actions: &'static [Verb],
    /// Empty: all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub namespaces: &'static [&'static str],
    /// Empty: all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub names: &'static [&'static str],
    /// Subresources beside the object itself, for patch and apply; set-status needs none.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub subresources: &'static [&'static str],
    /// Whether apply may take fields over from other managers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// An action as grants name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Annotations of the event's own object.
    Annotate,
    /// Labels of the event's own object.
    Label,
    /// The status of the event's own object.
    SetStatus,
    /// JSON patch, merge patch or strategic merge patch of any object.
    Patch,
    /// Server-side apply.
    Apply,
    /// Creation.
    Create,
    /// Deletion.
    Delete,
    /// A Kubernetes Event.
    Emit,
}

/// As the manifest writes durations: `30s`, or `1500ms` where it is not whole seconds.
fn duration<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        None => serializer.serialize_none(),
        Some(time) if time.subsec_nanos() == 0 => serializer.collect_str(&format_args!("{}s", time.as_secs())),
        Some(time) => serializer.collect_str(&format_args!("{}ms", time.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_at_its_default_is_not_said() {
        let watch = Watch { name: "nodes", api_version: "v1", kind: "Node", ..Watch::default() };
        let description = Description { watches: vec![watch], ..Description::default() };
        assert_eq!(
            serde_json::to_value(description).expect("plain data"),
            json!({ "watches": [{ "name": "nodes", "apiVersion": "v1", "kind": "Node" }] })
        );
    }

    #[test]
    fn every_key_is_written_as_the_manifest_spells_it() {
        let description = Description {
            description: "says everything",
            watches: vec![Watch {
                name: "pods",
                api_version: "v1",
                kind: "Pod",
                namespaces: &["web"],
                label_selector: "app=x",
                field_selector: "spec.nodeName=n1",
                events: &[Change::Deleted, Change::Requeued],
                fields: Fields::Only(&["/status/phase"]),
                changed: &["/status/phase"],
                previous: true,
                resync: Some(Duration::from_secs(30)),
            }],
            reads: vec![Read { api_version: "v1", kind: "Secret", namespaces: &["web"] }],
            wants: Wants {
                write: vec![Write {
                    api_version: "apps/v1",
                    kind: "Deployment",
                    actions: &[Verb::SetStatus, Verb::Apply],
                    namespaces: &["web"],
                    names: &["frontend"],
                    subresources: &["scale"],
                    force: true,
                }],
                http: &["https://example.com/"],
            },
            settings_schema: Some(json!({ "type": "object" })),
        };
        assert_eq!(
            serde_json::to_value(description).expect("plain data"),
            json!({
                "description": "says everything",
                "watches": [{
                    "name": "pods", "apiVersion": "v1", "kind": "Pod", "namespaces": ["web"],
                    "labelSelector": "app=x", "fieldSelector": "spec.nodeName=n1",
                    "events": ["deleted", "requeued"], "fields": ["/status/phase"], "changed": ["/status/phase"],
                    "previous": true, "resync": "30s",
                }],
                "reads": [{ "apiVersion": "v1", "kind": "Secret", "namespaces": ["web"] }],
                "wants": {
                    "write": [{
                        "apiVersion": "apps/v1", "kind": "Deployment", "actions": ["set-status", "apply"],
                        "namespaces": ["web"], "names": ["frontend"], "subresources": ["scale"], "force": true,
                    }],
                    "http": ["https://example.com/"],
                },
                "settingsSchema": { "type": "object" },
            })
        );
    }

    #[test]
    fn metadata_only_is_an_empty_list_and_odd_durations_keep_their_milliseconds() {
        let watch = Watch { fields: Fields::Metadata, resync: Some(Duration::from_millis(1500)), ..Watch::default() };
        let said = serde_json::to_value(watch).expect("plain data");
        assert_eq!((&said["fields"], &said["resync"]), (&json!([]), &json!("1500ms")));
    }
}
