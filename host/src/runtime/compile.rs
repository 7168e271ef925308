//! Compiling: few at a time, within a time limit, and never twice what the compiler could not cope with.
//!
//! Promises: a panic of the compiler is an error like others; a compilation that takes too long is given up, and what is given up occupies a thread
//! until it ends, but does not keep others from being compiled while there are fewer than [`GIVEN_UP`] of its kind, nor weir from ending; bytes that
//! made the compiler panic or stall are refused at once from then on, with the same words, whatever the file is called.
//!
//! Does not promise that compiling a hostile file is cheap: wasmtime does not either. What is remembered is forgotten when weir ends.

use super::{
    component::{LoadError, chain, panic_text},
    engine::MAX_MEMORY,
};
use crate::handler::manifest::limit::Limit;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Compilations that were given up and still run, beside those that nobody has given up; one more keeps the place of one of these.
const GIVEN_UP: usize = 4;

/// How many components are remembered as not to be compiled; the one refused longest ago makes room.
const REMEMBERED: usize = 256;

/// The compiler of one engine.
pub(super) struct Compiler {
    /// One for each compilation that may be under way.
    places: Arc<Semaphore>,
    /// One for each that was given up and is not counted among those any more.
    given_up: Arc<Semaphore>,
    time: Duration,
    /// Digests of what made the compiler panic or stall, and what was said; at most [`REMEMBERED`]. Held for look-ups and single changes.
    refused: Mutex<VecDeque<(String, LoadError)>>,
}

/// What a compilation holds until it ends, or until it is given up and gets another.
type Place = Arc<Mutex<Option<OwnedSemaphorePermit>>>;

impl Compiler {
    /// Compiles `at_once` components at once, each within `time`.
    pub(super) fn new(at_once: usize, time: Duration) -> Compiler {
        Compiler {
            places: Arc::new(Semaphore::new(at_once.max(1))),
            given_up: Arc::new(Semaphore::new(GIVEN_UP)),
            time,
            refused: Mutex::default(),
        }
    }

    /// Compiles what has this digest, on a thread of its own.
    pub(super) async fn compile<T: Send + 'static>(
        &self,
        digest: &str,
        work: impl FnOnce() -> wasmtime::Result<T> + Send + 'static,
    ) -> Result<T, LoadError> {
        self.known(digest)?;
        let permit = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        // Another file of the same bytes may have had its turn meanwhile.
        self.known(digest)?;
        let compiled = self.compile_now(permit, work).await;
        if let Err(error @ (LoadError::CompilerPanicked(_) | LoadError::CompileTime(_))) = &compiled {
            let mut refused = self.refused();
            if refused.len() == REMEMBERED {
                refused.pop_front();
            }
            refused.push_back((digest.to_owned(), error.clone()));
        }
        compiled
    }

    async fn compile_now<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce() -> wasmtime::Result<T> + Send + 'static,
    ) -> Result<T, LoadError> {
        let place = Place::new(Mutex::new(Some(permit)));
        let held = Arc::clone(&place);
        let (tell, told) = oneshot::channel();
        let guarded = move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            drop(held);
            // Nobody listens any more to one that was given up.
            let _ = tell.send(result);
        };
        // Not one of tokio's: for those, a runtime waits as it ends.
        thread::Builder::new()
            .name("weir-compile".into())
            .spawn(guarded)
            .map_err(|error| LoadError::Compile(format!("a thread for the compiler cannot be started: {error}")))?;
        match tokio::time::timeout(self.time, told).await {
            Ok(Ok(Ok(Ok(compiled)))) => Ok(compiled),
            Ok(Ok(Ok(Err(error)))) => Err(refusal(&error)),
            Ok(Ok(Err(panic))) => Err(LoadError::CompilerPanicked(panic_text(panic.as_ref()))),
            Ok(Err(gone)) => Err(LoadError::CompilerPanicked(gone.to_string())),
            Err(_) => {
                // Its thread goes on with another permit, if there is one, so that the place is free for others.
                if let Ok(other) = Arc::clone(&self.given_up).try_acquire_owned() {
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(other);
                }
                Err(LoadError::CompileTime(self.time))
            }
        }
    }

    fn known(&self, digest: &str) -> Result<(), LoadError> {
        self.refused().iter().find(|(known, _)| known == digest).map_or(Ok(()), |(_, error)| Err(error.clone()))
    }

    fn refused(&self) -> MutexGuard<'_, VecDeque<(String, LoadError)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The compiler's refusal; where it is for one of weir's bounds, in weir's words.
fn refusal(error: &wasmtime::Error) -> LoadError {
    let words = chain(error);
    match too_many(&words) {
        Some((limit, has)) => LoadError::TooMany { limit, has },
        None => LoadError::Compile(words),
    }
}

