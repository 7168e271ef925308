use std::time::Duration;

use serde_json::json;

use super::{MAPS, api, map, seen};
use crate::{DevApi, Options};

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let mut watch = api.watch(&format!("{MAPS}?watch=true")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
    api.merge(&format!("{MAPS}/a"), json!({ "data": { "k": "2" } })).await;
    api.delete(&format!("{MAPS}/a")).await;
    assert_eq!(watch.brief().await, seen("MODIFIED", "a"));
    let deleted = watch.next().await;
    assert_eq!(deleted["type"], "DELETED");
    assert_eq!(deleted["object"]["data"]["k"], "2", "a deletion carries the last state");
    assert_eq!(deleted["object"]["metadata"]["resourceVersion"], api.resource_version().to_string());
    assert!(watch.is_quiet());
}

#[tokio::test]
async fn a_watch_goes_on_from_its_version() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let from = api.resource_version();
    api.post(MAPS, map("b", "1")).await;
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={from}")).await;
    let added = watch.next().await;
    assert_eq!((&added["type"], &added["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("b")));
    assert_eq!(added["object"]["kind"], "ConfigMap", "a watch names the kind, unlike a list");
}

#[tokio::test]
async fn a_watch_sees_its_namespace_only() {
    let api = api();
    let mut watch = api.watch("/api/v1/namespaces/kube-system/configmaps?watch=1").await;
    api.post(MAPS, map("a", "1")).await;
    api.post("/api/v1/namespaces/kube-system/configmaps", map("b", "1")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "b"));
}

#[tokio::test]
async fn an_object_that_stops_matching_is_deleted_with_its_old_state_and_the_new_version() {
    let api = api();
    let labelled = |value: &str| json!({ "metadata": { "labels": { "app": value } } });
    let mut watch = api.watch(&format!("{MAPS}?watch=true&labelSelector=app%3Dx")).await;
    api.post(MAPS, map("a", "1")).await;
    api.merge(&format!("{MAPS}/a"), labelled("x")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
    api.merge(&format!("{MAPS}/a"), labelled("y")).await;
    let left = watch.next().await;
    assert_eq!(left["type"], "DELETED");
    assert_eq!(left["object"]["metadata"]["labels"]["app"], "x");
    assert_eq!(left["object"]["metadata"]["resourceVersion"], api.resource_version().to_string());
    api.delete(&format!("{MAPS}/a")).await;
    assert!(watch.is_quiet());
}

#[tokio::test]
async fn a_version_below_the_window_is_an_in_stream_410() {
    let api = DevApi::new(Options { watch_window: 2, ..Options::default() });
    let from = api.resource_version();
    for name in ["a", "b", "c"] {
        api.post(MAPS, map(name, "1")).await;
    }
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={from}")).await;
    let error = watch.next().await;
    assert_eq!(error["type"], "ERROR");
    assert_eq!((&error["object"]["code"], &error["object"]["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(watch.end().await, Ok(()));
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={}", from + 1)).await;
    assert_eq!(watch.brief().await, seen("ADDED", "b"));
}

#[tokio::test]
async fn compaction_expires_older_versions_and_spares_watches_that_are_up_to_date() {
    let api = api();
    let from = api.resource_version();
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={from}")).await;
    api.post(MAPS, map("a", "1")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
    api.compact();
    api.post(MAPS, map("b", "1")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "b"));
    let mut late = api.watch(&format!("{MAPS}?watch=true&resourceVersion={from}")).await;
    assert_eq!(late.brief().await, seen("ERROR", "Expired"));
}

#[tokio::test]
async fn a_streaming_list_ends_its_initial_events_with_a_bookmark() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = api.watch(&format!("{MAPS}?{query}")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "a"));
    let bookmark = watch.next().await;
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], api.resource_version().to_string());
    api.post(MAPS, map("b", "1")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "b"));
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_comes_when_there_is_progress_to_tell_and_before_the_end() {
    let api = api();
    let from = api.resource_version();
    let query = format!("watch=true&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=100");
    let mut watch = api.watch(&format!("{MAPS}?{query}")).await;
    assert!(watch.is_quiet());
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(watch.is_quiet(), "nothing has happened");
    // Something the watch does not match still moves the version.
    api.post("/api/v1/nodes", json!({ "metadata": { "name": "n" } })).await;
    let bookmark = watch.next().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], api.resource_version().to_string());
    assert_eq!(watch.end().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_at_its_timeout_with_no_bookmark_unless_asked_for() {
    let api = api();
    let mut watch = api.watch(&format!("{MAPS}?watch=true&timeoutSeconds=5")).await;
    api.post("/api/v1/nodes", json!({ "metadata": { "name": "n" } })).await;
    let before = tokio::time::Instant::now();
    assert_eq!(watch.end().await, Ok(()));
    assert_eq!(before.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_watch_of_metadata_gets_metadata() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let request = http::Request::builder()
        .uri(format!("{MAPS}?watch=true"))
        .header("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let request = request.body(http_body_util::Full::<bytes::Bytes>::default()).expect("a good request");
    let mut body = api.service().oneshot(request).await.expect("an answer").into_body();
    let frame = body.frame().await.expect("a line").expect("no error");
    let line: serde_json::Value = serde_json::from_slice(frame.data_ref().expect("data")).expect("JSON");
    assert_eq!((&line["object"]["kind"], line["object"].get("data")), (&json!("PartialObjectMetadata"), None));
}

#[tokio::test]
async fn a_reader_that_was_away_gets_every_change_in_order() {
    let api = api();
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={}", api.resource_version())).await;
    for number in 0..700 {
        api.post(MAPS, map(&format!("m{number:04}"), "1")).await;
    }
    for number in 0..700 {
        assert_eq!(watch.brief().await, seen("ADDED", &format!("m{number:04}")));
    }
    assert!(watch.is_quiet());
}
