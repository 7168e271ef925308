//! One request on one connection.
//!
//! Promises: what is connected to is an address that was checked, not a name that is looked up once more; certificates are checked against
//! the system's roots and the name in the URL; an answer is read no further than asked; the connection ends with the exchange. Nothing
//! runs on: a dropped exchange is a closed connection.

use super::{address, failure};
use crate::{
    action::{Class, delivery::Stop, syntax},
    handler::manifest::{
        HttpGrant,
        url::{Host, Url},
    },
};
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OnceCell, OwnedSemaphorePermit},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// How long one address may take to accept a connection, so that there is time for the next.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Looks a host and port up.
type Resolve = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The way to servers outside the cluster. Clones share it.
#[derive(Clone)]
pub struct Outside {
    secrets: super::Secrets,
    resolve: Resolve,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// What to send.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What admits it.
    pub(super) grant: &'a HttpGrant,
    /// Bytes of the answer's head, and of its body, that are read.
    pub(super) most: usize,
    /// Set if there was more.
    pub(super) beyond: &'a AtomicBool,
    /// One of the handler's places.
    pub(super) permit: Permit,
}

/// A place among the handler's requests; kept while anything of one goes on. None only while weir ends.
pub(super) type Permit = Option<Arc<OwnedSemaphorePermit>>;

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: Option<HeaderValue>,
    /// In seconds; a date is not read.
    pub(super) retry_after: Option<u32>,
    /// As much as was read.
    pub(super) body: Bytes,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl Outside {
    /// By the system's resolver, with these secrets to refer to.
    pub fn new(secrets: super::Secrets) -> Outside {
        let resolve: Resolve =
            Arc::new(|host, port| async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed());
        Outside { secrets, resolve, tls: Arc::default() }
    }

    /// By a resolver of the test's.
    #[cfg(test)]
    pub(super) fn resolving(secrets: super::Secrets, resolve: fn(&str) -> Vec<std::net::IpAddr>) -> Outside {
        let resolve: Resolve = Arc::new(move |host, port| {
            let found = resolve(&host).into_iter().map(|address| SocketAddr::new(address, port)).collect();
            async move { Ok(found) }.boxed()
        });
        Outside { secrets, resolve, tls: Arc::default() }
    }

    /// By a resolver that never answers, and tells when it is asked.
    #[cfg(test)]
    pub(super) fn lost(asked: Arc<std::sync::atomic::AtomicUsize>) -> Outside {
        let resolve: Resolve = Arc::new(move |_, _| {
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            futures::future::pending().boxed()
        });
        Outside { secrets: super::Secrets::default(), resolve, tls: Arc::default() }
    }

    /// What grants may refer to.
    pub fn secrets(&self) -> &super::Secrets {
        &self.secrets
    }

    /// Sends once. `reaching` is called before the first byte of the request goes out.
    pub(super) async fn exchange(&self, outgoing: Outgoing<'_>, reaching: impl FnOnce()) -> Result<Answer, Stop> {
        let stream = self.connect(&outgoing).await?;
        if !outgoing.url.secure {
            return speak(stream, outgoing, reaching).await;
        }
        let broken = |error: &dyn fmt::Display| failure(format!("setting up TLS: {error}"));
        let name = match &outgoing.url.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| broken(&error))?,
            Host::Address(address) => ServerName::from(*address),
        };
        let connector = TlsConnector::from(self.tls.get_or_try_init(tls).await.map_err(failure)?.clone());
        let stream = connector.connect(name, stream).await.map_err(|error| broken(&error))?;
        speak(stream, outgoing, reaching).await
    }

    /// A connection to an address of the URL's host that the grant allows.
    async fn connect(&self, outgoing: &Outgoing<'_>) -> Result<TcpStream, Stop> {
        let Outgoing { grant, url, permit, .. } = outgoing;
        let found = match &url.host {
            Host::Address(address) => vec![SocketAddr::new(*address, url.port)],
            Host::Name(name) => {
                // The system looks up on a thread that cannot be stopped: until it has answered, the place stays taken, however soon the request is given up.
                let (lookup, place) = ((self.resolve)(name.clone(), url.port), permit.clone());
                let looking = tokio::spawn(async move {
                    let found = lookup.await;
                    drop(place);
                    found
                });
                let found = looking.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                found.map_err(|error| failure(format!("looking up {name}: {error}")))?
            }
        };
        let mut refused = None;
        let mut failed = format!("{} has no address", url.host);
        for address in found.into_iter().take(MAX_ADDRESSES) {
            if let Err(why) = address::check(grant, url, address.ip()) {
                refused = Some(format!("{} leads to {}, which {why}", url.host, address.ip()));
                continue;
            }
            match tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small requests, answered at once.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = format!("connecting to {address}: {error}"),
                Err(_) => failed = format!("connecting to {address}: no answer within {} s", CONNECT_TIME.as_secs()),
            }
            refused = None;
        }
        Err(refused.map_or_else(|| failure(failed), |why| (Class::Permanent, why)))
    }
}

/// The system's roots, read at the first need.
async fn tls() -> Result<Arc<ClientConfig>, String> {
    let unusable = |error: &dyn fmt::Display| format!("setting up TLS: {error}");
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let why = loaded.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(unusable(&format_args!("the system has no root certificates{why}; install its ca-certificates")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// HTTP/1.1, once.
async fn speak<S>(stream: S, outgoing: Outgoing<'_>, reaching: impl FnOnce()) -> Result<Answer, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Outgoing { method, url, mut headers, body, most, grant: _, beyond, permit: _ } = outgoing;
    let broken = |error: hyper::Error| {
        if error.is_parse_too_large() {
            beyond.store(true, Ordering::Relaxed);
            return failure(format!("the head of the answer has more than {most} bytes (limits.httpAnswerBytes)"));
        }
        failure(format!("the exchange broke: {}", chain(&error)))
    };
    let set = |name, value: &str| HeaderValue::try_from(value).map(|value| (name, value));
    let agent = concat!("weir/", env!("CARGO_PKG_VERSION"));
    for header in
        [set(header::HOST, &url.authority()), set(header::CONNECTION, "close"), set(header::USER_AGENT, agent)]
    {
        let (name, value) = header.map_err(|error| failure(error.to_string()))?;
        // Who speaks may be said otherwise; where to may not.
        if name != header::USER_AGENT || !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    let mut request = Request::builder().method(method).uri(url.target()).body(Full::new(body));
    if let Ok(request) = &mut request {
        *request.headers_mut() = headers;
    }
    // The message of an error here could show the URL.
    let request = request.map_err(|_| failure("it makes no request".to_owned()))?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(most)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answered = async {
        reaching();
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|it| it.to_str().ok()?.trim().parse().ok());
        let location = head.headers.get(header::LOCATION).cloned();
        Ok(Answer { status: head.status, location, retry_after, body: some_of(body, most, beyond).await })
    };
    tokio::select! {
        biased;
        answer = answered => answer,
        // It ends when the answer does; before that, the answer tells why. Only its failure is news.
        Err(error) = connection => Err(broken(error)),
    }
}

/// As much of a body as comes before `most` bytes or the connection end.
async fn some_of(mut body: Incoming, most: usize, beyond: &AtomicBool) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = most - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            beyond.store(true, Ordering::Relaxed);
            break;
        }
    }
    read.freeze()
}

/// An error with its causes; they tell of connections, never of content.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    syntax::cut(&text, 500).to_owned()
}
