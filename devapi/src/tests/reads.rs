use serde_json::{Value, json};

use super::{MAPS, PODS, api, map};
use crate::DevApi;

async fn names(api: &DevApi, path: &str) -> Vec<String> {
    let list = api.get(path).await;
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn discovery_names_what_is_served_in_both_forms() {
    let api = api();
    assert_eq!(api.get("/api").await["versions"], json!(["v1"]));
    let apps = api.get("/apis/apps/v1").await;
    let resources = apps["resources"].as_array().expect("resources");
    let deployments = resources.iter().find(|resource| resource["name"] == "deployments").expect("deployments");
    assert_eq!(deployments["kind"], "Deployment");
    assert!(deployments["verbs"].as_array().is_some_and(|verbs| verbs.contains(&json!("watch"))));
    assert!(resources.iter().any(|resource| resource["name"] == "deployments/scale"));

    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let aggregated = api.accepting("/apis", accept).await;
    assert_eq!(aggregated["kind"], "APIGroupDiscoveryList");
    assert_eq!(api.refused("GET", "/apis/no.such/v1", "", Value::Null).await.0, 404);
    assert_eq!(api.refused("GET", "/api/v1/gadgets", "", Value::Null).await.0, 404);
}

impl DevApi {
    pub(crate) async fn accepting(&self, path: &str, accept: &str) -> Value {
        use http_body_util::BodyExt as _;
        use tower::ServiceExt as _;
        let request = http::Request::builder().uri(path).header("accept", accept);
        let request = request.body(http_body_util::Full::<bytes::Bytes>::default()).expect("a good request");
        let response = self.service().oneshot(request).await.expect("an answer");
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

#[tokio::test]
async fn a_list_of_built_in_objects_leaves_their_kind_out_of_the_items() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let list = api.get(MAPS).await;
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert_eq!(list["items"][0].get("kind"), None);
    assert_eq!(list["metadata"]["resourceVersion"], api.resource_version().to_string());
    assert_eq!(api.get(&format!("{MAPS}/a")).await["kind"], "ConfigMap");
}

#[tokio::test]
async fn the_pages_of_a_list_are_of_one_moment() {
    let api = api();
    for name in ["a", "b", "c", "d", "e"] {
        api.post(MAPS, map(name, "1")).await;
    }
    let first = api.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    let token = first["metadata"]["continue"].as_str().expect("a token").to_owned();

    api.delete(&format!("{MAPS}/c")).await;
    api.post(MAPS, map("bb", "1")).await;
    api.merge(&format!("{MAPS}/d"), json!({ "data": { "k": "2" } })).await;

    let second = api.get(&format!("{MAPS}?limit=10&continue={token}")).await;
    let items = second["items"].as_array().expect("items");
    let seen: Vec<_> = items.iter().map(|item| (item["metadata"]["name"].clone(), item["data"]["k"].clone())).collect();
    assert_eq!(json!(seen), json!([["c", "1"], ["d", "1"], ["e", "1"]]));
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(second["metadata"].get("continue"), None);
}

#[tokio::test]
async fn an_expired_page_is_a_410_with_a_token_to_go_on_inconsistently() {
    let api = api();
    for name in ["a", "b", "c"] {
        api.post(MAPS, map(name, "1")).await;
    }
    let token = api.get(&format!("{MAPS}?limit=1")).await["metadata"]["continue"].clone();
    api.post(MAPS, map("bb", "1")).await;
    api.compact();
    let path = format!("{MAPS}?limit=9&continue={}", token.as_str().expect("a token"));
    let (code, reason, status) = api.refused("GET", &path, "", Value::Null).await;
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    let token = status["metadata"]["continue"].as_str().expect("a token").to_owned();
    assert_eq!(names(&api, &format!("{MAPS}?continue={token}")).await, ["b", "bb", "c"]);
}

#[tokio::test]
async fn a_list_at_an_exact_resource_version_is_as_it_was() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let then = api.resource_version();
    api.post(MAPS, map("b", "1")).await;
    let exact = format!("{MAPS}?resourceVersion={then}&resourceVersionMatch=Exact");
    assert_eq!(names(&api, &exact).await, ["a"]);
    let not_older = format!("{MAPS}?resourceVersion={then}&resourceVersionMatch=NotOlderThan");
    assert_eq!(names(&api, &not_older).await, ["a", "b"]);
    api.post(MAPS, map("c", "1")).await;
    api.compact();
    assert_eq!(api.refused("GET", &exact, "", Value::Null).await.0, 410);
}

#[tokio::test(start_paused = true)]
async fn a_resource_version_from_the_future_is_waited_for_and_then_a_504() {
    let api = api();
    let next = api.resource_version() + 1;
    let (code, reason, status) = api.refused("GET", &format!("{MAPS}?resourceVersion={next}"), "", Value::Null).await;
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");

    let path = format!("{MAPS}?resourceVersion={next}");
    let waiting = names(&api, &path);
    let (names, _) = tokio::join!(waiting, api.post(MAPS, map("a", "1")));
    assert_eq!(names, ["a"]);
}

#[tokio::test]
async fn list_parameters_that_do_not_go_together_are_refused() {
    let api = api();
    for query in [
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=Other&resourceVersion=1",
        "sendInitialEvents=true",
        "watch=true&sendInitialEvents=true",
        "watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan",
    ] {
        let (code, reason, _) = api.refused("GET", &format!("{MAPS}?{query}"), "", Value::Null).await;
        assert_eq!((code, reason.as_str()), (422, "Invalid"), "{query}");
    }
    for query in ["limit=x", "labelSelector=a%20b", "fieldSelector=data.k%3D1", "continue=zzz"] {
        let (code, reason, _) = api.refused("GET", &format!("{MAPS}?{query}"), "", Value::Null).await;
        assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{query}");
    }
}

#[tokio::test]
async fn lists_are_narrowed_by_namespace_labels_and_fields() {
    let api = api();
    for (namespace, name, node) in [("default", "a", "n1"), ("kube-system", "b", "n1"), ("default", "c", "n2")] {
        let pod = json!({ "metadata": { "name": name, "labels": { "app": name } }, "spec": { "nodeName": node } });
        api.post(&format!("/api/v1/namespaces/{namespace}/pods"), pod).await;
    }
    assert_eq!(names(&api, "/api/v1/pods").await, ["a", "c", "b"]);
    assert_eq!(names(&api, PODS).await, ["a", "c"]);
    assert_eq!(names(&api, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").await, ["a", "b"]);
    assert_eq!(names(&api, "/api/v1/pods?labelSelector=app+in+(b,c)").await, ["c", "b"]);
    assert_eq!(names(&api, "/api/v1/pods?fieldSelector=status.phase!%3DPending").await, [""; 0]);
    assert_eq!(names(&api, "/api/v1/pods?fieldSelector=metadata.namespace%3Dkube-system").await, ["b"]);
}

#[tokio::test]
async fn metadata_and_tables_are_given_to_those_who_ask() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let list = api.accepting(MAPS, partial).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0].get("data"), None);
    let one = api.accepting(&format!("{MAPS}/a"), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await;
    assert_eq!(one["kind"], "PartialObjectMetadata");

    let table = api.accepting(MAPS, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");

    let none = api.accepting(MAPS, "application/vnd.kubernetes.protobuf").await;
    assert_eq!(none["code"], 406);
    let either = api.accepting(MAPS, "application/vnd.kubernetes.protobuf,application/json").await;
    assert_eq!(either["kind"], "ConfigMapList");
}

#[tokio::test]
async fn events_of_both_groups_are_the_same_objects() {
    let api = api();
    let new = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e" }, "note": "hello",
        "regarding": { "kind": "Node", "name": "n" }, "reportingController": "weir/x", "reason": "Full", "type": "Warning",
    });
    api.post("/apis/events.k8s.io/v1/namespaces/default/events", new).await;
    let old = api.get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dn,reason%3DFull").await;
    assert_eq!(old["items"][0]["message"], "hello");
    assert_eq!(old["items"][0]["involvedObject"]["kind"], "Node");
    assert_eq!(old["items"][0]["reportingComponent"], "weir/x");
    let new = api.get("/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dn").await;
    assert_eq!((&new["items"][0]["note"], new["items"][0].get("message")), (&json!("hello"), None));
}
