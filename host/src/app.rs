//! The composition root: the only place that builds, starts and wires the rooms.
//!
//! Promises: whatever one handler's file does, the others go on; a file that cannot be used leaves its last good version
//! running; shutting down takes no event further than it was: what is under way may end within the grace period, the rest is
//! open in the ledger. Everything that runs is spawned into one tracker and has ended when [`App::stop`] returns.

mod call;
mod handlers;
mod load;
mod metrics;
mod orders;
mod preflight;
mod reads;
mod status;
mod survey;

use crate::{
    action::{ActionMetrics, Outside, Secrets},
    dispatch::{
        DEFAULT_MAX_STATE_BYTES, DEFAULT_MEMTABLE_BYTES, DispatchMetrics, Fights, OpenError, Store, StoreMetrics,
        StoreSettings, Sync,
    },
    handler::directory,
    kinds::Kinds,
    ops::admin::{self, Admin, socket::Socket},
    queue::QueueMetrics,
    runtime::{Engine, EngineError, EngineSettings},
    watch::{Informers, WatchMetrics, WatchSettings},
};
pub use call::{Call, Called};
use handlers::Handlers;
use kube::Client;
use metrics::LoadMetrics;
pub use orders::{LetterLine, Order, OrderError, Orders};
use prometheus_client::registry::Registry;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
pub use survey::{KnownKinds, manifests};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often readiness is looked at, until it is there.
const READY_LOOK: Duration = Duration::from_millis(50);

/// What the command line says, typed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of handlers.
    pub plugins: PathBuf,
    /// For watches that name no namespaces; empty: all.
    pub namespaces: Vec<String>,
    /// Calls at once, for handlers whose manifest does not say.
    pub workers: usize,
    /// The admin port's address.
    pub listen: SocketAddr,
    /// How long calls under way may take to end on shutdown.
    pub grace: Duration,
    /// Where compiled code is kept. None: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Where ledgers and dead letters are kept. None: in memory, and a restart begins with `initial`.
    pub state: Option<StateSettings>,
    /// What gives orders at the admin port. None: orders are taken only on the socket in the state directory.
    pub admin_token: Option<String>,
    /// Grant every handler what it wants: `weir dev`.
    pub grant_wishes: bool,
    /// Run only components whose manifest names their SHA-256.
    pub require_digest: bool,
    /// Which process reports Events: the pod's name, or the host's.
    pub instance: String,
    /// What grants of `http` may refer to.
    pub secrets: Secrets,
}

/// Where ledgers and dead letters are kept, and how.
#[derive(Debug, Clone)]
pub struct StateSettings {
    /// The directory; made if it is not there.
    pub dir: PathBuf,
    /// Whether each write is forced to the disk before weir goes on; else that happens every second. Default: no.
    pub always_synced: bool,
    /// What the directory may take on disk, in bytes; default 4 GiB.
    pub max_bytes: u64,
    /// What one table keeps in memory, in bytes; default 8 MiB.
    pub memtable_bytes: u64,
}

