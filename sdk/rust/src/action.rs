//! What should happen, as values.
//!
//! [`Actions`] is a list with one method per action of the contract; the types beside it are the actions that take more than a
//! name and a value. Nothing is checked here: what is not granted, or wrong, the host refuses with the reason.

use crate::{Error, ObjectKey};
use serde_json::Value;
use std::{fmt::Display, time::Duration};

mod contract;

/// What a handler answers: actions, carried out in order, stopping at the first that fails.
///
/// Put the action that records "done" last: after a crash all of them are carried out again.
///
/// ```
/// # use weir_sdk::{Actions, Note};
/// # use std::time::Duration;
/// Actions::new()
///     .emit(Note::warning("DiskFull", "only 3 % left"))
///     .annotate("example.com/disk", "full")
///     .requeue_after(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// Nothing to do. An answer without actions acknowledges the event.
    pub fn new() -> Self {
        Actions::default()
    }

    /// Adds any action.
    #[must_use]
    pub fn and(mut self, action: Action) -> Self {
        self.0.push(action);
        self
    }

    /// Sets one annotation of the event's own object. Others are left alone; neighbouring ones become one request.
    #[must_use]
    pub fn annotate(self, key: impl Into<String>, value: impl Display) -> Self {
        self.and(Action::Annotate(vec![(key.into(), Some(value.to_string()))]))
    }

    /// Removes one annotation of the event's own object.
    #[must_use]
    pub fn remove_annotation(self, key: impl Into<String>) -> Self {
        self.and(Action::Annotate(vec![(key.into(), None)]))
    }

    /// Sets one label of the event's own object. Others are left alone; neighbouring ones become one request.
    #[must_use]
    pub fn label(self, key: impl Into<String>, value: impl Display) -> Self {
        self.and(Action::Label(vec![(key.into(), Some(value.to_string()))]))
    }

    /// Removes one label of the event's own object.
    #[must_use]
    pub fn remove_label(self, key: impl Into<String>) -> Self {
        self.and(Action::Label(vec![(key.into(), None)]))
    }

    /// Merges `status` into the status of the event's own object. Arrays, so conditions too, are replaced whole.
    #[must_use]
    pub fn set_status(self, status: &Value) -> Self {
        self.and(Action::SetStatus(status.to_string()))
    }

    /// Patches one object.
    #[must_use]
    pub fn patch(self, patch: Patch) -> Self {
        self.and(Action::Patch(patch))
    }

    /// Applies one object, server side.
    #[must_use]
    pub fn apply(self, apply: Apply) -> Self {
        self.and(Action::Apply(apply))
    }

    /// Creates an object unless it exists. JSON; [`Action::Create`] takes YAML too. Needs `metadata.name`.
    #[must_use]
    pub fn create(self, object: &Value) -> Self {
        self.and(Action::Create(object.to_string()))
    }

    /// Deletes one object; done if it is already gone.
    #[must_use]
    pub fn delete(self, deletion: Deletion) -> Self {
        self.and(Action::Delete(deletion))
    }

    /// Records a Kubernetes Event.
    #[must_use]
    pub fn emit(self, note: Note) -> Self {
        self.and(Action::Emit(note))
    }

    /// Writes a log line when the actions before it were carried out. [`log`](crate::log) writes at once.
    #[must_use]
    pub fn log(self, line: LogLine) -> Self {
        self.and(Action::Log(line))
    }

    /// Sends a request to a granted URL.
    #[must_use]
    pub fn http(self, request: HttpRequest) -> Self {
        self.and(Action::Http(request))
    }

    /// Asks to be called again for this object after `wait` (whole milliseconds, at most about 24 days; the host has a floor).
    /// Each answer replaces the object's timer, one without it clears it.
    #[must_use]
    pub fn requeue_after(self, wait: Duration) -> Self {
        self.and(Action::RequeueAfter(wait))
    }

    /// Carries out the other actions, then counts this call as failed: say "not ready" in the status *and* try again.
    #[must_use]
    pub fn fail(self, error: impl Into<Error>) -> Self {
        self.and(Action::Fail(error.into()))
    }

    /// The actions so far.
    pub fn as_slice(&self) -> &[Action] {
        &self.0
    }
}

impl From<Vec<Action>> for Actions {
    fn from(actions: Vec<Action>) -> Self {
        Actions(actions)
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Actions(actions.into_iter().collect())
    }
}

