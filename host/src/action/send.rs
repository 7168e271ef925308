//! One request, one answer.
//!
//! Promises: nothing is sent twice, a request takes no longer than [`REQUEST_TIME`], its answer no more than
//! [`MAX_ANSWER`], and every way in which no answer comes has a [`Class`]. The client must be one without retry.

use super::{Class, answer::Refusal, syntax};
use crate::failpoint;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::{Client, client::Body, core::Status};
use serde_json::Value;
use std::time::Duration;

/// How long one request may take, its answer included. The server's own limit for writes is 34 s, after which it
/// answers 504; a little more lets its words arrive.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(40);
/// The largest answer taken, in bytes. etcd refuses objects beyond 1.5 MiB; aggregated APIs may store more.
const MAX_ANSWER: usize = 16 << 20;
/// The most of a body that is no Status that becomes a message, in bytes.
const MAX_TEXT: usize = 1000;

/// An answer of the API.
#[derive(Debug)]
pub(super) enum Answer {
    /// 2xx, with its body.
    Ok(Bytes),
    /// Anything else.
    Refused(Box<Refusal>),
}

/// No answer: what that means, and why.
pub(super) type NoAnswer = (Class, String);

/// Sends once.
pub(super) async fn send(client: &Client, request: Request<Vec<u8>>) -> Result<Answer, NoAnswer> {
    let writes = request.method() != http::Method::GET;
    let exchange = async {
        let response = client.send(request.map(Body::from)).await.map_err(|error| unsent(&error))?;
        if writes {
            failpoint::reach("sent");
        }
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err((Class::Key, format!("the answer is larger than {MAX_ANSWER} bytes")));
            }
            Err(error) => return Err((AWAY, format!("the connection broke while the answer came: {error}"))),
        };
        if head.status.is_success() {
            return Ok(Answer::Ok(body));
        }
        let status = read_status(&body);
        let told = |value: &http::HeaderValue| value.to_str().ok()?.parse().ok();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(told).or_else(|| {
            status.details.as_ref().map(|details| details.retry_after_seconds).filter(|&seconds| seconds > 0)
        });
        Ok(Answer::Refused(Box::new(Refusal { code: head.status.as_u16(), status, retry_after })))
    };
    tokio::time::timeout(REQUEST_TIME, exchange)
        .await
        .unwrap_or_else(|_| Err((AWAY, format!("the API did not answer within {} s", REQUEST_TIME.as_secs()))))
}

const AWAY: Class = Class::World { retry_after: None };

/// What it means that kube could not get an answer, with the chain of causes.
pub(super) fn unsent(error: &kube::Error) -> NoAnswer {
    let class = match error {
        kube::Error::HttpError(_) | kube::Error::BuildRequest(_) => Class::Permanent,
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Class::Key,
        _ => AWAY,
    };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let words = next.to_string();
        // Some errors repeat their cause in their own words.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    (class, format!("the API could not be asked: {}", syntax::cut(&text, MAX_TEXT)))
}

/// Proxies, and the server itself when it is too busy, answer in plain text.
fn read_status(body: &[u8]) -> Status {
    let status = serde_json::from_slice::<Value>(body).ok().filter(|value| value["kind"] == "Status");
    status.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT)]).trim().to_owned();
        Status { message: text, ..Status::default() }
    })
}
