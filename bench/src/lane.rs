//! What the state directory costs a lane: a first list handed over to a handler that does nothing, so that all there is to measure is weir.

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir::{
    action::{ActionMetrics, Executor, ExecutorDeps, Outside, Secrets},
    dispatch::{DispatchMetrics, Fights, Generation, Lane, LaneDeps, Store, StoreMetrics, StoreSettings, Sync},
    handler,
    kinds::Kinds,
    queue::QueueMetrics,
    runtime::{CallFailure, Invocation, Invoke, Reply},
    watch::{Informers, Mode, WatchMetrics, WatchSettings, WatchSpec},
};
use weir_devapi::{DevApi, Options};

type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// Objects in the first list.
const OBJECTS: usize = 3000;
/// Of each combination; the median is printed.
const ROUNDS: usize = 3;

struct Idle;

impl Invoke for Idle {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Reply, CallFailure>> {
        Box::pin(async { Ok(Reply { actions: Vec::new() }) })
    }
}

/// Prints the table.
pub(crate) fn compare() -> Done<()> {
    let place = super::store::beside_the_program()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for size in [1024, 6144] {
        let api = runtime.block_on(objects(size))?;
        for workers in [1, 8] {
            println!("\n{OBJECTS} objects of {size} bytes, {workers} workers; ratios are to memory only");
            println!("{:<32}{:>12}{:>9}", "", "calls/s", "ratio");
            let mut baseline = None;
            for (name, sync) in [
                ("memory only", None),
                ("--state-dir", Some(Sync::EverySecond)),
                ("--state-dir --state-sync always", Some(Sync::Always)),
            ] {
                let mut rounds = Vec::new();
                for round in 0..ROUNDS {
                    let dir = place.path().join(format!("{size}-{workers}-{round}-{}", name.len()));
                    let took = runtime.block_on(hand_over(api.clone(), workers, sync.map(|sync| (dir, sync))))?;
                    rounds.push(OBJECTS as f64 / took.as_secs_f64());
                }
                rounds.sort_by(f64::total_cmp);
                let rate = rounds[ROUNDS / 2];
                let ratio = rate / *baseline.get_or_insert(rate);
                println!("{name:<32}{rate:>12.0}{ratio:>8.2}×");
            }
        }
    }
    Ok(())
}

async fn objects(size: usize) -> Done<DevApi> {
    let api = DevApi::new(Options::default());
    let text = "x".repeat(size);
    for n in 0..OBJECTS {
        api.apply_yaml(&format!(
            "{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: o{n}, namespace: default }}, data: {{ v: '{text}' }} }}"
        ))?;
    }
    Ok(api)
}

/// From publishing to the last acknowledgement, which is on disk if there is one.
async fn hand_over(api: DevApi, workers: usize, state: Option<(PathBuf, Sync)>) -> Done<Duration> {
    let client = kube::Client::new(api.service(), "default");
    let (tasks, stop, mut registry) = (TaskTracker::new(), CancellationToken::new(), Registry::default());
    let kinds = Kinds::new(client.clone());
    let informers = Informers::new(
        client.clone(),
        kinds.clone(),
        WatchSettings::default(),
        tasks.clone(),
        stop.clone(),
        WatchMetrics::new(&mut registry),
    );
    let settings = |(dir, sync)| StoreSettings { dir, sync, max_bytes: 4 << 30, memtable_bytes: 8 << 20 };
    let store = state.map(|state| Store::open(settings(state), StoreMetrics::default())).transpose()?;
    let lane = Lane::new(
        "h",
        LaneDeps {
            tasks: tasks.clone(),
            metrics: DispatchMetrics::register(&mut registry),
            queues: QueueMetrics::register(&mut registry),
            store: store.clone(),
            fights: Fights::default(),
        },
    );
    let described = r#"{"watches": [{"name": "maps", "apiVersion": "v1", "kind": "ConfigMap"}]}"#;
    let operator = format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec: {{ workers: {workers} }}\n");
    let manifest = Arc::new(handler::merge(described, Some((Path::new("h.yaml"), &operator)), "h", 1)?);
    let spec = WatchSpec {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespaces: Vec::new(),
        label_selector: String::new(),
        field_selector: String::new(),
        mode: Mode::Whole,
        as_user: None,
    };
    let source = informers.follow(&spec, lane.listener(1, "maps"));
    source.synced().await;
    let executor = Executor::new(ExecutorDeps {
        outside: Outside::new(Secrets::default()),
        client,
        kinds,
        manifest: manifest.clone(),
        instance: "bench".into(),
        pace: Arc::new(|| Duration::ZERO),
        lines: Arc::new(|_| {}),
        metrics: ActionMetrics::default(),
    });
    let begun = Instant::now();
    lane.publish(Generation {
        number: 1,
        digest: "d".into(),
        version: "v".into(),
        manifest,
        invoke: Arc::new(Idle),
        executor: Arc::new(executor),
        sources: vec![("maps".into(), source)],
    })?;
    while lane.status().ledger.acknowledged < OBJECTS {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = begun.elapsed();
    lane.drain(Duration::from_secs(5)).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    if let Some(store) = store {
        tokio::task::spawn_blocking(move || store.close()).await?;
    }
    Ok(took)
}
