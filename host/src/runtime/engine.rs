//! The process's one wasmtime engine: how guests are compiled, where their memory comes from, and what stops them.
//!
//! Promises: the epoch advances every [`TICK`] as long as the engine lives, from a thread of its own that no guest can hold
//! up; compiled code is cached only where nobody else can write; where the address space has no room for a pool, weir runs
//! without one, slower. The numbers are measured ones: each names what it is for.

use super::{compile::Compiler, metrics::RuntimeMetrics, pool::Handler, state};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// How often a running guest yields to others, and how exact deadlines are.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// How often instances that idle too long are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The most that `limits.memory` can be: one slot of the pool. An epoch is looked at only between bulk operations, so this
/// also bounds how long one `memory.fill` can take.
pub const MAX_MEMORY: usize = 256 << 20;

/// The stack of a guest, in bytes.
pub(super) const STACK: usize = 512 << 10;

/// What an engine may use.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where compiled code is kept between runs; made with mode 0700. None: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// The largest component loaded, in bytes. Default 64 MiB.
    pub max_component_bytes: usize,
    /// Compilations at once. Default 2.
    pub compiles: usize,
    /// How long one compilation may take. Default 300 s: a component in Python takes some 10 s of a core in a release build, so in a
    /// pod with a tenth of a core 100 s.
    pub compile_time: Duration,
    /// How long `describe` may take. Default 2 s.
    pub describe_time: Duration,
    /// Instances of components at once, of all handlers and both generations of one that is reloaded. Default 256.
    pub instances: u32,
    /// Whether to take memory from a pool, which makes a fresh instance four times cheaper. Default true.
    pub pooling: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            cache_dir: None,
            max_component_bytes: 64 << 20,
            compiles: 2,
            compile_time: Duration::from_secs(300),
            describe_time: Duration::from_secs(2),
            instances: 256,
            pooling: true,
        }
    }
}

/// An engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The directory for compiled code cannot be used.
    #[error("the cache for compiled components, {path}, cannot be used: {why}")]
    Cache {
        /// Which directory.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// wasmtime refused its configuration.
    #[error("the WebAssembly engine cannot start on this machine: {0}")]
    Wasmtime(String),
    /// A thread could not be started.
    #[error("a thread for the WebAssembly engine cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The engine; a clone is the same one.
#[derive(Clone)]
pub struct Engine(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) settings: EngineSettings,
    pub(super) compiler: Compiler,
    pub(super) metrics: RuntimeMetrics,
    cache: Option<Cache>,
    /// Every handler whose instances may idle: as many entries as there are handlers alive, and those that went since the
    /// last sweep.
    handlers: Mutex<Vec<Weak<Handler>>>,
    pooled: bool,
}

impl Engine {
    /// Starts the engine and its two threads, which end when the last clone and the last component are gone.
    pub fn new(settings: EngineSettings) -> Result<Engine, EngineError> {
        let cache = settings.cache_dir.as_deref().map(open_cache).transpose()?;
        let (wasmtime, pooled) = wasmtime_engine(&settings, cache.clone())?;
        let shared = Arc::new(Shared {
            compiler: Compiler::new(settings.compiles, settings.compile_time),
            metrics: RuntimeMetrics::default(),
            handlers: Mutex::new(Vec::new()),
            wasmtime,
            cache,
            settings,
            pooled,
        });
        let engine = shared.wasmtime.weak();
        spawn("weir-epoch", TICK, move || engine.upgrade().map(|engine| engine.increment_epoch()))?;
        let weak = Arc::downgrade(&shared);
        spawn("weir-idle", SWEEP, move || weak.upgrade().map(|shared| shared.sweep()))?;
        Ok(Engine(shared))
    }

    /// The runtime's numbers, to be registered once.
    pub fn metrics(&self) -> &RuntimeMetrics {
        &self.0.metrics
    }

    /// How many components were found compiled so far; none without a cache.
    pub fn cache_hits(&self) -> Option<usize> {
        self.0.cache.as_ref().map(Cache::cache_hits)
    }

    /// Whether memory comes from a pool.
    pub fn is_pooled(&self) -> bool {
        self.0.pooled
    }
}

impl Shared {
    /// The handler's idle instances are dropped in time from now on.
    pub(super) fn adopt(&self, handler: &Arc<Handler>) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(handler));
    }

    fn sweep(&self) {
        let handlers = {
            let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
            handlers.retain(|handler| handler.strong_count() > 0);
            handlers.clone()
        };
        let now = tokio::time::Instant::now();
        for handler in handlers.iter().filter_map(Weak::upgrade) {
            handler.drop_idle(now);
        }
    }
}

