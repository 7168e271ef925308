//! What an effective write wrote: the target, and its fields with hashes of their values, so that fights over a field can be seen.
//!
//! Promises: pure; no value is kept, only hashes, which are the same for equal values whatever the order of their keys; at most
//! [`MAX_WRITTEN_FIELDS`] fields of at most [`MAX_POINTER_BYTES`] a write, and those beyond are counted.
//! Arrays are one field. Deliberately not here: which fields the server changed because of a write.

use super::plan::{Step, What};
use crate::contract::{ObjectRef, PatchFormat};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fields kept of one write.
pub const MAX_WRITTEN_FIELDS: usize = 32;
/// The longest JSON pointer that is kept.
pub const MAX_POINTER_BYTES: usize = 512;
/// What names an object, and is not written to it.
const IDENTITY: [&str; 6] =
    ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid", "/metadata/resourceVersion"];

/// One effective write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What was written to.
    pub target: ObjectRef,
    /// Its fields that were written; none if it was deleted.
    pub fields: Vec<Field>,
    /// How many more there were.
    pub more: usize,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// A JSON pointer.
    pub pointer: String,
    /// A hash of the value, good within this process.
    pub value: u64,
}

impl Written {
    /// What this step writes.
    pub(super) fn of(step: &Step) -> Written {
        let mut written = Written { target: step.key.clone(), fields: Vec::new(), more: 0 };
        match &step.what {
            What::Metadata(body) | What::Apply { manifest: body, .. } | What::Create(body) => {
                written.leaves(String::new(), body);
            }
            What::Status(status) => written.leaves("/status".to_owned(), status),
            What::Patch { format: PatchFormat::JsonPatch, body, .. } => {
                for operation in body.as_array().into_iter().flatten().filter(|one| one["op"] != "test") {
                    // A move or a copy has no value: the operation itself stands for it.
                    let value = match operation["op"].as_str() {
                        Some("add" | "replace") => &operation["value"],
                        Some("remove") => &Value::Null,
                        _ => operation,
                    };
                    written.field(operation["path"].as_str().unwrap_or_default().to_owned(), value);
                }
            }
            What::Patch { body, .. } => written.leaves(String::new(), body),
            What::Delete { .. } | What::Emit(_) | What::Log(_) | What::Http { .. } => {}
        }
        written
    }

    fn leaves(&mut self, pointer: String, value: &Value) {
        match value.as_object().filter(|map| !map.is_empty()) {
            Some(map) => {
                for (key, value) in map {
                    self.leaves(format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), value);
                }
            }
            None if IDENTITY.contains(&pointer.as_str()) => {}
            None => self.field(pointer, value),
        }
    }

    fn field(&mut self, pointer: String, value: &Value) {
        if self.fields.len() >= MAX_WRITTEN_FIELDS || pointer.len() > MAX_POINTER_BYTES {
            self.more += 1;
            return;
        }
        let mut hasher = DefaultHasher::new();
        hash(value, &mut hasher);
        self.fields.push(Field { pointer, value: hasher.finish() });
    }
}

/// Objects by their sorted keys: two handlers that agree need not write them in one order.
fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            (0_u8, entries.len()).hash(hasher);
            for (key, value) in entries {
                key.hash(hasher);
                hash(value, hasher);
            }
        }
        Value::Array(items) => {
            (1_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        plain => plain.to_string().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(what: What) -> Written {
        let key = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: None, name: "a".into() };
        Written::of(&Step { actions: vec!["patch"], key, own: true, subresource: None, what })
    }

    fn patch(format: PatchFormat, body: Value) -> Written {
        written(What::Patch { format, body, uid: None })
    }

    fn pointers(written: &Written) -> Vec<&str> {
        written.fields.iter().map(|field| field.pointer.as_str()).collect()
    }

    #[test]
    fn leaves_are_named_and_what_names_the_object_is_not() {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "uid": "u",
            "annotations": { "x.example/y": "1", "gone": null } }, "data": { "list": [1, 2], "none": {} } });
        let expected = ["/metadata/annotations/x.example~1y", "/metadata/annotations/gone", "/data/list", "/data/none"];
        assert_eq!(pointers(&written(What::Create(body))), expected);
        assert_eq!(pointers(&written(What::Status(json!({ "phase": "x" })))), ["/status/phase"]);
        let delete = What::Delete { uid: None, grace_period_seconds: None, propagation: None };
        assert!(written(delete).fields.is_empty());
    }

    #[test]
    fn a_json_patch_writes_its_paths_and_agrees_with_a_merge_patch_of_the_same_value() {
        let steps = json!([{ "op": "test", "path": "/data/t", "value": 1 }, { "op": "add", "path": "/data/v", "value": "x" },
            { "op": "remove", "path": "/data/w" }]);
        let operations = patch(PatchFormat::JsonPatch, steps);
        assert_eq!(operations.fields, patch(PatchFormat::Merge, json!({ "data": { "v": "x", "w": null } })).fields);
    }

    #[test]
    fn equal_values_have_one_hash_whatever_the_order_of_their_keys() {
        let of = |value: Value| patch(PatchFormat::Merge, json!({ "l": [value] })).fields[0].value;
        assert_eq!(of(json!({ "a": 1, "b": 2 })), of(json!({ "b": 2, "a": 1 })));
        assert_ne!(of(json!({ "a": 1, "b": 2 })), of(json!({ "a": 2, "b": 1 })));
        assert_ne!(of(json!("1")), of(json!(1)));
    }

    #[test]
    fn fields_beyond_the_bounds_are_counted() {
        let many: serde_json::Map<_, _> = (0..40).map(|n| (format!("k{n}"), json!(n))).collect();
        let kept = patch(PatchFormat::Merge, Value::Object(many));
        assert_eq!((kept.fields.len(), kept.more), (MAX_WRITTEN_FIELDS, 8));
        let long = patch(PatchFormat::Merge, json!({ "x".repeat(MAX_POINTER_BYTES): 1 }));
        assert_eq!((long.fields.len(), long.more), (0, 1));
    }
}
