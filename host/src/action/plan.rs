//! From a reply to steps: what the handler said, checked and put into the form in which it is sent.
//!
//! Promises: pure, no request; every action is valid and granted before there is a plan at all; the order is the handler's;
//! *adjacent* annotate and label actions become one step, later keys winning; a target that names the event's own object
//! is the event's own object. Whether a step changes anything is decided when it is sent, against the state as it then is.

use super::{
    Subject,
    bounds::{self, Beyond},
    grants, http, syntax,
};
use crate::{
    contract::{
        Action, Apply, Deletion, Failure, HttpRequest, LogLine, Note, ObjectRef, Patch, PatchFormat, Propagation,
    },
    handler::manifest::{Manifest, limit::Limit},
};
use serde_json::{Map, Value, json};

/// The longest reason of a Kubernetes Event, in bytes (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
pub(super) const MAX_REASON: usize = 128;
/// The longest note of a Kubernetes Event, in bytes; longer ones are cut.
pub(super) const MAX_NOTE: usize = 1024;
/// How many YAML nodes aliases may repeat in one manifest: far more than manifests do, far less than would take long.
const MAX_REPEATED_NODES: usize = 10_000;
/// The longest `requeue-after-ms`: what the contract says.
const MAX_REQUEUE_MS: u32 = i32::MAX as u32;

/// What makes an object this one and no other; the first two are of the representation, and a subresource has its own.
const IDENTITY: [&str; 5] = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid"];

/// One reply, ready to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// The last `requeue-after-ms` of the reply, raised to the floor; none on `deleted` and `left`.
    pub(super) requeue_after_ms: Option<u32>,
    /// Whether a `requeue-after-ms` was raised to the floor.
    pub(super) raised: bool,
    /// The first `fail` of the reply.
    pub(super) fail: Option<Failure>,
}

/// Why there is no plan.
#[derive(Debug)]
pub(super) struct Refused {
    /// The bound that the reply is beyond, if it is for one.
    pub(super) limit: Option<Limit>,
    /// What is wrong, or not granted, and what to do.
    pub(super) message: String,
}

impl From<Beyond> for Refused {
    fn from(Beyond { limit, message }: Beyond) -> Refused {
        Refused { limit: Some(limit), message }
    }
}

impl From<String> for Refused {
    fn from(message: String) -> Refused {
        Refused { limit: None, message }
    }
}

/// One request to come, or one log line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// The names of the actions it carries out: one, or several `annotate` and `label`. Never empty.
    pub(super) actions: Vec<&'static str>,
    /// The object it is about.
    pub(super) key: ObjectRef,
    /// Whether that is the event's own object.
    pub(super) own: bool,
    pub(super) subresource: Option<String>,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// annotate and label: a merge patch of nothing but metadata, without the uid that guards it.
    Metadata(Value),
    /// set-status: the status to merge, an object.
    Status(Value),
    /// The uid is the handler's condition on another object; the event's own is always bound.
    Patch {
        format: PatchFormat,
        body: Value,
        uid: Option<String>,
    },
    /// The manager is the whole name.
    Apply {
        manifest: Value,
        manager: String,
        force: bool,
    },
    Create(Value),
    /// The uid as with a patch.
    Delete {
        uid: Option<String>,
        grace_period_seconds: Option<u32>,
        propagation: Option<Propagation>,
    },
    Emit(Note),
    Log(LogLine),
    /// `copy` is how many requests like this one the reply had before.
    Http {
        request: HttpRequest,
        copy: u32,
    },
}