impl Extend<Action> for Actions {
    fn extend<I: IntoIterator<Item = Action>>(&mut self, actions: I) {
        self.0.extend(actions);
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::vec::IntoIter<Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// One thing that should happen. [`Actions`] has a method for each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Sets annotations of the event's own object; none removes.
    Annotate(Vec<(String, Option<String>)>),
    /// Sets labels of the event's own object; none removes.
    Label(Vec<(String, Option<String>)>),
    /// Merges this JSON into the status of the event's own object.
    SetStatus(String),
    /// Patches one object.
    Patch(Patch),
    /// Applies one object, server side.
    Apply(Apply),
    /// Creates the object of this manifest, JSON or YAML, unless it exists.
    Create(String),
    /// Deletes one object.
    Delete(Deletion),
    /// Records a Kubernetes Event.
    Emit(Note),
    /// Writes a log line.
    Log(LogLine),
    /// Sends a request.
    Http(HttpRequest),
    /// Asks to be called again.
    RequeueAfter(Duration),
    /// Counts the call as failed once the other actions were carried out.
    Fail(Error),
    /// Something a later host understands: a name from [`host::features`](crate::host::features), and JSON.
    Extension {
        /// The feature's name.
        name: String,
        /// What it takes, as JSON.
        payload: String,
    },
}

/// How the body of a [`Patch`] is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFormat {
    /// RFC 6902. A leading `test` makes it conditional: if it does not hold, the handler is called with the newest state.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own; built-in kinds only.
    Strategic,
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// None: the event's own object.
    pub target: Option<ObjectKey>,
    /// Only if the object still has this uid. Implied for the event's own object.
    pub uid: Option<String>,
    /// `status`, `scale`, …; none: the object itself.
    pub subresource: Option<String>,
    /// How to read `body`.
    pub format: PatchFormat,
    /// The patch as JSON.
    pub body: String,
}

impl Patch {
    /// RFC 6902 on the event's own object.
    pub fn json(operations: &Value) -> Self {
        Patch::own(PatchFormat::Json, operations)
    }

    /// RFC 7386 on the event's own object.
    pub fn merge(change: &Value) -> Self {
        Patch::own(PatchFormat::Merge, change)
    }

    /// A strategic merge patch on the event's own object.
    pub fn strategic(change: &Value) -> Self {
        Patch::own(PatchFormat::Strategic, change)
    }

    /// The same patch on another object.
    #[must_use]
    pub fn on(mut self, target: ObjectKey) -> Self {
        self.target = Some(target);
        self
    }

    fn own(format: PatchFormat, body: &Value) -> Self {
        Patch { target: None, uid: None, subresource: None, format, body: body.to_string() }
    }
}

/// Server-side apply under the handler's own field manager.
///
/// An apply owns exactly what it names: what an earlier one under the same manager named and this one does not is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apply {
    /// JSON or YAML of one object, with apiVersion, kind and metadata.name.
    pub manifest: String,
    /// `status`, …; none: the object itself.
    pub subresource: Option<String>,
    /// Appended to the handler's field manager. Use one for each set of fields applied to an object.
    pub manager: Option<String>,
    /// Take fields over from other managers. Needs a grant of its own.
    pub force: bool,
}

impl Apply {
    /// Applies this object.
    pub fn object(object: &Value) -> Self {
        Apply { manifest: object.to_string(), ..Apply::default() }
    }
}

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents go after it.
    Background,
    /// Dependents go before it.
    Foreground,
    /// Dependents stay.
    Orphan,
}

/// A deletion. The default deletes the event's own object as the API server does by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// None: the event's own object.
    pub target: Option<ObjectKey>,
    /// Only if the object still has this uid. Implied for the event's own object.
    pub uid: Option<String>,
    /// Seconds.
    pub grace_period_seconds: Option<u32>,
    /// None: the server's default for the kind.
    pub propagation: Option<Propagation>,
}

impl Deletion {
    /// Deletes another object than the event's.
    pub fn of(target: ObjectKey) -> Self {
        Deletion { target: Some(target), ..Deletion::default() }
    }
}

/// The type of a Kubernetes Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// A Kubernetes Event, as `kubectl describe` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// None: the event's own object.
    pub regarding: Option<ObjectKey>,
    /// Normal or Warning.
    pub severity: Severity,
    /// CamelCase, at most 128 bytes.
    pub reason: String,
    /// At most 1024 bytes; longer is cut.
    pub message: String,
}

impl Note {
    /// Something to know about the event's own object.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Note { regarding: None, severity: Severity::Normal, reason: reason.into(), message: message.into() }
    }

    /// Something wrong with the event's own object.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Note { severity: Severity::Warning, ..Note::normal(reason, message) }
    }
}

/// A log line written as an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: crate::log::Level,
    /// What happened: a fixed text.
    pub message: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// A request that weir sends for the handler. An answer other than 2xx fails the call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Must be granted.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// Sent as `Idempotency-Key`; none: the host makes one that stays the same on every try of the same change.
    pub idempotency_key: Option<String>,
}
