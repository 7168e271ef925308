//! How the admin port lets people in: one task for each connection, each bounded in what it may send and how long it may take.
//!
//! Promises: whoever is slow is cut, and whoever is new is let in: the head of a request has [`HEAD_TIME`] and [`MAX_HEAD`], a connection [`CONNECTION_TIME`],
//! and of more than [`MAX_CONNECTIONS`] the oldest goes. Stopping takes at most [`LINGER`], whatever a client does or does not.

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{collections::VecDeque, pin::pin, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at once. Each takes at most twice [`MAX_HEAD`] and what is answered.
const MAX_CONNECTIONS: usize = 64;
/// Headers of a request; a request with more is answered 431.
const MAX_HEADERS: usize = 64;
/// Bytes of a request's head; one that is longer is answered 431.
const MAX_HEAD: usize = 16 << 10;
/// How long the head of a request may take, from the connection's first moment or the answer before.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection is kept. Those who come regularly connect anew.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long an answer under way may take when its connection is to end.
const LINGER: Duration = Duration::from_secs(1);

/// Answers on `listener` until `stop`.
pub(super) async fn serve<L>(mut listener: L, router: Router, stop: CancellationToken)
where
    L: Listener<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static>,
{
    let connections = TaskTracker::new();
    // Each token is cancelled by whoever ends the connection first. At most one more than the bound.
    let mut open: VecDeque<CancellationToken> = VecDeque::new();
    while let Some((stream, _)) = stop.run_until_cancelled(listener.accept()).await {
        open.retain(|connection| !connection.is_cancelled());
        while open.len() >= MAX_CONNECTIONS {
            if let Some(oldest) = open.pop_front() {
                oldest.cancel();
            }
        }
        let cut = CancellationToken::new();
        open.push_back(cut.clone());
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let _ended = cut.clone().drop_guard();
            cut.run_until_cancelled(answer(stream, router, stop)).await;
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What breaks a connection is its client's business.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = sleep(CONNECTION_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LINGER, connection).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        sync::mpsc,
        task::JoinHandle,
        time::Instant,
    };

    /// Streams that a test connects itself.
    struct Wires(mpsc::Receiver<DuplexStream>);

    impl Listener for Wires {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.recv().await {
                Some(stream) => (stream, ()),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Door {
        wires: mpsc::Sender<DuplexStream>,
        stop: CancellationToken,
        serving: JoinHandle<()>,
    }

    impl Door {
        fn open() -> Door {
            let (wires, receiver) = mpsc::channel(1);
            let stop = CancellationToken::new();
            let router = Router::new().route("/", post(async |body: String| body));
            let serving = tokio::spawn(serve(Wires(receiver), router, stop.clone()));
            Door { wires, stop, serving }
        }

        /// A client that has sent this.
        async fn client(&self, sent: &str) -> DuplexStream {
            let (mut client, server) = duplex(64 << 10);
            self.wires.send(server).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            client
        }
    }

    /// All that comes until the connection ends, and how long that took.
    async fn heard(mut client: DuplexStream) -> (String, Duration) {
        let (began, mut text) = (Instant::now(), String::new());
        // A connection that is cut may end without a word.
        let _ = client.read_to_string(&mut text).await;
        (text, began.elapsed())
    }

    const HALF: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Le";
    const HALF_A_BODY: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab";
    const WHOLE: &str = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab";

    #[tokio::test(start_paused = true)]
    async fn whoever_is_slow_is_cut() {
        let door = Door::open();
        let (said, took) = heard(door.client(HALF).await).await;
        assert!((HEAD_TIME..2 * HEAD_TIME).contains(&took), "{took:?}: {said}");
        let (_, took) = heard(door.client(HALF_A_BODY).await).await;
        assert!((CONNECTION_TIME..=CONNECTION_TIME + 2 * LINGER).contains(&took), "{took:?}");
        let (said, took) = heard(door.client(WHOLE).await).await;
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("\r\n\r\nab") && took.is_zero(), "{took:?}: {said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let door = Door::open();
        let many = "x: y\r\n".repeat(MAX_HEADERS + 1);
        let long = format!("x: {}\r\n", "y".repeat(MAX_HEAD));
        for headers in [many, long] {
            let (said, _) = heard(door.client(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await).await;
            assert!(said.starts_with("HTTP/1.1 431"), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_for_the_newest() {
        let door = Door::open();
        let mut slow = VecDeque::new();
        for _ in 0..MAX_CONNECTIONS {
            slow.push_back(door.client(HALF_A_BODY).await);
        }
        assert!(heard(door.client(WHOLE).await).await.0.starts_with("HTTP/1.1 200"));
        let (_, took) = heard(slow.pop_front().unwrap()).await;
        assert!(took.is_zero(), "the oldest was cut: {took:?}");
        let (_, took) = heard(slow.pop_back().unwrap()).await;
        assert!(took >= CONNECTION_TIME - LINGER, "the others were not: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_nobody_who_sends_nothing() {
        let door = Door::open();
        let _half = [door.client(HALF).await, door.client(HALF_A_BODY).await, door.client("").await];
        tokio::task::yield_now().await;
        let began = Instant::now();
        door.stop.cancel();
        door.serving.await.unwrap();
        assert!(began.elapsed() <= LINGER, "{:?}", began.elapsed());
    }
}
