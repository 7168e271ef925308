//! One live instance of a component: how it is called, and how a call that did not end well is told.
//!
//! Promises: a call, start code and host functions included, ends by its deadline; after [`Instance::call`] returned anything
//! but an answer of the guest, the instance must not be called again, and [`Instance::worn`] says so. Dropping a call's
//! future ends the guest where it is.
//!
//! The deadline is kept twice, because either way alone leaves a gap: by epochs, which stop a guest that computes, whatever
//! tokio's clock does, and tell where it was; and by tokio's clock, which ends a call that waits in a host function.

use super::{
    abi::v0_1::{Live, Ready},
    compile::too_many,
    engine::{STACK, TICK},
    imports::{Call, Exceeded},
    logs::{Written, cut},
    state::{HANDLES, Refused, Setup, State, TABLE_ELEMENTS},
};
use crate::{
    contract::Failure,
    handler::manifest::limit::Limit,
    runtime::{CallFailure, FailureKind, Invocation, Reply},
};
use std::{sync::Arc, time::Duration};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace, component::ResourceTableError};
use wasmtime_wasi::I32Exit;

/// How much of a guest's or wasmtime's words a failure carries.
const MESSAGE_BYTES: usize = 4 << 10;

/// How many of a trap's frames a failure names.
const FRAMES: usize = 6;

/// How long the clock waits for the epochs, which can say more.
const GRACE: Duration = TICK.saturating_mul(4);

/// One instance and its store.
pub(super) struct Instance {
    store: Store<State>,
    ready: Arc<Ready>,
    /// None before the first call.
    live: Option<Live>,
    /// Bytes held when it had just started.
    initial: u64,
    calls: u32,
    broken: bool,
    /// What the last call wanted to log beyond its budget.
    pub(super) log_bytes_dropped: u64,
    /// The bounds that the last call met, each once.
    pub(super) hits: Vec<Limit>,
}

/// How a call to a guest ended, before it is told.
enum Ending<T> {
    Returned(T),
    Failed(wasmtime::Error),
    Late,
}

