//! The lanes' metrics: controller-runtime's names where it has one, so that dashboards made for controllers work.
//!
//! Promises: no object name is ever a label; the only labels are the handler's name and fixed words. Names and buckets are those of
//! controller-runtime (`pkg/internal/controller/metrics`); ours begin with `weir_`.

use crate::handler::manifest::limit::{Limit, LimitHits};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

/// The buckets of `controller_runtime_reconcile_time_seconds`, as in controller-runtime, less every other one.
const SECONDS: [f64; 16] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

/// The metrics of all lanes of one registry. Clones are the same.
#[derive(Debug, Clone)]
pub struct DispatchMetrics {
    outcomes: Family<Result, Counter>,
    errors: Family<Controller, Counter>,
    terminal_errors: Family<Controller, Counter>,
    panics: Family<Controller, Counter>,
    timeouts: Family<Controller, Counter>,
    seconds: Family<Controller, Histogram, fn() -> Histogram>,
    active: Family<Controller, Gauge>,
    workers: Family<Controller, Gauge>,
    dead_letters: Family<Handler, Gauge>,
    dead_letters_dropped: Family<Handler, Counter>,
    world_away: Family<Handler, Gauge>,
    over_budget: Family<Handler, Counter>,
    fights: Family<Opponents, Counter>,
    unhealthy: Family<Handler, Gauge>,
    limits: LimitHits,
}

/// One handler's share.
#[derive(Debug)]
pub(super) struct LaneMetrics {
    all: DispatchMetrics,
    name: String,
    pub(super) errors: Counter,
    pub(super) terminal_errors: Counter,
    pub(super) panics: Counter,
    pub(super) timeouts: Counter,
    seconds: Histogram,
    pub(super) active: Gauge,
    pub(super) workers: Gauge,
    pub(super) dead_letters: Gauge,
    pub(super) dead_letters_dropped: Counter,
    pub(super) world_away: Gauge,
    pub(super) over_budget: Counter,
    pub(super) unhealthy: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    controller: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handler {
    handler: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Opponents {
    handler: String,
    other: String,
}

impl DispatchMetrics {
    /// Registers them; once per registry.
    pub fn register(registry: &mut Registry) -> DispatchMetrics {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = DispatchMetrics {
            outcomes: Family::default(),
            errors: Family::default(),
            terminal_errors: Family::default(),
            panics: Family::default(),
            timeouts: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            active: Family::default(),
            workers: Family::default(),
            dead_letters: Family::default(),
            dead_letters_dropped: Family::default(),
            world_away: Family::default(),
            over_budget: Family::default(),
            fights: Family::default(),
            unhealthy: Family::default(),
            limits: LimitHits::default(),
        };
        // Counters are named without `_total`, which the encoder appends.
        let runtime = registry.sub_registry_with_prefix("controller_runtime");
        runtime.register("reconcile", "Calls by how they ended", metrics.outcomes.clone());
        runtime.register("reconcile_errors", "Calls that failed", metrics.errors.clone());
        runtime.register("terminal_reconcile_errors", "Events given up", metrics.terminal_errors.clone());
        runtime.register("reconcile_panics", "Calls that trapped", metrics.panics.clone());
        runtime.register("reconcile_timeouts", "Calls that did not end in time", metrics.timeouts.clone());
        runtime.register("reconcile_time_seconds", "From call to outcome", metrics.seconds.clone());
        runtime.register("active_workers", "Calls under way", metrics.active.clone());
        runtime.register("max_concurrent_reconciles", "Calls that may be under way", metrics.workers.clone());
        let ours = registry.sub_registry_with_prefix("weir");
        ours.register("dead_letters", "Events given up and kept", metrics.dead_letters.clone());
        ours.register(
            "dead_letters_dropped",
            "Dead letters dropped for their bounds",
            metrics.dead_letters_dropped.clone(),
        );
        ours.register("world_away", "1 while the lane waits for the API", metrics.world_away.clone());
        ours.register(
            "write_budget_exceeded",
            "Times a key was slowed for writing too often",
            metrics.over_budget.clone(),
        );
        ours.register("fights", "Fights of two handlers over a field that were told", metrics.fights.clone());
        let help = "1 while calls trap or do not end in time, one after the other";
        ours.register("handler_unhealthy", help, metrics.unhealthy.clone());
        metrics
    }

    /// Counts bounds that were met there, too.
    #[must_use]
    pub fn counting(self, limits: LimitHits) -> DispatchMetrics {
        DispatchMetrics { limits, ..self }
    }

    /// Where bounds that were met are counted.
    pub(super) fn limits(&self) -> &LimitHits {
        &self.limits
    }

    /// The share of one handler; shown from now on, with zeroes.
    pub(super) fn lane(&self, name: &str) -> LaneMetrics {
        let controller = Controller { controller: name.to_owned() };
        let handler = Handler { handler: name.to_owned() };
        LaneMetrics {
            all: self.clone(),
            name: name.to_owned(),
            errors: self.errors.get_or_create_owned(&controller),
            terminal_errors: self.terminal_errors.get_or_create_owned(&controller),
            panics: self.panics.get_or_create_owned(&controller),
            timeouts: self.timeouts.get_or_create_owned(&controller),
            seconds: self.seconds.get_or_create_owned(&controller),
            active: self.active.get_or_create_owned(&controller),
            workers: self.workers.get_or_create_owned(&controller),
            dead_letters: self.dead_letters.get_or_create_owned(&handler),
            dead_letters_dropped: self.dead_letters_dropped.get_or_create_owned(&handler),
            world_away: self.world_away.get_or_create_owned(&handler),
            over_budget: self.over_budget.get_or_create_owned(&handler),
            unhealthy: self.unhealthy.get_or_create_owned(&handler),
        }
    }
}

impl LaneMetrics {
    /// A fight with another handler was told.
    pub(super) fn fought(&self, other: &str) {
        let opponents = Opponents { handler: self.name.clone(), other: other.to_owned() };
        self.all.fights.get_or_create_owned(&opponents).inc();
    }

    /// The handler met one of its bounds.
    pub(super) fn hit(&self, limit: Limit) {
        self.all.limits.hit(&self.name, limit);
    }

    /// One call ended.
    pub(super) fn ended(&self, result: &'static str, took: Duration) {
        self.all.outcomes.get_or_create_owned(&Result { controller: self.name.clone(), result }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_dashboards_for_controllers_ask_for() {
        let mut registry = Registry::default();
        let lane = DispatchMetrics::register(&mut registry).lane("a");
        lane.ended("success", Duration::from_millis(7));
        lane.dead_letters.set(2);
        lane.fought("b");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"controller_runtime_reconcile_total{controller="a",result="success"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="a"} 0"#,
            r#"controller_runtime_terminal_reconcile_errors_total{controller="a"} 0"#,
            r#"controller_runtime_reconcile_time_seconds_bucket{le="0.01",controller="a"} 1"#,
            r#"controller_runtime_active_workers{controller="a"} 0"#,
            r#"weir_dead_letters{handler="a"} 2"#,
            r#"weir_fights_total{handler="a",other="b"} 1"#,
        ] {
            assert!(text.contains(line), "no {line} in:\n{text}");
        }
    }
}
