//! What metadata must look like, whatever the kind: apimachinery's `pkg/api/validation/objectmeta.go`.
//!
//! Labels and annotations that a cluster would refuse are refused here too, because handlers make them up. Names have their
//! rules in `write`, where they are given.

use serde_json::Value;

use crate::{
    object::{Fields, text},
    resource::Resource,
    status::{Cause, Failure},
};

/// The bytes that the annotations of an object may have, keys and values together (`TotalAnnotationSizeLimitB`, 256 KiB).
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// What is wrong with the JSON types of the metadata, as the genuine server's decoder would put it.
pub(crate) fn wrong_type(fields: &Fields) -> Option<String> {
    let found = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let says = |value: &Value, field: &str, wanted: &str| {
        Some(format!("json: cannot unmarshal {} into field {field} of type {wanted}", found(value)))
    };
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => return None,
        Some(Value::Object(metadata)) => metadata,
        Some(other) => return says(other, "metadata", "v1.ObjectMeta"),
    };
    metadata.iter().find_map(|(name, value)| {
        let field = format!("metadata.{name}");
        let strings = |mut values: Box<dyn Iterator<Item = &Value> + '_>| {
            values.find(|value| !value.is_string() && !value.is_null()).and_then(|value| says(value, &field, "string"))
        };
        match (name.as_str(), value) {
            (_, Value::Null) => None,
            ("labels" | "annotations", Value::Object(members)) => strings(Box::new(members.values())),
            ("labels" | "annotations", other) => says(other, &field, "map[string]string"),
            ("finalizers", Value::Array(items)) => strings(Box::new(items.iter())),
            ("finalizers", other) => says(other, &field, "[]string"),
            ("ownerReferences", Value::Array(items)) => {
                items.iter().find(|item| !item.is_object()).and_then(|item| says(item, &field, "v1.OwnerReference"))
            }
            ("ownerReferences", other) => says(other, &field, "[]v1.OwnerReference"),
            ("name" | "namespace" | "generateName" | "uid" | "resourceVersion", other) if !other.is_string() => {
                says(other, &field, "string")
            }
            _ => None,
        }
    })
}

/// Refuses labels and annotations that no cluster would take.
pub(crate) fn check(resource: &Resource, fields: &Fields) -> Result<(), Failure> {
    let member = |name: &str| {
        let members = fields.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_object);
        let pair = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
        members.map(|members| members.iter().map(pair).collect::<Vec<_>>()).unwrap_or_default()
    };
    let mut causes = Vec::new();
    let mut refuse = |field: &str, reason: &'static str, message: String| {
        causes.push(Cause { reason, message, field: field.to_owned() });
    };
    let (labels, annotations) = (member("labels"), member("annotations"));
    for (field, members) in [("metadata.labels", &labels), ("metadata.annotations", &annotations)] {
        for (key, _) in members.iter().filter(|(key, _)| !is_qualified_name(key)) {
            let message = format!(
                "Invalid value: \"{key}\": a key is a name of at most 63 letters, digits, '-', '_' or '.', that begins \
                 and ends with a letter or digit, optionally after a DNS subdomain and '/'"
            );
            refuse(field, "FieldValueInvalid", message);
        }
    }
    for (_, value) in labels.iter().filter(|(_, value)| !is_label_value(value)) {
        let message = format!(
            "Invalid value: \"{value}\": a valid label must be an empty string or consist of at most 63 alphanumeric \
             characters, '-', '_' or '.', and must start and end with an alphanumeric character"
        );
        refuse("metadata.labels", "FieldValueInvalid", message);
    }
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes");
        refuse("metadata.annotations", "FieldValueTooLong", message);
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(resource, text(fields, "name"), causes)) }
}

/// A key of a label or annotation: a name, optionally after a DNS subdomain and a slash.
pub(crate) fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_subdomain)
}

/// Empty, or at most 63 letters, digits, `-`, `_` and `.`, with letters or digits at both ends.
pub(crate) fn is_label_value(value: &str) -> bool {
    let at_edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && at_edge(value.chars().next())
        && at_edge(value.chars().next_back())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A DNS label: lower case letters, digits and `-`, at most 63, with a letter or digit at both ends.
pub(crate) fn is_dns_label(label: &str) -> bool {
    label.len() <= 63 && is_dns_part(label)
}

/// A DNS subdomain: lower case letters, digits, `-` and `.`, at most 253, each part with a letter or digit at both ends.
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_part)
}

/// What stands between the dots of a subdomain; its length alone is not limited.
fn is_dns_part(part: &str) -> bool {
    let at_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    at_edge(part.chars().next())
        && at_edge(part.chars().next_back())
        && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_names_are_as_kubernetes_has_them() {
        let long = "a".repeat(64);
        for (key, is_good) in [
            ("a", true),
            ("A_b.c-1", true),
            ("example.com/a", true),
            ("", false),
            ("a b", false),
            ("-a", false),
            ("/a", false),
            ("Example.com/a", false),
            ("a/b/c", false),
            ("example.com/", false),
            (&long, false),
        ] {
            assert_eq!(is_qualified_name(key), is_good, "key {key:?}");
        }
        assert!(is_label_value("") && is_label_value("a.B_c") && !is_label_value("a:b") && !is_label_value(&long));
        assert!(is_subdomain("a-b.c") && !is_subdomain("a..b") && !is_subdomain("A") && !is_subdomain(""));
    }
}
