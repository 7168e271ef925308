//! What these tests share: an API, a lane on its ConfigMaps, and a handler that answers from a script and keeps what it was told.

use crate::{
    action::{ActionMetrics, Executor, ExecutorDeps, Outside, Secrets},
    contract::{Action, Change, Event, Failure},
    dispatch::{DispatchMetrics, Fights, Generation, Lane, LaneDeps, Store},
    handler::manifest::{Grants, Instance, Limits, Manifest, Retry, Watch, WriteGrant, limit::LimitHits},
    kinds::Kinds,
    queue::QueueMetrics,
    runtime::{CallFailure, FailureKind, Invocation, Invoke, Reply},
    watch::{Informers, Mode, WatchMetrics, WatchSettings, WatchSpec},
};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::DeleteParams};
use prometheus_client::registry::Registry;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_devapi::{DevApi, Options};

/// How a scripted call ends.
pub(super) type Ending = Result<Vec<Action>, FailureKind>;
type Answer = Box<dyn Fn(&Event) -> Ending + Send>;

/// A handler. Calls may take time; while they do they are counted.
#[derive(Default)]
pub(super) struct Script {
    /// Every call as it began, and whether it was surely acknowledged: answered without actions, so that nothing could fail after it.
    pub(super) told: Mutex<Vec<(Event, bool)>>,
    answer: Mutex<Option<Answer>>,
    takes: Mutex<Duration>,
    running: Mutex<HashMap<String, usize>>,
    /// The most calls there were at once: for one object, and in all.
    pub(super) most: Mutex<(usize, usize)>,
    /// Calls that were cut off.
    pub(super) cut: Mutex<usize>,
}

/// Counts a call for as long as it lasts.
struct Running<'a>(&'a Script, String, bool);

pub(super) struct Rig {
    pub(super) api: DevApi,
    pub(super) client: Client,
    pub(super) lane: Lane,
    pub(super) fights: Fights,
    pub(super) script: Arc<Script>,
    informers: Informers,
    tasks: TaskTracker,
    stop: CancellationToken,
    number: u64,
    /// Of the next generation; default: one for each number.
    pub(super) version: Option<&'static str>,
    pub(super) limits: LimitHits,
    registry: Registry,
}

impl Script {
    /// From now on calls end like this.
    pub(super) fn answers(&self, answer: impl Fn(&Event) -> Ending + Send + 'static) {
        *self.answer.lock().unwrap() = Some(Box::new(answer));
    }

    pub(super) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    /// What was told since this was last asked, as `change name value #attempt`.
    pub(super) fn heard(&self) -> Vec<String> {
        self.told.lock().unwrap().drain(..).map(|(event, _)| line(&event)).collect()
    }
}

/// An event in a line.
pub(super) fn line(event: &Event) -> String {
    let object: Value = serde_json::from_str(&event.object).unwrap();
    let value = object.pointer("/data/v").and_then(Value::as_str).unwrap_or("-");
    let again = if event.attempt > 1 { format!(" #{}", event.attempt) } else { String::new() };
    let unknown = if event.final_state_unknown { " unknown" } else { "" };
    format!("{} {} {value}{unknown}{again}", event.change, event.key.name)
}

impl Invoke for Script {
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, CallFailure>> {
        Box::pin(async move {
            let mut running = Running::begin(self, &call.event);
            self.told.lock().unwrap().push((call.event.clone(), false));
            let takes = *self.takes.lock().unwrap();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            running.2 = true;
            let ending = self.answer.lock().unwrap().as_ref().map_or(Ok(Vec::new()), |answer| answer(&call.event));
            if ending.as_ref().is_ok_and(Vec::is_empty)
                && let Some(told) = self.told.lock().unwrap().iter_mut().rfind(|(event, _)| *event == call.event)
            {
                told.1 = true;
            }
            ending.map(|actions| Reply { actions }).map_err(|kind| CallFailure {
                kind,
                message: "scripted".into(),
                stderr: "trace".into(),
            })
        })
    }
}

impl<'a> Running<'a> {
    fn begin(script: &'a Script, event: &Event) -> Running<'a> {
        let name = event.key.name.clone();
        let mut running = script.running.lock().unwrap();
        *running.entry(name.clone()).or_default() += 1;
        let mut most = script.most.lock().unwrap();
        most.0 = most.0.max(running[&name]);
        most.1 = most.1.max(running.values().sum());
        Running(script, name, false)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap().entry(self.1.clone()).or_default() -= 1;
        if !self.2 {
            *self.0.cut.lock().unwrap() += 1;
        }
    }
}

/// All ConfigMaps, whole.
pub(super) fn watch() -> Watch {
    Watch {
        name: "maps".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespaces: vec!["default".into()],
        label_selector: String::new(),
        field_selector: String::new(),
        events: [Change::Initial, Change::Added, Change::Updated, Change::Left, Change::Deleted, Change::Requeued]
            .into(),
        fields: None,
        changed: None,
        previous: false,
        resync: None,
    }
}

/// One worker, five retries, everything granted.
pub(super) fn manifest(watches: Vec<Watch>) -> Manifest {
    let actions = ["annotate", "label", "set-status", "patch", "apply", "create", "delete", "emit"];
    let grant = WriteGrant {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        actions: actions.map(str::to_owned).into(),
        namespaces: Vec::new(),
        names: Vec::new(),
        subresources: Vec::new(),
        force: false,
    };
    Manifest {
        name: "h".into(),
        description: String::new(),
        watches,
        reads: Vec::new(),
        wants: Grants::default(),
        grants: Grants { write: vec![grant], ..Grants::default() },
        settings: Value::Null,
        workers: 1,
        retry: Retry { limit: Some(5), ..Retry::default() },
        limits: Limits::default(),
        instance: Instance::Warm,
        field_manager: "weir/h".into(),
        service_account: None,
        dry_run: false,
        sha256: None,
    }
}

impl Rig {
    /// An API, and a lane without a generation.
    pub(super) fn new() -> Rig {
        Rig::on(DevApi::new(Options::default()), None)
    }

