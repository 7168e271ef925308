//! Patches: merge (RFC 7386), JSON (RFC 6902) and, for built-in kinds, strategic merge.
//!
//! A patch is applied to the object in the version of the path, and what comes out is an update like any other. A patch that
//! does not apply is a 422 with empty details, as the genuine server has it. Custom resources have no strategic merge: 415.

use serde_json::Value;

use crate::{
    metadata,
    object::{Fields, Stored, text},
    request::Request,
    resource::Resource,
    shape::Shape,
    status::{Cause, Failure},
    strategic,
};

/// The content type of server-side apply.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The most operations in one JSON patch (apiserver `handlers/patch.go`, `maxJSONPatchOperations`).
const MAX_OPERATIONS: usize = 10_000;

/// What a patch makes of an object, with `apiVersion` and `kind` taken out again.
pub(crate) fn apply(request: &Request, resource: &Resource, current: &Stored) -> Result<Fields, Failure> {
    let patched = patch_value(request, resource.custom, current.to_value(resource))?;
    if patched["kind"] != resource.kind.as_str() || patched["apiVersion"] != resource.api_version() {
        let message = "Invalid value: the patch changes apiVersion or kind".to_owned();
        let cause = Cause { reason: "FieldValueInvalid", message, field: "patch".to_owned() };
        return Err(Failure::invalid(resource, text(&current.fields, "name"), vec![cause]));
    }
    let wrong = patched.as_object().and_then(metadata::wrong_type);
    if let Some(wrong) = wrong {
        let message = format!("Invalid value: the patch makes an object that cannot be read: {wrong}");
        let cause = Cause { reason: "FieldValueInvalid", message, field: "patch".to_owned() };
        return Err(Failure::invalid(resource, text(&current.fields, "name"), vec![cause]));
    }
    if patched["metadata"]["name"].as_str().is_none_or(str::is_empty) {
        let message = "the name of the object was undeterminable: name must be provided";
        return Err(Failure::bad_request(message));
    }
    split(resource, patched)
}

/// The same for a Scale.
pub(crate) fn apply_to_scale(request: &Request, scale: Value) -> Result<Value, Failure> {
    patch_value(request, false, scale)
}

/// Takes `apiVersion` and `kind` out of an object, if they are the resource's; absent ones are as good.
pub(crate) fn split(resource: &Resource, value: Value) -> Result<Fields, Failure> {
    let Value::Object(mut fields) = value else { return Err(Failure::bad_request("the object is not a JSON object")) };
    if let Some(wrong) = metadata::wrong_type(&fields) {
        let message = format!("the object provided cannot be handled as a {}: {wrong}", resource.kind);
        return Err(Failure::bad_request(message));
    }
    for (member, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match fields.shift_remove(member) {
            None | Some(Value::Null) => {}
            Some(Value::String(given)) if given.is_empty() || given == expected => {}
            Some(given) => {
                let message = format!(
                    "{} in the data ({given}) does not match the expected {member} ({expected})",
                    if member == "kind" { "the kind" } else { "the API version" }
                );
                return Err(Failure::bad_request(message));
            }
        }
    }
    Ok(crate::event::to_storage(resource, fields))
}

fn patch_value(request: &Request, is_custom: bool, mut value: Value) -> Result<Value, Failure> {
    let unreadable = |error: serde_json::Error| Failure::bad_request(format!("the patch cannot be read: {error}"));
    match request.media_type() {
        MERGE => {
            let patch: Value = serde_json::from_slice(&request.body).map_err(unreadable)?;
            if !patch.is_object() {
                return Err(Failure::bad_request("a merge patch of an object must be an object"));
            }
            json_patch::merge(&mut value, &patch);
        }
        JSON => {
            let patch: json_patch::Patch = serde_json::from_slice(&request.body).map_err(unreadable)?;
            if patch.0.len() > MAX_OPERATIONS {
                let message = format!("the JSON patch has {} operations, at most {MAX_OPERATIONS}", patch.0.len());
                return Err(Failure::new(413, "RequestEntityTooLarge", message, Value::Null));
            }
            json_patch::patch(&mut value, &patch).map_err(|_| does_not_apply())?;
        }
        STRATEGIC if !is_custom => {
            let patch: Value = serde_json::from_slice(&request.body).map_err(unreadable)?;
            let (Value::Object(fields), Value::Object(patch)) = (&mut value, &patch) else {
                return Err(Failure::bad_request("a strategic merge patch of an object must be an object"));
            };
            strategic::merge(fields, patch, Shape::root(false, None));
        }
        other => {
            let known = if is_custom { String::new() } else { format!("{STRATEGIC}, ") };
            let message = format!(
                "the body of the request was in an unknown format - accepted media types include: {JSON}, {MERGE}, \
                 {known}{APPLY}; got {other}"
            );
            return Err(Failure::unsupported_media_type(message));
        }
    }
    Ok(value)
}

fn does_not_apply() -> Failure {
    let message = "the server rejected our request due to an error in our request";
    Failure::new(422, "Invalid", message, serde_json::json!({}))
}
