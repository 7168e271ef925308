//! What this room's tests share: a subject, a manifest that grants, and a scripted API.
//!
//! The script answers in order and fails the test when it is asked once more; what it was asked stands in
//! [`Script::requests`].

use super::{ActionError, ActionMetrics, Applied, Executor, ExecutorDeps, Outside, Secrets, Subject};
use crate::{
    contract::{Action, Apply, Change, Deletion, LogLine, Note, ObjectRef, Patch, PatchFormat, Severity},
    handler::manifest::{Grants, Instance, Limits, Manifest, Retry, WriteGrant},
    kinds::{Kinds, Resource},
};
use bytes::Bytes;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The state of [`node`].
pub(super) fn state() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": "a", "uid": "u1", "resourceVersion": "5" },
        "status": { "phase": "Ready" }
    })
}

/// Node `a`, updated.
pub(super) fn node() -> Subject {
    Subject {
        resource: resource("", "Node", "nodes", false),
        key: ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: "a".into() },
        uid: "u1".into(),
        resource_version: "5".into(),
        change: Change::Updated,
        counter: 3,
        state: state().to_string().into(),
    }
}

pub(super) fn resource(group: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource { group: group.into(), version: "v1".into(), kind: kind.into(), plural: plural.into(), namespaced }
}

/// ConfigMap `x/b`, as a target.
pub(super) fn config_map() -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some("x".into()), name: "b".into() }
}

/// Handler `h`, granted everything on Nodes, ConfigMaps and Widgets but force.
pub(super) fn manifest() -> Manifest {
    let grant = |api_version: &str, kind: &str| WriteGrant {
        api_version: api_version.into(),
        kind: kind.into(),
        actions: ["annotate", "label", "set-status", "patch", "apply", "create", "delete", "emit"]
            .map(str::to_owned)
            .into(),
        namespaces: Vec::new(),
        names: Vec::new(),
        subresources: vec!["status".into(), "scale".into()],
        force: false,
    };
    Manifest {
        name: "h".into(),
        description: String::new(),
        watches: Vec::new(),
        reads: Vec::new(),
        wants: Grants::default(),
        grants: Grants {
            write: vec![grant("v1", "Node"), grant("v1", "ConfigMap"), grant("example.org/v1", "Widget")],
            ..Grants::default()
        },
        settings: Value::Null,
        workers: 1,
        retry: Retry::default(),
        limits: Limits::default(),
        instance: Instance::Warm,
        field_manager: "weir/h".into(),
        service_account: None,
        dry_run: false,
        sha256: None,
    }
}

/// A request as it arrived. Discovery is answered by itself and not kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// `PATCH /path?query`.
    pub(super) line: String,
    pub(super) content_type: String,
    /// Null if there was none.
    pub(super) body: Value,
}

/// Status, `Retry-After` and body.
type Scripted = (u16, Option<u32>, String);

/// The API of one test.
#[derive(Clone, Default)]
pub(super) struct Script {
    answers: Arc<Mutex<VecDeque<Scripted>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) lines: Arc<Mutex<Vec<LogLine>>>,
    pub(super) metrics: ActionMetrics,
}

impl Script {
    /// Answers these, in this order.
    pub(super) fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Script {
        let script = Script::default();
        let answers = answers.into_iter().map(|(code, body)| (code, None, body.to_string()));
        script.answers.lock().unwrap().extend(answers);
        script
    }

