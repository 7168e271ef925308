//! One informer: the task that lists and watches one collection, and what others may ask it.
//!
//! Promises: only the task writes objects into the cache, so all subscriptions hear of changes in one order, and a subscription that
//! joins hears of everything cached before it hears of any change; the cache is already changed when they hear.
//!
//! The task ends when the process stops, or when nobody has held it for the grace time.

use super::{
    cache::{Cache, Delta, SubscriptionId},
    metrics::Share,
    object::{Object, ObjectKey},
    registry::{Identity, Known, World},
    version::older,
    wire::Target,
};
use crate::kinds::Resource;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicUsize,
    },
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

mod act;
mod task;

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
    /// The resource, if it was seen to come from a definition, here or before.
    pub(super) defined: Option<Resource>,
    /// The latest version that some subscription was told before.
    pub(super) least: Option<String>,
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
        task::run(&self).await;
        let mut inbox = hold(&self.inbox);
        inbox.closed = true;
        inbox.letters.clear();
        hold(&self.progress).share = None;
    }

    /// Takes in what a subscription knows from before. Says nothing any more to an informer that has synced.
    pub(super) fn learn(&self, known: &Known) {
        let mut progress = hold(&self.progress);
        if let Some(version) = &known.version
            && progress.least.as_deref().is_none_or(|least| older(least, version))
        {
            progress.least = Some(version.clone());
        }
        if progress.defined.is_none() {
            progress.defined.clone_from(&known.defined);
        }
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
            as_user: self.identity.as_user.as_deref(),
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
