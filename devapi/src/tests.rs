//! The API as a client sees it, through its service. What these tests hold is what Kubernetes does, by the rules that the
//! modules name; where time matters it is paused.

use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{DevApi, Options, ResponseBody};

mod applies;
mod definitions;
mod deletes;
mod faults;
mod reads;
mod serves;
mod watches;
mod writes;

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

/// A fresh API.
pub(crate) fn api() -> DevApi {
    DevApi::new(Options::default())
}

impl DevApi {
    /// Sends a request and reads the whole answer: its code, and its body as JSON (null if it is none).
    pub(crate) async fn send(&self, method: &str, path: &str, kind: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let builder = http::Request::builder().method(method).uri(path);
        let builder = builder.header("content-type", kind).header("user-agent", "tester/1.0");
        let request = builder.body(Full::from(body)).expect("a good request");
        let response = self.service().oneshot(request).await.expect("an answer");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A get that has to succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (code, body) = self.send("GET", path, "", Value::Null).await;
        assert_eq!(code, 200, "GET {path}: {body}");
        body
    }

    /// A create that has to succeed.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (code, body) = self.send("POST", path, "application/json", body).await;
        assert_eq!(code, 201, "POST {path}: {body}");
        body
    }

    /// A merge patch that has to succeed.
    pub(crate) async fn merge(&self, path: &str, body: Value) -> Value {
        let (code, body) = self.send("PATCH", path, MERGE, body).await;
        assert_eq!(code, 200, "PATCH {path}: {body}");
        body
    }

    /// A delete that has to succeed.
    pub(crate) async fn delete(&self, path: &str) -> Value {
        let (code, body) = self.send("DELETE", path, "", Value::Null).await;
        assert_eq!(code, 200, "DELETE {path}: {body}");
        body
    }

    /// A request that has to be refused: code and reason, and the whole Status.
    pub(crate) async fn refused(&self, method: &str, path: &str, kind: &str, body: Value) -> (u16, String, Value) {
        let (code, body) = self.send(method, path, kind, body).await;
        assert!(code >= 400, "{method} {path} was not refused: {body}");
        (code, body["reason"].as_str().unwrap_or_default().to_owned(), body)
    }

    /// Opens a watch that has to start.
    pub(crate) async fn watch(&self, path: &str) -> Lines {
        let request = http::Request::builder().uri(path).body(Full::<bytes::Bytes>::default()).expect("a good request");
        let response = self.service().oneshot(request).await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "watch {path}");
        Lines { body: response.into_body() }
    }
}

/// The lines of an open watch.
pub(crate) struct Lines {
    body: ResponseBody,
}

impl Lines {
    /// The next event. Panics at the end and at an error.
    pub(crate) async fn next(&mut self) -> Value {
        let frame = self.body.frame().await.expect("the watch goes on").expect("the watch is not cut");
        serde_json::from_slice(frame.data_ref().expect("data")).expect("a whole line")
    }

    /// The next event's type, and its object's name or what an error says.
    pub(crate) async fn brief(&mut self) -> (String, String) {
        let event = self.next().await;
        let object = &event["object"];
        let what = object["metadata"]["name"].as_str().or(object["reason"].as_str()).unwrap_or_default();
        (event["type"].as_str().unwrap_or_default().to_owned(), what.to_owned())
    }

    /// How the watch ends, if nothing more comes before: `Ok` or the error's text.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        match self.body.frame().await {
            None => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(frame)) => panic!("the watch went on: {frame:?}"),
        }
    }

    /// Whether nothing is ready to be read now.
    pub(crate) fn is_quiet(&mut self) -> bool {
        use futures::FutureExt as _;
        self.body.frame().now_or_never().is_none()
    }
}

/// A ConfigMap of one member.
pub(crate) fn map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": value } })
}

/// `("ADDED", "a")` as `brief` gives it.
pub(crate) fn seen(change: &str, name: &str) -> (String, String) {
    (change.to_owned(), name.to_owned())
}
