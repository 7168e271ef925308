//! Directories followed for real: real events, real time. Each test waits for what must come, for less than the poll takes.

use super::*;
use tokio::time::timeout;

/// Shorter than [`POLL`], so that what comes within it came by an event; long for the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Followed {
    dir: TempDir,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Followed {
    async fn new(files: &[(&str, &str)]) -> Followed {
        let dir = TempDir::new().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let snapshots = super::super::watch(dir.path(), Limits::default(), &tasks, stop).await;
        Followed { dir, snapshots }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn until(&mut self, holds: impl FnMut(&Arc<Snapshot>) -> bool) -> Arc<Snapshot> {
        let found = timeout(PATIENCE, self.snapshots.wait_for(holds)).await;
        found.expect("an event led to a snapshot").unwrap().clone()
    }

    async fn until_contents(&mut self, expected: &[(&str, &str, Option<&str>)]) {
        self.until(|it| contents(it) == expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_renamed_into_place_is_published_without_any_wait() {
    let mut followed = Followed::new(&[("a.wasm", "old")]).await;
    followed.until_contents(&[("a", "old", None)]).await;
    // A blocking task keeps the paused clock from moving, so whoever waits for a time waits until that task gives up.
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let frozen = tokio::task::spawn_blocking(move || waits.recv_timeout(PATIENCE));
    let start = Instant::now();

    fs::write(followed.path("a.wasm.tmp"), "new").unwrap();
    fs::rename(followed.path("a.wasm.tmp"), followed.path("a.wasm")).unwrap();
    followed.until_contents(&[("a", "new", None)]).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    done.send(()).unwrap();
    frozen.await.unwrap().expect("published while the clock stood still");
}

#[tokio::test]
async fn files_that_are_copied_changed_and_removed_are_followed() {
    let mut followed = Followed::new(&[]).await;
    fs::write(followed.path("a.wasm"), "one").unwrap();
    followed.until_contents(&[("a", "one", None)]).await;
    fs::write(followed.path("a.yaml"), "spec: {}").unwrap();
    followed.until_contents(&[("a", "one", Some("spec: {}"))]).await;
    fs::write(followed.path("a.wasm"), "two").unwrap();
    followed.until_contents(&[("a", "two", Some("spec: {}"))]).await;
    fs::remove_file(followed.path("a.yaml")).unwrap();
    followed.until_contents(&[("a", "two", None)]).await;
    fs::remove_file(followed.path("a.wasm")).unwrap();
    followed.until_contents(&[]).await;
}

#[tokio::test]
async fn a_kubelet_that_swaps_a_mount_is_followed() {
    // As kubelet's AtomicWriter does: a new directory, a new link to it, the link renamed over the old one.
    let publish = |dir: &Path, version: &str, content: &str| {
        fs::create_dir(dir.join(version)).unwrap();
        fs::write(dir.join(version).join("a.wasm"), content).unwrap();
        fs::write(dir.join(version).join("a.yaml"), content).unwrap();
        symlink(version, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    let mut followed = Followed::new(&[]).await;
    publish(followed.dir.path(), "..2026_01_01", "one");
    for name in ["a.wasm", "a.yaml"] {
        symlink(Path::new("..data").join(name), followed.path(name)).unwrap();
    }
    followed.until_contents(&[("a", "one", Some("one"))]).await;

    publish(followed.dir.path(), "..2026_01_02", "two");
    fs::remove_dir_all(followed.path("..2026_01_01")).unwrap();
    let both = followed.until(|it| contents(it) == [("a", "two", Some("two"))]).await;
    assert_eq!(both.problems, []);
}

#[tokio::test]
async fn a_directory_that_comes_back_is_watched_again() {
    let mut followed = Followed::new(&[("a.wasm", "one")]).await;
    followed.until_contents(&[("a", "one", None)]).await;
    fs::remove_dir_all(followed.dir.path()).unwrap();
    let gone = followed.until(|it| !it.problems.is_empty()).await;
    assert_eq!(contents(&gone), [("a", "one", None)]);
    fs::create_dir(followed.dir.path()).unwrap();
    fs::write(followed.path("a.wasm"), "two").unwrap();
    followed.until_contents(&[("a", "two", None)]).await;
    assert_eq!(followed.snapshots.borrow().problems, []);
    // And events come again: this one is waited for no longer than the poll takes.
    fs::write(followed.path("a.wasm"), "three").unwrap();
    followed.until_contents(&[("a", "three", None)]).await;
}

#[tokio::test]
async fn a_missing_directory_is_a_problem_and_stopping_closes_the_receiver() {
    let dir = TempDir::new().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let missing = dir.path().join("none");
    let mut snapshots = super::super::watch(&missing, Limits::default(), &tasks, stop.clone()).await;
    assert!(problem(&snapshots.borrow_and_update(), "none").fix.contains("create it"));
    stop.cancel();
    tasks.close();
    timeout(PATIENCE, tasks.wait()).await.expect("the task ends");
    assert!(snapshots.changed().await.is_err());
}
