//! The API as a tower service: bytes in, bytes out, with the scripted failures in between.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Method, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};

use crate::{
    DevApi,
    fault::Effect,
    render,
    request::{Params, Request},
    route::{self, Answer},
    status::Failure,
    watch::error_line,
};

/// The body of an answer. Its errors stand for a connection that broke.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// [`DevApi`] as a tower service; see [`DevApi::service`]. Clones serve the same API.
#[derive(Debug, Clone)]
pub struct DevService {
    pub(crate) api: DevApi,
}

/// A request as it was received, with how it was answered; see [`DevApi::requests`].
#[derive(Debug, Clone)]
pub struct Received {
    /// The HTTP method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: String,
    /// What followed the question mark, as it was sent; empty if nothing did.
    pub query: String,
    /// `User-Agent`, `Content-Type` and `Accept`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The status of the answer; `None` if the connection was dropped on demand instead.
    pub status: Option<u16>,
}

/// The requests received last. At most `limit` of them and about [`LOG_BYTES`] of bodies; the oldest go first.
#[derive(Debug)]
pub(crate) struct RequestLog {
    entries: Mutex<(VecDeque<Received>, usize)>,
    limit: usize,
}

/// The largest body of a request that is read (apiserver `MaxRequestBodyBytes`, 3 MiB).
const MAX_BODY: usize = 3 * 1024 * 1024;

/// How many bytes of request bodies are remembered.
const LOG_BYTES: usize = 32 * 1024 * 1024;

/// The headers that are remembered.
const LOGGED: [header::HeaderName; 3] = [header::USER_AGENT, header::CONTENT_TYPE, header::ACCEPT];

impl<B> tower::Service<http::Request<B>> for DevService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<ResponseBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let api = self.api.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let headers =
                LOGGED.iter().filter_map(|name| Some((name.clone(), parts.headers.get(name)?.clone()))).collect();
            let read = Limited::new(body, MAX_BODY).collect().await;
            let (body, unreadable) = match read {
                Ok(body) => (body.to_bytes(), None),
                Err(error) => (Bytes::new(), Some(error)),
            };
            let query = parts.uri.query().unwrap_or_default().to_owned();
            let path = parts.uri.path().to_owned();
            let mut received = Received { method: parts.method, path, query, headers, body, status: None };
            let answered = match unreadable {
                None => serve(&api, &received).await,
                Some(error) => Ok(refused(&Failure::new(
                    413,
                    "RequestEntityTooLarge",
                    format!("the body cannot be read, or is larger than {MAX_BODY} bytes: {error}"),
                    serde_json::Value::Null,
                ))),
            };
            received.status = answered.as_ref().ok().map(|answer| answer.status().as_u16());
            api.shared.log.push(received);
            answered
        })
    }
}

impl RequestLog {
    pub(crate) fn new(limit: usize) -> RequestLog {
        RequestLog { entries: Mutex::default(), limit: limit.max(1) }
    }

    pub(crate) fn entries(&self) -> Vec<Received> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).0.iter().cloned().collect()
    }

    fn push(&self, received: Received) {
        let mut guard = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, bytes) = &mut *guard;
        *bytes += received.body.len();
        entries.push_back(received);
        while entries.len() > self.limit || *bytes > LOG_BYTES {
            let Some(oldest) = entries.pop_front() else { break };
            *bytes -= oldest.body.len();
        }
    }
}