    /// One answer as it is, with `Retry-After`.
    pub(super) fn plain(code: u16, retry_after: u32, body: &str) -> Script {
        let script = Script::default();
        script.answers.lock().unwrap().push_back((code, Some(retry_after), body.into()));
        script
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        assert!(self.answers.lock().unwrap().is_empty(), "not all answers were fetched");
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn executor(&self, manifest: Manifest) -> Executor {
        self.paced(manifest, Duration::ZERO)
    }

    /// Every write waits so long.
    pub(super) fn paced(&self, manifest: Manifest, wait: Duration) -> Executor {
        let client = self.client();
        let lines = self.lines.clone();
        Executor::new(ExecutorDeps {
            kinds: Kinds::new(client.clone()),
            client,
            outside: Outside::new(Secrets::default()),
            manifest: Arc::new(manifest),
            instance: "host-1".into(),
            pace: Arc::new(move || wait),
            lines: Arc::new(move |line| lines.lock().unwrap().push(line.clone())),
            metrics: self.metrics.clone(),
        })
    }

    fn client(&self) -> Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let script = script.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let (code, retry_after, text) = match discovery(head.uri.path()) {
                    Some(list) => (200, None, list.to_string()),
                    None => script.answer(&head, &body),
                };
                let mut response = http::Response::builder().status(code);
                if let Some(seconds) = retry_after {
                    response = response.header("retry-after", seconds);
                }
                Ok::<_, kube::Error>(response.body(Body::from(text.into_bytes())).unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, head: &http::request::Parts, body: &Bytes) -> Scripted {
        let content_type = head.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        assert_eq!(head.headers["accept"], "application/json");
        self.asked.lock().unwrap().push(Asked {
            line: format!("{} {}", head.method, head.uri),
            content_type: content_type.into(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        });
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| (599, None, "nothing scripted".into()))
    }
}

fn discovery(path: &str) -> Option<Value> {
    let resources = match path {
        "/api/v1" => json!([
            { "name": "nodes", "kind": "Node", "namespaced": false },
            { "name": "configmaps", "kind": "ConfigMap", "namespaced": true },
        ]),
        "/apis/example.org/v1" => json!([{ "name": "widgets", "kind": "Widget", "namespaced": true }]),
        _ => return None,
    };
    Some(json!({ "kind": "APIResourceList", "resources": resources }))
}

/// A Status as the API sends it.
pub(super) fn refusal(code: u16, reason: &str, details: Value) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the server's words", "reason": reason, "details": details, "code": code
    });
    (code, status)
}

pub(super) fn annotate(value: &str) -> Action {
    Action::Annotate(vec![("a".into(), Some(value.into()))])
}

pub(super) fn patch(format: PatchFormat, body: Value) -> Action {
    Action::Patch(Patch { target: None, uid: None, subresource: None, format, body: body.to_string() })
}

pub(super) fn delete() -> Deletion {
    Deletion { target: None, uid: None, grace_period_seconds: None, propagation: None }
}

pub(super) fn apply(kind: &str, name: &str) -> Apply {
    let namespace = if kind == "Node" { "" } else { ", namespace: x" };
    let manifest = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}{namespace}}}");
    Apply { manifest, subresource: None, manager: None, force: false }
}

pub(super) fn create() -> Action {
    Action::Create(apply("ConfigMap", "b").manifest)
}

pub(super) fn note(message: &str) -> Note {
    Note { regarding: None, severity: Severity::Normal, reason: "Seen".into(), message: message.into() }
}

/// The node at `version`, with `edit` made.
pub(super) fn at(version: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut object = state();
    object["metadata"]["resourceVersion"] = json!(version);
    edit(&mut object);
    object
}

/// The node at `version`, annotated.
pub(super) fn annotated(version: &str, value: &str) -> (u16, Value) {
    (200, at(version, |object| object["metadata"]["annotations"] = json!({ "a": value })))
}

pub(super) fn ok() -> (u16, Value) {
    (200, at("6", |_| ()))
}

pub(super) fn absent() -> (u16, Value) {
    refusal(404, "NotFound", json!({ "name": "a", "kind": "nodes" }))
}

/// Lets handler `h` answer `actions` to an event about [`node`].
pub(super) async fn carry_out(script: &Script, actions: Vec<Action>) -> Result<Applied, ActionError> {
    script.executor(manifest()).carry_out(&node(), actions).await
}

/// A request to expect.
pub(super) fn asked(line: &str, content_type: &str, body: Value) -> Asked {
    Asked { line: line.into(), content_type: content_type.into(), body }
}
