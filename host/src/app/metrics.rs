//! How loading went, for `/metrics`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    handler: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    handler: String,
    result: &'static str,
}

/// Loads by handler file, and which files are refused now.
#[derive(Debug, Clone, Default)]
pub(super) struct LoadMetrics {
    loads: Family<Ended, Counter>,
    refused: Family<Of, Gauge>,
    lacking: Family<Of, Gauge>,
}

impl LoadMetrics {
    /// Registers them; once per registry.
    pub(super) fn register(registry: &mut Registry) -> LoadMetrics {
        let metrics = LoadMetrics::default();
        registry.register(
            "weir_handler_loads",
            "Versions of handlers that were loaded or refused",
            metrics.loads.clone(),
        );
        let help = "1 while the version in the directory is refused, and the last good one, if any, runs on";
        registry.register("weir_handler_refused", help, metrics.refused.clone());
        let help = "RBAC rules that the handler needs and weir's account lacks, as far as the API told";
        registry.register("weir_handler_missing_rights", help, metrics.lacking.clone());
        metrics
    }

    /// How many rules the handler in the file `stem` lacks.
    pub(super) fn lack(&self, stem: &str, rules: usize) {
        let rules = i64::try_from(rules).unwrap_or(i64::MAX);
        self.lacking.get_or_create(&Of { handler: stem.to_owned() }).set(rules);
    }

    /// Counts how one version of the file `stem` ended.
    pub(super) fn count(&self, stem: &str, loaded: bool) {
        let result = if loaded { "loaded" } else { "refused" };
        self.loads.get_or_create(&Ended { handler: stem.to_owned(), result }).inc();
        self.refused.get_or_create(&Of { handler: stem.to_owned() }).set(i64::from(!loaded));
    }

    /// The file is gone.
    pub(super) fn forget(&self, stem: &str) {
        self.refused.remove(&Of { handler: stem.to_owned() });
        self.lacking.remove(&Of { handler: stem.to_owned() });
    }
}
