//! What became of actions, counted.
//!
//! Promises: no label holds the name of an object, so the number of series is bounded by handlers × actions × outcomes.

use crate::handler::manifest::limit::LimitHits;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The metrics of all executors. Clones are handles on the same set.
#[derive(Debug, Clone, Default)]
pub struct ActionMetrics {
    actions: Family<ActionLabels, Counter>,
    delayed: Family<HandlerLabels, Counter>,
    limits: LimitHits,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    handler: String,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandlerLabels {
    handler: String,
}

impl ActionMetrics {
    /// Registers `weir_actions_total{handler,action,outcome}` and `weir_writes_delayed_total{handler}`; once per registry.
    pub fn register(registry: &mut Registry) -> ActionMetrics {
        let metrics = ActionMetrics::default();
        registry.register("weir_actions", "Actions of handlers, by what became of them", metrics.actions.clone());
        registry.register(
            "weir_writes_delayed",
            "Writes that waited because a handler reached its limits.writesPerSecond",
            metrics.delayed.clone(),
        );
        metrics
    }

    /// Counts bounds that were met there, too.
    #[must_use]
    pub fn counting(self, limits: LimitHits) -> ActionMetrics {
        ActionMetrics { limits, ..self }
    }

    /// Where bounds that were met are counted.
    pub(super) fn limits(&self) -> &LimitHits {
        &self.limits
    }

    /// `outcome`: `done`, `unchanged` (nothing was sent, it was so already), `dropped` (an Event beyond the limits of
    /// Events), `dry-run`, `refused` (before any request), or the name of the failure's class.
    pub(super) fn count(&self, handler: &str, action: &'static str, outcome: &'static str) {
        self.actions.get_or_create(&ActionLabels { handler: handler.to_owned(), action, outcome }).inc();
    }

    pub(super) fn delayed(&self, handler: &str) {
        self.delayed.get_or_create(&HandlerLabels { handler: handler.to_owned() }).inc();
    }
}
