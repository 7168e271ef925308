//! What the store says of itself, in `/status` and as metrics.
//!
//! Promises: no object is named.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use serde::Serialize;

/// For `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// Where.
    pub dir: String,
    /// What it takes on disk, as of the last write or second.
    pub bytes: u64,
    /// What it may.
    pub max_bytes: u64,
    /// Records that wait to be written.
    pub waiting: usize,
    /// Why nothing can be written now; what was put waits.
    pub trouble: Option<Trouble>,
    /// What could not be used when it was opened, and where it is now.
    pub set_aside: Option<String>,
    /// Records that could not be read when it was opened; they are left as they are.
    pub unreadable: usize,
}

/// The store cannot write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Why.
    pub error: String,
    /// For how long.
    pub seconds: u64,
}

/// Of the store.
#[derive(Debug, Clone, Default)]
pub struct StoreMetrics {
    pub(super) groups: Counter,
    pub(super) records: Counter,
    pub(super) failures: Counter,
    pub(super) trouble: Gauge,
    pub(super) bytes: Gauge,
    pub(super) waiting: Gauge,
}

impl StoreMetrics {
    /// Registers them; once per registry.
    pub fn register(registry: &mut Registry) -> StoreMetrics {
        let metrics = StoreMetrics::default();
        registry.register(
            "weir_state_groups",
            "Groups of records written to the state directory",
            metrics.groups.clone(),
        );
        registry.register("weir_state_records", "Records written to the state directory", metrics.records.clone());
        registry.register("weir_state_failures", "Groups that could not be written", metrics.failures.clone());
        registry.register(
            "weir_state_trouble",
            "Whether the state directory cannot be written now",
            metrics.trouble.clone(),
        );
        registry.register("weir_state_bytes", "What the state directory takes on disk", metrics.bytes.clone());
        registry.register(
            "weir_state_waiting",
            "Records that wait for a disk that cannot be written",
            metrics.waiting.clone(),
        );
        metrics
    }
}
