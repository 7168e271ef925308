use serde_json::{Value, json};

use super::{MAPS, MERGE, api, map};
use crate::DevApi;

const APPLY: &str = "application/apply-patch+yaml";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// The configuration of ConfigMap `a`.
fn wants(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data })
}

impl DevApi {
    /// An apply to ConfigMap `a` that has to succeed.
    async fn apply(&self, manager: &str, data: Value) -> Value {
        let (code, body) = self.send("PATCH", &format!("{MAPS}/a?fieldManager={manager}"), APPLY, wants(data)).await;
        assert!(matches!(code, 200 | 201), "apply by {manager}: {body}");
        body
    }
}

/// `manager operation` of every entry, with what it owns.
fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().expect("owners");
    let name =
        |entry: &Value| format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
    entries.iter().map(|entry| (name(entry), entry["fieldsV1"].clone())).collect()
}

#[tokio::test]
async fn an_apply_creates_what_is_absent_and_owns_what_it_sets() {
    let api = api();
    let path = format!("{MAPS}/a?fieldManager=one");
    let (code, created) = api.send("PATCH", &path, APPLY, wants(json!({ "k": "1" }))).await;
    assert_eq!(code, 201);
    assert_eq!(owners(&created), [("one Apply".into(), json!({ "f:data": { "f:k": {} } }))]);
    assert_eq!(created["metadata"]["managedFields"][0]["fieldsType"], "FieldsV1");
}

#[tokio::test]
async fn an_apply_that_changes_nothing_leaves_no_trace() {
    let api = api();
    let created = api.apply("one", json!({ "k": "1" })).await;
    let before = api.resource_version();
    assert_eq!(api.apply("one", json!({ "k": "1" })).await, created);
    assert_eq!(api.resource_version(), before);
    let shared = api.apply("two", json!({ "k": "1" })).await;
    assert_eq!(owners(&shared).len(), 2, "the same value may be owned by several");
    assert_eq!(api.resource_version(), before + 1);
}

#[tokio::test]
async fn what_is_no_longer_applied_goes_unless_others_own_it() {
    let api = api();
    api.apply("one", json!({ "a": "1", "b": "2", "c": "3" })).await;
    api.apply("two", json!({ "b": "2" })).await;
    api.merge(&format!("{MAPS}/a"), json!({ "data": { "d": "4" } })).await;
    let left = api.apply("one", json!({ "a": "1" })).await;
    assert_eq!(left["data"], json!({ "a": "1", "b": "2", "d": "4" }));
    let gone = api.apply("two", json!({})).await;
    assert_eq!(gone["data"], json!({ "a": "1", "d": "4" }));
}

#[tokio::test]
async fn a_conflict_names_manager_and_field_and_force_takes_over() {
    let api = api();
    api.apply("one", json!({ "k": "1", "l": "1" })).await;
    let before = api.resource_version();
    let path = format!("{MAPS}/a?fieldManager=two");
    let (code, reason, status) = api.refused("PATCH", &path, APPLY, wants(json!({ "k": "2" }))).await;
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    let cause = json!({
        "reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k",
    });
    assert_eq!(status["details"]["causes"], json!([cause]));
    assert_eq!(api.resource_version(), before);

    let (code, forced) = api.send("PATCH", &format!("{path}&force=true"), APPLY, wants(json!({ "k": "2" }))).await;
    assert_eq!((code, &forced["data"]), (200, &json!({ "k": "2", "l": "1" })));
    assert_eq!(
        owners(&forced),
        [
            ("one Apply".into(), json!({ "f:data": { "f:l": {} } })),
            ("two Apply".into(), json!({ "f:data": { "f:k": {} } })),
        ]
    );
}

#[tokio::test]
async fn other_writes_are_owned_by_field_manager_or_user_agent_and_take_over() {
    let api = api();
    api.apply("one", json!({ "k": "1" })).await;
    let patched = api.merge(&format!("{MAPS}/a?fieldManager=weir%2Fx"), json!({ "data": { "k": "2" } })).await;
    assert_eq!(owners(&patched), [("weir/x Update".into(), json!({ "f:data": { "f:k": {} } }))]);
    let labelled = api.merge(&format!("{MAPS}/a"), json!({ "metadata": { "labels": { "a.b/c": "d" } } })).await;
    let label = json!({ "f:metadata": { "f:labels": { ".": {}, "f:a.b/c": {} } } });
    assert!(owners(&labelled).contains(&("tester Update".into(), label)), "{labelled}");
    let conflict = api.refused("PATCH", &format!("{MAPS}/a?fieldManager=one"), APPLY, wants(json!({ "k": "1" }))).await;
    assert_eq!(conflict.0, 409);
}