/// Reads, checks and coalesces a reply.
///
/// # Errors
/// [`Refused`]; all of it is permanent.
pub(super) fn plan(actions: Vec<Action>, subject: &Subject, manifest: &Manifest) -> Result<Plan, Refused> {
    let limits = &manifest.limits;
    bounds::check(&actions, limits)?;
    let mut plan = Plan { steps: Vec::new(), requeue_after_ms: None, raised: false, fail: None };
    for (index, action) in actions.into_iter().enumerate() {
        let name = action.name();
        match action {
            // Neither asks anything of the API; they shape the outcome.
            Action::RequeueAfter(_) if subject.change.is_ending() => {}
            Action::RequeueAfter(ms) => {
                plan.raised |= ms < limits.requeue_floor_ms;
                plan.requeue_after_ms = Some(ms.clamp(limits.requeue_floor_ms, MAX_REQUEUE_MS));
            }
            Action::Fail(failure) => plan.fail = plan.fail.or(Some(failure)),
            action => {
                let step = http::check(&action)
                    .and_then(|()| read(action, subject, &manifest.field_manager))
                    .map_err(|wrong| format!("action {} of the reply, {name}: {wrong}", index + 1))?;
                if let What::Apply { manifest: value, .. } | What::Create(value) = &step.what {
                    bounds::check_read(value, index, name, limits)?;
                }
                plan.steps.push(step);
            }
        }
    }
    grants::check(&plan.steps, &manifest.grants, &manifest.name)?;
    http::count_copies(&mut plan.steps);
    plan.steps = coalesce(plan.steps);
    Ok(plan)
}

/// One action as a step, not yet coalesced.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(action: Action, subject: &Subject, field_manager: &str) -> Result<Step, String> {
    let name = action.name();
    let own = |what| Ok(Step { actions: vec![name], key: subject.key.clone(), own: true, subresource: None, what });
    match action {
        Action::Annotate(entries) => own(What::Metadata(metadata("annotations", entries)?)),
        Action::Label(entries) => own(What::Metadata(metadata("labels", entries)?)),
        Action::SetStatus(status) => {
            let status = object(&status, "the status")?;
            let mut step = own(What::Status(status))?;
            step.subresource = Some("status".to_owned());
            Ok(step)
        }
        Action::Patch(patch) => read_patch(patch, subject, name),
        Action::Apply(apply) => read_apply(apply, subject, name, field_manager),
        Action::Create(text) => {
            let (key, manifest) = manifest(&text)?;
            let own = is_own(&key, subject);
            Ok(Step { actions: vec![name], key, own, subresource: None, what: What::Create(manifest) })
        }
        Action::Delete(deletion) => {
            let Deletion { target, uid, grace_period_seconds, propagation } = deletion;
            let (key, own) = whose(target, uid.as_deref(), subject)?;
            let what = What::Delete { uid, grace_period_seconds, propagation };
            Ok(Step { actions: vec![name], key, own, subresource: None, what })
        }
        Action::Emit(note) => read_note(note, subject, name),
        Action::Log(line) => own(What::Log(line)),
        Action::Http(request) => own(What::Http { request, copy: 0 }),
        Action::Extension(extension, _) => Err(format!(
            "this host knows no extension {:?}; ask host.features before answering with one",
            syntax::cut(&extension, 64)
        )),
        Action::RequeueAfter(_) | Action::Fail(_) => Err("is not a step".to_owned()),
    }
}

fn read_patch(patch: Patch, subject: &Subject, name: &'static str) -> Result<Step, String> {
    let Patch { target, uid, subresource, format, body } = patch;
    let (key, own) = whose(target, uid.as_deref(), subject)?;
    check_subresource(subresource.as_deref())?;
    let body = match format {
        PatchFormat::Merge | PatchFormat::Strategic => {
            let body = object(&body, "the patch")?;
            if body.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
                return Err("metadata in the patch has to be an object".to_owned());
            }
            body
        }
        PatchFormat::JsonPatch => {
            let body: Value =
                serde_json::from_str(&body).map_err(|error| format!("the patch is not valid JSON: {error}"))?;
            let operations = body.as_array().ok_or("a JSON patch has to be an array of operations")?;
            if !operations.iter().all(|operation| operation.get("op").is_some() && operation.get("path").is_some()) {
                return Err("each operation of a JSON patch needs op and path".to_owned());
            }
            body
        }
    };
    let known = if own { Some(subject.uid.as_str()) } else { uid.as_deref() };
    check_identity(&body, &key, known, subresource.is_some())?;
    Ok(Step { actions: vec![name], key, own, subresource, what: What::Patch { format, body, uid } })
}

