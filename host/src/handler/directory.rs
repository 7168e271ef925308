//! Which files a directory of handlers holds: `x.wasm`, and `x.yaml` beside it if the operator has something to say.
//!
//! Guarantees:
//! - **Contents decide.** A snapshot differs from the one before only if a hash, a name or a problem does; times and inodes only
//!   say where to read again.
//! - **Nothing half-written.** A file is taken once it stopped moving: found unchanged by two looks, or old enough at first
//!   sight, or renamed into place. A component and the YAML beside it are taken together.
//! - **The last good content stays.** A file that moves, grows beyond its bound or cannot be read, or a directory that
//!   vanishes, leaves the snapshot as it was, with a [`Problem`] that says so.
//! - **Not everybody's.** A directory or file that everybody may write to, and a link that leads out of the directory, is not taken, with a
//!   [`Problem`]. A ConfigMap's mount is read-only and its links stay inside.
//! - **Renames are fast.** What is renamed into place is published without any wait; a kubelet's `..data` swap counts.
//! - **Nothing depends on events.** A slow poll finds what no event told: network mounts, the target of a symbolic link, a
//!   directory that was replaced.
//!
//! Not here: whether a component is one, what a manifest says, and how long a handler runs on. Not promised: that every
//! content which a file ever had is seen; and a writer who pauses for longer than [`QUIET`] in the middle of a file may be taken
//! at half, which the loader then refuses and the next look mends.
//!
//! The directory is watched, never its files: a watch on a file dies with the first rename over it.

use super::{MAX_MANIFEST, manifest::limit::Limit};
use bytes::Bytes;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use events::Watching;
use look::{Look, Moment, Reader};

mod events;
mod file;
mod look;

/// How long to wait after an event that is not a rename, so that one copy is one look.
pub const DEBOUNCE: Duration = Duration::from_millis(200);

/// How far apart two looks have to be that find a file unchanged, before it is taken.
pub const SETTLE: Duration = Duration::from_millis(100);

/// A file that nobody touched for this long is taken at first sight.
pub const QUIET: Duration = Duration::from_secs(1);

/// How often the directory is looked at though no event came.
pub const POLL: Duration = Duration::from_secs(30);

/// How often it is looked at while it cannot be watched: it is missing, or the system has no watches left.
pub const UNWATCHED_POLL: Duration = Duration::from_secs(1);

/// What one directory may hold. Every number is a hard bound: what is beyond is left out, and a [`Problem`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one component, checked before it is read. Default 64 MiB.
    pub component_bytes: u64,
    /// Bytes of one manifest, checked before it is read. Default [`MAX_MANIFEST`].
    pub manifest_bytes: u64,
    /// Bytes of all files together, because they are kept in memory. Default 1 GiB.
    pub total_bytes: u64,
    /// How many handlers. Default 1,000; those that are there keep their places.
    pub handlers: usize,
    /// How many directory entries are read, whatever they are. Default 10,000; beyond it nothing changes any more.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            component_bytes: 64 << 20,
            manifest_bytes: MAX_MANIFEST as u64,
            total_bytes: 1 << 30,
            handlers: 1_000,
            entries: 10_000,
        }
    }
}

/// What a directory holds. Equal snapshots hold equal contents and problems, and wait for as many files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sorted by stem, no stem twice.
    pub files: Vec<Found>,
    /// For people, sorted by file: in the log when they appear, in `weir status` while they last.
    pub problems: Vec<Problem>,
    /// How many handlers are not among `files` only because their files were just written: they come with a later snapshot.
    pub settling: usize,
}

/// One handler's files, read whole. Cheap to clone.
#[derive(Clone)]
pub struct Found {
    /// The file name without `.wasm`: the handler's name unless its manifest gives another.
    pub stem: Arc<str>,
    /// The component's path, inside the directory as it was given.
    pub component: PathBuf,
    /// The component.
    pub bytes: Bytes,
    /// SHA-256 of `bytes`, in hex.
    pub digest: Arc<str>,
    /// The YAML beside the component and its path, if there is one.
    pub manifest: Option<(PathBuf, Arc<str>)>,
    /// SHA-256 of the YAML, in hex.
    pub manifest_digest: Option<Arc<str>>,
}

