//! What the informers count. Labels name resources, never objects or namespaces.

use super::{cache::Cache, machine::Relist};
use crate::kinds::Resource;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::Mutex;

/// The metrics of all informers. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct WatchMetrics {
    objects: Family<Of, Gauge>,
    bytes: Family<Of, Gauge>,
    tombstones: Family<Of, Gauge>,
    relists: Family<OfWhy, Counter>,
    restarts: Family<Of, Counter>,
    unreadable: Family<Of, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    resource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWhy {
    resource: String,
    reason: &'static str,
}

/// One informer's share of the metrics. Several informers may watch one resource, so it adds differences and never sets.
pub(super) struct Share {
    metrics: WatchMetrics,
    of: Of,
    gauges: [Gauge; 3],
    /// What was added so far: objects, bytes, tombstones. Locked for one sum and its difference.
    added: Mutex<[i64; 3]>,
}

impl WatchMetrics {
    /// Metrics that `registry` shows.
    pub fn new(registry: &mut Registry) -> WatchMetrics {
        let metrics = WatchMetrics::default();
        registry.register("weir_informer_objects", "Objects in the caches", metrics.objects.clone());
        registry.register("weir_informer_bytes", "Bytes the cached objects take, about", metrics.bytes.clone());
        let help = "Last states of gone objects, kept until every handler was told";
        registry.register("weir_informer_tombstones", help, metrics.tombstones.clone());
        registry.register("weir_informer_relists", "Lists begun, by reason", metrics.relists.clone());
        registry.register("weir_informer_watch_restarts", "Watches opened again", metrics.restarts.clone());
        let help = "Objects that were skipped because they have no name or are no objects";
        registry.register("weir_informer_unreadable_objects", help, metrics.unreadable.clone());
        metrics
    }

    pub(super) fn share(&self, resource: &Resource) -> Share {
        let of = Of { resource: resource.to_string() };
        let gauges = [&self.objects, &self.bytes, &self.tombstones].map(|family| family.get_or_create_owned(&of));
        Share { metrics: self.clone(), of, gauges, added: Mutex::new([0; 3]) }
    }
}

impl Share {
    pub(super) fn show(&self, cache: &Cache) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.set([number(cache.len()), number(cache.bytes()), number(cache.tombstones())]);
    }

    pub(super) fn relist(&self, reason: Relist) {
        let of = OfWhy { resource: self.of.resource.clone(), reason: reason.name() };
        self.metrics.relists.get_or_create(&of).inc();
    }

    pub(super) fn restart(&self) {
        self.metrics.restarts.get_or_create(&self.of).inc();
    }

    pub(super) fn unreadable(&self) {
        self.metrics.unreadable.get_or_create(&self.of).inc();
    }

    fn set(&self, now: [i64; 3]) {
        let Ok(mut added) = self.added.lock() else { return };
        for ((gauge, now), added) in self.gauges.iter().zip(now).zip(added.iter_mut()) {
            gauge.inc_by(now - *added);
            *added = now;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set([0; 3]);
    }
}
