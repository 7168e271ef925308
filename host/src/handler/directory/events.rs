//! What the system tells of a directory, reduced to: look now, look soon, or do not look.
//!
//! Guarantees: every event about a file that matters leads to a look, a queue that overflowed included; what is only read, by
//! weir itself above all, does not. A watch that died with its directory is noticed and made anew.

use super::{
    Problem,
    look::{Identity, Placed, matters},
};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Names of renamed files kept between two looks. What is beyond is found as well, but has to settle first.
const MAX_PLACED: usize = 1_000;

/// A directory under watch; dropping it ends the watch.
pub(super) struct Watching {
    /// Held for its `Drop`.
    _watcher: RecommendedWatcher,
    /// Which directory the system watches: the path may lead to another one by now.
    of: Identity,
    told: Arc<Told>,
}

/// What was told since the last look. Written by the watcher's thread, read by the follower.
#[derive(Default)]
struct Told {
    /// Held for a few instructions, never across an await; at most [`MAX_PLACED`] names.
    news: Mutex<News>,
    /// At most one permit each is stored, so a look that is asked for while one runs is not forgotten.
    renamed: Notify,
    touched: Notify,
}

#[derive(Default)]
struct News {
    placed: Placed,
    /// The watched directory itself was removed or renamed.
    lost: bool,
}

impl Watching {
    /// The watch that there is, if it still watches what the path leads to, else a new one. Blocks.
    pub(super) fn keep(watching: Option<Watching>, dir: &Path) -> (Option<Watching>, Option<Problem>) {
        let Ok(now) = Identity::of(dir) else { return (None, None) };
        if let Some(watching) = watching.filter(|it| it.of == now && !it.told.news().lost) {
            return (Some(watching), None);
        }
        match Watching::begin(dir, now) {
            Ok(watching) => (Some(watching), None),
            Err(error) => (None, Some(cannot_watch(dir, &error))),
        }
    }

    fn begin(dir: &Path, of: Identity) -> notify::Result<Watching> {
        let told = Arc::new(Told::default());
        // Events carry absolute paths, whatever was asked for.
        let root = std::path::absolute(dir).map_err(notify::Error::io)?;
        let (teller, watched) = (told.clone(), root.clone());
        let mut watcher = notify::recommended_watcher(move |event| teller.hear(&watched, event))?;
        watcher.watch(&root, RecursiveMode::NonRecursive)?;
        Ok(Watching { _watcher: watcher, of, told })
    }

    /// What was renamed into place since this was last asked.
    pub(super) fn take(&self) -> Placed {
        std::mem::take(&mut self.told.news().placed)
    }

    /// Until something is renamed. Cancel safe.
    pub(super) async fn renamed(&self) {
        self.told.renamed.notified().await;
    }

    /// Until anything else happens. Cancel safe.
    pub(super) async fn touched(&self) {
        self.told.touched.notified().await;
    }
}

impl Told {
    fn news(&self) -> MutexGuard<'_, News> {
        // Every change of the news is one assignment, so a thread that panicked left nothing half done.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, root: &Path, event: notify::Result<Event>) {
        let Ok(event) = event else { return self.touched.notify_one() };
        if event.need_rescan() {
            return self.touched.notify_one();
        }
        // A rename's last path is where the file is now.
        let Some(path) = event.paths.last() else { return };
        if path == root {
            if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
                self.news().lost = true;
            }
            return self.touched.notify_one();
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| matters(name)) else { return };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => self.touched.notify_one(),
            EventKind::Access(_) => {}
            EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both | RenameMode::Any)) => {
                let mut news = self.news();
                if news.placed.len() < MAX_PLACED {
                    news.placed.insert(name.to_owned());
                }
                drop(news);
                self.renamed.notify_one();
            }
            _ => self.touched.notify_one(),
        }
    }
}

fn cannot_watch(dir: &Path, error: &notify::Error) -> Problem {
    let poll = super::UNWATCHED_POLL.as_secs();
    Problem {
        file: dir.to_owned(),
        what: format!("the system refuses to watch it ({error}), so it is looked at every {poll} s instead"),
        fix: "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches, if their limits are what is reached"
            .into(),
        limit: None,
    }
}
