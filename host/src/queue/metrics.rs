//! The queue's metrics, under client-go's names, so that dashboards made for controllers work.
//!
//! Guarantees: everything is read when it is scraped, without a task that samples; the series of a queue go when the queue
//! goes; of two living queues with the same labels the one observed last is shown, so no scrape has a series twice.
//! Does not label anything by key.
//!
//! Names, labels and buckets are those of Kubernetes' component-base and controller-runtime
//! (`pkg/metrics/workqueue.go`). `unfinished_work_seconds` is exact here and not sampled every 500 ms as there; and with
//! `priority` being `high` or `low`, not a number.

use std::{
    collections::BTreeMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::ConstCounter,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::{Queue, state::Sample};

/// The metrics of all queues of one registry. Clones are handles on the same set.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    queues: Arc<Queues>,
}

/// How long keys were queued and worked on; counted as it happens.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    queued: Histogram,
    worked: Histogram,
}

/// Reads a queue, until it is gone.
type Probe = Box<dyn Fn() -> Option<Reading> + Send + Sync>;

/// The queues observed. Locked while scraping and while a queue is added, never by a queue at work.
struct Queues {
    /// One per living queue: those gone are dropped at the next scrape and whenever one is added.
    probes: Mutex<BTreeMap<Labels, Probe>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Labels {
    name: String,
    controller: String,
}

/// What one scrape shows of one queue.
struct Reading {
    sample: Sample,
    durations: Durations,
}

impl QueueMetrics {
    /// Registers the metrics, all named `workqueue_…`; once per registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { queues: Arc::new(Queues { probes: Mutex::default() }) };
        registry.register_collector(Box::new(metrics.queues.clone()));
        metrics
    }

    /// Shows `queue` under these labels for as long as a handle on it or a claim of it exists, instead of whatever was shown
    /// under them before.
    pub fn observe<K>(&self, name: &str, controller: &str, queue: &Queue<K>)
    where
        K: Clone + Eq + Hash + Send + 'static,
    {
        let labels = Labels { name: name.to_owned(), controller: controller.to_owned() };
        let shared = Arc::downgrade(&queue.shared);
        let probe: Probe = Box::new(move || {
            let shared = shared.upgrade()?;
            Some(Reading { sample: shared.sample(), durations: shared.durations.clone() })
        });
        self.queues.read();
        self.queues.probes.lock().unwrap_or_else(PoisonError::into_inner).insert(labels, probe);
    }
}

impl Durations {
    /// 10 ns to 1000 s, the buckets of controller-runtime.
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new(exponential_buckets(1e-8, 10.0, 12));
        Self { queued: histogram(), worked: histogram() }
    }

    pub(super) fn queued(&self, duration: Duration) {
        self.queued.observe(duration.as_secs_f64());
    }

    pub(super) fn worked(&self, duration: Duration) {
        self.worked.observe(duration.as_secs_f64());
    }
}

impl Queues {
    /// Reads every living queue, and drops the others.
    fn read(&self) -> Vec<(Labels, Reading)> {
        let mut readings = Vec::new();
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.retain(|labels, probe| match probe() {
            Some(reading) => {
                readings.push((labels.clone(), reading));
                true
            }
            None => false,
        });
        readings
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let readings = self.read();
        let depths = readings.iter().flat_map(|(Labels { name, controller }, Reading { sample, .. })| {
            [("high", sample.depth.high), ("low", sample.depth.low)].map(|(priority, depth)| {
                let labels = vec![("name", name.as_str()), ("controller", controller.as_str()), ("priority", priority)];
                (labels, gauge(depth as f64))
            })
        });
        family(&mut encoder, "workqueue_depth", "Keys ready to be claimed", depths.collect())?;
        for (metric, help, read) in PLAIN {
            let rows = readings.iter().map(|(Labels { name, controller }, reading)| {
                (vec![("name", name.as_str()), ("controller", controller.as_str())], read(reading))
            });
            family(&mut encoder, metric, help, rows.collect())?;
        }
        Ok(())
    }
}