impl Instance {
    /// Nothing of the guest runs yet.
    pub(super) fn new(engine: &wasmtime::Engine, ready: Arc<Ready>, setup: Arc<Setup>) -> Instance {
        let reply_bytes = setup.limits.reply_bytes;
        let mut store = Store::new(engine, State::new(setup));
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(reply_bytes);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            match state.ticks.checked_sub(1) {
                Some(left) => {
                    state.ticks = left;
                    // A yield of wasmtime's own would starve tokio's other tasks.
                    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
                }
                None => Ok(UpdateDeadline::Interrupt),
            }
        });
        Instance {
            store,
            ready,
            live: None,
            initial: 0,
            calls: 0,
            broken: false,
            log_bytes_dropped: 0,
            hits: Vec::new(),
        }
    }

    /// Calls `handler.handle` once.
    pub(super) async fn call(&mut self, invocation: Invocation) -> Result<Reply, CallFailure> {
        let limits = &self.setup().limits;
        let (time, most) = (limits.time, limits.actions);
        let call = Call::new(invocation.subject, limits);
        let event = invocation.event;
        let ending = self.run(call, time, async |live, store| live.handle(store, &event).await).await;
        match self.settle(ending, time)? {
            Ok(actions) if actions.len() > most => {
                self.broken = true;
                self.hit(Limit::Actions);
                Err(self.end(
                    FailureKind::ReplyTooLarge,
                    format!("the reply has {} actions, limits.actions allows {most}", actions.len()),
                ))
            }
            Ok(actions) => {
                self.ended_well();
                Ok(Reply { actions })
            }
            // An answer like any other: the instance is sound. What stderr says about it goes along.
            Err(failure) => {
                let failure = shorten(failure);
                let message = format!("the handler answered: {}", failure.reason());
                Err(self.end(FailureKind::Answered(failure), message))
            }
        }
    }

    /// Calls `handler.describe` once. The inner error is the guest's own.
    pub(super) async fn describe(&mut self, time: Duration) -> Result<Result<String, String>, CallFailure> {
        let call = Call::without_event(&self.setup().limits);
        let ending = self.run(call, time, async |live, store| live.describe(store).await).await;
        let described = self.settle(ending, time)?;
        self.ended_well();
        Ok(described.map_err(|text| cut(&text, MESSAGE_BYTES).to_owned()))
    }

    /// Starts the guest without calling it, so that what cannot start is known before it is needed.
    pub(super) async fn start(&mut self) -> Result<(), CallFailure> {
        let limits = &self.setup().limits;
        let (time, call) = (limits.time, Call::without_event(limits));
        let ending = self.run(call, time, async |_, _| Ok(())).await;
        self.settle(ending, time)?;
        self.ended_well();
        Ok(())
    }

    /// Why it should not be called again, if so.
    pub(super) fn worn(&self) -> Option<&'static str> {
        let limits = &self.setup().limits;
        // Guests grow and never shrink. The mark leaves room for one more call like those so far, and does not hold a big
        // beginning against a guest.
        let room = limits.memory.saturating_sub(self.initial);
        if self.broken {
            Some("error")
        } else if self.calls >= limits.calls_per_instance {
            Some("calls")
        } else if self.memory() > self.initial && self.memory() - self.initial > room / 4 * 3 {
            Some("memory")
        } else {
            None
        }
    }

    /// Bytes of its memories and tables.
    pub(super) fn memory(&self) -> u64 {
        self.store.data().memory.used
    }

    /// Of those, what it held when it had just started.
    pub(super) fn initial(&self) -> u64 {
        self.initial
    }

    fn setup(&self) -> &Setup {
        &self.store.data().setup
    }

    async fn run<T>(
        &mut self,
        call: Call,
        time: Duration,
        work: impl AsyncFnOnce(&Live, &mut Store<State>) -> wasmtime::Result<T> + Send,
    ) -> Ending<T> {
        self.calls = self.calls.saturating_add(1);
        self.hits.clear();
        // Should this future be dropped, nobody says how the call ended.
        self.broken = true;
        self.store.data_mut().begin(call, time, TICK);
        self.store.set_epoch_deadline(1);
        let Instance { store, ready, live, initial, .. } = self;
        let called = async {
            let live = match live {
                Some(live) => live,
                None => {
                    let started = ready.instantiate(store).await?;
                    *initial = store.data().memory.used;
                    live.insert(started)
                }
            };
            work(live, store).await
        };
        match tokio::time::timeout(time.saturating_add(GRACE), called).await {
            Ok(Ok(value)) => {
                self.broken = false;
                Ending::Returned(value)
            }
            Ok(Err(error)) => Ending::Failed(error),
            Err(_) => Ending::Late,
        }
    }

    /// Tells an ending that brought no value.
    fn settle<T>(&mut self, ending: Ending<T>, time: Duration) -> Result<T, CallFailure> {
        let (kind, hit, message) = match ending {
            Ending::Returned(value) => return Ok(value),
            Ending::Late => (FailureKind::TimedOut, Some(Limit::Time), late(time, None)),
            Ending::Failed(error) => self.diagnose(&error, time),
        };
        if let Some(hit) = hit {
            self.hit(hit);
        }
        Err(self.end(kind, message))
    }

    /// What kind of ending it was, which bound it met if any, and what to say of it.
    fn diagnose(&self, error: &wasmtime::Error, time: Duration) -> (FailureKind, Option<Limit>, String) {
        let during = if self.live.is_some() { "" } else { " while starting" };
        let at = trail(error);
        if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
            return (FailureKind::TooManyReads, Some(exceeded.limit()), exceeded.to_string());
        }
        if let Some(Trap::Interrupt) = error.downcast_ref() {
            return (FailureKind::TimedOut, Some(Limit::Time), late(time, at));
        }
        // The error's type is private to wasmtime; a test holds its words.
        if error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted") {
            let bytes = self.setup().limits.reply_bytes;
            return match error.downcast_ref::<WasmBacktrace>() {
                None => (
                    FailureKind::ReplyTooLarge,
                    Some(Limit::ReplyBytes),
                    format!("the reply is larger than limits.replyBytes, {bytes} bytes in the host's memory"),
                ),
                Some(_) => (
                    FailureKind::Trapped,
                    Some(Limit::ReplyBytes),
                    format!("it gave a host function more than limits.replyBytes, {bytes} bytes{}", found(at)),
                ),
            };
        }
        if error.is::<ResourceTableError>() || error.root_cause().to_string().contains("store handle limit exceeded") {
            let text = format!("it held more than {HANDLES} handles{during}{}", found(at));
            return (FailureKind::Trapped, Some(Limit::Handles), text);
        }
        if let Some(Trap::StackOverflow) = error.downcast_ref() {
            let text = format!("it trapped{during}: call stack exhausted, it has {STACK} bytes{}", found(at));
            return (FailureKind::Trapped, Some(Limit::Stack), text);
        }
        if let Some(refused) = self.store.data().memory.refused {
            let wanted = match refused {
                Refused::Bound(Limit::TableElements) => {
                    format!("larger tables than a handler may have, {TABLE_ELEMENTS} elements")
                }
                Refused::Bound(_) => format!("more memory than limits.memory, {} bytes", self.setup().limits.memory),
                Refused::Declared => "more memory than it declared for itself".to_owned(),
                Refused::System => "more memory than the system has left".to_owned(),
            };
            // The bound was counted as the growth was refused, which need not have led to a failure.
            return (FailureKind::OutOfMemory, None, format!("it wanted {wanted}{during}{}", found(at)));
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            let trap = trap.to_string();
            let trap = trap.strip_prefix("wasm trap: ").unwrap_or(&trap);
            return (FailureKind::Trapped, None, format!("it trapped{during}: {trap}{}", found(at)));
        }
        if let Some(I32Exit(code)) = error.downcast_ref() {
            let text = format!("it called exit({code}){during} instead of answering{}", found(at));
            return (FailureKind::Trapped, None, text);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            let text = "there is no room for another instance: all that the engine may have are in use or kept warm";
            return (FailureKind::Broken, Some(Limit::Instances), text.to_owned());
        }
        let text = format!("{error:#}");
        if let Some((limit, has)) = too_many(&text) {
            return (FailureKind::Broken, Some(limit), format!("it has {has}"));
        }
        // A backtrace fills lines with addresses; the functions that it knows by name are in `at`.
        let (kind, text) = match error.is::<WasmBacktrace>() {
            true => (FailureKind::Trapped, error.root_cause().to_string()),
            false => (FailureKind::Broken, text),
        };
        (kind, None, format!("it broke{during}: {}{}", cut(&text, MESSAGE_BYTES), found(at)))
    }

    fn ended_well(&mut self) {
        let written = self.store.data().output.end(false);
        self.note(&written);
    }

    fn end(&mut self, kind: FailureKind, message: String) -> CallFailure {
        let written = self.store.data().output.end(true);
        self.note(&written);
        CallFailure { kind, message, stderr: written.stderr }
    }

    /// Notes the bounds that a call may meet without failing.
    fn note(&mut self, written: &Written) {
        self.log_bytes_dropped = written.dropped;
        let refused = match self.store.data().memory.refused {
            Some(Refused::Bound(limit)) => Some(limit),
            _ => None,
        };
        let met = [
            (written.dropped > 0).then_some(Limit::LogBytes),
            written.line_cut.then_some(Limit::LineBytes),
            written.stderr_cut.then_some(Limit::StderrBytes),
            refused,
        ];
        met.into_iter().flatten().for_each(|limit| self.hit(limit));
    }

    fn hit(&mut self, limit: Limit) {
        if !self.hits.contains(&limit) {
            self.hits.push(limit);
        }
    }
}

fn late(time: Duration, at: Option<String>) -> String {
    format!("it did not end within limits.time, {time:?}{}", found(at))
}

fn found(at: Option<String>) -> String {
    at.map(|at| format!(" (in {at})")).unwrap_or_default()
}

/// The innermost functions, as far as the component names them.
fn trail(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let names: Vec<&str> = frames.iter().take(FRAMES).filter_map(|frame| frame.func_name()).collect();
    (!names.is_empty()).then(|| cut(&names.join(" < "), MESSAGE_BYTES).to_owned())
}

/// A guest's words, no longer than a log line should be.
fn shorten(failure: Failure) -> Failure {
    let short = |text: String| cut(&text, MESSAGE_BYTES).to_owned();
    match failure {
        Failure::Retry(reason) => Failure::Retry(short(reason)),
        Failure::RetryLater { after_ms, reason } => Failure::RetryLater { after_ms, reason: short(reason) },
        Failure::Permanent(reason) => Failure::Permanent(short(reason)),
    }
}
