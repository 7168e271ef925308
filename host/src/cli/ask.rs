//! One question to a running weir: over TCP, or on the socket in its state directory.
//!
//! Bounds: an answer takes at most [`PATIENCE`] and has at most [`MAX_ANSWER`].

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read at most.
const MAX_ANSWER: usize = 64 << 20;

/// Where weir answers.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// Its `--listen` address.
    Tcp(SocketAddr),
    /// Its socket.
    Unix(PathBuf),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Tcp(address) => address.fmt(f),
            At::Unix(path) => path.display().fmt(f),
        }
    }
}

impl At {
    /// Whether somebody answers on the socket.
    pub(super) fn is_answered(path: &Path) -> bool {
        std::os::unix::net::UnixStream::connect(path).is_ok()
    }

    /// Asks, and says what was answered.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Box<dyn Error>> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "weir");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let unreached = |error: std::io::Error| {
            format!("asking {self}: {error}; is weir running, and is this its --listen address?")
        };
        let exchanged = async {
            match self {
                At::Tcp(address) => exchange(TcpStream::connect(address).await.map_err(unreached)?, request).await,
                At::Unix(path) => exchange(UnixStream::connect(path).await.map_err(unreached)?, request).await,
            }
        };
        tokio::time::timeout(PATIENCE, exchanged)
            .await
            .map_err(|_| format!("asking {self}: no answer within {} s", PATIENCE.as_secs()))?
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn Error>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let code = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| format!("reading the answer: {error}"))?;
        Ok::<_, Box<dyn Error>>((code, body.to_bytes()))
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => { ended?; answer.await }
    }
}
