use serde_json::{Value, json};

use super::{MERGE, api, seen};
use crate::DevApi;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const GADGETS: &str = "/apis/example.com/v1/namespaces/default/gadgets";

pub(crate) fn gadgets() -> Value {
    let version = |name: &str, is_stored: bool| {
        json!({
            "name": name, "served": true, "storage": is_stored, "subresources": { "status": {} },
            "selectableFields": [{ "jsonPath": ".spec.colour" }],
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "gadgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "versions": [version("v1", true), version("v1alpha1", false)],
            "names": { "plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"] },
        },
    })
}

fn gadget(name: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": { "name": name }, "spec": { "colour": "red" },
        "status": { "seen": true },
    })
}

async fn with_gadgets() -> DevApi {
    let api = api();
    api.post(DEFINITIONS, gadgets()).await;
    api
}

#[tokio::test]
async fn a_definition_is_established_and_its_kind_discovered() {
    let api = api();
    assert_eq!(api.refused("GET", GADGETS, "", Value::Null).await.0, 404);
    api.post(DEFINITIONS, gadgets()).await;
    let definition = api.get(&format!("{DEFINITIONS}/gadgets.example.com")).await;
    let conditions = definition["status"]["conditions"].as_array().expect("conditions");
    assert!(conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True"));
    assert_eq!(definition["status"]["acceptedNames"]["listKind"], "GadgetList");
    let resources = api.get("/apis/example.com/v1").await;
    assert_eq!(resources["resources"][0]["name"], "gadgets");
    assert_eq!(resources["resources"][1]["name"], "gadgets/status");
    assert_eq!(api.get(GADGETS).await["kind"], "GadgetList");
}

#[tokio::test]
async fn a_custom_resource_has_the_rules_of_custom_resources() {
    let api = with_gadgets().await;
    let created = api.post(GADGETS, gadget("g")).await;
    assert_eq!((&created["metadata"]["generation"], created.get("status")), (&json!(1), None));
    let path = format!("{GADGETS}/g");
    assert_eq!(api.get(GADGETS).await["items"][0]["kind"], "Gadget", "items of custom resources carry their kind");
    assert_eq!(api.refused("PUT", &path, "application/json", gadget("g")).await.0, 422, "a PUT needs a version");
    let strategic = api.refused("PATCH", &path, "application/strategic-merge-patch+json", json!({})).await;
    assert_eq!((strategic.0, strategic.1.as_str()), (415, "UnsupportedMediaType"));
    let status = json!({ "metadata": { "labels": { "a": "b" } }, "status": { "seen": true } });
    let patched = api.merge(&format!("{path}/status"), status).await;
    assert_eq!((&patched["status"]["seen"], patched["metadata"].get("labels")), (&json!(true), None));
    assert_eq!(patched["metadata"]["generation"], 1);
    assert_eq!(api.merge(&path, json!({ "spec": { "colour": "blue" } })).await["metadata"]["generation"], 2);
}

#[tokio::test]
async fn an_object_is_served_in_every_version_of_its_kind() {
    let api = with_gadgets().await;
    api.post(GADGETS, gadget("g")).await;
    let other = api.get("/apis/example.com/v1alpha1/namespaces/default/gadgets/g").await;
    assert_eq!(other["apiVersion"], "example.com/v1alpha1");
    let selected = api.get("/apis/example.com/v1/gadgets?fieldSelector=spec.colour%3Dblue").await;
    assert_eq!(selected["items"], json!([]));
}

#[tokio::test]
async fn deleting_a_definition_deletes_its_objects_and_ends_their_watches() {
    let api = with_gadgets().await;
    api.post(GADGETS, gadget("g")).await;
    let mut watch = api.watch(&format!("{GADGETS}?watch=true")).await;
    assert_eq!(watch.brief().await, seen("ADDED", "g"));
    api.delete(&format!("{DEFINITIONS}/gadgets.example.com")).await;
    assert_eq!(watch.brief().await, seen("DELETED", "g"));
    assert_eq!(watch.end().await, Ok(()));
    assert_eq!(api.refused("GET", GADGETS, "", Value::Null).await.0, 404);
    assert_eq!(api.refused("GET", &format!("{DEFINITIONS}/gadgets.example.com"), "", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_definition_waits_for_objects_that_are_held() {
    let api = with_gadgets().await;
    let mut held = gadget("g");
    held["metadata"]["finalizers"] = json!(["example.com/f"]);
    api.post(GADGETS, held).await;
    let marked = api.delete(&format!("{DEFINITIONS}/gadgets.example.com")).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(api.refused("POST", GADGETS, "application/json", gadget("h")).await.0, 403);
    api.merge(&format!("{GADGETS}/g"), json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(api.refused("GET", &format!("{DEFINITIONS}/gadgets.example.com"), "", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_definition_that_cannot_be_served_is_refused() {
    let api = api();
    for (pointer, value) in [
        ("/metadata/name", json!("other.example.com")),
        ("/spec/scope", json!("Everywhere")),
        ("/spec/versions/0/storage", json!(false)),
        ("/spec/versions/0/schema", json!({})),
        ("/spec/names/kind", json!("")),
        ("/spec", Value::Null),
        ("/spec/names", json!("text")),
    ] {
        let mut definition = gadgets();
        *definition.pointer_mut(pointer).expect("it is there") = value;
        let (code, reason, _) = api.refused("POST", DEFINITIONS, "application/json", definition).await;
        assert_eq!((code, reason.as_str()), (422, "Invalid"), "{pointer}");
    }
    api.post(DEFINITIONS, gadgets()).await;
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    let broken = json!({ "spec": { "names": null } });
    assert_eq!(api.refused("PATCH", &path, MERGE, broken).await.0, 422);
}
