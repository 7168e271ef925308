//! From a file's bytes to a component that can be called.
//!
//! Promises: what cannot be a handler is refused before anything of it runs, with one message that says what it is and what to
//! do; `describe` runs under a deadline and can reach nothing. How compiling is bounded is `compile`'s.

use super::{
    abi::{self, v0_1},
    engine::{Engine, MAX_MEMORY},
    instance::Instance,
    logs::{LogSink, cut},
    pool::Handler,
    state::{Setup, State},
    wasi,
};
use crate::{
    contract::ReadError,
    handler::manifest::{Limits, Manifest, limit::Limit},
    runtime::{CallFailure, FailureKind, Reads},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use wasmtime::component::Linker;

/// The most that `describe` may answer, in bytes.
pub(super) const DESCRIPTION_BYTES: usize = 256 << 10;

/// How much of a compiler's or linker's words a message carries.
const CAUSE_BYTES: usize = 2 << 10;

/// A component cannot be used as a handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No bytes.
    #[error("the file is empty; if it is still being written, it is read again when it changes")]
    Empty,
    /// More bytes than a component may have.
    #[error(
        "the file has {bytes} bytes, more than the {limit} that a component may have; strip its debug information, or split it"
    )]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// Machine code rather than WebAssembly.
    #[error("the file is precompiled machine code, which weir does not run; give it the .wasm file it was made from")]
    Precompiled,
    /// A module that was not made into a component.
    #[error("the file is a core WebAssembly module, not a component; make it one with `wasm-tools component new`")]
    CoreModule,
    /// Something else.
    #[error("the file is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// It imports what no version of the contract has.
    #[error("the component imports {import}, which weir does not have; it has {supported}")]
    UnknownImport {
        /// The first such import.
        import: String,
        /// What may be imported.
        supported: String,
    },
    /// It was made for another version of the contract.
    #[error(
        "the component was made for {found}; this weir serves {supported}: rebuild it with a matching SDK, or update weir"
    )]
    WrongVersion {
        /// The interface as the component names it.
        found: String,
        /// The versions served.
        supported: String,
    },
    /// It is no handler.
    #[error("the component does not export {wanted}, so it is no handler; it exports {found}")]
    MissingExport {
        /// What a handler exports.
        wanted: String,
        /// What it exports instead.
        found: String,
    },
    /// It names the contract's functions, but with other types.
    #[error("the component does not fit the contract: {0}")]
    Mismatch(String),
    /// It has more memories, tables, instances or elements than a handler may have.
    #[error("the component has {has}")]
    TooMany {
        /// Which bound.
        limit: Limit,
        /// How many of what, and how many it may have.
        has: String,
    },
    /// The compiler refused it.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// The compiler panicked.
    #[error(
        "the compiler failed on this component, which is a defect of weir's; please report it with the file: {0}; these bytes are not compiled again until weir restarts"
    )]
    CompilerPanicked(String),
    /// The compiler took too long.
    #[error("the component was not compiled within {0:?}; these bytes are not compiled again until weir restarts")]
    CompileTime(Duration),
    /// `describe` did not answer.
    #[error("`describe` failed: {message}{}", stderr_of(.stderr))]
    Describe {
        /// How it ended.
        message: String,
        /// What it wrote to stderr.
        stderr: String,
    },
}

impl LoadError {
    /// The bound that was met, if it was for one.
    fn limit(&self) -> Option<Limit> {
        match self {
            LoadError::TooLarge { .. } => Some(Limit::ComponentBytes),
            LoadError::TooMany { limit, .. } => Some(*limit),
            LoadError::CompileTime(_) => Some(Limit::CompileTime),
            _ => None,
        }
    }
}

/// What one instance holds, in bytes, counted as `limits.memory` counts: its memories and tables, which grow and never shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Once it started, before it was called.
    pub started: u64,
    /// The most it held until `describe` had answered.
    pub described: u64,
}

/// A compiled component that fits the contract. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    ready: Arc<v0_1::Ready>,
    facts: Arc<Facts>,
}

struct Facts {
    name: String,
    digest: String,
    contract_version: String,
    imports: Vec<String>,
    compile_time: Duration,
}

impl Engine {
    /// Checks and compiles a component. `name` is for messages and logs.
    ///
    /// # Errors
    /// [`LoadError`]. What made the compiler panic or stall once is refused without compiling it.
    pub async fn load(&self, name: &str, bytes: Bytes) -> Result<Component, LoadError> {
        let loaded = self.load_uncounted(name, bytes).await;
        if let Some(limit) = loaded.as_ref().err().and_then(LoadError::limit) {
            self.0.metrics.limits().hit(name, limit);
        }
        loaded
    }