/// Whether wasmtime refused a component for having too many parts: which, and how many. With a pool it says so when it compiles, without one when
/// it starts an instance. Its errors have no type; tests hold its words.
pub(super) fn too_many(words: &str) -> Option<(Limit, String)> {
    let after = |before: &str| {
        let rest = words.split_once(before)?.1;
        let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(end);
        (!number.is_empty()).then_some((number, rest))
    };
    let told = |limit: Limit, number: &str, what: &str| {
        let most = limit.bound().set.default();
        Some((limit, format!("{number} {what}, and may have {most}")))
    };
    if let Some((number, rest)) = after("The component transitively contains ") {
        return match rest.split_whitespace().next()? {
            "core" => told(Limit::CoreInstances, number, "core instances"),
            "Wasm" => told(Limit::Memories, number, "memories"),
            "tables," => told(Limit::Tables, number, "tables"),
            _ => None,
        };
    }
    for (before, limit, what) in [
        ("defined memories count of ", Limit::Memories, "memories"),
        ("defined tables count of ", Limit::Tables, "tables"),
    ] {
        if let Some((number, rest)) = after(before) {
            let most = rest.rsplit(' ').next().unwrap_or_default();
            return Some((limit, format!("{number} {what} in one module, and may have {most} there")));
        }
    }
    if let Some((number, _)) = after("instance count too high at ") {
        return told(Limit::CoreInstances, number, "core instances");
    }
    if let Some((number, _)) = after("memory count too high at ") {
        return told(Limit::Memories, number, "memories");
    }
    if let Some((number, _)) = after("table count too high at ") {
        return told(Limit::Tables, number, "tables");
    }
    if let Some((number, _)) = after("memory has a minimum byte size of ") {
        return Some((
            Limit::Memory,
            format!("a memory of {number} bytes to begin with, and limits.memory may be {MAX_MEMORY}"),
        ));
    }
    if words.contains("has a minimum element size of ") {
        let (number, _) = after("has a minimum element size of ")?;
        return told(Limit::TableElements, number, "elements in a table");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_panic_of_the_compiler_is_an_error_like_others_and_is_not_tried_again() {
        let (compiler, tried) = (Compiler::new(1, MINUTE), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let count = Arc::clone(&tried);
            let work = move || -> wasmtime::Result<()> {
                count.fetch_add(1, Ordering::Relaxed);
                panic!("no such register")
            };
            let error = compiler.compile("a", work).await.unwrap_err();
            assert_eq!(error, LoadError::CompilerPanicked("no such register".into()));
        }
        assert_eq!(tried.load(Ordering::Relaxed), 1);
        compiler.compile("b", || Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_compiler_merely_refuses_is_asked_again() {
        let (compiler, tried) = (Compiler::new(1, MINUTE), Arc::new(AtomicUsize::new(0)));
        for _ in 0..2 {
            let count = Arc::clone(&tried);
            let work = move || -> wasmtime::Result<()> {
                count.fetch_add(1, Ordering::Relaxed);
                Err(wasmtime::Error::msg("out of disk"))
            };
            assert_eq!(compiler.compile("a", work).await.unwrap_err(), LoadError::Compile("out of disk".into()));
        }
        assert_eq!(tried.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn compilations_that_stall_are_given_up_remembered_and_in_nobodys_way_up_to_a_number() {
        let compiler = Compiler::new(1, Duration::ZERO);
        let mut ends = Vec::new();
        for number in 0..=GIVEN_UP {
            assert_eq!(compiler.places.available_permits(), 1, "{number} stalled");
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let error = compiler.compile(&number.to_string(), move || Ok(ended.recv())).await.unwrap_err();
            assert_eq!(error, LoadError::CompileTime(Duration::ZERO));
        }
        assert_eq!(compiler.places.available_permits(), 0, "one too many keeps its place");
        let again = compiler.compile("0", || -> wasmtime::Result<()> { unreachable!() }).await.unwrap_err();
        assert_eq!(again, LoadError::CompileTime(Duration::ZERO));
        // It ends at last.
        drop(ends.pop());
        drop(compiler.places.acquire().await.unwrap());
    }

    #[test]
    fn a_compilation_that_stalls_does_not_keep_weir_from_ending() {
        let (end, ended) = mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let compiler = Compiler::new(1, Duration::ZERO);
        runtime.block_on(compiler.compile("a", move || Ok(ended.recv()))).unwrap_err();
        // Would wait for ever for a thread of its own.
        drop(runtime);
        drop(end);
    }

    #[tokio::test]
    async fn so_many_are_remembered_and_no_more() {
        let compiler = Compiler::new(1, MINUTE);
        for number in 0..=REMEMBERED {
            let work = || -> wasmtime::Result<()> { panic!("again") };
            compiler.compile(&number.to_string(), work).await.unwrap_err();
        }
        assert_eq!(compiler.refused().len(), REMEMBERED);
        compiler.compile("0", || Ok(())).await.unwrap();
    }
}
