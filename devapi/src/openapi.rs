//! `/openapi/v3`, as little as makes `kubectl apply` validate and go on.
//!
//! kubectl learns here whether a kind's PATCH takes `fieldValidation` and whether a kind exists. Built-in kinds have no
//! schema, so everything is allowed; custom ones have their definition's. `/openapi/v2` is not served; kubectl does without.

use serde_json::{Map, Value, json};

use crate::resource::{Registry, Resource, api_version};

/// The answer, if the path is one of OpenAPI's.
pub(crate) fn answer(registry: &Registry, path: &str) -> Option<Value> {
    if path == "/openapi/v3" {
        let mut paths = Map::new();
        for (group, versions) in registry.groups() {
            for version in versions {
                let path = prefix(&group, &version);
                paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}") }));
            }
        }
        return Some(json!({ "paths": paths }));
    }
    let wanted = path.strip_prefix("/openapi/v3/")?;
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in registry.all().filter(|resource| prefix(&resource.group, &resource.version) == wanted) {
        let gvk = json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
        let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
        let parameters: Vec<Value> = parameters.iter().map(|name| json!({ "name": name, "in": "query" })).collect();
        let patch = json!({
            "parameters": parameters, "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": gvk,
        });
        paths.insert(object_path(resource), json!({ "patch": patch }));
        schemas.insert(schema_name(resource), schema(resource, &gvk));
    }
    if paths.is_empty() {
        return None;
    }
    Some(json!({
        "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "unversioned" }, "paths": paths,
        "components": { "schemas": schemas },
    }))
}

fn prefix(group: &str, version: &str) -> String {
    let root = if group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", api_version(group, version))
}

fn object_path(resource: &Resource) -> String {
    let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{}/{scope}{}/{{name}}", prefix(&resource.group, &resource.version), resource.plural)
}

fn schema_name(resource: &Resource) -> String {
    let group = if resource.group.is_empty() { "core" } else { &resource.group };
    format!("{group}.{}.{}", resource.version, resource.kind)
}

fn schema(resource: &Resource, gvk: &Value) -> Value {
    let mut schema = resource.schema.clone().unwrap_or_else(|| json!({ "type": "object" }));
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    if !resource.custom {
        schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    } else if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.entry("apiVersion").or_insert_with(|| json!({ "type": "string" }));
        properties.entry("kind").or_insert_with(|| json!({ "type": "string" }));
        properties.insert("metadata".into(), any);
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk]);
    schema
}