    async fn load_uncounted(&self, name: &str, bytes: Bytes) -> Result<Component, LoadError> {
        check_header(&bytes, self.0.settings.max_component_bytes)?;
        let began = Instant::now();
        let engine = self.0.wasmtime.clone();
        let digest = hex(&Sha256::digest(&bytes));
        let work = move || wasmtime::component::Component::from_binary(&engine, &bytes);
        let compiled = self.0.compiler.compile(&digest, work).await?;
        let compile_time = began.elapsed();
        self.0.metrics.compile_seconds.observe(compile_time.as_secs_f64());

        let kind = compiled.component_type();
        let imports: Vec<String> = kind.imports(&self.0.wasmtime).map(|(name, _)| name.to_owned()).collect();
        let exports: Vec<String> = kind.exports(&self.0.wasmtime).map(|(name, _)| name.to_owned()).collect();
        let contract_version = check_exports(&exports)?;
        for import in &imports {
            check_import(import)?;
        }
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(chain(&error));
        let mut linker = Linker::<State>::new(&self.0.wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(mismatch)?;
        v0_1::link(&mut linker).map_err(mismatch)?;
        let ready = linker.instantiate_pre(&compiled).and_then(v0_1::Ready::new).map_err(mismatch)?;
        let facts = Facts { name: name.to_owned(), digest, contract_version, imports, compile_time };
        Ok(Component { engine: self.clone(), ready: Arc::new(ready), facts: Arc::new(facts) })
    }
}

impl Component {
    /// The SHA-256 of the file's bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.facts.digest
    }

    /// The contract version it was made for, `0.1.0`.
    pub fn contract_version(&self) -> &str {
        &self.facts.contract_version
    }

    /// The interfaces it imports, as it names them.
    pub fn imports(&self) -> &[String] {
        &self.facts.imports
    }

    /// How long it took to compile, or to read from the cache.
    pub fn compile_time(&self) -> Duration {
        self.facts.compile_time
    }

    /// Asks the component what it wants: its `describe`, under a deadline, in an instance of its own. It can log; everything
    /// else it asks is refused, for nothing is granted before the manifest is known.
    pub async fn describe(&self) -> Result<String, LoadError> {
        Ok(self.measure().await?.0)
    }

    /// The same, with what that instance held.
    pub async fn measure(&self) -> Result<(String, Footprint), LoadError> {
        let refused = || ReadError::Denied("nothing can be read in `describe`".into());
        let limits = Limits { memory: MAX_MEMORY as u64, reply_bytes: DESCRIPTION_BYTES, ..Limits::default() };
        let setup = Setup {
            name: self.facts.name.clone(),
            limits,
            settings: "{}".into(),
            reads: Reads { get: Arc::new(move |_| Err(refused())), list: Arc::new(move |_| Err(refused())) },
            sink: super::logs::to_tracing(&self.facts.name),
        };
        let mut instance = Instance::new(&self.engine.0.wasmtime, Arc::clone(&self.ready), Arc::new(setup));
        let time = self.engine.0.settings.describe_time;
        let described = instance.describe(time).await;
        for limit in &instance.hits {
            // Its own bounds have other names.
            let limit = match limit {
                Limit::Time => Limit::DescribeTime,
                Limit::ReplyBytes => Limit::ManifestBytes,
                other => *other,
            };
            self.engine.0.metrics.limits().hit(&self.facts.name, limit);
        }
        match described {
            Ok(Ok(description)) => {
                Ok((description, Footprint { started: instance.initial(), described: instance.memory() }))
            }
            Ok(Err(text)) => {
                Err(LoadError::Describe { message: format!("it answered: {text}"), stderr: String::new() })
            }
            Err(CallFailure { kind: FailureKind::TimedOut, stderr, .. }) => {
                Err(LoadError::Describe { message: format!("it did not end within {time:?}"), stderr })
            }
            Err(CallFailure { kind: FailureKind::ReplyTooLarge, stderr, .. }) => {
                Err(LoadError::Describe { message: format!("it answered more than {DESCRIPTION_BYTES} bytes"), stderr })
            }
            Err(CallFailure { message, stderr, .. }) => Err(LoadError::Describe { message, stderr }),
        }
    }

