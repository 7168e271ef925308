//! One lane: what one handler name has for as long as the process lives, whatever component stands behind it.
//!
//! Promises: publishing swaps the component between two calls, and neither loses nor repeats an event; removing ends the calls and
//! keeps the ledger; draining returns by its deadline.
//!
//! Bounds: `workers` calls at once (for a moment more, when a reload lowers it: calls under way end as they are); [`MAX_HELD_KEYS`] keys held
//! beyond their calls until the watch has caught up.

use super::{
    baseline,
    book::Book,
    dead::Letter,
    event::Reasons,
    fights::Fights,
    health::Tally,
    key::LaneKey,
    ledger::WatchRecord,
    metrics::{DispatchMetrics, LaneMetrics},
    status::LaneStatus,
    store::Store,
    worker,
    world::World,
};
use crate::{
    action::Executor,
    handler::manifest::{Manifest, Watch},
    queue::{Drained, Priority, Queue, QueueMetrics, Settings},
    runtime::{Invoke, LogRate, LogSink},
    watch::{Delta, Known, PointerError, Source, View},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Keys that one lane holds at most, beyond those of its workers, until the watch has caught up; further workers wait with their keys.
pub const MAX_HELD_KEYS: usize = 1024;
/// What calls that are cut off at the deadline of a drain are given to let go of their keys.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// What a lane is built from.
#[derive(Debug, Clone)]
pub struct LaneDeps {
    /// Where its workers are spawned.
    pub tasks: TaskTracker,
    /// Shared by all lanes.
    pub metrics: DispatchMetrics,
    /// Shared by all queues.
    pub queues: QueueMetrics,
    /// Where the ledger and the dead letters are kept. None: in memory only.
    pub store: Option<Store>,
    /// Shared by all lanes.
    pub fights: Fights,
}

/// One loaded version of a handler, ready to be called.
pub struct Generation {
    /// Larger than that of any generation of this handler before; what [`Lane::listener`] was asked for.
    pub number: u64,
    /// Of the component: SHA-256, hexadecimal.
    pub digest: String,
    /// Of everything that decides what it does, component and manifest: what an older one gave up, another one tries again.
    pub version: String,
    /// Checked.
    pub manifest: Arc<Manifest>,
    /// Calls it.
    pub invoke: Arc<dyn Invoke>,
    /// Carries its actions out.
    pub executor: Arc<Executor>,
    /// One for each watch of the manifest, by its name, followed with [`Lane::listener`].
    pub sources: Vec<(String, Source)>,
}

/// Why a generation was not published; the one before goes on.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A watch's pointers, which the manifest's checks should have refused.
    #[error("compiling the fields of watch {watch}")]
    View {
        /// Its name.
        watch: String,
        /// What is wrong with which.
        source: PointerError,
    },
    /// A watch has no source.
    #[error("watch {watch} has no source")]
    NoSource {
        /// Its name.
        watch: String,
    },
    /// A younger generation is published already.
    #[error("generation {number} is not younger than {published}, which is published")]
    Old {
        /// The one refused.
        number: u64,
        /// The one that runs.
        published: u64,
    },
}

/// One handler's lane. Clones are handles on the same lane.
#[derive(Clone)]
pub struct Lane {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) tasks: TaskTracker,
    pub(super) metrics: LaneMetrics,
    pub(super) queue: Queue<LaneKey>,
    /// Changed only while the book is locked, so that the book's generation and this one agree for whoever holds the book.
    pub(super) generation: watch::Sender<Option<Arc<Active>>>,
    /// Held for look-ups and single changes, never across an await. May be taken while nothing else is held; sources may be asked
    /// (not awaited) under it.
    book: Mutex<Book>,
    pub(super) store: Option<Store>,
    pub(super) fights: Fights,
    /// Held for single changes, never across an await; of other locks only the queue's is taken under it.
    world: Mutex<World>,
    /// For `/status` and for slowing a component that traps again and again. Four numbers and words; held for single changes.
    pub(super) tally: Mutex<Tally>,
    /// Wakes workers that wait because the handler was unhealthy.
    pub(super) recovered: Notify,
    /// How much the handler may say, and weir about its failures.
    pub(super) log_rate: Arc<LogRate>,
    /// Which worker indices run. At most `MAX_WORKERS`. The published generation may be asked under it, nothing else taken.
    workers: Mutex<Vec<bool>>,
    /// Permits to hold a key beyond its worker.
    pub(super) holds: Arc<Semaphore>,
    /// The lane drains: held keys are let go, nothing is scheduled any more.
    pub(super) closing: CancellationToken,
}