/// Why weir did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The admin port cannot be had.
    #[error("listening on {address}: {source}; choose another address with --listen")]
    Listen {
        /// As asked.
        address: SocketAddr,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The state directory cannot be had.
    #[error(transparent)]
    State(#[from] OpenError),
    /// The WebAssembly engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl StateSettings {
    /// The defaults, for this directory.
    pub fn new(dir: impl Into<PathBuf>) -> StateSettings {
        StateSettings {
            dir: dir.into(),
            always_synced: false,
            max_bytes: DEFAULT_MAX_STATE_BYTES,
            memtable_bytes: DEFAULT_MEMTABLE_BYTES,
        }
    }
}

impl From<StateSettings> for StoreSettings {
    fn from(settings: StateSettings) -> StoreSettings {
        let StateSettings { dir, always_synced, max_bytes, memtable_bytes } = settings;
        let sync = if always_synced { Sync::Always } else { Sync::EverySecond };
        StoreSettings { dir, sync, max_bytes, memtable_bytes }
    }
}

/// A running weir. Dropping it without [`App::stop`] cuts everything off.
pub struct App {
    admin: Admin,
    address: SocketAddr,
    handlers: Arc<Handlers>,
    store: Option<Store>,
    tasks: TaskTracker,
    /// Ends the watches and the loading of handlers.
    stop: CancellationToken,
    /// Ends the admin port, last of all.
    silence: CancellationToken,
    grace: Duration,
}

impl App {
    /// Starts weir on `client`; `cluster` is how status and logs call it. Returns once it listens and has looked at the
    /// directory; handlers load from then on.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn start(settings: Settings, client: Client, cluster: String) -> Result<App, AppError> {
        let failed = |source| AppError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !admin::is_private(&address) {
            tracing::warn!(%address, "the admin port can be reached from other machines; it tells whoever asks, and takes orders only with a token");
        }
        let engine =
            Engine::new(EngineSettings { cache_dir: settings.cache_dir.clone(), ..EngineSettings::default() })?;
        let (tasks, stop, silence) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let mut registry = Registry::default();
        engine.metrics().register(&mut registry);
        let limits = engine.metrics().limits().clone();
        let store = keep(settings.state.clone(), StoreMetrics::register(&mut registry)).await?;
        let kinds = Kinds::new(client.clone());
        let informers = Informers::new(
            client.clone(),
            kinds.clone(),
            WatchSettings::default(),
            tasks.clone(),
            stop.clone(),
            WatchMetrics::new(&mut registry),
        );
        let handlers = Arc::new(Handlers::new(load::Parts {
            reviews: preflight::Reviews::new(client.clone()),
            engine,
            client,
            kinds,
            informers,
            queues: QueueMetrics::register(&mut registry),
            dispatch: DispatchMetrics::register(&mut registry).counting(limits.clone()),
            store: store.clone(),
            fights: Fights::default(),
            actions: ActionMetrics::register(&mut registry).counting(limits),
            loads: LoadMetrics::register(&mut registry),
            outside: Outside::new(settings.secrets.clone()),
            tasks: tasks.clone(),
            stop: stop.clone(),
            settings: settings.clone(),
        }));
        let report = {
            let (handlers, cluster, began) = (handlers.clone(), cluster.clone(), Instant::now());
            move || status::report(&handlers, &cluster, began)
        };
        let order = {
            let handlers = handlers.clone();
            move |body: &[u8]| orders::carry_out(&handlers, body)
        };
        let admin = Admin::new(registry, report, order, settings.admin_token.as_deref());
        if let Some(state) = &settings.state {
            listen_in(&state.dir, &admin, &tasks, &silence);
        }
        tasks.spawn(admin.clone().serve(listener, silence.clone()));
        tracing::info!(%address, plugins = %settings.plugins.display(), cluster, "weir runs");
        let snapshots = directory::watch(&settings.plugins, directory::Limits::default(), &tasks, stop.clone()).await;
        tasks.spawn(handlers.clone().follow(snapshots));
        tasks.spawn(become_ready(admin.clone(), handlers.clone(), stop.clone()));
        Ok(App { admin, address, handlers, store, tasks, stop, silence, grace: settings.grace })
    }

    /// Where the admin port listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the admin port tells.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Not ready, no watches, lanes drained within the grace period, and then nothing runs any more.
    pub async fn stop(self) {
        self.admin.set_ready(false);
        self.stop.cancel();
        self.handlers.drain(self.grace).await;
        self.silence.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(store) = self.store.clone() {
            // The last group is written and forced to disk; only a panic would be an error, and it is logged there.
            let _ = tokio::task::spawn_blocking(move || store.close()).await;
        }
        tracing::info!("weir has ended");
    }
}

impl Drop for App {
    /// Without waiting for anything; after [`App::stop`] there is nothing left to end.
    fn drop(&mut self) {
        self.stop.cancel();
        self.handlers.remove_all();
        self.silence.cancel();
    }
}

/// Takes orders on a socket in the state directory. Without it weir runs as well.
fn listen_in(dir: &Path, admin: &Admin, tasks: &TaskTracker, silence: &CancellationToken) {
    match Socket::bind(dir) {
        Ok(socket) => {
            tracing::info!(socket = %socket.path().display(), "orders are taken here: weir dead, weir forget");
            let (admin, silence) = (admin.clone(), silence.clone());
            tasks.spawn(socket.serve(admin, silence));
        }
        Err(error) => tracing::warn!(
            dir = %dir.display(),
            "no socket for orders can be made in the state directory: {error}; use a shorter path, or --admin-token-file and the admin port"
        ),
    }
}

/// Opens the state directory, or says what it means to have none.
async fn keep(settings: Option<StateSettings>, metrics: StoreMetrics) -> Result<Option<Store>, AppError> {
    let Some(settings) = settings else {
        tracing::warn!(
            "without --state-dir nothing is remembered when weir stops: after a restart every object is `initial` again, deletions that happened meanwhile are \
             never told, and timers and dead letters are lost"
        );
        return Ok(None);
    };
    let dir = settings.dir.clone();
    // Reading blocks. A panic there is told as what it is: the directory could not be opened.
    let opened = tokio::task::spawn_blocking(move || Store::open(settings.into(), metrics)).await;
    let opened = opened.unwrap_or_else(|panic| Err(OpenError::Directory { dir, source: std::io::Error::other(panic) }));
    Ok(Some(opened?))
}

/// Ready is: every file of the first look was loaded or refused, and every watch has its first list, or waits for what weir
/// cannot help (a kind to come, a permission).
async fn become_ready(admin: Admin, handlers: Arc<Handlers>, stop: CancellationToken) {
    while !handlers.is_settled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(READY_LOOK) => {}
        }
    }
    tracing::info!("ready");
    admin.set_ready(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn without_a_state_directory_the_log_says_once_what_that_means() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Mutex::new(file.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        assert!(keep(None, StoreMetrics::default()).await.unwrap().is_none());
        drop(guard);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("WARN"), "{text}");
        for word in ["--state-dir", "`initial` again", "deletions", "timers", "dead letters"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
