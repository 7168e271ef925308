//! What the small API answers with.

use super::{State, Want};
use axum::body::Body as Answer;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
};
use tokio::sync::mpsc;

/// A status no server sends, for an answer that is never given.
pub(super) const HANG: u16 = 599;

pub(super) fn want(path: &str, query: &HashMap<String, String>) -> Want {
    match path {
        "/api/v1" | "/apis/example.org/v1" => Want::Discovery,
        path if path.starts_with("/apis/apiextensions.k8s.io/") => Want::Definition,
        path if !["pods", "foos", "nodes"].iter().any(|plural| path.ends_with(plural)) => Want::Get,
        _ if query.contains_key("sendInitialEvents") => Want::Stream,
        _ if query.contains_key("watch") => Want::Watch,
        _ if query.contains_key("continue") => Want::Page,
        _ => Want::List,
    }
}

/// The objects as they were at a version.
pub(super) fn as_of(state: &State, version: u64) -> BTreeMap<String, Value> {
    let mut objects = state.objects.clone();
    for past in state.past.iter().rev().take_while(|past| past.version > version) {
        let named = past.before.as_ref().or(past.now.as_ref());
        let name = named.and_then(|object| object["metadata"]["name"].as_str()).unwrap_or_default().to_owned();
        match &past.before {
            Some(before) => objects.insert(name, before.clone()),
            None => objects.remove(&name),
        };
    }
    objects
}

pub(super) fn selected(object: &Value, query: &HashMap<String, String>) -> bool {
    let metadata = &object["metadata"];
    let holds = |selector: &str, at: &dyn Fn(&str) -> Value| {
        selector.split(',').filter_map(|part| part.split_once('=')).all(|(name, value)| at(name) == value)
    };
    let labels =
        query.get("labelSelector").is_none_or(|selector| holds(selector, &|name| metadata["labels"][name].clone()));
    let fields = query
        .get("fieldSelector")
        .is_none_or(|selector| holds(selector, &|name| metadata[name.trim_start_matches("metadata.")].clone()));
    labels && fields
}

pub(super) fn status_body(code: u16, reason: &str, name: Option<&str>) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": "scripted",
        "code": code, "details": {"name": name.unwrap_or_default()}})
}

pub(super) fn status(code: u16, reason: &str, retry_after: Option<u32>, name: Option<&str>) -> Response<Answer> {
    let mut response = Response::builder().status(code);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds.to_string());
    }
    response.body(Answer::from(status_body(code, reason, name).to_string())).unwrap()
}

pub(super) fn answer(body: Value) -> Response<Answer> {
    Response::new(Answer::from(body.to_string()))
}

pub(super) fn line(event: &Value) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

pub(super) fn lines() -> (mpsc::Sender<Bytes>, Response<Answer>) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver: mpsc::Receiver<Bytes>| async {
        receiver.recv().await.map(|piece| (Ok::<_, Infallible>(piece), receiver))
    });
    (sender, Response::new(Answer::from_stream(pieces)))
}

pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%' && after.len() >= 2)
            .then(|| u8::from_str_radix(std::str::from_utf8(&after[..2]).ok()?, 16).ok())
            .flatten();
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}
