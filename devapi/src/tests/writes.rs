use serde_json::{Value, json};

use super::{JSON_PATCH, MAPS, MERGE, PODS, api, map};

const JSON: &str = "application/json";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn a_create_is_given_what_the_server_gives() {
    let api = api();
    let before = api.resource_version();
    let mut wanted = map("a", "1");
    wanted["metadata"]["uid"] = json!("mine");
    let created = api.post(MAPS, wanted).await;
    let metadata = &created["metadata"];
    assert_eq!(metadata["resourceVersion"], (before + 1).to_string());
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    assert_eq!(metadata["creationTimestamp"].as_str().map(str::len), Some("2026-01-01T00:00:00Z".len()));
    assert_eq!(metadata.get("generation"), None, "a ConfigMap has no generation");
    let deployment = api.post(DEPLOYMENTS, json!({ "metadata": { "name": "d" }, "status": { "replicas": 5 } })).await;
    assert_eq!(deployment["metadata"]["generation"], 1);
    assert_eq!(deployment["status"], json!({}), "a status is written through /status only");
}

#[tokio::test]
async fn creates_that_cannot_be_are_refused() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let versioned = json!({ "metadata": { "name": "b", "resourceVersion": "1" } });
    let elsewhere = json!({ "metadata": { "name": "b", "namespace": "other" } });
    let other_kind = json!({ "kind": "Secret", "metadata": { "name": "b" } });
    for (path, body, code, reason) in [
        (MAPS, map("a", "1"), 409, "AlreadyExists"),
        (MAPS, versioned, 500, ""),
        (MAPS, elsewhere, 400, "BadRequest"),
        (MAPS, other_kind, 400, "BadRequest"),
        (MAPS, map("Not_A_Name", "1"), 422, "Invalid"),
        (MAPS, json!({ "metadata": {} }), 422, "Invalid"),
        ("/api/v1/namespaces/nowhere/configmaps", map("a", "1"), 404, "NotFound"),
        ("/api/v1/configmaps", map("z", "1"), 405, "MethodNotAllowed"),
    ] {
        let (found, why, status) = api.refused("POST", path, JSON, body.clone()).await;
        assert_eq!((found, why.as_str()), (code, reason), "{body}: {status}");
        assert_eq!(status["code"], code);
    }
    let protobuf = api.refused("POST", MAPS, "application/vnd.kubernetes.protobuf", Value::Null).await;
    assert_eq!(protobuf.0, 415);
}

