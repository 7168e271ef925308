//! From a step to the request it is.
//!
//! Promises: pure; what goes to the event's own object is always bound to its uid, so it never hits a later object of the
//! same name; patch, set-status and delete of it are bound to a resourceVersion too, except after `left` and `deleted`,
//! where nothing tells weir of newer ones; every write carries the field manager, and `dryRun=All` in a dry run.
//! Nothing is a PUT.
//!
//! How a JSON patch is guarded: uid and resourceVersion are *set* after the handler's own operations, not tested before them.
//! The server takes both as preconditions and answers 409, where a failed `test` is a 422 that says nothing
//! of which `test` it was; so the handler's own tests and ours are told apart without another request.

use super::plan::{Step, What};
use crate::{
    contract::{PatchFormat, Propagation},
    kinds::Resource,
};
use http::{Method, Request, header};
use serde_json::{Map, Value, json};

/// What the event's own object has to be for a write to hit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) uid: String,
    /// The event's, then the previous reply's. None where there is no catching up.
    pub(super) resource_version: Option<String>,
}

/// What all requests of one handler have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) field_manager: &'a str,
    pub(super) dry_run: bool,
}

/// The groups that Kubernetes itself serves from Go types, the only ones with strategic merge. From `k8s.io/api` 1.35.
/// Other groups under `k8s.io` are custom resources or aggregated.
const BUILT_IN: [&str; 23] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether the step can be sent to this resource at all.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn check(step: &Step, resource: &Resource) -> Result<(), String> {
    match (&step.key.namespace, resource.namespaced) {
        (None, true) => return Err(format!("{} lives in namespaces; name one", step.key.kind)),
        (Some(_), false) => return Err(format!("{} lives in no namespace; leave it out", step.key.kind)),
        _ => {}
    }
    match step.what {
        What::Patch { format: PatchFormat::Strategic, .. } if !BUILT_IN.contains(&resource.group.as_str()) => {
            Err(format!(
                "a strategic patch works on built-in kinds only, and {resource} is a custom resource; use merge or json-patch"
            ))
        }
        _ => Ok(()),
    }
}

/// The request of a step; none for a step that is not a request to `resource` (emit, log and http).
///
/// # Errors
/// Only if a path that passed the plan is still no path.
pub(super) fn build(
    step: &Step,
    resource: &Resource,
    own: &Bound,
    manner: Manner<'_>,
    force: bool,
) -> Result<Option<Request<Vec<u8>>>, http::Error> {
    let own = step.own.then_some(own);
    let (method, content, body, manager) = match &step.what {
        What::Metadata(patch) => (Method::PATCH, MERGE, bound(patch, own, false), None),
        What::Status(status) => (Method::PATCH, MERGE, bound(&json!({ "status": status }), own, true), None),
        What::Patch { format, body, uid } => {
            // On another object the handler's own condition stands in for the binding.
            let other = uid.clone().map(|uid| Bound { uid, resource_version: None });
            let guard = own.or(other.as_ref());
            match format {
                PatchFormat::Merge => (Method::PATCH, MERGE, bound(body, guard, true), None),
                PatchFormat::Strategic => (Method::PATCH, STRATEGIC, bound(body, guard, true), None),
                PatchFormat::JsonPatch => (Method::PATCH, JSON_PATCH, bound_operations(body, guard), None),
            }
        }
        What::Apply { manifest, manager, .. } => (Method::PATCH, APPLY, bound(manifest, own, false), Some(manager)),
        What::Create(manifest) => (Method::POST, JSON, manifest.clone(), None),
        What::Delete { uid, grace_period_seconds, propagation } => {
            let body = delete_options(own, uid.as_deref(), *grace_period_seconds, *propagation, manner.dry_run);
            (Method::DELETE, JSON, body, None)
        }
        What::Emit(_) | What::Log(_) | What::Http { .. } => return Ok(None),
    };
    let namespace = step.key.namespace.as_deref();
    let mut target = match method {
        Method::POST => resource.collection_path(namespace),
        _ => resource.object_path(namespace, &step.key.name),
    };
    if let Some(subresource) = &step.subresource {
        target = format!("{target}/{subresource}");
    }
    let mut query = Vec::new();
    if method != Method::DELETE {
        query.push(format!("fieldManager={}", encoded(manager.map_or(manner.field_manager, String::as_str))));
    }
    if force || matches!(step.what, What::Apply { force: true, .. }) {
        query.push("force=true".to_owned());
    }
    if manner.dry_run {
        query.push("dryRun=All".to_owned());
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    json_request(method, &target, content, &body).map(Some)
}

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// JSON is YAML.
const APPLY: &str = "application/apply-patch+yaml";

/// A merge patch, the one way in which weir itself changes things.
pub(super) fn merge_request(target: &str, body: &Value) -> Result<Request<Vec<u8>>, http::Error> {
    json_request(Method::PATCH, target, MERGE, body)
}

/// A creation.
pub(super) fn create_request(target: &str, body: &Value) -> Result<Request<Vec<u8>>, http::Error> {
    json_request(Method::POST, target, JSON, body)
}

fn json_request(method: Method, target: &str, content: &str, body: &Value) -> Result<Request<Vec<u8>>, http::Error> {
    Request::builder()
        .method(method)
        .uri(target)
        .header(header::ACCEPT, JSON)
        .header(header::CONTENT_TYPE, content)
        .body(body.to_string().into_bytes())
}

/// `body` with the binding in its metadata; the plan has made sure that metadata, if there, is an object.
fn bound(body: &Value, to: Option<&Bound>, versioned: bool) -> Value {
    let mut body = body.clone();
    if let (Some(to), Value::Object(fields)) = (to, &mut body) {
        let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        metadata["uid"] = json!(to.uid);
        if let (true, Some(version)) = (versioned, &to.resource_version) {
            metadata["resourceVersion"] = json!(version);
        }
    }
    body
}

/// `operations` with the binding set after them.
fn bound_operations(operations: &Value, to: Option<&Bound>) -> Value {
    let mut operations = operations.clone();
    if let (Some(to), Value::Array(operations)) = (to, &mut operations) {
        operations.push(json!({ "op": "add", "path": "/metadata/uid", "value": to.uid }));
        if let Some(version) = &to.resource_version {
            operations.push(json!({ "op": "add", "path": "/metadata/resourceVersion", "value": version }));
        }
    }
    operations
}

/// The dry run stands here too: a server that finds a body ignores the options in the query.
fn delete_options(
    own: Option<&Bound>,
    uid: Option<&str>,
    grace_period_seconds: Option<u32>,
    propagation: Option<Propagation>,
    dry_run: bool,
) -> Value {
    let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
    let mut preconditions = Map::new();
    if let Some(uid) = own.map(|own| own.uid.as_str()).or(uid) {
        preconditions.insert("uid".to_owned(), json!(uid));
    }
    if let Some(version) = own.and_then(|own| own.resource_version.as_deref()) {
        preconditions.insert("resourceVersion".to_owned(), json!(version));
    }
    if !preconditions.is_empty() {
        options["preconditions"] = Value::Object(preconditions);
    }
    if let Some(seconds) = grace_period_seconds {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if let Some(propagation) = propagation {
        options["propagationPolicy"] = json!(match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        });
    }
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// A value of a query: what RFC 3986 calls unreserved stands for itself, so does the slash; the rest is percent-encoded.
pub(super) fn encoded(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(byte as char);
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

#[cfg(test)]
mod tests;
