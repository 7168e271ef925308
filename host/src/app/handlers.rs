//! Which handlers run: carries out what the directory asks for, and remembers how each file fared.
//!
//! Promises: files are loaded side by side, and a newer version of a file overtakes an older one that is still loading; a lane is
//! made once for a name and never again; nothing is published for a file that went meanwhile.

use super::{
    load::{self, Parts},
    preflight::{self, Standing},
};
use crate::{
    action::Pace,
    dispatch::{Lane, LaneDeps, Store},
    handler::{
        directory::{Found, Problem, Snapshot},
        manifest::Limits,
        reload::{self, Loaded, Step},
    },
    queue::Bucket,
};
use futures::future::join_all;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// All handlers of the process.
pub(super) struct Handlers {
    pub(super) parts: Parts,
    /// Held for look-ups and single changes, never across an await.
    table: Mutex<Table>,
    /// A load ended: a name may have come free.
    again: Notify,
}

/// What is known of the files and names. One entry for each file in the directory (which bounds them), and one lane for each
/// name that ever ran.
#[derive(Default)]
pub(super) struct Table {
    pub(super) loaded: BTreeMap<String, Loaded>,
    pub(super) files: BTreeMap<String, File>,
    pub(super) lanes: BTreeMap<String, Place>,
    pub(super) problems: Vec<Problem>,
    /// The first look at the directory was carried out.
    looked: bool,
    /// Handlers whose files were too fresh to be taken at the last look.
    settling: usize,
}

/// One file, for `/status`.
pub(super) struct File {
    pub(super) state: FileState,
    /// The name of the handler in it, and what the API allows it; none until that is known of this version.
    pub(super) rights: Option<(String, Standing)>,
    /// Cancels the load under way.
    loading: CancellationToken,
}

/// How the version in the directory fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileState {
    /// It is being compiled and checked.
    Loading,
    /// It waits for the caches it needs.
    Waiting {
        /// The handler's name.
        name: String,
    },
    /// It runs.
    Running {
        /// The handler's name.
        name: String,
        /// Compiling and checking.
        check: Duration,
        /// From checked to published.
        swap: Duration,
    },
    /// It does not; the last good version, if any, does.
    Refused {
        /// Why, and what to do.
        error: String,
    },
}

/// One name's lane.
pub(super) struct Place {
    pub(super) lane: Lane,
    /// The number last given to a generation.
    number: u64,
    /// The tokens for writes, and the limits they were made for.
    bucket: Arc<Mutex<Bucket>>,
    limits: (u32, u32),
}

impl Handlers {
    /// No handlers yet.
    pub(super) fn new(parts: Parts) -> Handlers {
        let known = parts.store.as_ref().map(Store::handlers).unwrap_or_default();
        let handlers = Handlers { parts, table: Mutex::default(), again: Notify::new() };
        let mut table = Table::default();
        for name in known {
            // What is known of a handler that has not come back can be seen, and forgotten.
            handlers.place(&mut table, &name, &Limits::default());
        }
        Handlers { table: Mutex::new(table), ..handlers }
    }