/// Answers one request as the script of failures will have it; an error stands for a dropped connection.
async fn serve(api: &DevApi, received: &Received) -> io::Result<http::Response<ResponseBody>> {
    let header = |name: header::HeaderName| {
        received.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut request = Request {
        method: received.method.clone(),
        path: received.path.clone(),
        query: received.query.clone(),
        params: Params::parse(&received.query),
        accept: header(header::ACCEPT),
        content_type: header(header::CONTENT_TYPE),
        user_agent: header(header::USER_AGENT),
        body: received.body.clone(),
    };
    let dropped = || io::Error::new(io::ErrorKind::ConnectionReset, "the connection was dropped on demand");
    let verdict = api.shared.faults.judge(&request);
    if !verdict.delay.is_zero() {
        tokio::time::sleep(verdict.delay).await;
    }
    match verdict.effect {
        None | Some(Effect::Delay(_)) => Ok(answer(api, &request).await),
        Some(Effect::Status { code, reason, message, retry_after }) => {
            let details = retry_after.map(|seconds| serde_json::json!({ "retryAfterSeconds": seconds }));
            let mut failure = Failure::new(code, &reason, message, details.unwrap_or_default());
            failure.retry_after = retry_after;
            Ok(refused(&failure))
        }
        Some(Effect::HttpGone) => Ok(refused(&gone())),
        Some(Effect::InStreamGone) => Ok(respond(200, "application/json", full(error_line(&gone())))),
        Some(Effect::DropConnection) => Err(dropped()),
        Some(Effect::CommitThenDrop) => {
            answer(api, &request).await;
            Err(dropped())
        }
        Some(Effect::CutAfterBytes(limit)) => {
            let (mut parts, body) = answer(api, &request).await.into_parts();
            // A length that is promised would be noticed before the cut.
            parts.headers.remove(header::CONTENT_LENGTH);
            Ok(http::Response::from_parts(parts, cut_after(body, limit)))
        }
        Some(Effect::IgnoreSendInitialEvents) => {
            for unknown in ["sendInitialEvents", "resourceVersionMatch"] {
                request.params.remove(unknown);
            }
            Ok(answer(api, &request).await)
        }
    }
}

async fn answer(api: &DevApi, request: &Request) -> http::Response<ResponseBody> {
    let shared = &api.shared;
    match route::answer(&shared.store, &shared.faults, shared.options.bookmark_every, request).await {
        Ok(Answer::Json { code, body }) => respond(code, "application/json", full(body)),
        Ok(Answer::Discovery { body }) => {
            respond(200, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", full(body))
        }
        Ok(Answer::Text { code, body }) => respond(code, "text/plain; charset=utf-8", full(body.into())),
        Ok(Answer::Watch(watch)) => {
            let lines = stream::unfold(watch, |mut watch| async move {
                let line = watch.next().await?;
                Some((line.map(Frame::data), watch))
            });
            respond(200, "application/json", StreamBody::new(lines).boxed_unsync())
        }
        Err(failure) => refused(&failure),
    }
}

fn gone() -> Failure {
    Failure::expired("too old resource version: 1 (2)")
}

fn refused(failure: &Failure) -> http::Response<ResponseBody> {
    if failure.body.is_null() {
        return respond(failure.code, "text/plain; charset=utf-8", full("404 page not found\n".into()));
    }
    let mut response = respond(failure.code, "application/json", full(render::to_bytes(&failure.body)));
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn respond(code: u16, content_type: &'static str, body: ResponseBody) -> http::Response<ResponseBody> {
    let mut response = http::Response::new(body);
    // A script may ask for a code that is none; 500 is what a server that tried would have sent.
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

fn full(body: Bytes) -> ResponseBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// The body up to a number of bytes, and then an error.
fn cut_after(body: ResponseBody, limit: usize) -> ResponseBody {
    let state = Some((body.into_data_stream(), limit));
    let frames = stream::unfold(state, |state| async move {
        let (mut body, left) = state?;
        if left == 0 {
            let broken = io::Error::new(io::ErrorKind::ConnectionReset, "the answer was cut on demand");
            return Some((Err(broken), None));
        }
        let chunk = body.next().await?;
        Some(match chunk {
            Ok(chunk) => {
                let part = chunk.slice(..chunk.len().min(left));
                let left = left - part.len();
                (Ok(Frame::data(part)), Some((body, left)))
            }
            Err(error) => (Err(error), None),
        })
    });
    StreamBody::new(frames).boxed_unsync()
}