/// One value, or the counts of one histogram.
type Metric = Box<dyn EncodeMetric>;

/// A metric with one value per queue: its name, without the `_total` that counters get, its help, and how it is read.
type Plain = (&'static str, &'static str, fn(&Reading) -> Metric);

const PLAIN: [Plain; 6] = [
    ("workqueue_adds", "Keys added, those not counted that were asked for already", |reading| {
        Box::new(ConstCounter::new(reading.sample.adds))
    }),
    ("workqueue_retries", "Delayed adds: retries and timers", |reading| {
        Box::new(ConstCounter::new(reading.sample.retries))
    }),
    ("workqueue_queue_duration_seconds", "How long keys were ready before they were claimed", |reading| {
        Box::new(reading.durations.queued.clone())
    }),
    ("workqueue_work_duration_seconds", "How long claims were held", |reading| {
        Box::new(reading.durations.worked.clone())
    }),
    ("workqueue_unfinished_work_seconds", "How long all claims held now have been held, together", |reading| {
        gauge(reading.sample.unfinished.as_secs_f64())
    }),
    ("workqueue_longest_running_processor_seconds", "How long the oldest claim held now has been held", |reading| {
        gauge(reading.sample.longest.as_secs_f64())
    }),
];

fn gauge(value: f64) -> Metric {
    Box::new(ConstGauge::new(value))
}

/// Encodes one metric with a row for each set of labels; nothing if there is none.
fn family(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: Vec<(Vec<(&str, &str)>, Metric)>,
) -> fmt::Result {
    let Some((_, first)) = rows.first() else { return Ok(()) };
    let mut metric = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    rows.iter().try_for_each(|(labels, value)| value.encode(metric.encode_family(labels)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Priority, Settings};
    use prometheus_client::encoding::text::encode;
    use tokio::time::advance;

    fn scrape(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrape_shows_each_queue_under_client_gos_names() {
        let mut registry = Registry::default();
        let metrics = QueueMetrics::register(&mut registry);
        let queue = Queue::new(Settings::default());
        metrics.observe("pods", "images", &queue);
        queue.add("a", Priority::High);
        queue.add("a", Priority::High);
        queue.add("b", Priority::Low);
        queue.add("c", Priority::Low);
        advance(Duration::from_secs(2)).await;
        let a = queue.claim().await.unwrap();
        let b = queue.claim().await.unwrap();
        advance(Duration::from_secs(3)).await;
        b.finish();
        queue.retry(*a);
        let text = scrape(&registry);
        for line in [
            r#"workqueue_depth{name="pods",controller="images",priority="high"} 0.0"#,
            r#"workqueue_depth{name="pods",controller="images",priority="low"} 1.0"#,
            r#"workqueue_adds_total{name="pods",controller="images"} 3"#,
            r#"workqueue_retries_total{name="pods",controller="images"} 1"#,
            r#"workqueue_queue_duration_seconds_sum{name="pods",controller="images"} 4.0"#,
            r#"workqueue_work_duration_seconds_count{name="pods",controller="images"} 1"#,
            r#"workqueue_unfinished_work_seconds{name="pods",controller="images"} 3.0"#,
            r#"workqueue_longest_running_processor_seconds{name="pods",controller="images"} 3.0"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn series_go_with_their_queue_and_labels_are_shown_once() {
        let mut registry = Registry::default();
        let metrics = QueueMetrics::register(&mut registry);
        let (old, new) = (Queue::<u8>::new(Settings::default()), Queue::<u8>::new(Settings::default()));
        metrics.observe("pods", "images", &old);
        metrics.observe("pods", "images", &new);
        new.add(1, Priority::High);
        assert_eq!(scrape(&registry).matches("workqueue_adds_total{").count(), 1);
        assert!(scrape(&registry).contains(r#"workqueue_adds_total{name="pods",controller="images"} 1"#));
        drop(new);
        assert!(!scrape(&registry).contains("workqueue"));
    }
}