    /// The table. What is in it stays whole through a panic elsewhere: each change under the lock is a few inserts.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the directory until weir stops.
    pub(super) async fn follow(self: Arc<Self>, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            self.carry_out(&snapshot);
            tokio::select! {
                () = self.parts.stop.cancelled() => return,
                changed = snapshots.changed() => if changed.is_err() { return },
                () = self.again.notified() => {}
            }
        }
    }

    /// Whether every file, those just written included, was loaded or refused, and every watch has its first list or waits for what weir cannot help.
    pub(super) fn is_settled(&self) -> bool {
        let table = self.table();
        let (looked, loading, waiting) = {
            let any = |is: fn(&FileState) -> bool| table.files.values().any(|file| is(&file.state));
            let waiting = any(|state| matches!(state, FileState::Waiting { .. }));
            (table.looked && table.settling == 0, any(|state| *state == FileState::Loading), waiting)
        };
        drop(table);
        let beyond_help = |state: &str| state.starts_with("waiting for kind") || state.starts_with("forbidden");
        let watches = self.parts.informers.status();
        // A file that waits although every watch has its list is about to run: what is created before it does would be told as
        // one that was there at the start.
        let stuck = watches.iter().any(|watch| beyond_help(&watch.state));
        let settled = watches.iter().all(|watch| watch.synced || beyond_help(&watch.state));
        looked && !loading && (!waiting || stuck) && settled
    }

    /// Drains every lane, all at once, within `grace`.
    pub(super) async fn drain(&self, grace: Duration) {
        let lanes: Vec<Lane> = self.table().lanes.values().map(|place| place.lane.clone()).collect();
        join_all(lanes.iter().map(|lane| lane.drain(grace))).await;
    }

    /// Ends every call and subscription at once.
    pub(super) fn remove_all(&self) {
        self.table().lanes.values().for_each(|place| place.lane.remove());
    }

    fn carry_out(self: &Arc<Self>, snapshot: &Snapshot) {
        let mut table = self.table();
        for problem in snapshot.problems.iter().filter(|problem| !table.problems.contains(problem)) {
            tracing::warn!(file = %problem.file.display(), fix = problem.fix, "{}", problem.what);
            if let (Some(limit), Some(stem)) = (problem.limit, problem.file.file_stem()) {
                self.parts.engine.metrics().limits().hit(&stem.to_string_lossy(), limit);
            }
        }
        table.problems.clone_from(&snapshot.problems);
        for step in reload::plan(snapshot, &table.loaded) {
            match step {
                Step::Remove { stem, name } => {
                    if let Some(file) = table.files.remove(&stem) {
                        file.loading.cancel();
                    }
                    table.loaded.remove(&stem);
                    self.parts.loads.forget(&stem);
                    if let Some(place) = name.as_ref().and_then(|name| table.lanes.get(name)) {
                        place.lane.remove();
                        tracing::info!(handler = name, "handler removed; what it knows is kept");
                    }
                }
                Step::Load(found) | Step::Reload(found) => self.begin(&mut table, found),
            }
        }
        (table.looked, table.settling) = (true, snapshot.settling);
    }

    /// Starts to load a version; one of the same file that is still loading is given up.
    fn begin(self: &Arc<Self>, table: &mut Table, found: Found) {
        let stem = found.stem.to_string();
        let loading = self.parts.stop.child_token();
        // Until it runs it counts as tried, so that it is not planned again meanwhile.
        let tried = Loaded::failed(&found, table.loaded.get(&stem));
        table.loaded.insert(stem.clone(), tried);
        let file = File { state: FileState::Loading, rights: None, loading: loading.clone() };
        if let Some(before) = table.files.insert(stem, file) {
            before.loading.cancel();
        }
        let handlers = self.clone();
        self.parts.tasks.spawn(async move {
            let load = handlers.load(&found, &loading);
            if let Some(Err(error)) = loading.run_until_cancelled(load).await {
                handlers.refuse(&found, &loading, error);
            }
        });
    }

    async fn load(self: &Arc<Self>, found: &Found, loading: &CancellationToken) -> Result<(), String> {
        let began = Instant::now();
        let checked = load::check(&self.parts, found).await?;
        let check = began.elapsed();
        let (name, limits) = (checked.manifest.name.clone(), checked.manifest.limits.clone());
        let (lane, number, pace) = {
            let mut table = self.table();
            if let Some(taken) = reload::conflict(&name, &found.stem, &table.loaded) {
                let waiting = Loaded::waiting(found, table.loaded.get(&*found.stem), &*name);
                table.loaded.insert(found.stem.to_string(), waiting);
                return Err(taken.to_string());
            }
            set(&mut table, found, loading, FileState::Waiting { name: name.clone() });
            self.place(&mut table, &name, &limits)
        };
        let asking = preflight::follow(self.clone(), found.stem.clone(), checked.manifest.clone(), loading.clone());
        self.parts.tasks.spawn(asking);
        let checked_at = Instant::now();
        let generation = load::prepare(&self.parts, checked, &lane, number, pace).await?;
        let digest = generation.digest.clone();
        let mut table = self.table();
        if loading.is_cancelled() {
            return Ok(());
        }
        if let Some(taken) = reload::conflict(&name, &found.stem, &table.loaded) {
            let waiting = Loaded::waiting(found, table.loaded.get(&*found.stem), &*name);
            table.loaded.insert(found.stem.to_string(), waiting);
            return Err(taken.to_string());
        }
        lane.publish(generation).map_err(|error| error.to_string())?;
        let before = table.loaded.insert(found.stem.to_string(), Loaded::running(found, &*name));
        // The file gave its handler another name: the old one ends.
        if let Some(old) = before.and_then(|it| it.name).filter(|old| *old != name)
            && let Some(place) = table.lanes.get(&old)
        {
            place.lane.remove();
        }
        let swap = checked_at.elapsed();
        set(&mut table, found, loading, FileState::Running { name: name.clone(), check, swap });
        drop(table);
        self.parts.loads.count(&found.stem, true);
        let (check_ms, swap_ms) = (check.as_secs_f64() * 1e3, swap.as_secs_f64() * 1e3);
        tracing::info!(handler = name, file = %found.component.display(), digest, check_ms, swap_ms, "handler loaded");
        self.again.notify_one();
        Ok(())
    }

    /// Notes what the API allows the handler of a file, unless a newer version has taken its place.
    pub(super) fn stands(&self, stem: &str, loading: &CancellationToken, name: &str, standing: Standing) {
        let mut table = self.table();
        if let Some(file) = table.files.get_mut(stem).filter(|_| !loading.is_cancelled()) {
            standing.tell(name, file.rights.as_ref().map(|(_, before)| before));
            self.parts.loads.lack(stem, standing.lacks.len());
            file.rights = Some((name.to_owned(), standing));
        }
    }

    fn refuse(&self, found: &Found, loading: &CancellationToken, error: String) {
        let mut table = self.table();
        let kept = table.loaded.get(&*found.stem).and_then(|it| it.name.clone());
        set(&mut table, found, loading, FileState::Refused { error: error.clone() });
        drop(table);
        self.parts.loads.count(&found.stem, false);
        tracing::error!(file = %found.component.display(), keeps_running = kept, "handler refused: {error}");
        self.again.notify_one();
    }

    /// The lane of `name`, the next generation's number, and its tokens for writes.
    fn place(&self, table: &mut Table, name: &str, limits: &Limits) -> (Lane, u64, Pace) {
        let rates = (limits.writes_per_second, limits.write_burst);
        let bucket = || Arc::new(Mutex::new(Bucket::new(f64::from(rates.0), rates.1)));
        let place = table.lanes.entry(name.to_owned()).or_insert_with(|| Place {
            lane: Lane::new(
                name,
                LaneDeps {
                    tasks: self.parts.tasks.clone(),
                    metrics: self.parts.dispatch.clone(),
                    queues: self.parts.queues.clone(),
                    store: self.parts.store.clone(),
                    fights: self.parts.fights.clone(),
                },
            ),
            number: 0,
            bucket: bucket(),
            limits: rates,
        });
        if place.limits != rates {
            (place.bucket, place.limits) = (bucket(), rates);
        }
        place.number += 1;
        let tokens = place.bucket.clone();
        let pace: Pace =
            Arc::new(move || tokens.lock().unwrap_or_else(PoisonError::into_inner).reserve(Instant::now()));
        (place.lane.clone(), place.number, pace)
    }
}

/// Notes how a version fares, unless a newer one has taken its place.
fn set(table: &mut Table, found: &Found, loading: &CancellationToken, state: FileState) {
    if !loading.is_cancelled()
        && let Some(file) = table.files.get_mut(&*found.stem)
    {
        file.state = state;
    }
}
