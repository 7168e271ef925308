//! WASI for guests that import it: linked, because most languages' runtimes ask for it, and granting nothing.
//!
//! Promises: no files, no environment, no arguments, no network, no stdin. The clock is the host's (`host.now-ms` says the
//! same); random bytes come from a generator that is seeded anew for each call; stdout and stderr go to [`Output`] and never
//! make a guest wait or fail, however much it writes. A guest that sleeps sleeps within its deadline.

use super::logs::Output;
use bytes::Bytes;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasi_rand::{SeedableRng, TryRng, rngs::StdRng};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// Random bytes in one call of WASI's `get-random-bytes`; more traps.
const RANDOM_BYTES: u64 = 64 << 10;

/// What a stream says it can take at once. The guest's runtime allocates by it; nothing is buffered here.
const WRITE_AT_ONCE: usize = 64 << 10;

/// The context of one instance.
pub(super) fn context(output: &Output, random: &Random) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(Stream { output: output.clone(), which: Which::Stdout })
        .stderr(Stream { output: output.clone(), which: Which::Stderr })
        .secure_random(random.clone())
        .insecure_random(random.clone())
        .insecure_random_seed(wasi_rand::random())
        .max_random_size(RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// The interfaces of WASI 0.2 that are linked, by package; each answers "nothing there" or "not permitted".
pub(super) const PACKAGES: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The version of WASI that is linked; wasmtime serves the other patches of it too.
pub(super) const VERSION: &str = "0.2";

/// A guest's random numbers: seeded from the system on first use in a call, forgotten when the next one begins. The lock is
/// never waited for: a guest has one thread.
#[derive(Clone, Default)]
pub(super) struct Random(Arc<Mutex<Option<StdRng>>>);

impl Random {
    /// A call begins.
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draw(generator.get_or_insert_with(|| StdRng::from_seed(wasi_rand::random())))
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.with(TryRng::try_next_u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.with(TryRng::try_next_u64)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.with(|generator| generator.try_fill_bytes(bytes))
    }
}

#[derive(Clone, Copy)]
enum Which {
    Stdout,
    Stderr,
}

/// Writes at once, so that what a guest wrote before it trapped is there. (The default adapter writes from another task.)
#[derive(Clone)]
struct Stream {
    output: Output,
    which: Which,
}

impl Stream {
    fn take(&self, bytes: &[u8]) {
        match self.which {
            Which::Stdout => self.output.stdout(bytes),
            Which::Stderr => self.output.stderr(bytes),
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_AT_ONCE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
