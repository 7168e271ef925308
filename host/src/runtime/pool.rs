//! A component as a handler: its instances, kept warm or made for one call.
//!
//! Promises: an instance serves one call at a time; it is kept only after a call that left it sound, at most one for each of
//! the handler's workers, and for at most `limits.idle`; with `instance: fresh` none is kept. A call that is dropped takes
//! its instance along.

use super::{
    abi::v0_1::Ready,
    engine::Engine,
    instance::Instance,
    logs::LogSink,
    metrics::{Ending, Of, Reason},
    state::Setup,
};
use crate::{
    handler::manifest::{self, Manifest, limit::Limit},
    runtime::{CallFailure, FailureKind, Invocation, Invoke, Reads, Reply},
};
use futures::{FutureExt, future::BoxFuture};
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// A handler that can be called: one component under one manifest.
pub struct Handler {
    engine: Engine,
    ready: Arc<Ready>,
    setup: Arc<Setup>,
    /// How many instances may be kept: 0 for `fresh`.
    keep: usize,
    /// The idle ones, the last used last; at most `keep`.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    held: Held,
    since: Instant,
}

/// An instance, counted as long as it lives.
struct Held {
    instance: Instance,
    _counted: Counted,
}

struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Handler {
    pub(super) fn new(
        engine: Engine,
        ready: Arc<Ready>,
        name: &str,
        manifest: &Manifest,
        reads: Reads,
        sink: LogSink,
    ) -> Arc<Handler> {
        let setup = Arc::new(Setup::new(name, manifest, reads, sink));
        let keep = match manifest.instance {
            manifest::Instance::Warm => manifest.workers,
            manifest::Instance::Fresh => 0,
        };
        let handler = Arc::new(Handler { engine, ready, setup, keep, idle: Mutex::new(Vec::new()) });
        handler.engine.0.adopt(&handler);
        handler
    }

    /// Starts one instance and keeps it, so that a handler that cannot start is known before it is published. With
    /// `instance: fresh` it only finds out.
    pub async fn warm(&self) -> Result<(), CallFailure> {
        let mut held = self.make();
        let started = held.instance.start().await;
        self.count_hits(&held.instance);
        self.give_back(held);
        started
    }

    /// How many instances are waiting for a call.
    pub fn idle(&self) -> usize {
        self.lock().len()
    }

    /// Drops the instances that have waited longer than `limits.idle`.
    pub(super) fn drop_idle(&self, now: Instant) {
        // Dropped after the lock: giving memory back takes a while.
        let late: Vec<Idle> = {
            let mut idle = self.lock();
            let kept = idle.iter().position(|one| now.saturating_duration_since(one.since) < self.setup.limits.idle);
            let late = kept.unwrap_or(idle.len());
            idle.drain(..late).collect()
        };
        for _ in late {
            self.count_dropped("idle");
            self.hit(Limit::Idle);
        }
    }

    async fn call(&self, invocation: Invocation) -> Result<Reply, CallFailure> {
        // The one used last, because its memory is in the caches; the others may get old enough to be dropped.
        let kept = self.lock().pop();
        let mut held = kept.map_or_else(|| self.make(), |idle| idle.held);
        let began = Instant::now();
        let result = held.instance.call(invocation).await;
        let metrics = &self.engine.0.metrics;
        metrics.seconds.get_or_create(&self.of()).observe(began.elapsed().as_secs_f64());
        metrics.calls.get_or_create(&Ending { handler: self.setup.name.clone(), ending: name(&result) }).inc();
        metrics.memory.get_or_create(&self.of()).set(held.instance.memory().try_into().unwrap_or(i64::MAX));
        if held.instance.log_bytes_dropped > 0 {
            metrics.log_bytes_dropped.get_or_create(&self.of()).inc_by(held.instance.log_bytes_dropped);
        }
        self.count_hits(&held.instance);
        self.give_back(held);
        result
    }

    fn make(&self) -> Held {
        let instance = Instance::new(&self.engine.0.wasmtime, Arc::clone(&self.ready), Arc::clone(&self.setup));
        let live = self.engine.0.metrics.instances.get_or_create(&self.of()).clone();
        live.inc();
        Held { instance, _counted: Counted(live) }
    }

    fn give_back(&self, held: Held) {
        if let Some(reason) = held.instance.worn() {
            if reason == "calls" {
                self.hit(Limit::CallsPerInstance);
            }
            return self.count_dropped(reason);
        }
        let mut idle = self.lock();
        if idle.len() < self.keep {
            idle.push(Idle { held, since: Instant::now() });
        } else {
            drop(idle);
            self.count_dropped(if self.keep == 0 { "fresh" } else { "spare" });
        }
    }

    fn count_dropped(&self, reason: &'static str) {
        let labels = Reason { handler: self.setup.name.clone(), reason };
        self.engine.0.metrics.dropped.get_or_create(&labels).inc();
    }

    fn count_hits(&self, instance: &Instance) {
        instance.hits.iter().for_each(|limit| self.hit(*limit));
    }

    fn hit(&self, limit: Limit) {
        self.engine.0.metrics.limits().hit(&self.setup.name, limit);
    }

    fn of(&self) -> Of {
        Of { handler: self.setup.name.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invoke for Handler {
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, CallFailure>> {
        self.call(call).boxed()
    }
}

/// The name of an ending in metrics.
fn name(result: &Result<Reply, CallFailure>) -> &'static str {
    match result {
        Ok(_) => "replied",
        Err(failure) => match failure.kind {
            FailureKind::Answered(_) => "answered-failure",
            FailureKind::Trapped => "trapped",
            FailureKind::TimedOut => "timed-out",
            FailureKind::OutOfMemory => "out-of-memory",
            FailureKind::ReplyTooLarge => "reply-too-large",
            FailureKind::TooManyReads => "too-many-reads",
            FailureKind::Broken => "broken",
        },
    }
}
