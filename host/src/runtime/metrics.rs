//! Numbers about handlers' calls and instances. Labels name handlers and endings, never objects.

use crate::handler::manifest::limit::LimitHits;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// From 50 µs, a small handler's warm call, to 10 s in steps of about 3.
const SECONDS: [f64; 12] = [0.000_05, 0.000_15, 0.0005, 0.0015, 0.005, 0.015, 0.05, 0.15, 0.5, 1.5, 5.0, 10.0];

/// The runtime's metrics; a clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    pub(super) calls: Family<Ending, Counter>,
    pub(super) seconds: Family<Of, Histogram, fn() -> Histogram>,
    pub(super) instances: Family<Of, Gauge>,
    pub(super) dropped: Family<Reason, Counter>,
    pub(super) memory: Family<Of, Gauge>,
    pub(super) log_bytes_dropped: Family<Of, Counter>,
    pub(super) compile_seconds: Histogram,
    limits: LimitHits,
}

/// One handler.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Of {
    pub(super) handler: String,
}

/// One handler and how a call ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Ending {
    pub(super) handler: String,
    pub(super) ending: &'static str,
}

/// One handler and why an instance was not kept.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Reason {
    pub(super) handler: String,
    pub(super) reason: &'static str,
}

impl Default for RuntimeMetrics {
    fn default() -> Self {
        RuntimeMetrics {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            instances: Family::default(),
            dropped: Family::default(),
            memory: Family::default(),
            log_bytes_dropped: Family::default(),
            compile_seconds: Histogram::new([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]),
            limits: LimitHits::default(),
        }
    }
}

impl RuntimeMetrics {
    /// Where bounds that were met are counted: here, and by every other room that is given it.
    pub fn limits(&self) -> &LimitHits {
        &self.limits
    }

    /// Makes the numbers readable under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("weir_handler_calls", "Calls of a handler by how they ended", self.calls.clone());
        registry.register("weir_handler_call_seconds", "How long a handler's calls took", self.seconds.clone());
        registry.register("weir_handler_instances", "Instances of a handler that exist now", self.instances.clone());
        registry.register(
            "weir_handler_instances_dropped",
            "Instances of a handler that were not kept, by reason",
            self.dropped.clone(),
        );
        registry.register(
            "weir_handler_memory_bytes",
            "What the instance of a handler that was called last holds",
            self.memory.clone(),
        );
        registry.register(
            "weir_handler_log_bytes_dropped",
            "Bytes of log lines of a handler beyond limits.logBytes",
            self.log_bytes_dropped.clone(),
        );
        registry.register(
            "weir_component_compile_seconds",
            "How long components took to compile",
            self.compile_seconds.clone(),
        );
        self.limits.register(registry);
    }
}