    /// A handler under a manifest; its lines go to `logs`, usually [`to_tracing`](super::to_tracing).
    pub fn handler(&self, name: &str, manifest: &Manifest, reads: Reads, logs: LogSink) -> Arc<Handler> {
        Handler::new(self.engine.clone(), Arc::clone(&self.ready), name, manifest, reads, logs)
    }
}

/// What the first bytes say, before the compiler is asked: its words are for people who write compilers.
fn check_header(bytes: &[u8], limit: usize) -> Result<(), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { bytes: bytes.len(), limit });
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    // The magic number, then two bytes of version and two of layer: 0 for modules, 1 for components (component-model,
    // Binary.md).
    match bytes {
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Err(LoadError::CoreModule),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', ..] => {
            Err(LoadError::NotWasm("its header is cut off, or of a version this weir does not know".into()))
        }
        _ if bytes.trim_ascii_start().starts_with(b"(component")
            || bytes.trim_ascii_start().starts_with(b"(module") =>
        {
            Err(LoadError::NotWasm("it is WebAssembly as text; make it binary with `wasm-tools parse`".into()))
        }
        _ => Err(LoadError::NotWasm(
            "it does not begin like one (`\\0asm`); build one with an SDK, for the target wasm32-wasip2".into(),
        )),
    }
}

/// One import, by name. Types are the linker's to check.
fn check_import(import: &str) -> Result<(), LoadError> {
    let known = |package: &str, interfaces: &[&str], versions: &[&str], whole: bool| {
        let (path, version) = import.split_once('@').unwrap_or((import, ""));
        let (owner, interface) = path.split_once('/').unwrap_or((path, ""));
        let named =
            if whole { interfaces.contains(&owner) } else { interfaces.contains(&interface) && owner == package };
        (named, versions.iter().any(|known| is_patch_of(version, known)))
    };
    let wasi: Vec<String> = wasi::PACKAGES.iter().map(|package| format!("wasi:{package}")).collect();
    let wasi: Vec<&str> = wasi.iter().map(String::as_str).collect();
    match (known(abi::PACKAGE, v0_1::IMPORTS, abi::SUPPORTED, false), known("", &wasi, &[wasi::VERSION], true)) {
        ((true, true), _) | (_, (true, true)) => Ok(()),
        ((true, false), _) => {
            Err(LoadError::WrongVersion { found: import.to_owned(), supported: served(abi::PACKAGE, abi::SUPPORTED) })
        }
        (_, (true, false)) => {
            Err(LoadError::WrongVersion { found: import.to_owned(), supported: served("wasi", &[wasi::VERSION]) })
        }
        _ => Err(LoadError::UnknownImport {
            import: cut(import, CAUSE_BYTES).to_owned(),
            supported: format!(
                "{}/{{{}}} and, granting nothing, wasi:{{{}}}@{}",
                abi::PACKAGE,
                v0_1::IMPORTS.join(", "),
                wasi::PACKAGES.join(", "),
                wasi::VERSION
            ),
        }),
    }
}

/// The contract version that a component's exports say it was made for.
fn check_exports(exports: &[String]) -> Result<String, LoadError> {
    let prefix = format!("{}/handler@", abi::PACKAGE);
    let versions: Vec<&str> = exports.iter().filter_map(|export| export.strip_prefix(&prefix)).collect();
    if let Some(version) =
        versions.iter().find(|version| abi::SUPPORTED.iter().any(|known| is_patch_of(version, known)))
    {
        return Ok((*version).to_owned());
    }
    if let Some(version) = versions.first() {
        let supported = served(abi::PACKAGE, abi::SUPPORTED);
        return Err(LoadError::WrongVersion {
            found: cut(&format!("{prefix}{version}"), CAUSE_BYTES).to_owned(),
            supported,
        });
    }
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(LoadError::MissingExport {
        wanted: format!("{prefix}{}", abi::SUPPORTED[0]),
        found: cut(&found, CAUSE_BYTES).to_owned(),
    })
}

/// Whether `0.1.7` is of the line `0.1`. Pre-releases are of no line.
fn is_patch_of(version: &str, line: &str) -> bool {
    version
        .strip_prefix(line)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

fn served(package: &str, versions: &[&str]) -> String {
    versions.iter().map(|version| format!("{package}@{version}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn chain(error: &wasmtime::Error) -> String {
    cut(&format!("{error:#}"), CAUSE_BYTES).to_owned()
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    cut(&text, CAUSE_BYTES).to_owned()
}

fn stderr_of(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; it wrote: {stderr}") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