/// Whether the patch leaves the object who it is. The API refuses most of what does not, in words about something else.
fn check_identity(body: &Value, key: &ObjectRef, uid: Option<&str>, subresource: bool) -> Result<(), String> {
    let identity = if subresource { &IDENTITY[2..] } else { &IDENTITY[..] };
    let moved = match body.as_array() {
        Some(operations) => operations
            .iter()
            .filter(|operation| operation["op"] != "test")
            .flat_map(|operation| {
                [operation["path"].as_str(), operation["from"].as_str().filter(|_| operation["op"] == "move")]
            })
            .flatten()
            .find(|path| ["", "/metadata"].contains(path) || identity.contains(path)),
        None => {
            let is = [Some(&*key.api_version), Some(&*key.kind), Some(&*key.name), key.namespace.as_deref(), uid];
            let fields = IDENTITY.into_iter().zip(is).filter(|(field, _)| identity.contains(field));
            let mut other = fields.filter(|(field, is)| body.pointer(field).is_some_and(|says| says.as_str() != *is));
            other.next().map(|(field, _)| field)
        }
    };
    moved.map_or(Ok(()), |field| {
        Err(format!("the patch changes {field:?}, which says what object this is; leave it out"))
    })
}

fn read_apply(apply: Apply, subject: &Subject, name: &'static str, field_manager: &str) -> Result<Step, String> {
    let Apply { manifest: text, subresource, manager, force } = apply;
    let (key, manifest) = manifest(&text)?;
    let own = is_own(&key, subject);
    check_subresource(subresource.as_deref())?;
    if let Some(uid) = manifest.pointer("/metadata/uid").filter(|uid| own && uid.as_str() != Some(&subject.uid)) {
        return Err(format!("the manifest has uid {uid}, but the event's own object has {:?}", subject.uid));
    }
    let manager = match manager {
        None => field_manager.to_owned(),
        Some(suffix) if syntax::is_manager_suffix(field_manager, &suffix) => format!("{field_manager}/{suffix}"),
        Some(suffix) => {
            return Err(format!(
                "the manager {:?} may have letters, digits, '-', '_' and '.', at most 63, and with {field_manager}/ before it at most 128",
                syntax::cut(&suffix, 128)
            ));
        }
    };
    Ok(Step { actions: vec![name], key, own, subresource, what: What::Apply { manifest, manager, force } })
}

fn read_note(mut note: Note, subject: &Subject, name: &'static str) -> Result<Step, String> {
    let (key, own) = whose(note.regarding.take(), None, subject)?;
    if note.reason.is_empty() || note.reason.len() > MAX_REASON || note.reason.contains(char::is_whitespace) {
        return Err(format!(
            "the reason {:?} has to be one CamelCase word of 1 to {MAX_REASON} bytes",
            syntax::cut(&note.reason, MAX_REASON)
        ));
    }
    note.message.truncate(note.message.floor_char_boundary(MAX_NOTE));
    Ok(Step { actions: vec![name], key, own, subresource: None, what: What::Emit(note) })
}

/// The object a step is about, and whether it is the event's own.
fn whose(target: Option<ObjectRef>, uid: Option<&str>, subject: &Subject) -> Result<(ObjectRef, bool), String> {
    let key = target.unwrap_or_else(|| subject.key.clone());
    check_key(&key)?;
    let own = is_own(&key, subject);
    match uid {
        Some(uid) if own && uid != subject.uid => {
            Err(format!("it names uid {uid:?}, but the event's own object has {:?}", subject.uid))
        }
        _ => Ok((key, own)),
    }
}

/// Versions of one group serve the same objects, so the version is not compared.
fn is_own(key: &ObjectRef, subject: &Subject) -> bool {
    let group = |api_version: &str| api_version.split_once('/').map(|(group, _)| group.to_owned());
    key.kind == subject.key.kind
        && key.name == subject.key.name
        && key.namespace == subject.key.namespace
        && group(&key.api_version) == group(&subject.key.api_version)
}

fn check_key(key: &ObjectRef) -> Result<(), String> {
    if !syntax::is_api_version(&key.api_version) {
        return Err(format!("{:?} is no apiVersion; write v1 or GROUP/VERSION", syntax::cut(&key.api_version, 100)));
    }
    if !syntax::is_kind(&key.kind) {
        return Err(format!("{:?} is no kind", syntax::cut(&key.kind, 100)));
    }
    if let Some(namespace) = key.namespace.as_deref().filter(|namespace| !syntax::is_dns_label(namespace)) {
        return Err(format!("{:?} is no name of a namespace", syntax::cut(namespace, 100)));
    }
    if !syntax::is_path_segment(&key.name) {
        return Err(format!("{:?} is no name of an object", syntax::cut(&key.name, 100)));
    }
    Ok(())
}

