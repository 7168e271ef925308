//! The `scale` subresource of kinds with `spec.replicas`, as `autoscaling/v1`.

use serde_json::{Value, json};

use crate::{object::Fields, object::Stored, status::Failure};

/// The Scale of an object.
pub(crate) fn of(stored: &Stored) -> Value {
    let fields = &stored.fields;
    let meta = |member: &str| fields.get("metadata").and_then(|metadata| metadata.get(member)).cloned();
    let mut metadata = Fields::new();
    for member in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.extend(meta(member).map(|value| (member.to_owned(), value)));
    }
    let replicas = |part: &str| fields.get(part).and_then(|part| part.get("replicas")).cloned();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        // A missing number of replicas is one, as the kinds' defaulting has it.
        "spec": { "replicas": replicas("spec").unwrap_or_else(|| json!(1)) },
        "status": {
            "replicas": replicas("status").unwrap_or_else(|| json!(0)), "selector": selector(fields).unwrap_or_default(),
        },
    })
}

/// The object's selector as text, as far as it is labels.
fn selector(fields: &Fields) -> Option<String> {
    let selector = fields.get("spec")?.get("selector")?;
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object()?;
    let terms = labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    Some(terms.collect::<Vec<_>>().join(","))
}

/// The object with the replicas that a Scale wants.
pub(crate) fn applied(current: &Fields, scale: &Value) -> Result<Fields, Failure> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_u64);
    let replicas = replicas.ok_or_else(|| Failure::bad_request("a Scale needs spec.replicas, a whole number"))?;
    let mut fields = current.clone();
    match fields.entry("spec").or_insert_with(|| json!({})) {
        Value::Object(spec) => spec.insert("replicas".into(), json!(replicas)),
        _ => return Err(Failure::bad_request("the object's spec is no object, and cannot be scaled")),
    };
    if let Some(version) = scale.pointer("/metadata/resourceVersion") {
        crate::object::metadata_mut(&mut fields).insert("resourceVersion".into(), version.clone());
    }
    Ok(fields)
}
