//! Runs one script on weir's informer and one on kube-runtime's watcher, each with an API of its own, and tells what each saw.

use super::api::{Api, Seen, Want};
use futures::{StreamExt, future::BoxFuture};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api as Kube, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, InitialListStrategy, watcher},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir::{
    kinds::Kinds,
    watch::{Delta, Informers, Mode, Source, WatchMetrics, WatchSettings, WatchSpec},
};

/// A state of an object: uid and resourceVersion; none is that it is gone.
pub(crate) type State = Option<(String, String)>;

/// What an informer saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Saw {
    pub(crate) synced: bool,
    pub(crate) store: BTreeMap<String, State>,
    pub(crate) states: BTreeMap<String, Vec<State>>,
    pub(crate) requests: Vec<Seen>,
}

/// What goes wrong, and what happens meanwhile.
pub(crate) struct Script {
    pub(crate) page_size: u32,
    pub(crate) streaming: bool,
    /// Before the informer begins.
    pub(crate) before: fn(&Api),
    /// While it runs.
    pub(crate) meanwhile: for<'a> fn(&'a Api) -> BoxFuture<'a, ()>,
    /// How long it may take until all is well.
    pub(crate) settle: Duration,
}

impl Saw {
    fn now(&mut self, name: &str, state: State) {
        match &state {
            Some(_) => self.store.insert(name.to_owned(), state.clone()),
            None => self.store.remove(name),
        };
        self.states.entry(name.to_owned()).or_default().push(state);
    }

    pub(crate) fn count(&self, want: Want) -> usize {
        self.requests.iter().filter(|seen| seen.want == want).count()
    }
}

/// weir's registry over an API, with what it needs.
pub(crate) fn informers(api: &Api, settings: WatchSettings) -> (Informers, CancellationToken, TaskTracker) {
    informers_over(api.client(), settings, WatchMetrics::default())
}

/// The same over any API.
pub(crate) fn informers_over(
    client: Client,
    settings: WatchSettings,
    metrics: WatchMetrics,
) -> (Informers, CancellationToken, TaskTracker) {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let kinds = Kinds::new(client.clone());
    let informers = Informers::new(client, kinds, settings, tasks.clone(), stop.clone(), metrics);
    (informers, stop, tasks)
}

pub(crate) fn all_pods() -> WatchSpec {
    WatchSpec {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespaces: Vec::new(),
        label_selector: String::new(),
        field_selector: String::new(),
        mode: Mode::Whole,
        as_user: None,
    }
}

/// A subscription that notes what it is told.
pub(crate) fn noting(informers: &Informers, spec: &WatchSpec) -> (Source, Arc<Mutex<Vec<Delta>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = told.clone();
    let source = informers.follow(spec, Arc::new(move |delta: &Delta| note.lock().unwrap().push(delta.clone())));
    (source, told)
}

pub(crate) async fn weir(script: &Script) -> Saw {
    let api = Api::new();
    (script.before)(&api);
    let settings =
        WatchSettings { page_size: script.page_size, streaming_lists: script.streaming, ..WatchSettings::default() };
    let (informers, stop, tasks) = informers(&api, settings);
    let (source, told) = noting(&informers, &all_pods());
    (script.meanwhile)(&api).await;
    tokio::time::sleep(script.settle).await;

    let mut saw = Saw { synced: source.is_synced(), requests: api.seen(), ..Saw::default() };
    for delta in told.lock().unwrap().iter() {
        let state = delta.now.as_ref().map(|object| (object.uid().to_owned(), object.resource_version().to_owned()));
        saw.now(&delta.key.name, state);
    }
    // What it was told must be what may be asked.
    let cached: BTreeMap<String, State> = source
        .objects()
        .iter()
        .map(|object| {
            (object.key().name.to_string(), Some((object.uid().to_owned(), object.resource_version().to_owned())))
        })
        .collect();
    assert_eq!(saw.store, cached);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    saw
}

pub(crate) async fn kube(script: &Script) -> Saw {
    let api = Api::new();
    (script.before)(&api);
    let mut config = Config::default().page_size(script.page_size);
    if script.streaming {
        config.initial_list_strategy = InitialListStrategy::StreamingList;
        config.page_size = None;
    }
    let saw = Arc::new(Mutex::new(Saw::default()));
    let note = saw.clone();
    let mut events = watcher(Kube::<Pod>::all(api.client()), config).default_backoff().boxed();
    let task = tokio::spawn(async move {
        let mut listed: BTreeMap<String, State> = BTreeMap::new();
        while let Some(event) = events.next().await {
            let state = |pod: &Pod| Some((pod.uid().unwrap_or_default(), pod.resource_version().unwrap_or_default()));
            let mut saw = note.lock().unwrap();
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(pod)) => {
                    listed.insert(pod.name_any(), state(&pod));
                }
                // What `reflector` does with a list, with the changes it means.
                Ok(Event::InitDone) => {
                    saw.synced = true;
                    let gone: Vec<String> =
                        saw.store.keys().filter(|name| !listed.contains_key(*name)).cloned().collect();
                    gone.iter().for_each(|name| saw.now(name, None));
                    for (name, state) in &listed {
                        if saw.store.get(name) != Some(state) {
                            saw.now(name, state.clone());
                        }
                    }
                }
                Ok(Event::Apply(pod)) => saw.now(&pod.name_any(), state(&pod)),
                Ok(Event::Delete(pod)) => saw.now(&pod.name_any(), None),
                Err(_) => {}
            }
        }
    });
    (script.meanwhile)(&api).await;
    tokio::time::sleep(script.settle).await;
    task.abort();
    let mut saw = saw.lock().unwrap().clone();
    saw.requests = api.seen();
    saw
}
