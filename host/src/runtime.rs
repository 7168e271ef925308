//! From an event to a reply: compiled components, their instances, and the one way to call them.
//!
//! Promises: a call ends by its deadline, whatever the guest does; what a guest can make the host hold is bounded; after any
//! failure the instance is thrown away; nothing of the outside world is reachable but what [`Invocation`] and [`Reads`] carry.

mod abi;
mod compile;
mod component;
mod engine;
mod imports;
mod instance;
mod logs;
mod metrics;
mod pool;
mod rate;
mod state;
#[cfg(test)]
mod tests;
mod wasi;

pub use component::{Component, Footprint, LoadError};
pub use engine::{Engine, EngineError, EngineSettings, MAX_MEMORY};
pub use logs::{LINE_BYTES, LogSink, STDERR_BYTES, to_tracing};
pub use metrics::RuntimeMetrics;
pub use pool::Handler;
pub use rate::LogRate;

use crate::contract::{self, Action, Event};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;

/// One call.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What the handler is asked.
    pub event: Event,
    /// As much of the event's own object as its watch keeps, as JSON; what `subject.get` answers from.
    pub subject: Bytes,
}

/// What a handler answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// In the handler's order.
    pub actions: Vec<Action>,
}

/// A call that brought no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallFailure {
    /// What kind of ending it was.
    pub kind: FailureKind,
    /// For people: the guest's words are quoted as the guest's, and cut.
    pub message: String,
    /// What the call wrote to stderr, cut; a language's traceback stands here. Empty if nothing.
    pub stderr: String,
}

/// How a call without a reply ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// The handler returned an error.
    Answered(contract::Failure),
    /// It trapped.
    Trapped,
    /// It did not end by its deadline.
    TimedOut,
    /// It wanted more memory than its limit.
    OutOfMemory,
    /// Its reply was larger than its limits: bytes or actions.
    ReplyTooLarge,
    /// It called host functions too often or read too much.
    TooManyReads,
    /// It could not be instantiated, or its reply broke the contract.
    Broken,
}

/// Calls a handler: a component in production, a script in tests.
pub trait Invoke: Send + Sync {
    /// Calls once. The future may be dropped at any time; the call then ends, and its instance is thrown away.
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, CallFailure>>;
}

/// What `cluster.get` and `cluster.list-page` answer from: functions over the informers' caches, given by whoever wires the
/// host. They decide what is declared and granted, answer at once, and never send a request.
#[derive(Clone)]
pub struct Reads {
    /// `cluster.get`: the object as JSON, or none.
    pub get: Ask<contract::ObjectRef, Option<String>>,
    /// `cluster.list-page`.
    pub list: Ask<contract::Query, contract::Page>,
}

/// A question that is answered at once, from memory.
pub type Ask<Question, Answer> = Arc<dyn Fn(&Question) -> Result<Answer, contract::ReadError> + Send + Sync>;
