//! What a handler may ask in a call: `subject`, `cluster` and `host`, counted.
//!
//! Promises: every answer comes from memory, at once; the number of questions and the bytes read are bounded by
//! `limits.imports` and `limits.readBytes`, and a call that exceeds them ends. What is declared and granted is decided by
//! whoever gave [`Reads`](super::Reads), in one place for all versions of the contract. Log lines are not questions: they
//! have a budget of their own.

use super::state::State;
use crate::{
    contract::{ObjectRef, Page, Query, ReadError},
    handler::manifest::{Limits, limit::Limit},
};
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What this host adds to the contract's first version: nothing yet.
pub(super) const FEATURES: &[&str] = &["http"];

/// A call asked too much. Ends the call as a trap, and is told apart from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("it called host functions more than {0} times: raise limits.imports, or read several pointers at once")]
    Imports(u32),
    #[error("it read more than {0} bytes: raise limits.readBytes, or declare fewer fields")]
    Bytes(usize),
}

impl Exceeded {
    pub(super) fn limit(self) -> Limit {
        match self {
            Exceeded::Imports(_) => Limit::Imports,
            Exceeded::Bytes(_) => Limit::ReadBytes,
        }
    }
}

/// The call an instance is in.
pub(super) struct Call {
    /// None in `describe` and while starting.
    subject: Option<Bytes>,
    /// The subject as a tree, made on the first question: later ones cost a walk, not a parse.
    tree: Option<Value>,
    imports: u32,
    max_imports: u32,
    read: usize,
    max_read: usize,
}

impl Call {
    pub(super) fn new(subject: Bytes, limits: &Limits) -> Call {
        Call { subject: Some(subject), ..Call::without_event(limits) }
    }

    pub(super) fn without_event(limits: &Limits) -> Call {
        Call {
            subject: None,
            tree: None,
            imports: 0,
            max_imports: limits.imports,
            read: 0,
            max_read: limits.read_bytes,
        }
    }

    fn question(&mut self) -> Result<(), Exceeded> {
        if self.imports == self.max_imports {
            return Err(Exceeded::Imports(self.max_imports));
        }
        self.imports += 1;
        Ok(())
    }

    fn hand_out(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.read = self.read.saturating_add(bytes);
        if self.read > self.max_read { Err(Exceeded::Bytes(self.max_read)) } else { Ok(()) }
    }

    fn subject(&mut self, pointer: &str) -> Result<Option<String>, ReadError> {
        let subject =
            self.subject.as_ref().ok_or_else(|| ReadError::Denied("there is no event to read from".into()))?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let pointer = super::logs::cut(pointer, 128);
            return Err(ReadError::Invalid(format!("{pointer:?} is not a JSON pointer: it has to begin with a slash")));
        }
        if self.tree.is_none() {
            let tree = serde_json::from_slice(subject)
                .map_err(|error| ReadError::Unavailable(format!("the object cannot be read: {error}")))?;
            self.tree = Some(tree);
        }
        Ok(self.tree.as_ref().and_then(|tree| tree.pointer(pointer)).map(Value::to_string))
    }
}

impl State {
    pub(super) fn subject_get(&mut self, pointer: &str) -> Result<Result<Option<String>, ReadError>, Exceeded> {
        self.call.question()?;
        let found = self.call.subject(pointer);
        self.call.hand_out(found.as_ref().map_or(0, |text| text.as_ref().map_or(0, String::len)))?;
        Ok(found)
    }

    pub(super) fn subject_get_many(
        &mut self,
        pointers: &[String],
    ) -> Result<Result<Vec<Option<String>>, ReadError>, Exceeded> {
        self.call.question()?;
        let mut found = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            match self.call.subject(pointer) {
                Ok(text) => {
                    self.call.hand_out(text.as_ref().map_or(0, String::len))?;
                    found.push(text);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(found))
    }

    pub(super) fn cluster_get(&mut self, key: &ObjectRef) -> Result<Result<Option<String>, ReadError>, Exceeded> {
        self.call.question()?;
        let found = (self.setup.reads.get)(key);
        self.call.hand_out(found.as_ref().map_or(0, |text| text.as_ref().map_or(0, String::len)))?;
        Ok(found)
    }

    pub(super) fn cluster_list(&mut self, query: &Query) -> Result<Result<Page, ReadError>, Exceeded> {
        self.call.question()?;
        let found = (self.setup.reads.list)(query);
        self.call.hand_out(found.as_ref().map_or(0, |page| page.items.iter().map(String::len).sum()))?;
        Ok(found)
    }

    pub(super) fn settings(&mut self) -> Result<String, Exceeded> {
        self.call.question()?;
        self.call.hand_out(self.setup.settings.len())?;
        Ok(self.setup.settings.clone())
    }

    pub(super) fn now_ms(&mut self) -> Result<f64, Exceeded> {
        self.call.question()?;
        // A clock before 1970 is a machine's mistake, not a reason to fail a call.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok((now.as_secs() * 1000 + u64::from(now.subsec_millis())) as f64)
    }

    pub(super) fn features(&mut self) -> Result<Vec<String>, Exceeded> {
        self.call.question()?;
        Ok(FEATURES.iter().map(|name| (*name).to_owned()).collect())
    }
}
