//! From a reply to API requests: grants, the plan, the requests, and what their answers mean.
//!
//! Promises: no request leaves before the grants allowed every action of the reply; a write to the event's own object never
//! hits another object of the same name; nothing is sent twice without the event having been computed anew; every answer of the API
//! becomes exactly one [`Class`].

mod answer;
mod bounds;
mod delivery;
mod event;
mod executor;
mod grants;
mod http;
mod metrics;
mod plan;
mod request;
mod send;
mod state;
mod syntax;
#[cfg(test)]
mod testing;
mod written;

pub use executor::{Executor, ExecutorDeps, Lines, Pace};
pub use http::{Outside, Secrets};
pub use metrics::ActionMetrics;
pub use written::{Field, MAX_POINTER_BYTES, MAX_WRITTEN_FIELDS, Written};

use crate::contract::{Action, Change, Failure, ObjectRef};
use crate::handler::manifest::Manifest;
use crate::kinds::Resource;
use bytes::Bytes;

/// The event's own object, as the actions are bound to it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its resource.
    pub resource: Resource,
    /// Its name.
    pub key: ObjectRef,
    /// The uid the handler was shown.
    pub uid: String,
    /// The resourceVersion the handler was shown.
    pub resource_version: String,
    /// Why the handler was called.
    pub change: Change,
    /// How many calls about this object were acknowledged before this one: part of the idempotency keys of its requests.
    pub counter: u64,
    /// The state as the cache has it, as JSON without managedFields; no-ops are dropped against it.
    pub state: Bytes,
}

/// Whether a reply would be carried out, as far as that can be said without asking the API.
///
/// # Errors
/// Why not; for a missing grant, the lines that would give it.
pub fn check(actions: &[Action], subject: &Subject, manifest: &Manifest) -> Result<(), String> {
    plan::plan(actions.to_vec(), subject, manifest).map(|_| ()).map_err(|refused| refused.message)
}

/// One write to the event's own object that the API answered.
#[derive(Debug, Clone)]
pub struct OwnWrite {
    /// The uid in the answer.
    pub uid: String,
    /// The resourceVersion in the answer.
    pub resource_version: String,
    /// The object in the answer, as JSON, managedFields included; none if the answer is not the object itself (a Status, a Scale).
    pub object: Option<Bytes>,
    /// Which echo rule holds.
    pub echo: Echo,
}

/// What may be taken as acknowledged after an own write (design §4, *Echo*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Echo {
    /// The write was guarded by resourceVersion: the answer is the acknowledged state.
    Guarded,
    /// annotate or label: the answer is, if it equals the state handed over with `patch` (a JSON merge patch) made.
    Merged(serde_json::Value),
    /// apply, or an answer that is not the object: the handler is called for the result.
    None,
}

/// What was carried out.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Writes to the event's own object, in order; no-ops that were dropped are not here. The last answer stands for all of
    /// them only if every one of them is an echo: one that is none may have brought along what the handler has not seen.
    pub own: Vec<OwnWrite>,
    /// The event's own object was deleted, or found to be gone. Not if it was only asked to go, and waits for its finalizers
    /// or its grace period: then the answer, with its deletionTimestamp, is in `own`.
    pub own_deleted: bool,
    /// How many effective writes were sent, to any object. Kubernetes Events are none, and neither is a write to the own
    /// object whose answer has the version last seen; of writes to other objects it cannot be told, and they count.
    pub writes: u32,
    /// What each of these wrote, in order. As many as `writes`.
    pub written: Vec<Written>,
    /// A request may have reached a server outside the cluster: from then on every failure of the call counts, so that nobody out there
    /// is asked without end.
    pub reached_outside: bool,
    /// `requeue-after-ms`, raised to the floor.
    pub requeue_after_ms: Option<u32>,
    /// A `fail` among the actions.
    pub fail: Option<Failure>,
}

/// An action that was not carried out. Those before it were; those after it were not.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// What it means for the key and the lane.
    pub class: Class,
    /// For people: which action on what, the server's or our words, and what to do.
    pub message: String,
    /// What was carried out before it.
    pub before: Applied,
}

/// What an answer means (design §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// The cache is behind: wait until it has caught up, then compute the event anew.
    Behind {
        /// Whether it counts towards the retry limit (a failed JSON-patch `test`).
        counted: bool,
        /// The resourceVersion the cache has to reach, where the answer told.
        at_least: Option<String>,
    },
    /// The handler's failure: counted, retried with backoff.
    Handler,
    /// The handler's failure, as above, of a request to a server outside the cluster; it says nothing about the API.
    Outside {
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// The key's: its own slow backoff, counted.
    Key,
    /// The world is away: not counted; the lane backs off, at least so many seconds if the server said so.
    World {
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// Trying again cannot help.
    Permanent,
}
