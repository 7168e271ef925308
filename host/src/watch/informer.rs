//! One informer: the task that lists and watches one collection, and what others may ask it.
//!
//! Promises: only the task writes objects into the cache, so all subscriptions hear of changes in one order, and a subscription that
//! joins hears of everything cached before it hears of any change; the cache is already changed when they hear.
//!
//! The task is the async shell of [`Machine`]: it carries out steps, keeps the cache, and serves its inbox meanwhile, also
//! during waits. It ends when the process stops, or when nobody has held it for the grace time.

use super::{
    cache::{Cache, Delta, SubscriptionId},
    machine::{Effect, Input, Machine, Step, Trouble},
    metrics::Share,
    object::{Object, ObjectKey},
    registry::{Identity, World},
    wire::{self, Line, Lines, Page, Refusal, Target},
};
use crate::kinds::{ResolveError, Resource};
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

/// After so many objects of a list the task lets others run.
const YIELD_EVERY: usize = 200;

/// What a subscription is called with.
pub(super) type OnDelta = Arc<dyn Fn(&Delta) + Send + Sync>;

pub(super) struct Informer {
    pub(super) identity: Identity,
    pub(super) world: Arc<World>,
    /// Objects are written by the task alone; tombstones are also released by subscriptions. Never held across an await or a call of a
    /// subscription.
    cache: RwLock<Cache>,
    /// Bounded by its senders: one join and one leave a subscription, one feed a waiting key.
    inbox: Mutex<Inbox>,
    knock: Notify,
    /// Ticks whenever something that can be waited for may have happened.
    ticks: watch::Sender<()>,
    pub(super) progress: Mutex<Progress>,
    /// How many sources hold this informer. Grows only under the registry's lock.
    pub(super) holders: AtomicUsize,
}

/// What `/status` says, and what subscriptions ask.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) resource: Option<Resource>,
    pub(super) share: Option<Arc<Share>>,
    pub(super) synced: bool,
    /// The cache's births when the first list was complete.
    pub(super) first_births: Option<u64>,
    pub(super) doing: &'static str,
    /// Set while forbidden: what to grant.
    pub(super) missing_rule: Option<String>,
    pub(super) last_error: Option<String>,
    pub(super) relists: u64,
    pub(super) restarts: u64,
    pub(super) last_heard: Option<Instant>,
}

/// One subscription's place in one informer: set when it has joined; the cache's births at that time if the informer had synced.
pub(super) type Joined = Arc<OnceLock<Option<u64>>>;

pub(super) enum Letter {
    Join {
        id: SubscriptionId,
        on: OnDelta,
        joined: Joined,
    },
    Leave(SubscriptionId),
    /// What a GET answered; the sender is dropped when it is in the cache.
    Feed {
        object: Object,
        done: oneshot::Sender<()>,
    },
}

#[derive(Default)]
struct Inbox {
    letters: VecDeque<Letter>,
    /// The task has ended: nothing is taken any more, so that nobody waits for it.
    closed: bool,
}

impl Informer {
    pub(super) fn new(identity: Identity, world: Arc<World>) -> Informer {
        let cache = RwLock::new(Cache::new(world.settings.max_tombstones));
        Informer {
            identity,
            world,
            cache,
            inbox: Mutex::default(),
            knock: Notify::new(),
            ticks: watch::channel(()).0,
            progress: Mutex::new(Progress { doing: "resolving", ..Progress::default() }),
            holders: AtomicUsize::new(0),
        }
    }

    /// Runs the informer until the process stops or nobody wants it any more.
    pub(super) async fn run(self: Arc<Informer>) {
        let machine = Machine::new(self.world.streams(), rand::random());
        Task { informer: &self, machine, subscribers: Vec::new(), listed: HashSet::new(), lines: None, forced: false }
            .run()
            .await;
        let mut inbox = hold(&self.inbox);
        inbox.closed = true;
        inbox.letters.clear();
        hold(&self.progress).share = None;
    }

    pub(super) fn send(&self, letter: Letter) {
        let mut inbox = hold(&self.inbox);
        if !inbox.closed {
            inbox.letters.push_back(letter);
        }
        drop(inbox);
        self.knock.notify_one();
    }

