//! The words between the machine and whoever carries out what it says: what happened, what to do, and why.
//!
//! Plain data. Nothing in here decides anything.

use std::time::Duration;
use tokio::time::Instant;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::watch) enum Input {
    /// Discovery knows the kind.
    Served,
    /// Discovery does not know it; `confirmed` if its definition is known to be gone.
    NotServed { confirmed: bool },
    /// A page of a list came. Asked again before its objects are used: see [`Machine::accepts`].
    Page { resource_version: String, token: Option<String> },
    /// A watch was accepted.
    Opened,
    /// A change of an object came.
    Change { resource_version: String },
    /// A bookmark came.
    Bookmark { resource_version: String, ends_list: bool },
    /// The watch was closed or cut.
    Ended,
    /// Nothing came for as long as [`Step::Read`] said.
    Silent,
    /// A request, or the stream, was refused.
    Failed { trouble: Trouble, in_stream: bool, retry_after: Option<Duration> },
    /// A wait is over.
    Woke,
    /// A definition of a kind changed while a kind was waited for.
    DefinitionsChanged,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::watch) enum Trouble {
    /// 410, Expired, Gone.
    Gone,
    /// 403.
    Forbidden,
    /// 404.
    Missing,
    /// 400, 405, 422: the request itself is not to the server's liking.
    Refused,
    /// Anything else: no answer, 429, 5xx, something unreadable.
    Other,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::watch) enum Step {
    /// Ask discovery for the kind.
    Resolve,
    /// Wait for a definition to appear, at most so long.
    AwaitKind(Duration),
    /// Ask for a page; not `limited`: for everything at once.
    Page { token: Option<String>, limited: bool },
    /// Begin a watch; without a version, a streaming list.
    Open { from: Option<String>, timeout: Duration },
    /// Read on, at most until then.
    Read(Instant),
    /// Wait.
    Pause(Duration),
}

/// What to do at once, before the next step.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::watch) enum Effect {
    /// A list begins: forget which objects the last one had.
    BeginList(Relist),
    /// The list is complete at this version: what it lacks is gone.
    Complete(String),
    /// Everything up to this version is known.
    Advance(String),
    /// The definition is gone, and all objects with it: those of an earlier process too, if nothing was listed yet.
    KindGone,
    /// Discovery promised a path that is not there.
    ForgetKind,
    /// The server does not do streaming lists.
    NoStreaming,
    /// Take the next list as it is, even if it goes back.
    WentBack,
    /// A watch is opened again.
    Restart,
}

/// Why a list is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::watch) enum Relist {
    /// Nothing is known yet.
    First,
    /// The version known is too old to watch from.
    Gone,
    /// A continue token expired.
    Expired,
    /// The watch was refused outright.
    Refused,
    /// The kind was away.
    Kind,
    /// A streaming list did not work.
    Fallback,
    /// A streaming list broke off.
    Retry,
    /// The list was older than what is known.
    Stale,
}

impl Relist {
    /// The name in metrics.
    pub(in crate::watch) fn name(self) -> &'static str {
        match self {
            Relist::First => "first",
            Relist::Gone => "gone",
            Relist::Expired => "expired",
            Relist::Refused => "refused",
            Relist::Kind => "kind",
            Relist::Fallback => "fallback",
            Relist::Retry => "retry",
            Relist::Stale => "stale",
        }
    }
}
