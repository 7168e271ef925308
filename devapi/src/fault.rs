//! Failures on demand, so that a test can show what a client does when the API misbehaves.
//!
//! A rule meets requests, not objects: the first rule that matches a request and has not used up its `times` decides what
//! happens to it. Without rules nothing here has any effect.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::request::Request;

/// Scripts failures of one [`DevApi`](crate::DevApi). Clones share the script.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    shared: Arc<Shared>,
}

/// One rule of the script.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Only requests with this method; `None` for any.
    pub method: Option<String>,
    /// Only requests whose path and query (`/api/v1/pods?limit=500`, not decoded) contain this; empty for any.
    pub path_contains: String,
    /// Only watches, or only what is no watch; `None` for both.
    pub watch: Option<bool>,
    /// How many requests it meets before it is used up. Zero meets none.
    pub times: u32,
    /// What happens to them.
    pub effect: Effect,
}

/// What happens to a request that a [`Fault`] meets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// It is not carried out, and answered with this `Status`.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The reason, such as `TooManyRequests`.
        reason: String,
        /// The message.
        message: String,
        /// Seconds for a `Retry-After` header and `details.retryAfterSeconds`.
        retry_after: Option<u32>,
    },
    /// Answered with HTTP 410 and reason `Expired`, as aggregated servers and proxies report an old resourceVersion.
    HttpGone,
    /// Answered with 200 and one `ERROR` event with code 410, as kube-apiserver reports an old resourceVersion to a watch.
    InStreamGone,
    /// Carried out after this time. Further rules are then looked at for the same request.
    Delay(Duration),
    /// Answered as it should be, but the body ends in an error after that many bytes, mid-line if it so happens.
    CutAfterBytes(usize),
    /// Not carried out, and the connection ends without an answer.
    DropConnection,
    /// Carried out, but the connection ends without an answer.
    CommitThenDrop,
    /// A watch is served as by a server that does not know `sendInitialEvents`: without the bookmark that ends them.
    IgnoreSendInitialEvents,
}

#[derive(Debug, Default)]
struct Shared {
    script: Mutex<Script>,
    // The prefixes under which watches are silent; open watches follow it.
    silent: watch::Sender<Vec<String>>,
}

#[derive(Debug, Default)]
struct Script {
    rules: Vec<Fault>,
    // Open watches by number: their path and how to cut them. A watch takes itself out when it ends.
    open: HashMap<u64, (String, CancellationToken)>,
    next: u64,
}

/// What the script has in store for one request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    pub(crate) effect: Option<Effect>,
}

/// An open watch's line to the script.
#[derive(Debug)]
pub(crate) struct WatchFaults {
    path: String,
    number: u64,
    cut: CancellationToken,
    silent: watch::Receiver<Vec<String>>,
    faults: Faults,
}

impl Faults {
    /// Adds a rule after those that are there.
    pub fn inject(&self, rule: Fault) {
        self.script().rules.push(rule);
    }

    /// Removes all rules, and lets silent watches speak again. What was cut stays cut.
    pub fn clear(&self) {
        self.script().rules.clear();
        self.shared.silent.send_replace(Vec::new());
    }

    /// Breaks every open watch whose path starts so: the body ends in an error. Later watches are not touched.
    pub fn cut_watches(&self, path_prefix: &str) {
        for (path, cut) in self.script().open.values() {
            if path.starts_with(path_prefix) {
                cut.cancel();
            }
        }
    }

    /// While on, open and later watches whose path starts so stay open and send nothing, not even bookmarks or their end.
    /// What they missed is sent when it is off again.
    pub fn silence_watches(&self, path_prefix: &str, on: bool) {
        self.shared.silent.send_modify(|prefixes| {
            prefixes.retain(|known| known != path_prefix);
            if on {
                prefixes.push(path_prefix.to_owned());
            }
        });
    }

    /// Uses up one turn of the rules that meet this request.
    pub(crate) fn judge(&self, request: &Request) -> Verdict {
        let mut verdict = Verdict::default();
        let mut script = self.script();
        for rule in &mut script.rules {
            if rule.times == 0 || !rule.meets(request) {
                continue;
            }
            rule.times -= 1;
            match &rule.effect {
                Effect::Delay(delay) => verdict.delay += *delay,
                other => {
                    verdict.effect = Some(other.clone());
                    break;
                }
            }
        }
        script.rules.retain(|rule| rule.times > 0);
        verdict
    }

    /// Registers a watch that is about to be served.
    pub(crate) fn open_watch(&self, path: &str) -> WatchFaults {
        let cut = CancellationToken::new();
        let mut script = self.script();
        let number = script.next;
        script.next += 1;
        script.open.insert(number, (path.to_owned(), cut.clone()));
        let silent = self.shared.silent.subscribe();
        WatchFaults { path: path.to_owned(), number, cut, silent, faults: self.clone() }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn meets(&self, request: &Request) -> bool {
        self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(request.method.as_str()))
            && self.watch.is_none_or(|watch| watch == request.is_watch())
            && (request.path.contains(&self.path_contains)
                || format!("{}?{}", request.path, request.query).contains(&self.path_contains))
    }
}

impl WatchFaults {
    /// Whether it has been cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Whether it has to be silent now.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.silent.borrow_and_update().iter().any(|prefix| self.path.starts_with(prefix))
    }

    /// Comes back when it has been cut, or may have to be silent where it was not, or the other way round.
    pub(crate) async fn changed(&mut self) {
        tokio::select! {
            () = self.cut.cancelled() => {}
            // The sender lives in `faults`, which this holds.
            _ = self.silent.changed() => {}
        }
    }
}

impl Drop for WatchFaults {
    fn drop(&mut self) {
        self.faults.script().open.remove(&self.number);
    }
}
