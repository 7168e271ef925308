//! What crosses between weir and a handler, as weir's own words.
//!
//! These are the contract's types for everything outside `runtime/abi`: generated binding types never leave that file, so a
//! new contract version changes one adapter and nothing else. Plain data, no behaviour beyond naming and printing; field
//! documentation is the WIT's (`wit/v0.1/weir.wit`) and is not repeated here.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a handler is called. See the WIT's `change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Existed when the handler first saw the cluster.
    Initial,
    /// Was created since.
    Added,
    /// Differs from the state last handed over, or that call did not end well.
    Updated,
    /// Something mapped to this object changed.
    Related,
    /// Is being deleted and waits for this handler.
    Finalizing,
    /// Exists, but no longer matches the watch's selectors.
    Left,
    /// Is gone.
    Deleted,
    /// The watch's period came round.
    Resync,
    /// The handler asked for this call.
    Requeued,
}

impl Change {
    /// The name used in manifests, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Change::Initial => "initial",
            Change::Added => "added",
            Change::Updated => "updated",
            Change::Related => "related",
            Change::Finalizing => "finalizing",
            Change::Left => "left",
            Change::Deleted => "deleted",
            Change::Resync => "resync",
            Change::Requeued => "requeued",
        }
    }

    /// Whether the object is, for this handler, no more: nothing is held, timed or retried on its new states.
    pub fn is_ending(self) -> bool {
        matches!(self, Change::Left | Change::Deleted)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one object of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, `Deployment`, …
    pub kind: String,
    /// None for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One call's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Why the handler is called.
    pub change: Change,
    /// The watch that matched, as the manifest names it.
    pub watch: String,
    /// Which object.
    pub key: ObjectRef,
    /// The object's uid.
    pub uid: String,
    /// The object's resourceVersion, opaque.
    pub resource_version: String,
    /// The object as JSON, cut down to what the watch declared.
    pub object: String,
    /// The state last acknowledged, in the same projection.
    pub previous: Option<String>,
    /// The deletion itself was not observed.
    pub final_state_unknown: bool,
    /// 1 on the first call for this change.
    pub attempt: u32,
    /// Room to grow.
    pub extra: Vec<(String, String)>,
}

/// The format of a [`Patch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchFormat {
    /// RFC 6902.
    JsonPatch,
    /// RFC 7386.
    Merge,
    /// Built-in kinds only.
    Strategic,
}

/// See the WIT's `patch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// None: the event's own object.
    pub target: Option<ObjectRef>,
    /// Only if the object still has this uid.
    pub uid: Option<String>,
    /// `status`, `scale`, …
    pub subresource: Option<String>,
    /// How to read `body`.
    pub format: PatchFormat,
    /// The patch, as JSON.
    pub body: String,
}

/// See the WIT's `apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// JSON or YAML of one object.
    pub manifest: String,
    /// `status`, …
    pub subresource: Option<String>,
    /// Appended to the handler's field manager.
    pub manager: Option<String>,
    /// Take fields over from other managers.
    pub force: bool,
}

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Dependents go after it.
    Background,
    /// Dependents go before it.
    Foreground,
    /// Dependents stay.
    Orphan,
}

/// See the WIT's `deletion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// None: the event's own object.
    pub target: Option<ObjectRef>,
    /// Only if the object still has this uid.
    pub uid: Option<String>,
    /// Seconds.
    pub grace_period_seconds: Option<u32>,
    /// None: the server's default for the kind.
    pub propagation: Option<Propagation>,
}

/// The type of a Kubernetes Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// A Kubernetes Event to record. See the WIT's `note`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// None: the event's own object.
    pub regarding: Option<ObjectRef>,
    /// Normal or Warning.
    pub severity: Severity,
    /// CamelCase, at most 128 bytes.
    pub reason: String,
    /// At most 1024 bytes; longer is cut.
    pub message: String,
}

/// A log level, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// `TRACE`.
    Trace,
    /// `DEBUG`.
    Debug,
    /// `INFO`.
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`.
    Error,
}

/// One log line of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// What happened.
    pub message: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// A request to send. See the WIT's `http-request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Must be granted.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// None: made by the host.
    pub idempotency_key: Option<String>,
}

/// What should happen. See the WIT's `action`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Sets or, without a value, removes annotations of the event's own object.
    Annotate(Vec<(String, Option<String>)>),
    /// The same for labels.
    Label(Vec<(String, Option<String>)>),
    /// Merges this JSON into the status of the event's own object.
    SetStatus(String),
    /// Patches one object.
    Patch(Patch),
    /// Server-side apply.
    Apply(Apply),
    /// Creates the object of this manifest unless it exists.
    Create(String),
    /// Deletes one object.
    Delete(Deletion),
    /// Records a Kubernetes Event.
    Emit(Note),
    /// Writes a log line.
    Log(LogLine),
    /// Sends a request.
    Http(HttpRequest),
    /// Call again for this object after so many milliseconds.
    RequeueAfter(u32),
    /// Carry out the others, then count the call as failed.
    Fail(Failure),
    /// Something a later host understands: a name and JSON.
    Extension(String, String),
}

impl Action {
    /// The name used in grants, logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Annotate(_) => "annotate",
            Action::Label(_) => "label",
            Action::SetStatus(_) => "set-status",
            Action::Patch(_) => "patch",
            Action::Apply(_) => "apply",
            Action::Create(_) => "create",
            Action::Delete(_) => "delete",
            Action::Emit(_) => "emit",
            Action::Log(_) => "log",
            Action::Http(_) => "http",
            Action::RequeueAfter(_) => "requeue-after-ms",
            Action::Fail(_) => "fail",
            Action::Extension(..) => "extension",
        }
    }
}

/// How a handler says that it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Try again with backoff.
    Retry(String),
    /// Try again after so many milliseconds; counted.
    RetryLater {
        /// Milliseconds.
        after_ms: u32,
        /// What was wrong.
        reason: String,
    },
    /// Trying again cannot help.
    Permanent(String),
}

impl Failure {
    /// The handler's own words.
    pub fn reason(&self) -> &str {
        match self {
            Failure::Retry(reason) | Failure::Permanent(reason) | Failure::RetryLater { reason, .. } => reason,
        }
    }
}

/// Why a read was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not declared, not granted, or not kept by this watch; the text says what to add.
    #[error("{0}")]
    Denied(String),
    /// The question itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// A question to `cluster.list-page`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Pod`, …
    pub kind: String,
    /// None: all namespaces.
    pub namespace: Option<String>,
    /// Kubernetes' label selector syntax; empty selects all.
    pub label_selector: String,
    /// Kubernetes' field selector syntax; empty selects all.
    pub field_selector: String,
    /// At most so many a page; 0 takes the default, 500.
    pub limit: u32,
    /// Where the last page ended.
    pub continue_token: Option<String>,
}

/// One page of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Objects as JSON.
    pub items: Vec<String>,
    /// Present if there are more.
    pub continue_token: Option<String>,
}
