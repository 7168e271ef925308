//! All informers of the process, shared by whoever wants the same objects.
//!
//! Promises: two subscriptions that want the same kind, namespace, selectors and form share one watch; a subscription may come at any time;
//! an informer that nobody holds ends after [`WatchSettings::grace`], so that a reload does not list anew.
//!
//! Bound: one informer for each distinct combination that a handler names.

use super::{
    cache::Delta,
    definitions::Definitions,
    informer::{Informer, Letter, OnDelta, hold},
    metrics::WatchMetrics,
    source::{Part, Source},
};
use crate::kinds::{Kinds, Resource};
use kube::Client;
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How much of each object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// All but managedFields.
    Whole,
    /// apiVersion, kind and metadata; nothing else is asked for.
    Metadata,
}

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSpec {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, …
    pub kind: String,
    /// Empty: all.
    pub namespaces: Vec<String>,
    /// Kubernetes' syntax; empty selects all.
    pub label_selector: String,
    /// Kubernetes' syntax; empty selects all.
    pub field_selector: String,
    /// How much of each object.
    pub mode: Mode,
    /// As which user the API is asked, by impersonation. None: as weir itself.
    pub as_user: Option<String>,
}

/// What a subscription knows of its objects from before: what it was told by another informer, or in another process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The latest resourceVersion it was told.
    pub version: Option<String>,
    /// The resource, if it was seen to come from a definition ([`Source::definition`]).
    pub defined: Option<Resource>,
}

/// The bounds of all informers. Zero counts as one.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// Objects a page of a list. Default 500, as kubectl and client-go have it.
    pub page_size: u32,
    /// The longest watch event, in bytes. Default 16 MiB; etcd takes objects of 1.5 MiB.
    pub max_line_bytes: usize,
    /// The longest list answer, in bytes. Default 1 GiB; reached only where a server does not page.
    pub max_list_bytes: usize,
    /// Last states of gone objects kept for one informer. Default 10,000.
    pub max_tombstones: usize,
    /// How long an informer lives that nobody holds. Default 30 s.
    pub grace: Duration,
    /// How long a key waits for the watch to catch up before the object is asked for. Default 2 s.
    pub catch_up: Duration,
    /// Whether to try streaming lists. Default true; a server without them is noticed.
    pub streaming_lists: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        WatchSettings {
            page_size: 500,
            max_line_bytes: 16 << 20,
            max_list_bytes: 1 << 30,
            max_tombstones: 10_000,
            grace: Duration::from_secs(30),
            catch_up: Duration::from_secs(2),
            streaming_lists: true,
        }
    }
}

/// One informer, for `/status`. No object content, no object names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchStatus {
    /// `nodes`, `deployments.apps`; none until discovery knew it.
    pub resource: Option<String>,
    /// As asked for.
    pub api_version: String,
    /// As asked for.
    pub kind: String,
    /// None: all.
    pub namespace: Option<String>,
    /// As asked for.
    pub label_selector: String,
    /// As asked for.
    pub field_selector: String,
    /// Only metadata is kept.
    pub metadata_only: bool,
    /// As whom the API is asked; none: as weir itself.
    pub as_user: Option<String>,
    /// `synced`, `listing`, `resolving`, `waiting for kind`, `retrying`, or `forbidden: needs …`.
    pub state: String,
    /// Whether a first list was complete.
    pub synced: bool,
    /// How many are cached.
    pub objects: usize,
    /// What they take, about.
    pub bytes: usize,
    /// Gone objects some subscription was not told of yet.
    pub tombstones: usize,
    /// How many subscriptions hold it.
    pub holders: usize,
    /// Lists begun.
    pub relists: u64,
    /// Watches opened again.
    pub restarts: u64,
    /// The last refusal, until the API is heard again.
    pub last_error: Option<String>,
    /// Milliseconds since anything was heard of the API.
    pub silent_ms: Option<u64>,
}

/// The registry. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Informers {
    world: Arc<World>,
}

/// What tells informers apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) label_selector: String,
    pub(super) field_selector: String,
    pub(super) metadata_only: bool,
    pub(super) as_user: Option<String>,
}

/// What all informers share.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) kinds: Kinds,
    pub(super) settings: WatchSettings,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) metrics: WatchMetrics,
    pub(super) definitions: Definitions,
    /// Whether the server is believed to do streaming lists.
    streams: AtomicBool,
    next_id: AtomicU64,
    /// An informer is in here as long as its task runs and may be joined.
    informers: Mutex<HashMap<Identity, Arc<Informer>>>,
}

impl Informers {
    /// A registry without informers. Their tasks are spawned into `tasks` and end with `stop`.
    pub fn new(
        client: Client,
        kinds: Kinds,
        settings: WatchSettings,
        tasks: TaskTracker,
        stop: CancellationToken,
        metrics: WatchMetrics,
    ) -> Informers {
        let definitions = Definitions::new(client.clone(), tasks.clone(), stop.clone());
        let streams = AtomicBool::new(settings.streaming_lists);
        let (next_id, informers) = (AtomicU64::new(0), Mutex::default());
        Informers {
            world: Arc::new(World {
                client,
                kinds,
                settings,
                tasks,
                stop,
                metrics,
                definitions,
                streams,
                next_id,
                informers,
            }),
        }
    }

