//! What the API answers when it refuses: `Status` objects with the codes, reasons, causes and wording of the genuine one.
//!
//! Clients decide by code and reason, people by the message; both are kept as Kubernetes has them (apimachinery
//! `pkg/api/errors/errors.go`), because weir's own decisions hang on them. Nothing here knows why something was refused.

use serde_json::{Value, json};

use crate::resource::Resource;

/// A refusal, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) code: u16,
    /// Seconds for a `Retry-After` header.
    pub(crate) retry_after: Option<u32>,
    /// The whole `Status` object; null stands for the plain text "404 page not found" of an unknown path.
    pub(crate) body: Value,
}

/// One entry of `details.causes`.
pub(crate) struct Cause {
    /// The machine-readable kind of the cause, such as `FieldValueInvalid`.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
    /// The field it is about, as a dotted path.
    pub(crate) field: String,
}

impl Cause {
    /// A field that must not be there, or not with this value.
    pub(crate) fn forbidden(field: &str, why: &str) -> Cause {
        Cause { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.to_owned() }
    }
}

impl Failure {
    /// A `Status` of any kind; `details` may be null.
    pub(crate) fn new(code: u16, reason: &str, message: impl Into<String>, details: Value) -> Failure {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message.into(),
        });
        if !reason.is_empty() {
            body["reason"] = json!(reason);
        }
        if !details.is_null() {
            body["details"] = details;
        }
        body["code"] = json!(code);
        Failure { code, retry_after: None, body }
    }

    /// The message of the `Status`.
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or("404 page not found")
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message, Value::Null)
    }

    /// 404 for a path that nothing serves. The genuine server answers in plain text.
    pub(crate) fn no_such_path() -> Failure {
        Failure { code: 404, retry_after: None, body: Value::Null }
    }

    /// 404 for a resource that its group and version do not have.
    pub(crate) fn no_such_resource() -> Failure {
        Failure::new(404, "NotFound", "the server could not find the requested resource", json!({}))
    }

    /// 403 for what is not allowed as things are.
    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Failure {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Failure::new(403, "Forbidden", message, details(resource, name))
    }

    /// 404 for an object.
    pub(crate) fn not_found(resource: &Resource, name: &str) -> Failure {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Failure::new(404, "NotFound", message, details(resource, name))
    }

    /// 405 for a verb that the resource does not have.
    pub(crate) fn method_not_allowed(message: impl Into<String>) -> Failure {
        Failure::new(405, "MethodNotAllowed", message, json!({}))
    }

    /// 409 for a create of what exists.
    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Failure {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Failure::new(409, "AlreadyExists", message, details(resource, name))
    }

    /// 409 for a precondition that does not hold.
    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Failure {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Failure::new(409, "Conflict", message, details(resource, name))
    }

    /// 409 for a write that carries an old resourceVersion.
    pub(crate) fn modified(resource: &Resource, name: &str) -> Failure {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Failure::conflict(resource, name, why)
    }

    /// 422 with one cause per field at fault.
    pub(crate) fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Failure {
        let said: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let said = if said.len() == 1 { said.concat() } else { format!("[{}]", said.join(", ")) };
        let kind = qualify(&resource.kind, &resource.group);
        let mut failure =
            Failure::new(422, "Invalid", format!("{kind} \"{name}\" is invalid: {said}"), details(resource, name));
        failure.body["details"]["kind"] = json!(resource.kind);
        failure.body["details"]["causes"] = causes
            .into_iter()
            .map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }))
            .collect();
        failure
    }

    /// 422 for query parameters that do not go together; the genuine server blames the options they make up, such as
    /// `ListOptions`.
    pub(crate) fn invalid_options(kind: &str, cause: Cause) -> Failure {
        let Cause { reason, message, field } = cause;
        Failure::new(
            422,
            "Invalid",
            format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {message}"),
            json!({ "group": "meta.k8s.io", "kind": kind,
                    "causes": [{ "reason": reason, "message": message, "field": field }] }),
        )
    }

    /// 410: the history that this asks for is gone.
    pub(crate) fn expired(message: impl Into<String>) -> Failure {
        Failure::new(410, "Expired", message, Value::Null)
    }

    /// 415: a body in a format that is not understood.
    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Failure {
        Failure::new(415, "UnsupportedMediaType", message, Value::Null)
    }

    /// 504 for a resourceVersion that lies in the future.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Failure {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut failure = Failure::new(
            504,
            "Timeout",
            format!("Timeout: {message}"),
            json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
                    "retryAfterSeconds": 1 }),
        );
        failure.retry_after = Some(1);
        failure
    }
}

/// `pods` or `deployments.apps`: a name and the group it belongs to.
pub(crate) fn qualify(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// The `details` that name one object.
pub(crate) fn details(resource: &Resource, name: &str) -> Value {
    let mut details = json!({});
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    details["kind"] = json!(resource.plural);
    details
}
