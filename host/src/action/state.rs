//! The event's own object as last seen: what would change, and what an answer shows.
//!
//! Promises: pure; "would not change" is said only if it is certain. The state may be metadata only, so what it lacks
//! outside of metadata counts as unknown, never as absent.

use crate::contract::ObjectRef;
use serde_json::{Map, Value};

/// An answer that names an object and its version.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) uid: String,
    pub(super) resource_version: String,
    /// The object itself, without managedFields; None if the answer is of another kind or version, as a Scale is.
    pub(super) object: Option<Value>,
}

impl Answered {
    /// None if the body names no object: a Status, or nothing.
    pub(super) fn read(body: &[u8], key: &ObjectRef) -> Option<Answered> {
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let uid = text("/metadata/uid")?;
        let resource_version = text("/metadata/resourceVersion")?;
        let same = text("/kind").as_ref() == Some(&key.kind) && text("/apiVersion").as_ref() == Some(&key.api_version);
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("managedFields");
        }
        Some(Answered { uid, resource_version, object: same.then_some(value) })
    }
}

/// Whether `state` has the annotations and labels of `patch`. Metadata is always known whole.
pub(super) fn has_metadata(state: &Value, patch: &Value) -> bool {
    let entries = |value: &Value, field: &str| value["metadata"][field].as_object().cloned().unwrap_or_default();
    ["annotations", "labels"].iter().all(|field| {
        let now = entries(state, field);
        entries(patch, field).iter().all(|(key, wanted)| now.get(key).unwrap_or(&Value::Null) == wanted)
    })
}

/// Whether merging `patch` into `state` certainly changes nothing.
pub(super) fn has(state: &Value, patch: &Value) -> bool {
    let (Some(now), Some(wanted)) = (state.as_object(), patch.as_object()) else { return false };
    // Removing what is not there: from a state that may be metadata only, that is not known.
    let unknown =
        |wanted: &Map<String, Value>| wanted.iter().any(|(key, value)| value.is_null() && !now.contains_key(key));
    !unknown(wanted) && merged(state, patch) == *state
}

/// Whether `after` is `before` with `patch` made and nothing else, as far as `before` tells. Versions and
/// managedFields aside.
pub(super) fn is_only(before: &Value, patch: &Value, after: &Value) -> bool {
    let (Value::Object(mut expected), Value::Object(mut found)) = (merged(before, patch), after.clone()) else {
        return false;
    };
    for object in [&mut expected, &mut found] {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("resourceVersion");
            metadata.shift_remove("managedFields");
            // The last annotation or label removed: the server then leaves the whole field out.
            metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        }
    }
    expected.iter().all(|(key, value)| found.get(key) == Some(value))
}

/// RFC 7386.
fn merged(state: &Value, patch: &Value) -> Value {
    let mut merged = state.clone();
    json_patch::merge(&mut merged, patch);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": "a", "uid": "u", "resourceVersion": "5", "annotations": { "x": "1" } },
            "status": { "phase": "Ready" }
        })
    }

    #[test]
    fn annotations_and_labels_are_compared_entry_by_entry() {
        for (patch, same) in [
            (json!({"metadata": {"annotations": {"x": "1"}}}), true),
            (json!({"metadata": {"annotations": {}}}), true),
            (json!({"metadata": {"annotations": {"y": null}, "labels": {"z": null}}}), true),
            (json!({"metadata": {"annotations": {"x": "2"}}}), false),
            (json!({"metadata": {"annotations": {"x": null}}}), false),
            (json!({"metadata": {"annotations": {"x": "1"}, "labels": {"x": "1"}}}), false),
        ] {
            assert_eq!(has_metadata(&node(), &patch), same, "{patch}");
        }
    }

    #[test]
    fn what_the_state_does_not_show_is_unknown_and_not_absent() {
        let metadata_only = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}});
        for patch in [json!({"spec": null}), json!({"spec": {"x": null}}), json!({"status": {}}), json!([])] {
            assert!(!has(&metadata_only, &patch), "{patch}");
        }
        assert!(has(&node(), &json!({"status": {"phase": "Ready", "gone": null}})));
        assert!(has(&node(), &json!({})));
        assert!(!has(&node(), &json!({"status": {"phase": "Lost"}})));
        assert!(!has(&node(), &json!({"status": null})));
    }

    #[test]
    fn a_change_by_others_shows_in_the_answer() {
        let patch = json!({"metadata": {"annotations": {"x": "2"}}});
        let mut after = node();
        after["metadata"]["annotations"]["x"] = json!("2");
        after["metadata"]["resourceVersion"] = json!("6");
        assert!(is_only(&node(), &patch, &after));
        // What was not known before, as with metadata only, is no change.
        after["spec"] = json!({});
        assert!(is_only(&node(), &patch, &after));
        after["status"]["phase"] = json!("Lost");
        assert!(!is_only(&node(), &patch, &after));
    }

    #[test]
    fn removing_the_last_annotation_is_our_change_alone() {
        let mut after = node();
        after["metadata"].as_object_mut().unwrap().remove("annotations");
        assert!(is_only(&node(), &json!({"metadata": {"annotations": {"x": null}}}), &after));
    }

    #[test]
    fn an_answer_is_the_object_only_if_it_is_of_its_kind() {
        let key = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: "a".into() };
        let read = |value: Value| Answered::read(value.to_string().as_bytes(), &key);
        let mut managed = node();
        managed["metadata"]["managedFields"] = json!([{}]);
        let answer = read(managed).unwrap();
        assert_eq!((answer.uid.as_str(), answer.resource_version.as_str()), ("u", "5"));
        assert_eq!(answer.object, Some(node()));
        let scale =
            json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"uid": "u", "resourceVersion": "6"}});
        assert!(read(scale).unwrap().object.is_none());
        assert!(read(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}})).is_none());
        assert!(Answered::read(b"", &key).is_none());
    }
}