/// Something in the directory that is not as its owner will have meant it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Which file, or the directory.
    pub file: PathBuf,
    /// What is wrong and what weir does about it.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// The bound that the file is beyond, if that is what is wrong.
    pub limit: Option<Limit>,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        // The digests stand for the contents, which may be many megabytes.
        self.component == other.component
            && self.digest == other.digest
            && self.manifest_digest == other.manifest_digest
            && self.manifest.as_ref().map(|it| &it.0) == other.manifest.as_ref().map(|it| &it.0)
    }
}

impl Eq for Found {}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("component", &self.component)
            .field("bytes", &self.bytes.len())
            .field("digest", &self.digest)
            .field("manifest_digest", &self.manifest_digest)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.file.display(), self.what, self.fix)
    }
}

/// Reads a directory once, files that were just written included; one that changes while it is read is left out. Blocks: for
/// commands that end, and for tests.
pub fn scan(dir: &Path, limits: Limits) -> Snapshot {
    // Seen from the far future every file is old enough to be taken at first sight.
    let moment = Moment { at: Instant::now(), wall: SystemTime::now() + 2 * QUIET };
    Reader::new(dir, limits).look(&Default::default(), moment).snapshot
}

/// Follows a directory until `stop`. The first snapshot is there when this returns; what was still being written then comes with
/// the next. Each later one differs from the one before, and only the latest is kept.
///
/// A directory that is missing is waited for, visibly. The receiver closes when `stop` is cancelled. The one task that follows
/// the directory is counted in `tasks`.
pub async fn watch(
    dir: &Path,
    limits: Limits,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> watch::Receiver<Arc<Snapshot>> {
    let mut follower = Follower { dir: dir.to_owned(), limits, reader: None, watching: None };
    let (first, unsettled) = follower.look().await;
    let (sender, receiver) = watch::channel(Arc::new(first));
    tasks.spawn(async move { stop.run_until_cancelled(follower.follow(sender, unsettled)).await });
    receiver
}

/// One directory being followed.
struct Follower {
    dir: PathBuf,
    limits: Limits,
    /// What was read so far. None before the first look, and while a look has it.
    reader: Option<Reader>,
    /// None while the directory cannot be watched.
    watching: Option<Watching>,
}

impl Follower {
    /// Publishes until cancelled. `unsettled`: the look before this found something that still moves.
    async fn follow(mut self, sender: watch::Sender<Arc<Snapshot>>, mut unsettled: bool) {
        loop {
            let pause = match self.watching {
                _ if unsettled => SETTLE,
                None => UNWATCHED_POLL,
                Some(_) => POLL,
            };
            self.wait(pause).await;
            let (snapshot, moves) = self.look().await;
            unsettled = moves;
            sender.send_if_modified(|last| {
                let differs = **last != snapshot;
                if differs {
                    *last = Arc::new(snapshot);
                }
                differs
            });
        }
    }

    /// Until it is time to look again: `pause` has passed, something was renamed, or something else happened and calmed down.
    async fn wait(&self, pause: Duration) {
        let Some(watching) = &self.watching else { return sleep(pause).await };
        tokio::select! {
            () = sleep(pause) => {}
            () = watching.renamed() => {}
            () = async {
                watching.touched().await;
                sleep(DEBOUNCE).await;
            } => {}
        }
    }

    /// Looks, off the async threads. The watch is made before the look, so that nothing falls between the two.
    async fn look(&mut self) -> (Snapshot, bool) {
        let (watching, reader) = (self.watching.take(), self.reader.take());
        let (dir, limits) = (self.dir.clone(), self.limits);
        let looked = tokio::task::spawn_blocking(move || {
            let mut reader = reader.unwrap_or_else(|| Reader::new(&dir, limits));
            let (watching, refused) = Watching::keep(watching, &dir);
            let placed = watching.as_ref().map(Watching::take).unwrap_or_default();
            let mut look = reader.look(&placed, Moment { at: Instant::now(), wall: SystemTime::now() });
            // A directory that is missing says so itself; one that cannot be watched works, slowly.
            if let Some(problem) = refused.filter(|_| look.listed) {
                look.snapshot.problems.push(problem);
                look.snapshot.problems.sort();
            }
            (reader, watching, look)
        });
        match looked.await {
            Ok((reader, watching, look)) => {
                let Look { snapshot, unsettled, listed } = look;
                self.reader = Some(reader);
                self.watching = watching.filter(|_| listed);
                (snapshot, unsettled)
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down: nothing will be published any more, least of all an empty directory.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests;
