use std::time::Duration;

use serde_json::{Value, json};

use super::{MAPS, MERGE, PODS, api, map, seen};

#[tokio::test]
async fn a_delete_answers_with_success_and_the_object_is_gone() {
    let api = api();
    let created = api.post(MAPS, map("a", "1")).await;
    let status = api.delete(&format!("{MAPS}/a")).await;
    assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Success")));
    assert_eq!(status["details"]["uid"], created["metadata"]["uid"]);
    let (code, reason, _) = api.refused("DELETE", &format!("{MAPS}/a"), "", Value::Null).await;
    assert_eq!((code, reason.as_str()), (404, "NotFound"));
}

#[tokio::test]
async fn preconditions_of_a_delete_are_409() {
    let api = api();
    let created = api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a");
    for wrong in [json!({ "uid": "another" }), json!({ "resourceVersion": "1" })] {
        let (code, reason, _) =
            api.refused("DELETE", &path, "application/json", json!({ "preconditions": wrong })).await;
        assert_eq!((code, reason.as_str()), (409, "Conflict"));
    }
    let metadata = &created["metadata"];
    let right = json!({ "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"] });
    let (code, _) = api.send("DELETE", &path, "application/json", json!({ "preconditions": right })).await;
    assert_eq!(code, 200);
}

#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_is_taken_away() {
    let api = api();
    let mut held = map("a", "1");
    held["metadata"]["finalizers"] = json!(["example.com/f"]);
    api.post(MAPS, held).await;
    let path = format!("{MAPS}/a");
    let mut watch = api.watch(&format!("{MAPS}?watch=true&resourceVersion={}", api.resource_version())).await;
    let marked = api.delete(&path).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = api.delete(&path).await;
    assert_eq!(again, marked, "deleting again changes nothing");
    assert_eq!(watch.brief().await, seen("MODIFIED", "a"));

    let (code, reason, status) =
        api.refused("PATCH", &path, MERGE, json!({ "metadata": { "finalizers": ["example.com/f", "x.y/z"] } })).await;
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert_eq!(status["details"]["causes"][0]["field"], "metadata.finalizers");

    let released = api.merge(&path, json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(released["metadata"].get("finalizers"), None);
    let deleted = watch.next().await;
    assert_eq!(deleted["type"], "DELETED");
    assert!(deleted["object"]["metadata"]["finalizers"].is_array(), "the last state that was stored");
    assert_eq!(api.refused("GET", &path, "", Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_goes_when_its_grace_period_is_over() {
    let api = api();
    let pod = |name: &str| json!({ "metadata": { "name": name }, "spec": { "nodeName": "n", "terminationGracePeriodSeconds": 10 } });
    api.post(PODS, pod("p")).await;
    let mut watch = api.watch(&format!("{PODS}?watch=true&resourceVersion={}", api.resource_version())).await;
    let marked = api.delete(&format!("{PODS}/p")).await;
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 10);
    assert_eq!(watch.brief().await, seen("MODIFIED", "p"));
    let before = tokio::time::Instant::now();
    assert_eq!(watch.brief().await, seen("DELETED", "p"));
    assert_eq!(before.elapsed().as_secs(), 10);

    api.post(PODS, pod("q")).await;
    let gone = api.delete(&format!("{PODS}/q?gracePeriodSeconds=0")).await;
    assert_eq!(gone["kind"], "Pod");
    assert_eq!(api.refused("GET", &format!("{PODS}/q"), "", Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_of_a_pod_does_not_end_its_namesake() {
    let api = api();
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n" } });
    api.post(PODS, pod.clone()).await;
    api.delete(&format!("{PODS}/p")).await;
    api.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await;
    api.post(PODS, pod).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.get(&format!("{PODS}/p")).await;
}

#[tokio::test]
async fn a_pod_without_a_node_is_marked_and_goes_at_once() {
    let api = api();
    api.post(PODS, json!({ "metadata": { "name": "p" } })).await;
    let mut watch = api.watch(&format!("{PODS}?watch=true&resourceVersion={}", api.resource_version())).await;
    let gone = api.delete(&format!("{PODS}/p")).await;
    assert_eq!(
        (&gone["metadata"]["deletionGracePeriodSeconds"], &gone["metadata"]["generation"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(watch.brief().await, seen("MODIFIED", "p"));
    assert_eq!(watch.brief().await, seen("DELETED", "p"));
    assert_eq!(api.refused("GET", &format!("{PODS}/p"), "", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let api = api();
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut wanted = map(name, "1");
        wanted["metadata"]["labels"] = json!({ "app": app });
        api.post(MAPS, wanted).await;
    }
    api.delete(&format!("{MAPS}?labelSelector=app%3Dx")).await;
    assert_eq!(api.get(MAPS).await["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_namespace_is_emptied_and_then_goes() {
    let api = api();
    let created = api.post("/api/v1/namespaces", json!({ "metadata": { "name": "team" } })).await;
    assert_eq!(created["status"]["phase"], "Active");
    assert_eq!(created["metadata"]["labels"]["kubernetes.io/metadata.name"], "team");
    let inside = "/api/v1/namespaces/team/configmaps";
    let mut held = map("held", "1");
    held["metadata"]["finalizers"] = json!(["example.com/f"]);
    api.post(inside, held).await;
    api.post(inside, map("free", "1")).await;

    let marked = api.delete("/api/v1/namespaces/team").await;
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert_eq!(api.refused("GET", &format!("{inside}/free"), "", Value::Null).await.0, 404);
    let (code, reason, status) = api.refused("POST", inside, "application/json", map("new", "1")).await;
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");

    api.merge(&format!("{inside}/held"), json!({ "metadata": { "finalizers": [] } })).await;
    assert_eq!(api.refused("GET", "/api/v1/namespaces/team", "", Value::Null).await.0, 404);
}
