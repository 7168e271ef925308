//! The requests of an informer and the reading of their answers.
//!
//! Promises: every wait on the network ends ([`ANSWER_PATIENCE`]; a watch's own silence is the machine's business); a line or a list longer
//! than its bound is an error, not memory; a refusal keeps the server's own words, cut.

use super::machine::Trouble;
use crate::kinds::Resource;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use kube::{
    Client,
    client::Body,
    core::{Status, response::reason},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashMap, error::Error, fmt::Write, time::Duration};

/// How long an answer may take to begin, and each further piece of a list to come.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is honoured.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// How much of a refusal's body is read.
pub const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How much of a refusal's words is kept.
pub const MAX_REFUSAL_MESSAGE: usize = 500;

/// One collection, as it is listed and watched.
pub(super) struct Target<'a> {
    pub(super) resource: &'a Resource,
    pub(super) namespace: Option<&'a str>,
    pub(super) label_selector: &'a str,
    pub(super) field_selector: &'a str,
    pub(super) metadata_only: bool,
    pub(super) as_user: Option<&'a str>,
}

/// The API did not do what it was asked.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) trouble: Trouble,
    pub(super) retry_after: Option<Duration>,
    pub(super) message: String,
}

/// One page of a list. The items are borrowed from the body by [`Page::items`].
pub(super) struct Page {
    body: Bytes,
    pub(super) resource_version: String,
    pub(super) token: Option<String>,
}

/// One line of a watch.
pub(super) enum Line<'a> {
    Upsert(&'a str),
    Deleted(&'a str),
    Bookmark {
        resource_version: String,
        ends_list: bool,
    },
    Refused(Refusal),
    /// A type this version does not know.
    Unknown,
}

/// Splits a watch into lines.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// So much of the buffer has no line end.
    searched: usize,
    limit: usize,
}

#[derive(Deserialize)]
struct ListBody<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    token: Option<String>,
}

#[derive(Deserialize)]
struct EventBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
struct BookmarkBody {
    #[serde(default)]
    metadata: BookmarkMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BookmarkMeta {
    resource_version: String,
    annotations: HashMap<String, String>,
}

impl Target<'_> {
    /// A page of the list; without a resourceVersion, so that it is the most recent.
    pub(super) fn list(&self, token: Option<&str>, limit: Option<u32>) -> Result<Request<Body>, Refusal> {
        let mut query = self.selectors();
        if let Some(limit) = limit {
            query.push(("limit", limit.to_string()));
        }
        if let Some(token) = token {
            query.push(("continue", token.to_owned()));
        }
        self.request(&query, "List")
    }

    /// A watch from a version on; without one, a streaming list: "not older than" nothing is the most recent.
    pub(super) fn watch(&self, from: Option<&str>, timeout: Duration) -> Result<Request<Body>, Refusal> {
        let mut query = self.selectors();
        query.push(("watch", "true".to_owned()));
        query.push(("allowWatchBookmarks", "true".to_owned()));
        query.push(("timeoutSeconds", timeout.as_secs().to_string()));
        match from {
            Some(version) => query.push(("resourceVersion", version.to_owned())),
            None => {
                query.push(("sendInitialEvents", "true".to_owned()));
                query.push(("resourceVersionMatch", "NotOlderThan".to_owned()));
            }
        }
        let mut request = self.request(&query, "")?;
        // Servers since 1.37 compress watches one event at a time, which the client's decoder reads only the first of.
        request.headers_mut().insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        Ok(request)
    }

    fn selectors(&self) -> Vec<(&'static str, String)> {
        let both = [("labelSelector", self.label_selector), ("fieldSelector", self.field_selector)];
        both.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned())).collect()
    }

    fn request(&self, query: &[(&str, String)], list: &str) -> Result<Request<Body>, Refusal> {
        acting(Request::get(path(&self.resource.collection_path(self.namespace), query)), self.as_user)
            .header(header::ACCEPT, accept(self.metadata_only, list))
            .body(Body::empty())
            .map_err(|error| Refusal::other(format!("building the request: {error}")))
    }
}

/// A request that is made as this user. See "User impersonation" in Kubernetes' reference.
pub(super) fn acting(request: http::request::Builder, as_user: Option<&str>) -> http::request::Builder {
    match as_user {
        Some(user) => request.header("impersonate-user", user),
        None => request,
    }
}

/// The form to ask for; `list` is `List` for lists.
pub(super) fn accept(metadata_only: bool, list: &str) -> String {
    if metadata_only {
        format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1")
    } else {
        "application/json".to_owned()
    }
}