    /// A lane on an API, with what `store` kept of it.
    pub(super) fn on(api: DevApi, store: Option<Store>) -> Rig {
        Rig::named("h", api, store, Fights::default())
    }

    /// Another handler's lane on the same API, with one generation on all ConfigMaps.
    pub(super) async fn beside(&self, name: &str) -> Rig {
        let mut rig = Rig::named(name, self.api.clone(), None, self.fights.clone());
        rig.publish(Manifest { name: name.into(), field_manager: format!("weir/{name}"), ..manifest(vec![watch()]) });
        rig.quiet().await;
        rig
    }

    fn named(name: &str, api: DevApi, store: Option<Store>, fights: Fights) -> Rig {
        let client = Client::new(api.service(), "default");
        let (tasks, stop, mut registry) = (TaskTracker::new(), CancellationToken::new(), Registry::default());
        let limits = LimitHits::default();
        let informers = informers(&client, &tasks, &stop);
        let deps = LaneDeps {
            tasks: tasks.clone(),
            metrics: DispatchMetrics::register(&mut registry).counting(limits.clone()),
            queues: QueueMetrics::register(&mut registry),
            store,
            fights: fights.clone(),
        };
        let lane = Lane::new(name, deps);
        let script = Arc::default();
        Rig { api, client, lane, fights, script, informers, tasks, stop, number: 0, version: None, limits, registry }
    }

    /// One line of `/metrics`.
    pub(super) fn has_metric(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().any(|it| it == line)
    }

    /// A lane with one generation on all ConfigMaps, of which there are none.
    pub(super) async fn running() -> Rig {
        let mut rig = Rig::new();
        rig.publish(manifest(vec![watch()]));
        rig.quiet().await;
        rig
    }

    /// The lane is as after a restart: without a generation, and with informers that know nothing, on this API.
    pub(super) fn begin_anew(&mut self, api: DevApi) {
        self.lane.remove();
        self.client = Client::new(api.service(), "default");
        self.api = api;
        self.informers = informers(&self.client, &self.tasks, &self.stop);
    }

    /// Publishes a generation that calls the same script.
    pub(super) fn publish(&mut self, manifest: Manifest) {
        self.number += 1;
        let generation = self.generation(manifest);
        self.lane.publish(generation).unwrap();
    }

    /// A generation of the number that is published.
    pub(super) fn stale(&self) -> Generation {
        self.generation(manifest(vec![watch()]))
    }

    fn generation(&self, manifest: Manifest) -> Generation {
        let manifest = Arc::new(manifest);
        let sources = manifest.watches.iter().map(|watch| {
            let spec = WatchSpec {
                api_version: watch.api_version.clone(),
                kind: watch.kind.clone(),
                namespaces: watch.namespaces.clone(),
                label_selector: watch.label_selector.clone(),
                field_selector: watch.field_selector.clone(),
                mode: if watch.fields.as_ref().is_some_and(Vec::is_empty) { Mode::Metadata } else { Mode::Whole },
                as_user: None,
            };
            let listener = self.lane.listener(self.number, &watch.name);
            (watch.name.clone(), self.informers.resume(&spec, &self.lane.known(watch), listener))
        });
        let executor = Executor::new(ExecutorDeps {
            outside: Outside::new(Secrets::default()),
            client: self.client.clone(),
            kinds: Kinds::new(self.client.clone()),
            manifest: manifest.clone(),
            instance: "test".into(),
            pace: Arc::new(|| Duration::ZERO),
            lines: Arc::new(|_| {}),
            metrics: ActionMetrics::default(),
        });
        Generation {
            number: self.number,
            digest: format!("digest {}", self.number),
            version: self.version.map_or_else(|| format!("version {}", self.number), str::to_owned),
            sources: sources.collect(),
            manifest,
            invoke: self.script.clone(),
            executor: Arc::new(executor),
        }
    }

    /// Creates or replaces a ConfigMap.
    pub(super) fn set(&self, name: &str, value: &str) {
        set(&self.api, name, value, "x");
    }

    pub(super) async fn delete(&self, name: &str) {
        self.maps().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(super) fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Lets everything happen that happens within a second: the clock is paused, so this waits for nobody else.
    pub(super) async fn quiet(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Waits, and says what was told.
    pub(super) async fn heard(&self) -> Vec<String> {
        self.quiet().await;
        self.script.heard()
    }

    /// Ends all tasks.
    pub(super) async fn end(self) {
        self.lane.drain(Duration::from_secs(1)).await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn informers(client: &Client, tasks: &TaskTracker, stop: &CancellationToken) -> Informers {
    let kinds = Kinds::new(client.clone());
    let (settings, metrics) = (WatchSettings::default(), WatchMetrics::default());
    Informers::new(client.clone(), kinds, settings, tasks.clone(), stop.clone(), metrics)
}

/// Creates or replaces a ConfigMap with a label.
pub(super) fn set(api: &DevApi, name: &str, value: &str, label: &str) {
    let text = format!(
        "{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: {name}, namespace: default, labels: {{ l: {label} }} }}, data: {{ v: '{value}' }} }}"
    );
    api.apply_yaml(&text).unwrap();
}

/// Tries again, in the handler's words.
pub(super) fn retry() -> FailureKind {
    FailureKind::Answered(Failure::Retry("not yet".into()))
}