    pub(super) fn cache(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn resource(&self) -> Option<Resource> {
        hold(&self.progress).resource.clone()
    }

    pub(super) fn ticks(&self) -> watch::Receiver<()> {
        self.ticks.subscribe()
    }

    pub(super) fn release(&self, key: &ObjectKey, uid: &str, id: SubscriptionId) {
        self.change(|cache| cache.release(key, uid, id));
    }

    /// The requests of this informer.
    pub(super) fn target<'a>(&'a self, resource: &'a Resource) -> Target<'a> {
        Target {
            resource,
            namespace: self.identity.namespace.as_deref(),
            label_selector: &self.identity.label_selector,
            field_selector: &self.identity.field_selector,
            metadata_only: self.identity.metadata_only,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cache) -> T) -> T {
        let mut cache: RwLockWriteGuard<'_, Cache> = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut cache);
        if let Some(share) = hold(&self.progress).share.clone() {
            share.show(&cache);
        }
        result
    }
}

/// A lock whose holder panicked still guards sound data: every change under it is complete in itself.
pub(super) fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Task<'a> {
    informer: &'a Informer,
    machine: Machine,
    subscribers: Vec<(SubscriptionId, OnDelta)>,
    /// The keys of the list that runs.
    listed: HashSet<ObjectKey>,
    /// The watch that is open.
    lines: Option<Lines>,
    /// The API went back: take what it says.
    forced: bool,
}

/// What came of a step.
enum Came {
    Resolved(Result<Resource, ResolveError>, bool),
    Waited { changed: bool },
    Page(Result<Page, Refusal>),
    Opened(Result<Lines, Refusal>),
    Line(Result<Option<bytes::Bytes>, Refusal>),
    Silence,
}

