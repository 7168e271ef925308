//! A TCP proxy on loopback that can break connections in the ways networks do.
//!
//! Promises: bytes pass unchanged (TLS passes through), [`Proxy::cut`] closes every connection there is, refusal and
//! stalling hold until taken back, and the proxy keeps its port throughout. It knows nothing of HTTP, so it cannot cut a
//! chosen request: give each client a proxy of its own. Dropping it closes everything.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How much is read before it is passed on. While stalled, no more than this is held for each direction.
const BUFFER: usize = 16 * 1024;

/// A proxy in front of one server.
pub struct Proxy {
    address: SocketAddr,
    /// The one thing connections look at. Dropping it ends all of them, and the listener.
    weather: watch::Sender<Weather>,
}

/// What every connection sees.
#[derive(Clone, Copy, Default)]
struct Weather {
    /// Connections of an older generation are closed.
    generation: u64,
    refusing: bool,
    stalled: bool,
}

impl Proxy {
    /// Listens on a free loopback port, and passes on to `server`.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binding to loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (weather, seen) = watch::channel(Weather::default());
        tokio::spawn(accept(listener, server, seen));
        Proxy { address, weather }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, at once and in the middle of whatever it carries. New ones are served.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.generation += 1);
    }

    /// While true, a new connection is closed before a byte of it is passed on. Those there are go on.
    pub fn refuse(&self, refusing: bool) {
        self.weather.send_modify(|weather| weather.refusing = refusing);
    }

    /// While true, connections stay open and nothing passes in either direction: a dead network that no one closes.
    /// What was held back passes when it ends.
    pub fn stall(&self, stalled: bool) {
        self.weather.send_modify(|weather| weather.stalled = stalled);
    }
}

/// Accepts until the proxy is dropped.
async fn accept(listener: TcpListener, server: SocketAddr, weather: watch::Receiver<Weather>) {
    let mut ended = weather.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = dropped(&mut ended) => return,
        };
        let now = *weather.borrow();
        if let Ok((client, _)) = accepted
            && !now.refusing
        {
            tokio::spawn(carry(client, server, weather.clone(), now.generation));
        }
    }
}

/// Returns when the proxy is gone.
async fn dropped(weather: &mut watch::Receiver<Weather>) {
    while weather.changed().await.is_ok() {}
}

/// Carries one connection until either side ends it, or it is cut.
async fn carry(client: TcpStream, server: SocketAddr, weather: watch::Receiver<Weather>, born: u64) {
    let mut cut = weather.clone();
    let both = async {
        let Ok(server) = TcpStream::connect(server).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::join!(pump(from_client, to_server, weather.clone()), pump(from_server, to_client, weather));
    };
    tokio::select! {
        () = both => {}
        // An error says that the proxy was dropped, which cuts too.
        _ = cut.wait_for(|now| now.generation != born) => {}
    }
}

/// Passes on one direction, and its end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read) = from.read(&mut buffer).await {
        if weather.wait_for(|now| !now.stalled).await.is_err()
            || read == 0
            || to.write_all(&buffer[..read]).await.is_err()
        {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it receives.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
        address
    }

    async fn said(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn bytes_pass_unchanged_in_both_directions() {
        let proxy = Proxy::start(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_not_what_comes_after() {
        let proxy = Proxy::start(echo().await).await;
        let mut before = TcpStream::connect(proxy.address()).await.unwrap();
        said(&mut before, b"hello").await.unwrap();
        proxy.cut();
        assert_eq!(before.read(&mut [0; 1]).await.unwrap_or(0), 0);
        let mut after = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(said(&mut after, b"again").await.unwrap(), b"again");
    }

    #[tokio::test]
    async fn a_refused_connection_carries_nothing_until_refusal_is_taken_back() {
        let proxy = Proxy::start(echo().await).await;
        proxy.refuse(true);
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(said(&mut refused, b"hello").await.is_err());
        proxy.refuse(false);
        let mut served = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(said(&mut served, b"hello").await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn what_a_stall_held_back_passes_when_it_ends() {
        let proxy = Proxy::start(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        said(&mut stream, b"hello").await.unwrap();
        proxy.stall(true);
        stream.write_all(b"later").await.unwrap();
        // Nothing can have come back, however often the other tasks run: the bytes wait in the proxy.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(stream.try_read(&mut [0; 8]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
        proxy.stall(false);
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"later");
    }
}
