//! `http`: requests to servers outside the cluster.
//!
//! Promises: a request goes where a grant allows it and nowhere else, also if a name leads to another address than it should, and also
//! if a server sends it on; each hop is held against the grants again, and the address that was checked is the one that is connected
//! to; no secret is in an error, a log line or anything else that leaves this room but the request itself; nothing takes longer or
//! grows larger than `limits` say; no proxy is used, whatever the environment says.
//!
//! How redirects go: at most [`MAX_REDIRECTS`]. 307 and 308 are followed with method and body; 301, 302 and 303 only for GET and HEAD,
//! because for others browsers turn them into a GET, which says something else than the handler did. The place is one that a grant without
//! secrets in its URL covers. To another origin only `accept`, `content-encoding`, `content-type` and `user-agent` of the handler's
//! headers go along.
//!
//! Each request has a connection of its own: webhooks are rare, and a connection that is kept would outlive the check of its address.

mod address;
mod client;
mod secret;

pub use client::Outside;
pub use secret::Secrets;

use super::{
    Class, Subject,
    delivery::Stop,
    executor::Executor,
    plan::{Step, What},
    syntax,
};
use crate::{
    contract::{Action, HttpRequest},
    handler::manifest::{HttpGrant, RESERVED_HEADERS, admitting, limit::Limit, url::Url},
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use client::{Answer, Outgoing, Permit};
use secret::Filled;
use sha2::{Digest, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The most redirects that one action follows.
const MAX_REDIRECTS: usize = 5;
/// The most headers of one request, the grant's not counted.
const MAX_HEADERS: usize = 64;
/// The longest idempotency key, in bytes: what payment services take.
const MAX_KEY: usize = 255;
/// The longest wait that a server's `Retry-After` may ask for, in seconds.
const MAX_RETRY_AFTER: u32 = 3600;
/// The most of a URL or of a server's words that a message repeats, in bytes.
const MAX_WORDS: usize = 200;
/// Methods a handler may use: those that mean the same to every server and need no tunnel.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Whether an action, if it is `http`, is one that can be sent.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(action: &Action) -> Result<(), String> {
    let Action::Http(request) = action else { return Ok(()) };
    if !METHODS.contains(&request.method.as_str()) {
        let method = syntax::cut(&request.method, 32);
        return Err(format!("the method {method:?} is none of {}", METHODS.join(", ")));
    }
    // A URL with secrets is no URL until a grant has said which they are.
    if !request.url.contains("${") {
        Url::parse(&request.url).map_err(|wrong| format!("the URL {}: {wrong}", shown(&request.url)))?;
    }
    headers(request)?;
    if let Some(key) = &request.idempotency_key
        && (key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(format!("the idempotency key has to be 1 to {MAX_KEY} printable characters without spaces"));
    }
    Ok(())
}

/// The handler's headers.
fn headers(request: &HttpRequest) -> Result<HeaderMap, String> {
    if request.headers.len() > MAX_HEADERS {
        return Err(format!("{} headers are more than {MAX_HEADERS}", request.headers.len()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let shown = syntax::cut(name, 64);
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| format!("{shown:?} is no name of a header"))?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            return Err(format!("the header {parsed} is weir's to set; leave it out"));
        }
        let value = HeaderValue::try_from(value).map_err(|_| format!("the value of the header {parsed} is none"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// Tells requests of one reply apart that are alike.
pub(super) fn count_copies(steps: &mut [Step]) {
    for at in 1..steps.len() {
        let (before, rest) = steps.split_at_mut(at);
        if let Some(Step { what: What::Http { request, copy }, .. }) = rest.first_mut() {
            let alike = |step: &&Step| matches!(&step.what, What::Http { request: other, .. } if counted(other) == counted(request));
            *copy = u32::try_from(before.iter().filter(alike).count()).unwrap_or(u32::MAX);
        }
    }
}

/// What of a request its idempotency key is made of; requests of one reply that are alike in it are told apart by their number. Headers are not: they may hold
/// what differs between two tries of the same request.
fn counted(request: &HttpRequest) -> [&str; 3] {
    [&request.method, &request.url, &request.body]
}

/// The requests that no grant admits, and the lines that would; none if there are none.
pub(super) fn ungranted(steps: &[Step], grants: &[HttpGrant], handler: &str) -> Option<String> {
    let requests = steps.iter().filter_map(|step| match &step.what {
        What::Http { request, .. } => Some(request),
        _ => None,
    });
    let missing: Vec<&HttpRequest> = requests.filter(|it| admitting(grants, &it.url).is_none()).collect();
    if missing.is_empty() {
        return None;
    }
    let wanted: Vec<String> = missing.iter().map(|it| format!("{} {}", it.method, shown(&it.url))).collect();
    let mut lines: Vec<String> = missing.iter().filter_map(|it| Url::parse(&it.url).ok()).map(|it| line(&it)).collect();
    lines.sort();
    lines.dedup();
    let mut text = format!("not granted: http {}", wanted.join(", "));
    if lines.len() < wanted.len() && missing.iter().any(|it| it.url.contains("${")) {
        // Which secrets go where is the operator's to think of: no line is suggested.
        text.push_str("; a URL with ${…} is admitted only by a grant of that very text");
    }
    if !lines.is_empty() {
        text.push_str(&format!(
            "; to allow it, add to spec.grants.http in the manifest of {handler}:{}",
            lines.concat()
        ));
    }
    Some(text)
}

/// The grant for a URL, no wider.
fn line(url: &Url) -> String {
    format!("\n- {}", Url { query: None, ..url.clone() })
}

/// A URL as the handler wrote it, without its query and cut: fit for messages.
fn shown(url: &str) -> &str {
    syntax::cut(url.split('?').next().unwrap_or_default(), MAX_WORDS)
}

/// The same for every try of the same change: the contract says of what.
fn idempotency_key(handler: &str, subject: &Subject, request: &HttpRequest, copy: u32) -> String {
    let ending = if subject.change.is_ending() { subject.change.name() } else { "" };
    let (counter, copy) = (subject.counter.to_string(), copy.to_string());
    let mut hash = Sha256::new();
    let [method, url, body] = counted(request);
    for part in [handler, &subject.uid, &counter, ending, method, url, body, &copy] {
        // Lengths, so that no two lists of parts run together into one text.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Sends one request; the outcome's name is for the metric. Sets `reached` as soon as a server may have seen it.
pub(super) async fn send(
    executor: &Executor,
    subject: &Subject,
    request: &HttpRequest,
    copy: u32,
    reached: &mut bool,
) -> Result<&'static str, Stop> {
    let manifest = &executor.deps.manifest;
    if manifest.dry_run {
        let (method, url) = (&request.method, shown(&request.url));
        tracing::info!(handler = manifest.name, method, url, "dry run: an http request is granted; nothing was sent");
        return Ok("dry-run");
    }
    executor.pace().await;
    if executor.connections.available_permits() == 0 {
        executor.hit(Limit::HttpConnections);
    }
    let permit = executor.connections.clone().acquire_owned().await.map(Arc::new).ok();
    let key = request.idempotency_key.clone();
    let key = key.unwrap_or_else(|| idempotency_key(&manifest.name, subject, request, copy));
    let (reaching, beyond) = (AtomicBool::new(false), AtomicBool::new(false));
    let follow = follow(executor, request, &key, &reaching, &beyond, permit);
    let exchange = tokio::time::timeout(manifest.limits.http_time, follow).await;
    *reached |= reaching.into_inner();
    if beyond.into_inner() {
        executor.hit(Limit::HttpAnswerBytes);
    }
    let failed = |(class, why)| (class, format!("{} {}: {why}", request.method, shown(&request.url)));
    match exchange {
        Ok(ended) => ended.map(|()| "done").map_err(failed),
        Err(_) => {
            executor.hit(Limit::HttpTime);
            let most = manifest.limits.http_time.as_millis();
            Err(failed(failure(format!("no answer within {most} ms (limits.httpTime)"))))
        }
    }
}

/// The handler's failure.
fn failure(why: String) -> Stop {
    (Class::Outside { retry_after: None }, why)
}

/// One request and the redirects it leads to. Sets `beyond` if an answer was longer than `limits.httpAnswerBytes`.
async fn follow(
    executor: &Executor,
    request: &HttpRequest,
    key: &str,
    reaching: &AtomicBool,
    beyond: &AtomicBool,
    permit: Permit,
) -> Result<(), Stop> {
    let (outside, manifest) = (&executor.deps.outside, &executor.deps.manifest);
    let permanent = |why: &str| (Class::Permanent, why.to_owned());
    let (mut grant, admitted) =
        admitting(&manifest.grants.http, &request.url).ok_or_else(|| permanent("is not granted any more"))?;
    let mut own = headers(request).map_err(|wrong| permanent(&wrong))?;
    let method = Method::try_from(request.method.as_str()).map_err(|_| permanent("has no method"))?;
    let mut filled = outside.secrets().fill(grant, &admitted).await.map_err(failure)?;
    // Once a secret is under way, its server's words are not repeated: it may say it back in any disguise.
    let mut confidential = false;
    for _ in 0..=MAX_REDIRECTS {
        confidential |= filled.confidential;
        let mut headers = own.clone();
        for (name, value) in &filled.headers {
            headers.insert(name.clone(), value.clone());
        }
        let key = HeaderValue::try_from(key).map_err(|_| permanent("has an idempotency key that is no header"))?;
        headers.insert("idempotency-key", key);
        let outgoing = Outgoing {
            method: method.clone(),
            url: &filled.url,
            headers,
            body: Bytes::copy_from_slice(request.body.as_bytes()),
            grant,
            most: manifest.limits.http_answer_bytes,
            beyond,
            permit: permit.clone(),
        };
        let answer = outside.exchange(outgoing, || reaching.store(true, Ordering::Relaxed)).await?;
        let Some(location) = answer.location.as_ref().filter(|_| is_followed(answer.status, &method)) else {
            return understand(&answer, confidential);
        };
        let place = location.to_str().map_err(|_| "its Location is no text".to_owned());
        let next = place.and_then(|place| filled.url.join(place)).map_err(|wrong| {
            failure(if confidential {
                "redirects to what is no URL".into()
            } else {
                format!("redirects badly: {wrong}")
            })
        })?;
        grant = redirected(&manifest.grants.http, &next).ok_or_else(|| {
            failure(if confidential {
                "redirects to a place that is not granted".to_owned()
            } else {
                format!("redirects to a place that is not granted; to allow it, add to spec.grants.http in the manifest of {}:{}", manifest.name, line(&next))
            })
        })?;
        if !next.has_origin_of(&filled.url) {
            let foreign: Vec<HeaderName> = own.keys().filter(|name| !is_harmless(name)).cloned().collect();
            for name in foreign {
                own.remove(name);
            }
        }
        filled = Filled { url: next, ..outside.secrets().headers(grant).await.map_err(failure)? };
    }
    Err(failure(format!("redirects more than {MAX_REDIRECTS} times")))
}

/// The grant that admits a place which a server named. Never one with secrets in its URL: no URL has the text of such a grant.
fn redirected<'a>(grants: &'a [HttpGrant], place: &Url) -> Option<&'a HttpGrant> {
    admitting(grants, &place.to_string()).map(|(grant, _)| grant)
}

/// Whether a header of the handler's says something of the request alone, so that it goes along to another origin; any other may be a credential.
fn is_harmless(name: &HeaderName) -> bool {
    [header::ACCEPT, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::USER_AGENT].contains(name)
}

fn is_followed(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        307 | 308 => true,
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

/// What the last answer means.
fn understand(answer: &Answer, confidential: bool) -> Result<(), Stop> {
    if answer.status.is_success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(MAX_WORDS * 4)]);
    // One line, and nothing that a terminal would take for an order.
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let words = syntax::cut(text.trim(), MAX_WORDS);
    let told = if confidential || words.is_empty() { String::new() } else { format!(": {words}") };
    Err((
        Class::Outside { retry_after: answer.retry_after.map(|seconds| seconds.min(MAX_RETRY_AFTER)) },
        format!("answered {}{told}", answer.status),
    ))
}

#[cfg(test)]
mod tests;
