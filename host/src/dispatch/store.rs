//! The state directory: what outlives the process of ledgers and dead letters.
//!
//! Promises: what was put before [`Store::written`] returned survives kill -9, or the store is in trouble and says so; puts are written in the order they were
//! made, a group whole or not at all; the newest value of a record is the one that is written; nothing that is put is lost while the disk is full or read-only:
//! it is kept in memory and written when that ends. What a power cut may cost is what was written since the last fsync: a second's worth, or nothing with
//! [`Sync::Always`].
//!
//! Bounds: one value waits for each record, of which there are as many as lanes have entries, letters and watches; the directory is kept within
//! [`StoreSettings::max_bytes`]: beyond it removals are written and everything else waits.
//!
//! Not here: what the records mean (`baseline`), and how bytes get to the disk (`disk`).

mod disk;
mod offline;
mod record;
mod status;
mod writer;

pub use disk::OpenError;
pub use offline::Offline;
pub(super) use record::HandlerRecord;
pub use status::{StoreMetrics, StoreStatus, Trouble};

use super::{
    dead::Letter,
    key::LaneKey,
    ledger::{Entry, WatchRecord, unix_ms},
};
use disk::{Contents, Disk, DiskSettings, SetAside};
use record::{Name, Owner, Value};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};
use tokio::{sync::watch, time::Instant};

/// What the directory may take on disk unless told otherwise, in bytes.
pub const DEFAULT_MAX_STATE_BYTES: u64 = 4 << 30;
/// What one table keeps in memory before it goes to a file of its own, in bytes, unless told otherwise.
pub const DEFAULT_MEMTABLE_BYTES: u64 = 8 << 20;
/// Records that could not be read are logged one by one up to this many.
const MAX_UNREADABLE_LOGGED: usize = 10;

/// When what was written is forced to the disk itself. A process that is killed loses nothing either way; this is about power cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Every second.
    #[default]
    EverySecond,
    /// Before a call begins and before its end counts; costs an fsync for each group of calls.
    Always,
}

/// Where and how.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The directory; made if it is not there.
    pub dir: PathBuf,
    /// See [`Sync`].
    pub sync: Sync,
    /// What it may take on disk, in bytes; default [`DEFAULT_MAX_STATE_BYTES`].
    pub max_bytes: u64,
    /// Default [`DEFAULT_MEMTABLE_BYTES`].
    pub memtable_bytes: u64,
}

/// A state directory that is in use. Clones are handles on the same; the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Writes one ledger and its letters.
#[derive(Clone)]
pub(super) struct Recorder {
    inner: Arc<Inner>,
    owner: Owner,
}

/// What was known of one handler.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// What it did.
    pub(super) real: KeptHalf,
    /// What it would have done.
    pub(super) dry: KeptHalf,
}

/// One ledger and its letters.
#[derive(Debug, Default)]
pub(super) struct KeptHalf {
    pub(super) entries: HashMap<LaneKey, Entry>,
    pub(super) watches: BTreeMap<Arc<str>, WatchRecord>,
    /// By number.
    pub(super) letters: BTreeMap<u64, Letter>,
    pub(super) handler: HandlerRecord,
}

struct Inner {
    desk: Arc<Desk>,
    /// What is on disk could not be read at the start.
    blind: bool,
    set_aside: Option<String>,
    unreadable: usize,
    /// Of handlers that were not asked for yet. Held for single changes.
    known: Mutex<BTreeMap<String, Kept>>,
    /// Until it is closed.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What whoever puts and the thread that writes share.
struct Desk {
    settings: StoreSettings,
    metrics: StoreMetrics,
    /// Held for single changes.
    pending: Mutex<Pending>,
    /// Something is pending, or the store is to close.
    wake: Condvar,
    progress: watch::Sender<Progress>,
}

/// What is put and not taken by the writer.
#[derive(Default)]
struct Pending {
    /// The newest value of each record.
    records: HashMap<(Owner, Name), Option<Value>>,
    /// How many groups the writer took.
    taken: u64,
    closing: bool,
}

/// How far the writer is.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// How many of the groups taken are on disk, in order.
    written: u64,
    bytes: u64,
    /// Since when nothing can be written, and why.
    trouble: Option<(Instant, String)>,
    /// It has ended.
    closed: bool,
}