/// A path with its query.
pub(super) fn path(path: &str, query: &[(&str, String)]) -> String {
    let mut out = path.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            // RFC 3986's unreserved characters; everything else is escaped.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

impl Refusal {
    /// Something that is not the server's answer.
    pub(super) fn other(message: impl Into<String>) -> Refusal {
        let message: String = message.into().chars().take(MAX_REFUSAL_MESSAGE).collect();
        Refusal { trouble: Trouble::Other, retry_after: None, message }
    }

    /// There was no answer in time.
    pub(super) fn silent() -> Refusal {
        Refusal::other(no_answer())
    }

    /// What the client itself made of an answer, or of none.
    pub(super) fn from_kube(error: &kube::Error) -> Refusal {
        match error {
            kube::Error::Api(status) => Refusal::of(status, status.code),
            error => Refusal::other(with_causes(error)),
        }
    }

    fn of(status: &Status, code: u16) -> Refusal {
        let details = status.details.as_ref();
        let after = details.map_or(0, |details| details.retry_after_seconds);
        let trouble = match code {
            410 => Trouble::Gone,
            _ if [reason::EXPIRED, reason::GONE].contains(&status.reason.as_str()) => Trouble::Gone,
            403 => Trouble::Forbidden,
            404 => Trouble::Missing,
            400 | 405 | 422 => Trouble::Refused,
            _ => Trouble::Other,
        };
        let retry_after = (after > 0).then(|| Duration::from_secs(after.into()).min(LONGEST_RETRY_AFTER));
        Refusal { trouble, retry_after, ..Refusal::other(format!("{} ({code} {})", status.message, status.reason)) }
    }
}

/// What to say when there was no answer in time.
pub(super) fn no_answer() -> String {
    format!("no answer within {} s", ANSWER_PATIENCE.as_secs())
}

/// Sends a request; an answer that is no success is a refusal.
pub(super) async fn send(client: &Client, request: Request<Body>) -> Result<Response<Body>, Refusal> {
    let sent = tokio::time::timeout(ANSWER_PATIENCE, client.send(request)).await;
    let response = sent.map_err(|_| Refusal::silent())?.map_err(|error| Refusal::other(with_causes(&error)))?;
    let code = response.status();
    if code.is_success() {
        return Ok(response);
    }
    let header = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = read(response.into_body(), MAX_REFUSAL_BYTES).await.unwrap_or_default();
    let status = serde_json::from_slice::<Status>(&body)
        .unwrap_or_else(|_| Status::failure(&String::from_utf8_lossy(&body), "the answer is not a Status"));
    let mut refusal = Refusal::of(&status, code.as_u16());
    refusal.retry_after =
        header.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)).or(refusal.retry_after);
    Err(refusal)
}

/// An error with what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(ANSWER_PATIENCE, body.frame()).await;
        let frame = frame.map_err(|_| Refusal::other("the answer stopped half way"))?;
        let Some(frame) = frame else { return Ok(whole.freeze()) };
        let frame = frame.map_err(|error| Refusal::other(with_causes(&error)))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(Refusal::other(format!("the answer is longer than {limit} bytes")));
            }
            whole.extend_from_slice(&data);
        }
    }
}

impl Page {
    /// Reads a list's answer, at most `limit` bytes.
    pub(super) async fn read(response: Response<Body>, limit: usize) -> Result<Page, Refusal> {
        let body = read(response.into_body(), limit).await?;
        let list: ListBody<'_> =
            serde_json::from_slice(&body).map_err(|error| Refusal::other(format!("reading a list: {error}")))?;
        let (resource_version, token) = (list.metadata.resource_version, list.metadata.token);
        Ok(Page { body, resource_version, token: token.filter(|token| !token.is_empty()) })
    }

    /// The items' JSON. Read a second time rather than kept beside the body they are borrowed from; skipping is cheap.
    pub(super) fn items(&self) -> Vec<&str> {
        let list: Result<ListBody<'_>, _> = serde_json::from_slice(&self.body);
        list.ok().and_then(|list| list.items).unwrap_or_default().into_iter().map(RawValue::get).collect()
    }
}

impl Line<'_> {
    /// Reads one line of a watch.
    pub(super) fn read(line: &[u8]) -> Result<Line<'_>, Refusal> {
        let broken = |error: serde_json::Error| Refusal::other(format!("reading a watch event: {error}"));
        let event: EventBody<'_> = serde_json::from_slice(line).map_err(broken)?;
        Ok(match event.kind.as_ref() {
            "ADDED" | "MODIFIED" => Line::Upsert(event.object.get()),
            "DELETED" => Line::Deleted(event.object.get()),
            "BOOKMARK" => {
                let bookmark: BookmarkBody = serde_json::from_str(event.object.get()).map_err(broken)?;
                let ends = bookmark.metadata.annotations.get("k8s.io/initial-events-end");
                Line::Bookmark {
                    resource_version: bookmark.metadata.resource_version,
                    ends_list: ends.is_some_and(|value| value == "true"),
                }
            }
            "ERROR" => {
                let status: Status = serde_json::from_str(event.object.get()).map_err(broken)?;
                Line::Refused(Refusal::of(&status, status.code))
            }
            _ => Line::Unknown,
        })
    }
}

impl Lines {
    /// Reads a watch's answer, lines at most `limit` bytes long.
    pub(super) fn new(response: Response<Body>, limit: usize) -> Lines {
        Lines { body: response.into_body(), buffer: BytesMut::new(), searched: 0, limit }
    }

    /// The next line; none when the watch was closed or cut. Half a line at the end is dropped: the next watch brings it whole.
    ///
    /// May be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                if !line.is_empty() {
                    return Ok(Some(line.freeze()));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.searched > self.limit {
                return Err(Refusal::other(format!("a watch event is longer than {} bytes", self.limit)));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(error = with_causes(&error), "a watch was cut");
                    return Ok(None);
                }
                None => {
                    // A last line may come without its end, if it is whole.
                    let rest = self.buffer.split().freeze();
                    self.searched = 0;
                    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&rest).is_ok();
                    return Ok(whole.then_some(rest));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