fn check_subresource(subresource: Option<&str>) -> Result<(), String> {
    match subresource {
        Some(name) if !syntax::is_dns_label(name) => Err(format!("{:?} is no subresource", syntax::cut(name, 100))),
        _ => Ok(()),
    }
}

/// A merge patch that sets these annotations or labels.
fn metadata(field: &str, entries: Vec<(String, Option<String>)>) -> Result<Value, String> {
    let mut values = Map::new();
    let mut bytes = 0;
    for (key, value) in entries {
        let wrong = match (field, &value) {
            ("labels", value) => {
                syntax::wrong_key(&key).or_else(|| value.as_deref().and_then(syntax::wrong_label_value))
            }
            _ => syntax::wrong_key(&key.to_ascii_lowercase()),
        };
        if let Some(wrong) = wrong {
            return Err(syntax::cut(&wrong, 500).to_owned());
        }
        bytes += key.len() + value.as_deref().map_or(0, str::len);
        values.insert(key, value.map_or(Value::Null, Value::String));
    }
    if bytes > syntax::MAX_ANNOTATIONS {
        return Err(format!("{bytes} bytes of {field} are more than the {} of an object", syntax::MAX_ANNOTATIONS));
    }
    Ok(json!({ "metadata": { field: values } }))
}

fn object(text: &str, what: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{what} is not valid JSON: {error}"))?;
    if value.is_object() { Ok(value) } else { Err(format!("{what} has to be a JSON object")) }
}

/// Exactly one object, from JSON or YAML, and its name.
fn manifest(text: &str) -> Result<(ObjectRef, Value), String> {
    let json = if text.trim_start().starts_with('{') { Some(serde_json::from_str::<Value>(text)) } else { None };
    let value = match json {
        Some(Ok(value)) => value,
        json => match (yaml(text), json) {
            (Ok(mut documents), _) if documents.len() == 1 => documents.remove(0),
            (Ok(documents), _) => {
                return Err(format!("the manifest has {} objects; answer with one action for each", documents.len()));
            }
            (Err(_), Some(Err(error))) => return Err(format!("the manifest is not valid JSON: {error}")),
            (Err(error), _) => {
                return Err(format!("the manifest is not valid YAML: {}", syntax::cut(&error.to_string(), 500)));
            }
        },
    };
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    if value.pointer("/metadata/generateName").is_some() {
        return Err("metadata.generateName would make another object on every retry; use metadata.name".to_owned());
    }
    let needed =
        |pointer: &str, field: &str| text(pointer).ok_or_else(|| format!("the manifest needs {field}, a text"));
    let key = ObjectRef {
        api_version: needed("/apiVersion", "apiVersion")?,
        kind: needed("/kind", "kind")?,
        namespace: text("/metadata/namespace"),
        name: needed("/metadata/name", "metadata.name")?,
    };
    check_key(&key)?;
    Ok((key, value))
}

/// The documents of a YAML text.
fn yaml(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    let mut options = serde_saphyr::Options::default();
    if let Some(budget) = &mut options.budget {
        budget.max_depth = bounds::MOST_DEEP;
    }
    options.alias_limits.max_total_replayed_events = MAX_REPEATED_NODES;
    serde_saphyr::from_multiple_with_options(text, options)
}

/// One step for each run of annotate and label actions.
fn coalesce(steps: Vec<Step>) -> Vec<Step> {
    let mut plan: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        if let (Some(Step { what: What::Metadata(patch), actions, .. }), What::Metadata(more)) =
            (plan.last_mut(), &step.what)
        {
            // Not json_patch::merge: there a null removes from the target, here it is kept for the server.
            for field in ["annotations", "labels"] {
                if let Some(Value::Object(entries)) = more.pointer(&format!("/metadata/{field}")) {
                    let all = &mut patch["metadata"][field];
                    match all {
                        Value::Object(all) => all.extend(entries.clone()),
                        _ => *all = Value::Object(entries.clone()),
                    }
                }
            }
            actions.extend(step.actions);
        } else {
            plan.push(step);
        }
    }
    plan
}

#[cfg(test)]
mod tests;