impl Store {
    /// Opens the directory, and reads what it has. Blocks while it does.
    ///
    /// What is there and cannot be used is set aside, and the log names where. A directory that cannot be made, read or written now (a disk that is full or
    /// read-only) is tried again and again while weir goes on without what is in it: that is taken up at the next start.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: another weir uses it; [`OpenError::OpenToAll`]: anybody may.
    pub fn open(settings: StoreSettings, metrics: StoreMetrics) -> Result<Store, OpenError> {
        match opened(&settings) {
            Ok((disk, contents, set_aside)) => Store::start(settings, metrics, Some(disk), contents, set_aside),
            Err(refused @ (OpenError::InUse { .. } | OpenError::OpenToAll { .. })) => Err(refused),
            Err(error @ OpenError::Directory { .. }) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the state directory cannot be used now: weir goes on without what is in it, and tries again"
                );
                Store::start(settings, metrics, None, Contents::new(), None)
            }
        }
    }

    /// Opens the directory, or says why it cannot.
    ///
    /// # Errors
    /// [`OpenError`].
    fn open_now(settings: StoreSettings, metrics: StoreMetrics) -> Result<Store, OpenError> {
        let (disk, contents, set_aside) = opened(&settings)?;
        Store::start(settings, metrics, Some(disk), contents, set_aside)
    }

    fn start(
        settings: StoreSettings,
        metrics: StoreMetrics,
        disk: Option<Disk>,
        contents: Contents,
        set_aside: Option<SetAside>,
    ) -> Result<Store, OpenError> {
        let (known, unreadable) = sort(contents);
        let bytes = disk.as_ref().map_or(0, Disk::bytes);
        let blind = disk.is_none();
        let dir = settings.dir.clone();
        let desk = Arc::new(Desk {
            settings,
            metrics,
            pending: Mutex::default(),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress { bytes, ..Progress::default() }),
        });
        let thread = writer::start(desk.clone(), disk).map_err(|source| OpenError::Directory { dir, source })?;
        let inner = Inner {
            desk,
            blind,
            set_aside: set_aside.map(|aside| aside.at.display().to_string()),
            unreadable,
            known: Mutex::new(known),
            thread: Mutex::new(Some(thread)),
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// What was known of a handler. The second time, nothing: whoever asked keeps it.
    pub(super) fn take(&self, handler: &str) -> Kept {
        let mut kept = lock(&self.inner.known).remove(handler).unwrap_or_default();
        if self.inner.blind {
            // Beyond any number that a letter on disk can have: of one a second there never were as many.
            let last_letter = unix_ms() / 1000;
            (kept.real.handler.last_letter, kept.dry.handler.last_letter) = (last_letter, last_letter);
        }
        kept
    }

    /// What writes a handler's ledger, or that of its dry runs.
    pub(super) fn recorder(&self, handler: &str, dry_run: bool) -> Recorder {
        Recorder { inner: self.inner.clone(), owner: Owner { handler: handler.into(), dry_run } }
    }

    /// Everything that was put before is written, or cannot be for now.
    pub(super) async fn written(&self) {
        let wanted = {
            let pending = lock(&self.inner.desk.pending);
            pending.taken + u64::from(!pending.records.is_empty())
        };
        let mut progress = self.inner.desk.progress.subscribe();
        // An error would mean that the store is gone, which this is a handle on.
        let _ = progress.wait_for(|now| now.written >= wanted || now.trouble.is_some() || now.closed).await;
    }

    /// For `/status`.
    pub fn status(&self) -> StoreStatus {
        let inner = &self.inner;
        let progress = inner.desk.progress.borrow().clone();
        StoreStatus {
            dir: inner.desk.settings.dir.display().to_string(),
            bytes: progress.bytes,
            max_bytes: inner.desk.settings.max_bytes,
            waiting: lock(&inner.desk.pending).records.len(),
            trouble: progress.trouble.map(|(since, error)| Trouble { error, seconds: since.elapsed().as_secs() }),
            set_aside: inner.set_aside.clone(),
            unreadable: inner.unreadable,
        }
    }

    /// The handlers that something is known of, less those that were taken.
    pub fn handlers(&self) -> Vec<String> {
        lock(&self.inner.known).keys().cloned().collect()
    }

    /// Writes and forces to disk what is put, and lets go of the directory. Nothing put later is written.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Recorder {
    pub(super) fn entry(&self, key: &LaneKey, entry: Option<&Entry>) {
        self.put(Name::Entry(key.clone()), entry.map(|entry| Value::Entry(Box::new(entry.clone()))));
    }

    pub(super) fn watch(&self, name: &Arc<str>, record: Option<&WatchRecord>) {
        self.put(Name::Watch(name.clone()), record.map(|record| Value::Watch(Box::new(record.clone()))));
    }

    pub(super) fn letter(&self, number: u64, letter: Option<&Letter>) {
        self.put(Name::Letter(number), letter.map(|letter| Value::Letter(Box::new(letter.clone()))));
    }

    pub(super) fn handler(&self, record: Option<&HandlerRecord>) {
        self.put(Name::Handler, record.map(|record| Value::Handler(record.clone())));
    }

    fn put(&self, name: Name, value: Option<Value>) {
        let desk = &self.inner.desk;
        let mut pending = lock(&desk.pending);
        let idle = pending.records.is_empty();
        pending.records.insert((self.owner.clone(), name), value);
        if idle {
            desk.wake.notify_one();
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Recorder").field(&self.owner).finish()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.inner.desk.settings.dir).finish()
    }
}

impl Inner {
    fn close(&self) {
        lock(&self.desk.pending).closing = true;
        self.desk.wake.notify_all();
        let thread = lock(&self.thread).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(
                "the thread that writes the state directory panicked; please report it with the lines logged before"
            );
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Kept {
    fn half(&mut self, dry_run: bool) -> &mut KeptHalf {
        if dry_run { &mut self.dry } else { &mut self.real }
    }
}

fn opened(settings: &StoreSettings) -> Result<(Disk, Contents, Option<SetAside>), OpenError> {
    let disk_settings = DiskSettings { memtable_bytes: settings.memtable_bytes };
    let opened = Disk::open(&settings.dir, &disk_settings)?;
    if let Some(aside) = &opened.2 {
        let (dir, at) = (settings.dir.display(), aside.at.display());
        let why = &aside.why;
        if aside.begun_anew {
            tracing::error!(
                "the state in {dir} cannot be used: {why}; it is kept in {at}, and weir begins without it: every object is `initial` again"
            );
        } else {
            tracing::error!(
                "the newest of the state in {dir} cannot be used: {why}; it is kept in {at}, and weir goes on with the rest"
            );
        }
    }
    Ok(opened)
}

/// By handler; and how many records could not be read.
fn sort(contents: Contents) -> (BTreeMap<String, Kept>, usize) {
    let (mut known, mut unreadable) = (BTreeMap::<String, Kept>::new(), 0);
    for (table, key, value) in contents {
        let read = match record::owner(&key) {
            None => Err(record::Unreadable::Key),
            Some((owner, _)) => record::read(table, &key, &value, known.entry(owner.handler.to_string()).or_default()),
        };
        if let Err(error) = read {
            unreadable += 1;
            if unreadable <= MAX_UNREADABLE_LOGGED {
                let key = String::from_utf8_lossy(&key).replace('\0', " ");
                tracing::error!(%error, record = key, "a record of the state directory cannot be read, and is left as it is");
            }
        }
    }
    known.retain(|_, kept| !kept.is_empty());
    (known, unreadable)
}

impl Kept {
    fn is_empty(&self) -> bool {
        [&self.real, &self.dry].iter().all(|half| {
            half.entries.is_empty()
                && half.watches.is_empty()
                && half.letters.is_empty()
                && half.handler == HandlerRecord::default()
        })
    }
}

/// What is behind these locks stays whole through a panic elsewhere: each change is one insert or remove.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
