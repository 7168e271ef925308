use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{MAPS, MERGE, api, map, seen};
use crate::{DevApi, Effect, Fault};

fn fault(effect: Effect) -> Fault {
    Fault { method: None, path_contains: "/configmaps".into(), watch: None, times: 1, effect }
}

/// The answer of the service itself, for what the usual way of asking takes for granted.
async fn raw(
    api: &DevApi,
    method: &str,
    path: &str,
    body: Value,
) -> std::io::Result<http::Response<crate::ResponseBody>> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = http::Request::builder().method(method).uri(path).header("content-type", MERGE);
    api.service().oneshot(request.body(Full::from(body)).expect("a good request")).await
}

#[tokio::test]
async fn a_status_is_answered_as_often_as_scripted() {
    let api = api();
    let effect = Effect::Status {
        code: 429,
        reason: "TooManyRequests".into(),
        message: "slow down".into(),
        retry_after: Some(7),
    };
    api.faults().inject(Fault { method: Some("GET".into()), times: 2, ..fault(effect) });
    api.post(MAPS, map("a", "1")).await;
    for _ in 0..2 {
        let response = raw(&api, "GET", MAPS, Value::Null).await.expect("an answer");
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    }
    api.get(MAPS).await;
}

#[tokio::test]
async fn both_forms_of_410_can_be_had() {
    let api = api();
    api.faults().inject(Fault { watch: Some(true), ..fault(Effect::HttpGone) });
    api.get(MAPS).await;
    let (code, reason, _) = api.refused("GET", &format!("{MAPS}?watch=true"), "", Value::Null).await;
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    api.faults().inject(fault(Effect::InStreamGone));
    let mut watch = api.watch(&format!("{MAPS}?watch=true")).await;
    assert_eq!(watch.brief().await, seen("ERROR", "Expired"));
    assert_eq!(watch.end().await, Ok(()));
}

#[tokio::test]
async fn a_write_may_happen_although_its_answer_is_lost() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    api.faults().inject(fault(Effect::DropConnection));
    let patch = json!({ "data": { "k": "2" } });
    assert!(raw(&api, "PATCH", &format!("{MAPS}/a"), patch.clone()).await.is_err());
    assert_eq!(api.get(&format!("{MAPS}/a")).await["data"]["k"], "1");
    api.faults().inject(fault(Effect::CommitThenDrop));
    assert!(raw(&api, "PATCH", &format!("{MAPS}/a"), patch).await.is_err());
    assert_eq!(api.get(&format!("{MAPS}/a")).await["data"]["k"], "2");
    let statuses: Vec<_> = api.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(201), None, Some(200), None, Some(200)]);
}

#[tokio::test]
async fn an_answer_can_be_cut_after_some_bytes() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    api.faults().inject(fault(Effect::CutAfterBytes(30)));
    let mut body = raw(&api, "GET", &format!("{MAPS}?watch=true"), Value::Null).await.expect("an answer").into_body();
    let first = body.frame().await.expect("a frame").expect("no error yet");
    assert_eq!(first.into_data().expect("data").len(), 30);
    assert!(body.frame().await.expect("a frame").is_err());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn open_watches_can_be_cut_and_later_ones_are_not() {
    let api = api();
    let mut watch = api.watch(&format!("{MAPS}?watch=true")).await;
    let mut other = api.watch("/api/v1/nodes?watch=true").await;
    api.faults().cut_watches("/api/v1/namespaces/default/configmaps");
    assert!(watch.end().await.is_err());
    assert!(other.is_quiet());
    api.post(MAPS, map("a", "1")).await;
    let mut later = api.watch(&format!("{MAPS}?watch=true")).await;
    assert_eq!(later.brief().await, seen("ADDED", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_says_nothing_and_catches_up_afterwards() {
    let api = api();
    let query = "watch=true&allowWatchBookmarks=true&timeoutSeconds=600";
    let mut watch = api.watch(&format!("{MAPS}?{query}")).await;
    api.faults().silence_watches("/api/v1", true);
    api.post(MAPS, map("a", "1")).await;
    let silence = tokio::time::timeout(Duration::from_secs(300), watch.next()).await;
    assert!(silence.is_err(), "not even a bookmark");
    api.faults().silence_watches("/api/v1", false);
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_the_answer_and_lets_other_rules_follow() {
    let api = api();
    api.faults().inject(fault(Effect::Delay(Duration::from_secs(9))));
    api.faults().inject(fault(Effect::HttpGone));
    let before = tokio::time::Instant::now();
    assert_eq!(api.refused("GET", MAPS, "", Value::Null).await.0, 410);
    assert_eq!(before.elapsed().as_secs(), 9);
}

#[tokio::test]
async fn a_server_can_seem_not_to_know_streaming_lists() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    api.faults().inject(fault(Effect::IgnoreSendInitialEvents));
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = api.watch(&format!("{MAPS}?{query}")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
    assert!(watch.is_quiet());
}