/// A published generation.
pub(super) struct Active {
    pub(super) number: u64,
    pub(super) digest: String,
    pub(super) version: String,
    pub(super) manifest: Arc<Manifest>,
    pub(super) invoke: Arc<dyn Invoke>,
    pub(super) executor: Arc<Executor>,
    pub(super) watches: HashMap<Arc<str>, Watched>,
    /// The handler was removed, or a drain met its deadline: calls end.
    pub(super) ended: CancellationToken,
}

/// One watch of a generation.
pub(super) struct Watched {
    pub(super) name: Arc<str>,
    pub(super) config: Watch,
    pub(super) record: WatchRecord,
    pub(super) view: View,
    pub(super) source: Source,
}

impl Lane {
    /// A lane without a generation: it waits for [`Lane::publish`].
    pub fn new(name: &str, deps: LaneDeps) -> Lane {
        let queue = Queue::new(Settings::default());
        // client-go names a queue after its controller, too.
        deps.queues.observe(name, name, &queue);
        let shared = Shared {
            name: name.into(),
            tasks: deps.tasks,
            log_rate: LogRate::new(name, deps.metrics.limits().clone()),
            metrics: deps.metrics.lane(name),
            queue,
            generation: watch::Sender::new(None),
            // What was kept was kept within the bounds of its generation; the next one brings its own.
            book: Mutex::new(Book::new(name, deps.store.as_ref(), usize::MAX, usize::MAX)),
            store: deps.store,
            fights: deps.fights,
            world: Mutex::default(),
            tally: Mutex::default(),
            recovered: Notify::new(),
            workers: Mutex::default(),
            holds: Arc::new(Semaphore::new(MAX_HELD_KEYS)),
            closing: CancellationToken::new(),
        };
        shared.count_letters(&shared.book());
        Lane { shared: Arc::new(shared) }
    }

    /// The handler's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What a watch of generation `number` has to be followed with. Never blocks for long. Until that generation is published, and
    /// once a younger one is, it only takes notes.
    pub fn listener(&self, number: u64, watch: &str) -> Arc<dyn Fn(&Delta) + Send + Sync> {
        let (shared, watch) = (Arc::downgrade(&self.shared), Arc::<str>::from(watch));
        Arc::new(move |delta| {
            if let Some(shared) = shared.upgrade() {
                shared.hear(number, &watch, delta);
            }
        })
    }

    /// A sink for what the handler says: `sink`, as long as `limits.logBytesPerSecond` of the published generation leaves room.
    pub fn lines(&self, sink: LogSink) -> LogSink {
        self.shared.log_rate.over(sink)
    }

    /// What the ledger knows of what a watch is about, to be followed with: so that a list from before that is not taken for the newest.
    pub fn known(&self, watch: &Watch) -> Known {
        self.shared.book().ledger.known(watch)
    }

    /// Makes `generation` the one that is called, at the next claim; calls under way end with the one they began with. A watch whose source has not
    /// synced begins when it has. Entries are kept, forgotten or computed anew as design §4 says for changed watches, failing keys are tried at once,
    /// and every dead letter gets another chance.
    ///
    /// # Errors
    /// [`PublishError`]; then nothing has changed.
    pub fn publish(&self, generation: Generation) -> Result<(), PublishError> {
        let active = Arc::new(Active::new(generation)?);
        baseline::publish(&self.shared, &active)?;
        worker::ensure(&self.shared, active.manifest.workers);
        Ok(())
    }

    /// The handler is gone: calls under way are ended, subscriptions too, and nothing is called any more. Ledger and dead letters stay, so
    /// publishing again goes on from there.
    pub fn remove(&self) {
        baseline::remove(&self.shared);
    }

    /// The dead letters with their numbers, oldest first.
    pub fn letters(&self) -> Vec<(u64, Letter)> {
        self.shared.book().dead.numbered().map(|(number, letter)| (number, letter.clone())).collect()
    }