    /// [`Informers::resume`], for who knows nothing from before.
    pub fn follow(&self, spec: &WatchSpec, on: Arc<dyn Fn(&Delta) + Send + Sync>) -> Source {
        self.resume(spec, &Known::default(), on)
    }

    /// Starts or joins the informers of `spec`: one for each namespace it names, or one.
    ///
    /// `on` is called from the informers' tasks and must not block. It is called for every object already cached (`before` is none),
    /// for every gone object that others have not been told of yet (`now` is none), and from then on for every change.
    ///
    /// The first list of a new informer is not taken from before what is `known`, unless the API insists; and a definition that is known of and is gone
    /// empties the watch, although nothing was ever listed.
    pub fn resume(&self, spec: &WatchSpec, known: &Known, on: Arc<dyn Fn(&Delta) + Send + Sync>) -> Source {
        let id = self.world.next_id.fetch_add(1, Ordering::Relaxed);
        let mut namespaces: Vec<Option<&String>> = spec.namespaces.iter().map(Some).collect();
        namespaces.sort();
        namespaces.dedup();
        if namespaces.is_empty() {
            namespaces.push(None);
        }
        let parts = namespaces.into_iter().map(|namespace| self.join(id, spec, namespace, known, on.clone()));
        let parts = parts.collect();
        Source::new(id, parts)
    }

    /// All informers, in a steady order.
    pub fn status(&self) -> Vec<WatchStatus> {
        let informers: Vec<Arc<Informer>> = hold(&self.world.informers).values().cloned().collect();
        let mut all: Vec<WatchStatus> = informers.iter().map(|informer| status(informer)).collect();
        all.sort_by(|a, b| (&a.api_version, &a.kind, &a.namespace).cmp(&(&b.api_version, &b.kind, &b.namespace)));
        all
    }

    fn join(&self, id: u64, spec: &WatchSpec, namespace: Option<&String>, known: &Known, on: OnDelta) -> Part {
        let identity = Identity {
            api_version: spec.api_version.clone(),
            kind: spec.kind.clone(),
            namespace: namespace.cloned(),
            label_selector: spec.label_selector.clone(),
            field_selector: spec.field_selector.clone(),
            metadata_only: spec.mode == Mode::Metadata,
            as_user: spec.as_user.clone(),
        };
        let mut informers = hold(&self.world.informers);
        let informer = informers.entry(identity).or_insert_with_key(|identity| {
            let informer = Arc::new(Informer::new(identity.clone(), self.world.clone()));
            // Before its task begins; one that runs learns what its first list still may use.
            informer.learn(known);
            self.world.tasks.spawn(informer.clone().run());
            informer
        });
        informer.learn(known);
        informer.holders.fetch_add(1, Ordering::AcqRel);
        let part = Part::new(informer.clone());
        informer.send(Letter::Join { id, on, joined: part.joined.clone() });
        part
    }
}

impl World {
    /// Takes an informer that nobody holds out of the registry; false if somebody came in time.
    pub(super) fn retire(&self, identity: &Identity) -> bool {
        let mut informers = hold(&self.informers);
        let idle = informers.get(identity).is_none_or(|informer| informer.holders.load(Ordering::Acquire) == 0);
        if idle {
            informers.remove(identity);
        }
        idle
    }

    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    pub(super) fn no_streams(&self) {
        if self.streams.swap(false, Ordering::Relaxed) {
            tracing::info!("the API does not do streaming lists: listing in pages");
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version, self.kind)?;
        self.namespace.iter().try_for_each(|namespace| write!(f, " in {namespace}"))?;
        for selector in [&self.label_selector, &self.field_selector] {
            if !selector.is_empty() {
                write!(f, " where {selector}")?;
            }
        }
        self.as_user.iter().try_for_each(|user| write!(f, " as {user}"))
    }
}

fn status(informer: &Informer) -> WatchStatus {
    let (objects, bytes, tombstones) = {
        let cache = informer.cache();
        (cache.len(), cache.bytes(), cache.tombstones())
    };
    let identity = informer.identity.clone();
    let progress = hold(&informer.progress);
    let silent = progress.last_heard.map(|heard| Instant::now().duration_since(heard).as_millis());
    WatchStatus {
        resource: progress.resource.as_ref().map(ToString::to_string),
        api_version: identity.api_version,
        kind: identity.kind,
        namespace: identity.namespace,
        label_selector: identity.label_selector,
        field_selector: identity.field_selector,
        metadata_only: identity.metadata_only,
        as_user: identity.as_user,
        state: match &progress.missing_rule {
            Some(rule) => format!("forbidden: needs {rule}"),
            None => progress.doing.to_owned(),
        },
        synced: progress.synced,
        objects,
        bytes,
        tombstones,
        holders: informer.holders.load(Ordering::Acquire),
        relists: progress.relists,
        restarts: progress.restarts,
        last_error: progress.last_error.clone(),
        silent_ms: silent.map(|silent| u64::try_from(silent).unwrap_or(u64::MAX)),
    }
}