impl Task<'_> {
    async fn run(mut self) {
        let informer = self.informer;
        loop {
            if !informer.world.streams() {
                self.machine.no_streaming();
            }
            let step = self.machine.step();
            if !matches!(step, Step::Read(_)) {
                // Whatever comes next, this watch is over.
                self.lines = None;
            }
            let came = {
                let mut act = std::pin::pin!(act(informer, step, &mut self.lines));
                loop {
                    let held = informer.holders.load(Ordering::Acquire) > 0;
                    tokio::select! {
                        biased;
                        () = informer.world.stop.cancelled() => return,
                        () = informer.knock.notified() => serve(informer, &mut self.subscribers),
                        () = tokio::time::sleep(informer.world.settings.grace), if !held => {
                            if informer.world.retire(&informer.identity) {
                                return;
                            }
                        }
                        came = &mut act => break came,
                    }
                }
            };
            let input = self.take_in(came).await;
            let effects = self.machine.on(input, Instant::now(), rand::random());
            for effect in effects {
                self.carry_out(effect);
            }
            let mut progress = hold(&informer.progress);
            progress.doing = self.machine.doing();
            if progress.doing != "retrying" {
                progress.missing_rule = None;
            }
        }
    }

    /// Does with the data what is to be done, and tells the machine what it was.
    async fn take_in(&mut self, came: Came) -> Input {
        match came {
            Came::Waited { changed: true } => Input::DefinitionsChanged,
            Came::Waited { changed: false } => Input::Woke,
            Came::Resolved(Ok(resource), _) => {
                let share = Arc::new(self.informer.world.metrics.share(&resource));
                let mut progress = hold(&self.informer.progress);
                progress.resource = Some(resource);
                progress.share = Some(share);
                Input::Served
            }
            Came::Resolved(Err(ResolveError::NotServed { .. }), confirmed) => Input::NotServed { confirmed },
            Came::Resolved(Err(ResolveError::Api { source, .. }), _) => {
                self.refused(Refusal::from_kube(&source), false)
            }
            Came::Page(Err(refusal)) | Came::Opened(Err(refusal)) => self.refused(refusal, false),
            Came::Page(Ok(page)) => {
                if self.machine.accepts(&page.resource_version) {
                    for (at, item) in page.items().into_iter().enumerate() {
                        self.upsert(item);
                        if at % YIELD_EVERY == YIELD_EVERY - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
                self.heard();
                Input::Page { resource_version: page.resource_version, token: page.token }
            }
            Came::Opened(Ok(lines)) => {
                self.lines = Some(lines);
                Input::Opened
            }
            Came::Silence => Input::Silent,
            Came::Line(Ok(None)) => Input::Ended,
            Came::Line(Err(refusal)) => self.refused(refusal, false),
            Came::Line(Ok(Some(line))) => self.line(&line),
        }
    }

    fn line(&mut self, line: &[u8]) -> Input {
        let read = match Line::read(line) {
            Ok(read) => read,
            Err(refusal) => return self.refused(refusal, false),
        };
        self.heard();
        let resource_version = match read {
            Line::Upsert(object) => self.upsert(object),
            Line::Deleted(object) => self.delete(object),
            Line::Bookmark { resource_version, ends_list } => return Input::Bookmark { resource_version, ends_list },
            Line::Refused(refusal) => return self.refused(refusal, true),
            Line::Unknown => String::new(),
        };
        Input::Change { resource_version }
    }

    fn heard(&mut self) {
        let mut progress = hold(&self.informer.progress);
        progress.last_heard = Some(Instant::now());
        progress.last_error = None;
    }

    fn refused(&mut self, refusal: Refusal, in_stream: bool) -> Input {
        let informer = self.informer;
        tracing::debug!(informer = %informer.identity, error = refusal.message, "an informer was refused");
        let mut progress = hold(&informer.progress);
        if refusal.trouble == Trouble::Forbidden {
            let rule = progress.resource.as_ref().map_or_else(
                || "get on discovery, which the role system:discovery gives".to_owned(),
                |resource| {
                    format!(
                        "get, list, watch on {resource} (rules: apiGroups [\"{}\"], resources [\"{}\"], verbs [get, list, watch])",
                        resource.group, resource.plural
                    )
                },
            );
            if progress.missing_rule.is_none() {
                tracing::warn!(informer = %informer.identity, needs = rule, "an informer lacks permission");
            }
            progress.missing_rule = Some(rule);
        }
        progress.last_error = Some(refusal.message);
        Input::Failed { trouble: refusal.trouble, in_stream, retry_after: refusal.retry_after }
    }

    fn carry_out(&mut self, effect: Effect) {
        let informer = self.informer;
        match effect {
            Effect::BeginList(reason) => {
                self.listed.clear();
                let mut progress = hold(&informer.progress);
                progress.relists += 1;
                progress.share.iter().for_each(|share| share.relist(reason));
            }
            Effect::Complete(version) => {
                let owed = self.owed();
                let deltas = informer.change(|cache| {
                    let deltas = cache.complete(&self.listed, &version, &owed, self.forced);
                    cache.advance(&version);
                    deltas
                });
                self.listed = HashSet::new();
                self.forced = false;
                let births = informer.cache().births();
                {
                    let mut progress = hold(&informer.progress);
                    progress.first_births.get_or_insert(births);
                    progress.synced = true;
                }
                deltas.iter().for_each(|delta| self.tell(delta));
                informer.ticks.send_replace(());
            }
            Effect::Advance(version) => {
                informer.change(|cache| cache.advance(&version));
                informer.ticks.send_replace(());
            }
            Effect::KindGone => {
                let owed = self.owed();
                let deltas = informer.change(|cache| cache.complete(&HashSet::new(), "", &owed, true));
                tracing::warn!(informer = %informer.identity, objects = deltas.len(), "the definition of a watched kind is gone");
                deltas.iter().for_each(|delta| self.tell(delta));
            }
            Effect::ForgetKind => informer.world.kinds.forget(&informer.identity.api_version),
            Effect::NoStreaming => informer.world.no_streams(),
            Effect::WentBack => {
                tracing::warn!(informer = %informer.identity, "the API serves older states than before: taking them as they are");
                self.forced = true;
                informer.change(Cache::forget_order);
            }
            Effect::Restart => {
                let mut progress = hold(&informer.progress);
                progress.restarts += 1;
                progress.share.iter().for_each(|share| share.restart());
            }
        }
    }

    /// Takes in an object of a page or an event; its resourceVersion, empty if it is none.
    fn upsert(&mut self, json: &str) -> String {
        let Some(object) = self.parse(json) else { return String::new() };
        let version = object.resource_version().to_owned();
        self.listed.insert(object.key().clone());
        let owed = self.owed();
        if let Some(delta) = self.informer.change(|cache| cache.upsert(object, &owed, self.forced)) {
            self.tell(&delta);
        }
        version
    }

    fn delete(&mut self, json: &str) -> String {
        let Some(object) = self.parse(json) else { return String::new() };
        let version = object.resource_version().to_owned();
        self.listed.remove(object.key());
        let owed = self.owed();
        if let Some(delta) = self.informer.change(|cache| cache.remove(object, &owed)) {
            self.tell(&delta);
        }
        version
    }

    fn parse(&self, json: &str) -> Option<Object> {
        let progress = hold(&self.informer.progress);
        let read = Object::parse(json.as_bytes(), progress.resource.as_ref()?);
        read.inspect_err(|error| {
            progress.share.iter().for_each(|share| share.unreadable());
            tracing::warn!(error = error as &dyn std::error::Error, "skipped what the API sent as an object");
        })
        .ok()
    }

    fn owed(&self) -> Vec<SubscriptionId> {
        self.subscribers.iter().map(|(id, _)| *id).collect()
    }

    fn tell(&self, delta: &Delta) {
        self.subscribers.iter().for_each(|(_, on)| on(delta));
    }
}

/// Works off the inbox.
fn serve(informer: &Informer, subscribers: &mut Vec<(SubscriptionId, OnDelta)>) {
    loop {
        let Some(letter) = hold(&informer.inbox).letters.pop_front() else { break };
        match letter {
            Letter::Join { id, on, joined } => {
                let (there, gone, births) = informer
                    .change(|cache| (cache.objects().cloned().collect::<Vec<_>>(), cache.owe(id), cache.births()));
                // Set before anybody is told, because who is told asks.
                let _ = joined.set(hold(&informer.progress).synced.then_some(births));
                for now in there {
                    on(&Delta { key: now.key().clone(), before: None, now: Some(now) });
                }
                for last in gone {
                    on(&Delta { key: last.key().clone(), before: Some(last), now: None });
                }
                subscribers.push((id, on));
            }
            Letter::Leave(id) => {
                subscribers.retain(|(subscriber, _)| *subscriber != id);
                informer.change(|cache| cache.release_all(id));
            }
            Letter::Feed { object, done } => {
                let owed: Vec<SubscriptionId> = subscribers.iter().map(|(id, _)| *id).collect();
                if let Some(delta) = informer.change(|cache| cache.feed(object, &owed)) {
                    subscribers.iter().for_each(|(_, on)| on(&delta));
                }
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }
    informer.ticks.send_replace(());
}

async fn act(informer: &Informer, step: Step, lines: &mut Option<Lines>) -> Came {
    let (world, identity) = (&informer.world, &informer.identity);
    let resource = informer.resource();
    match (step, &resource, lines) {
        (Step::Resolve, known, _) => {
            let resolved = world.kinds.resolve(&identity.api_version, &identity.kind).await;
            let confirmed = match (&resolved, known) {
                (Err(ResolveError::NotServed { .. }), Some(known)) => world.definitions.confirm_gone(known).await,
                _ => false,
            };
            Came::Resolved(resolved, confirmed)
        }
        (Step::AwaitKind(patience), ..) => Came::Waited { changed: world.definitions.changed(patience).await },
        (Step::Pause(wait), ..) => {
            tokio::time::sleep(wait).await;
            Came::Waited { changed: false }
        }
        (Step::Page { token, limited }, Some(resource), _) => {
            let limit = limited.then_some(world.settings.page_size.max(1));
            Came::Page(page(informer, resource, token.as_deref(), limit).await)
        }
        (Step::Open { from, timeout }, Some(resource), _) => {
            Came::Opened(open(informer, resource, from.as_deref(), timeout).await)
        }
        (Step::Read(until), _, Some(lines)) => match tokio::time::timeout_at(until, lines.next()).await {
            Ok(line) => Came::Line(line),
            Err(_) => Came::Silence,
        },
        // A watch that is to be read is open, and a kind that is to be listed is resolved; if not, begin again.
        (Step::Read(_), _, None) => Came::Line(Ok(None)),
        (Step::Page { .. } | Step::Open { .. }, None, _) => Came::Page(Err(Refusal::other("the kind is not resolved"))),
    }
}

async fn page(
    informer: &Informer,
    resource: &Resource,
    token: Option<&str>,
    limit: Option<u32>,
) -> Result<Page, Refusal> {
    let request = informer.target(resource).list(token, limit)?;
    let response = wire::send(&informer.world.client, request).await?;
    Page::read(response, informer.world.settings.max_list_bytes).await
}

async fn open(
    informer: &Informer,
    resource: &Resource,
    from: Option<&str>,
    timeout: std::time::Duration,
) -> Result<Lines, Refusal> {
    let request = informer.target(resource).watch(from, timeout)?;
    let response = wire::send(&informer.world.client, request).await?;
    Ok(Lines::new(response, informer.world.settings.max_line_bytes))
}