#[tokio::test]
async fn keyed_lists_are_merged_and_owned_by_item() {
    let api = api();
    let path = format!("{DEPLOYMENTS}/d");
    let with = |containers: Value| {
        let spec = json!({ "template": { "spec": { "containers": containers } } });
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": spec })
    };
    let port = json!([{ "containerPort": 80 }]);
    let both = with(json!([{ "name": "a", "image": "x", "ports": port }, { "name": "b", "image": "y" }]));
    api.send("PATCH", &format!("{path}?fieldManager=one"), APPLY, both).await;
    let extra = with(json!([{ "name": "a", "env": [{ "name": "E", "value": "1" }] }, { "name": "c", "image": "z" }]));
    let (_, merged) = api.send("PATCH", &format!("{path}?fieldManager=two"), APPLY, extra).await;
    let containers = &merged["spec"]["template"]["spec"]["containers"];
    let names: Vec<_> = containers.as_array().expect("a list").iter().map(|item| item["name"].clone()).collect();
    assert_eq!(json!(names), json!(["a", "b", "c"]));
    assert_eq!((&containers[0]["image"], &containers[0]["env"][0]["name"]), (&json!("x"), &json!("E")));
    let first = &owners(&merged)[0].1["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"a\"}"];
    assert_eq!(first["."], json!({}));
    assert!(first["f:ports"].get("k:{\"containerPort\":80,\"protocol\":\"TCP\"}").is_some(), "{first}");

    let (_, shrunk) = api
        .send("PATCH", &format!("{path}?fieldManager=one"), APPLY, with(json!([{ "name": "b", "image": "y" }])))
        .await;
    let containers = &shrunk["spec"]["template"]["spec"]["containers"];
    assert_eq!(
        containers[0],
        json!({ "name": "a", "env": [{ "name": "E", "value": "1" }] }),
        "the other owner keeps it"
    );
    let conflict = with(json!([{ "name": "c", "image": "other" }]));
    let (_, _, status) = api.refused("PATCH", &format!("{path}?fieldManager=one"), APPLY, conflict).await;
    let field = &status["details"]["causes"][0]["field"];
    assert_eq!(field, ".spec.template.spec.containers[name=\"c\"].image");
}

#[tokio::test]
async fn a_schema_says_how_lists_of_custom_resources_are_merged() {
    let api = api();
    let mut definition = super::definitions::gadgets();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] = json!({ "spec": { "properties": {
        "parts": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": {} },
        "tags": { "type": "array", "x-kubernetes-list-type": "set" },
    } } });
    api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    let path = "/apis/example.com/v1/namespaces/default/gadgets/g?fieldManager=";
    let with = |spec: Value| json!({ "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": { "name": "g" }, "spec": spec });
    let one = with(json!({ "parts": [{ "id": 1 }], "tags": ["a"], "plain": [1] }));
    api.send("PATCH", &format!("{path}one"), APPLY, one).await;
    let two = with(json!({ "parts": [{ "id": 2 }], "tags": ["b", "a"] }));
    let (_, merged) = api.send("PATCH", &format!("{path}two"), APPLY, two).await;
    assert_eq!(merged["spec"], json!({ "parts": [{ "id": 1 }, { "id": 2 }], "tags": ["a", "b"], "plain": [1] }));
    let atomic = with(json!({ "plain": [1, 2] }));
    assert_eq!(api.refused("PATCH", &format!("{path}two"), APPLY, atomic).await.0, 409);
}

#[tokio::test]
async fn applies_that_cannot_be_are_refused() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    let path = format!("{MAPS}/a?fieldManager=one");
    let foreign = |metadata: Value| {
        let mut wanted = wants(json!({ "k": "1" }));
        wanted["metadata"] = metadata;
        wanted
    };
    for (path, body, code) in [
        (format!("{MAPS}/a"), wants(json!({})), 422),
        (path.clone(), json!({ "metadata": { "name": "a" } }), 400),
        (path.clone(), foreign(json!({ "name": "b" })), 400),
        (path.clone(), foreign(json!({ "managedFields": [{}] })), 400),
        (path.clone(), foreign(json!({ "uid": "another" })), 422),
        (path.clone(), foreign(json!({ "uid": "another", "resourceVersion": "1" })), 409),
        (format!("{MAPS}/none?fieldManager=one"), foreign(json!({ "uid": "another" })), 409),
        ("/api/v1/nodes/none/status?fieldManager=one".into(), json!({ "apiVersion": "v1", "kind": "Node" }), 404),
    ] {
        assert_eq!(api.refused("PATCH", &path, APPLY, body.clone()).await.0, code, "{path} {body}");
    }
    assert_eq!(api.refused("GET", &format!("{MAPS}/none"), "", Value::Null).await.0, 404);
}

#[tokio::test]
async fn an_applied_status_is_owned_through_its_subresource() {
    let api = api();
    api.post("/api/v1/nodes", json!({ "metadata": { "name": "n" } })).await;
    let wanted = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n", "labels": { "a": "b" } }, "spec": { "unschedulable": true },
        "status": { "conditions": [{ "type": "Weird", "status": "True" }] },
    });
    let (code, node) = api.send("PATCH", "/api/v1/nodes/n/status?fieldManager=one", APPLY, wanted).await;
    assert_eq!((code, &node["status"]["conditions"][0]["type"]), (200, &json!("Weird")), "{node}");
    assert_eq!(node.get("spec"), None);
    let entry =
        node["metadata"]["managedFields"].as_array().and_then(|all| all.iter().find(|e| e["operation"] == "Apply"));
    let entry = entry.expect("an entry");
    assert_eq!((&entry["subresource"], entry["fieldsV1"].get("f:spec")), (&json!("status"), None));
}

#[tokio::test]
async fn many_updaters_become_one_ancient_one() {
    let api = api();
    api.post(MAPS, map("a", "1")).await;
    for number in 0..15 {
        let path = format!("{MAPS}/a?fieldManager=m{number}");
        let (code, _) = api.send("PATCH", &path, MERGE, json!({ "data": { (format!("k{number}")): "1" } })).await;
        assert_eq!(code, 200);
    }
    let owners = owners(&api.get(&format!("{MAPS}/a")).await);
    assert_eq!(owners.len(), 10);
    assert!(owners.iter().any(|(name, _)| name == "ancient-changes Update"));
    let fields = owners.iter().flat_map(|(_, set)| set["f:data"].as_object().expect("fields").keys());
    assert_eq!(fields.filter(|field| *field != ".").count(), 16, "nothing is disowned by it");
}