/// Runs `work` every `period` on a thread of its own until it answers none.
fn spawn(name: &str, period: Duration, work: impl Fn() -> Option<()> + Send + 'static) -> Result<(), EngineError> {
    let run = move || {
        while work().is_some() {
            #[expect(
                clippy::disallowed_methods,
                reason = "this thread is not tokio's: guests may hold all of tokio's threads, and must not hold this one"
            )]
            std::thread::sleep(period);
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map(drop).map_err(EngineError::Thread)
}

/// Makes the engine, with a pool if the address space has room for it: a pool reserves all of its addresses at once, and
/// trying is the only way to know.
fn wasmtime_engine(settings: &EngineSettings, cache: Option<Cache>) -> Result<(wasmtime::Engine, bool), EngineError> {
    let mut config = config();
    config.cache(cache);
    if settings.pooling {
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings.instances.max(1))));
        match wasmtime::Engine::new(&pooled) {
            Ok(engine) => return Ok((engine, true)),
            Err(error) => tracing::info!(
                error = format!("{error:#}"),
                "no address space for a pool of instances, each is allocated by itself: fresh instances are slower"
            ),
        }
    }
    let engine = wasmtime::Engine::new(&config).map_err(|error| EngineError::Wasmtime(format!("{error:#}")))?;
    Ok((engine, false))
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        // Stops guests that do not stop, for 10 to 20 % of their speed; fuel would cost 30 %.
        .epoch_interruption(true)
        // Only asynchronous components need it, and it makes a warm call three times slower.
        .concurrency_support(false)
        .memory_init_cow(true)
        // What is between the two is for host functions called from the guest.
        .max_wasm_stack(STACK)
        .async_stack_size(2 << 20)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        // No language's tools need these. Multiple memories must stay on: wasmtime 48 panics on composed components without.
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_gc(false)
        .wasm_wide_arithmetic(false);
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // A Python component has 38 core instances, most others have one to four.
        .total_core_instances(instances.saturating_mul(40))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances.saturating_mul(2))
        .max_core_instances_per_component(state::CORE_INSTANCES as u32)
        .max_memories_per_component(state::MEMORIES as u32)
        .max_tables_per_component(state::TABLES as u32)
        .max_tables_per_module(4)
        .max_memories_per_module(1)
        .max_memory_size(MAX_MEMORY)
        .table_elements(state::TABLE_ELEMENTS)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(8 << 20)
        .max_unused_warm_slots(64)
        .decommit_batch_size(8);
    // Keeping pages resident pays only where the kernel says which ones were written, and wasmtime 48 does not see those that
    // were written and swapped out (bytecodealliance/wasmtime#14357), so not where there is swap.
    if cfg!(target_os = "linux") && !swaps(Path::new("/proc/swaps")) {
        pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(8 << 20).table_keep_resident(256 << 10);
    }
    pool
}

/// Whether the system swaps, or does not say.
fn swaps(list: &Path) -> bool {
    fs::read_to_string(list).map_or(true, |list| list.lines().count() > 1)
}

/// Where wasmtime keeps compiled code, by the content it was made from.
fn open_cache(path: &Path) -> Result<Cache, EngineError> {
    let unusable = |why: String| EngineError::Cache { path: path.to_owned(), why };
    private_directory(path).map_err(unusable)?;
    // wasmtime wants an absolute path.
    let absolute = fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(absolute);
    Cache::new(config).map_err(|error| unusable(format!("{error:#}")))
}

/// Makes the directory for this user alone, or checks that it is. What is cached there is run as code.
fn private_directory(path: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| error.to_string())?;
        let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("others may use it (mode {:03o}), and what it holds is run: chmod 700", mode & 0o777));
        }
    }
    #[cfg(not(unix))]
    fs::create_dir_all(path).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_advances_and_both_threads_end_with_the_engine() {
        let engine = Engine::new(EngineSettings { pooling: false, ..EngineSettings::default() }).unwrap();
        let (weak, shared) = (engine.0.wasmtime.weak(), Arc::downgrade(&engine.0));
        drop(engine);
        // Each thread holds the engine only while it works.
        while weak.upgrade().is_some() || shared.upgrade().is_some() {
            std::thread::yield_now();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_cache_that_others_may_write_is_refused_and_a_new_one_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/cache");
        private_directory(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let settings = EngineSettings { cache_dir: Some(path.clone()), pooling: false, ..EngineSettings::default() };
        let error = Engine::new(settings).err().unwrap().to_string();
        assert!(error.contains("mode 770") && error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn pages_are_kept_only_where_the_system_says_that_it_does_not_swap() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("swaps");
        assert!(swaps(&list), "no list says nothing");
        fs::write(&list, "Filename Type Size Used Priority\n").unwrap();
        assert!(!swaps(&list));
        fs::write(&list, "Filename Type Size Used Priority\n/swapfile file 1 0 -2\n").unwrap();
        assert!(swaps(&list));
    }
}