#[tokio::test]
async fn a_generated_name_ends_in_five_letters() {
    let api = api();
    let created = api.post(MAPS, json!({ "metadata": { "generateName": "x".repeat(70) } })).await;
    let name = created["metadata"]["name"].as_str().expect("a name");
    assert_eq!(name.len(), 63);
    assert!(name[58..].chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
}

#[tokio::test]
async fn a_write_that_changes_nothing_leaves_no_trace() {
    let api = api();
    let created = api.post(MAPS, map("a", "1")).await;
    let before = api.resource_version();
    let path = format!("{MAPS}/a");
    assert_eq!(api.merge(&path, json!({ "data": { "k": "1" } })).await, created);
    let (code, replaced) = api.send("PUT", &path, JSON, map("a", "1")).await;
    assert_eq!((code, replaced), (200, created.clone()));
    let test = json!([{ "op": "replace", "path": "/data/k", "value": "1" }]);
    assert_eq!(api.send("PATCH", &path, JSON_PATCH, test).await, (200, created));
    assert_eq!(api.resource_version(), before);
}

#[tokio::test]
async fn a_dry_run_answers_as_if_and_stores_nothing() {
    let api = api();
    let before = api.resource_version();
    let created = api.post(&format!("{MAPS}?dryRun=All"), map("a", "1")).await;
    assert_eq!(created["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert_eq!(api.resource_version(), before);
    api.post(MAPS, map("a", "1")).await;
    let before = api.resource_version();
    let patched = api.merge(&format!("{MAPS}/a?dryRun=All"), json!({ "data": { "k": "2" } })).await;
    assert_eq!(patched["data"]["k"], "2");
    api.delete(&format!("{MAPS}/a?dryRun=All")).await;
    assert_eq!(api.get(&format!("{MAPS}/a")).await["data"]["k"], "1");
    assert_eq!(api.resource_version(), before);
    assert_eq!(api.refused("POST", &format!("{MAPS}?dryRun=Some"), JSON, map("b", "1")).await.0, 422);
}

#[tokio::test]
async fn a_resource_version_in_a_write_is_a_precondition() {
    let api = api();
    let created = api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a");
    let stale = created["metadata"]["resourceVersion"].clone();
    let current = api.merge(&path, json!({ "data": { "k": "2" } })).await;
    let body = |version: &Value| json!({ "metadata": { "resourceVersion": version }, "data": { "k": "3" } });
    let (code, reason, _) = api.refused("PATCH", &path, MERGE, body(&stale)).await;
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    api.merge(&path, body(&current["metadata"]["resourceVersion"])).await;
    let mut put = map("a", "4");
    put["metadata"]["resourceVersion"] = stale;
    assert_eq!(api.refused("PUT", &path, JSON, put).await.0, 409);
    assert_eq!(api.send("PUT", &path, JSON, map("a", "4")).await.0, 200, "without one a ConfigMap is replaced");
}

#[tokio::test]
async fn a_foreign_uid_is_a_422_in_a_patch_and_a_409_in_a_put() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a");
    let foreign = json!({ "metadata": { "uid": "another" }, "data": { "k": "2" } });
    let (code, reason, status) = api.refused("PATCH", &path, MERGE, foreign).await;
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert_eq!(status["details"]["causes"][0]["field"], "metadata.uid");
    let mut put = map("a", "2");
    put["metadata"]["uid"] = json!("another");
    let (code, reason, _) = api.refused("PUT", &path, JSON, put).await;
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    let both = json!({ "metadata": { "uid": "another", "resourceVersion": "1" } });
    assert_eq!(api.refused("PATCH", &path, MERGE, both).await.0, 409);
}

#[tokio::test]
async fn a_json_patch_that_does_not_apply_is_a_422_with_empty_details() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a");
    for patch in [
        json!([{ "op": "test", "path": "/data/k", "value": "other" }, { "op": "remove", "path": "/data/k" }]),
        json!([{ "op": "remove", "path": "/data/none" }]),
    ] {
        let (code, reason, status) = api.refused("PATCH", &path, JSON_PATCH, patch).await;
        assert_eq!((code, reason.as_str(), &status["details"]), (422, "Invalid", &json!({})));
    }
    let patch =
        json!([{ "op": "test", "path": "/data/k", "value": "1" }, { "op": "add", "path": "/data/l", "value": "2" }]);
    let (code, patched) = api.send("PATCH", &path, JSON_PATCH, patch).await;
    assert_eq!((code, &patched["data"]), (200, &json!({ "k": "1", "l": "2" })));
    assert_eq!(api.refused("PATCH", &path, "application/what", json!({})).await.0, 415);
}

#[tokio::test]
async fn the_generation_counts_changes_of_the_spec_only() {
    let api = api();
    let path = format!("{DEPLOYMENTS}/d");
    api.post(DEPLOYMENTS, json!({ "metadata": { "name": "d" }, "spec": { "replicas": 1 } })).await;
    let labelled = api.merge(&path, json!({ "metadata": { "labels": { "a": "b" } } })).await;
    assert_eq!(labelled["metadata"]["generation"], 1);
    let scaled = api.merge(&path, json!({ "spec": { "replicas": 2 } })).await;
    assert_eq!(scaled["metadata"]["generation"], 2);
    let status =
        api.merge(&format!("{path}/status"), json!({ "status": { "replicas": 2 }, "spec": { "replicas": 9 } })).await;
    assert_eq!((&status["metadata"]["generation"], &status["spec"]["replicas"]), (&json!(2), &json!(2)));
    let main = api.merge(&path, json!({ "status": { "replicas": 7 } })).await;
    assert_eq!(main["status"]["replicas"], 2, "the main resource does not write the status");
}

#[tokio::test]
async fn a_scale_reads_and_writes_the_replicas() {
    let api = api();
    api.post(DEPLOYMENTS, json!({ "metadata": { "name": "d" }, "spec": { "replicas": 1 } })).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let scale = api.get(&path).await;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    let scaled = api.merge(&path, json!({ "spec": { "replicas": 3 } })).await;
    assert_eq!(scaled["kind"], "Scale");
    assert_eq!(api.get(&format!("{DEPLOYMENTS}/d")).await["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_pod_begins_pending_and_a_node_keeps_its_status() {
    let api = api();
    let pod = api.post(PODS, json!({ "metadata": { "name": "p" }, "status": { "phase": "Running" } })).await;
    assert_eq!(pod["status"]["phase"], "Pending");
    let node = json!({ "metadata": { "name": "n" }, "status": { "images": [] } });
    assert_eq!(api.post("/api/v1/nodes", node).await["status"]["images"], json!([]));
}

#[tokio::test]
async fn a_lease_is_guarded_by_its_resource_version() {
    let api = api();
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = api.post(path, json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": "a" } })).await;
    let mut other = lease.clone();
    other["spec"]["holderIdentity"] = json!("b");
    let (code, won) = api.send("PUT", &format!("{path}/l"), JSON, other).await;
    assert_eq!((code, &won["spec"]["holderIdentity"]), (200, &json!("b")));
    assert_eq!(api.refused("PUT", &format!("{path}/l"), JSON, lease.clone()).await.0, 409);
    let mut blind = lease;
    blind["metadata"] = json!({ "name": "l" });
    assert_eq!(api.refused("PUT", &format!("{path}/l"), JSON, blind).await.0, 422);
}

#[tokio::test]
async fn every_review_of_permissions_is_a_yes() {
    let api = api();
    let review = json!({ "spec": { "resourceAttributes": { "verb": "list", "resource": "nodes" } } });
    let answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).await;
    assert_eq!(answer["status"]["allowed"], true);
}

#[tokio::test]
async fn metadata_that_no_cluster_would_take_is_refused() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a");
    for (metadata, posted, patched) in [
        (json!({ "labels": { "a": 1 } }), 400, 422),
        (json!({ "annotations": "x" }), 400, 422),
        (json!({ "finalizers": "x" }), 400, 422),
        (json!({ "labels": { "not a key": "x" } }), 422, 422),
        (json!({ "labels": { "a": "not a value" } }), 422, 422),
        (json!({ "annotations": { "a/b/c": "x" } }), 422, 422),
        (json!({ "annotations": { "a": "x".repeat(300_000) } }), 422, 422),
    ] {
        let mut new = map("b", "1");
        for (name, value) in metadata.as_object().expect("metadata") {
            new["metadata"][name] = value.clone();
        }
        assert_eq!(api.refused("POST", MAPS, JSON, new).await.0, posted);
        assert_eq!(api.refused("PATCH", &path, MERGE, json!({ "metadata": metadata })).await.0, patched);
    }
    assert_eq!(api.refused("PATCH", &path, MERGE, json!({ "metadata": null })).await.0, 400);
    let deleted = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    assert_eq!(api.refused("PATCH", &path, MERGE, deleted).await.0, 422);
}

#[tokio::test]
async fn a_name_may_be_encoded_in_the_path() {
    let api = api();
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    api.post(roles, json!({ "metadata": { "name": "a:b" } })).await;
    assert_eq!(api.get(&format!("{roles}/a%3Ab")).await["metadata"]["name"], "a:b");
}