    /// Calls the handler once more for the letter of this number, or for all: with the current state of the object, or the letter's own if that is gone. The letter
    /// stays until the handler has answered. Returns how many were found.
    pub fn retry_letters(&self, one: Option<u64>) -> usize {
        let keys = self.shared.book().retry(one);
        for key in &keys {
            self.shared.queue.forget(key);
            self.shared.queue.add(key.clone(), Priority::High);
        }
        keys.len()
    }

    /// Drops the letter of this number, or all. What they are about stays given up until it changes. Returns how many were found.
    pub fn drop_letters(&self, one: Option<u64>) -> usize {
        let mut book = self.shared.book();
        let dropped = book.dead.numbers(one).into_iter().filter_map(|number| book.dead.take(number)).count();
        self.shared.count_letters(&book);
        dropped
    }

    /// Forgets all that is known of any object, dead letters included. If the handler runs, it begins anew: every object is `initial`.
    pub fn forget(&self) {
        baseline::forget(&self.shared);
    }

    /// For `/status`.
    pub fn status(&self) -> LaneStatus {
        self.shared.status()
    }

    /// Takes nothing on any more, works off what is ready, and waits for the calls under way, at most for `deadline`; then those are ended
    /// too, and what they were called for is open in the ledger.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let shared = &self.shared;
        shared.closing.cancel();
        let drained = shared.queue.drain(deadline).await;
        if drained != Drained::Complete
            && let Some(active) = shared.current()
        {
            active.ended.cancel();
            // For the log's sake only: whoever ends the process need not wait for it.
            let _ = timeout(LAST_MOMENT, shared.all_let_go()).await;
        }
        drained
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Active {
    fn new(generation: Generation) -> Result<Active, PublishError> {
        let mut sources: HashMap<String, Source> = generation.sources.into_iter().collect();
        let mut watches = HashMap::new();
        for config in &generation.manifest.watches {
            let watch = || config.name.clone();
            let source = sources.remove(&config.name).ok_or_else(|| PublishError::NoSource { watch: watch() })?;
            let view = View::new(config.fields.as_deref(), config.changed.as_deref())
                .map_err(|source| PublishError::View { watch: watch(), source })?;
            let (name, record) = (Arc::<str>::from(config.name.as_str()), WatchRecord::of(config));
            watches.insert(name.clone(), Watched { name, record, config: config.clone(), view, source });
        }
        Ok(Active {
            number: generation.number,
            digest: generation.digest,
            version: generation.version,
            manifest: generation.manifest,
            invoke: generation.invoke,
            executor: generation.executor,
            watches,
            ended: CancellationToken::new(),
        })
    }
}

impl Shared {
    /// The book. What is in it stays whole through a panic elsewhere: each change under the lock is one insert or remove.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn workers(&self) -> MutexGuard<'_, Vec<bool>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Option<Arc<Active>> {
        self.generation.borrow().clone()
    }

    /// Notes what an informer saw.
    fn hear(&self, number: u64, watch: &Arc<str>, delta: &Delta) {
        let key = LaneKey { watch: watch.clone(), object: delta.key.clone() };
        let mut book = self.book();
        if book.generation.is_some_and(|published| published > number) {
            return;
        }
        if let Some(before) = &delta.before
            && delta.now.as_ref().is_none_or(|now| now.uid() != before.uid())
        {
            book.gone(&key, before.uid());
        }
        // Before that, the baseline will see what the cache has.
        if book.serves(number, watch) {
            let waits = book.first_lists.get(watch).is_some_and(|first| first.contains(&delta.key));
            book.because(&key, Reasons::CHANGED);
            drop(book);
            self.queue.add(key, if waits { Priority::Low } else { Priority::High });
        }
    }

    /// Waits until what the book says is on disk, if it is kept there.
    pub(super) async fn kept(&self) {
        if let Some(store) = &self.store {
            store.written().await;
        }
    }

    /// Says how many dead letters there are.
    pub(super) fn count_letters(&self, book: &Book) {
        self.metrics.dead_letters.set(i64::try_from(book.dead.len()).unwrap_or(i64::MAX));
    }

    async fn all_let_go(&self) {
        while self.queue.depth().processing > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
