//! Discovery: which groups, versions and resources there are, in the plain form and in the aggregated one (v2).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    render,
    request::{Form, Request},
    resource::{Registry, Resource, api_version},
    review::REVIEWS,
    route::Answer,
    status::Failure,
};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// The answer, if the path is one of discovery's and the group is served.
pub(crate) fn answer(registry: &Registry, request: &Request, path: &str) -> Option<Result<Answer, Failure>> {
    let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let form = match request.form() {
        Ok(form) => form,
        Err(failure) => return Some(Err(failure)),
    };
    let body = match steps.as_slice() {
        [root @ ("api" | "apis")] if form == Form::Discovery => {
            let body = render::to_bytes(&aggregated(registry, *root == "api"));
            return Some(Ok(Answer::Discovery { body }));
        }
        ["api"] => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        ["apis"] => {
            let groups: Vec<Value> = groups(registry).iter().filter(|group| !group.0.is_empty()).map(group).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        ["api", version] => resource_list(registry, "", version)?,
        ["apis", name] => {
            let found = groups(registry).into_iter().find(|(known, _)| known == name)?;
            let mut body = group(&found);
            body["kind"] = json!("APIGroup");
            body["apiVersion"] = json!("v1");
            body
        }
        ["apis", name, version] => resource_list(registry, name, version)?,
        _ => return None,
    };
    Some(Ok(Answer::Json { code: 200, body: render::to_bytes(&body) }))
}

/// The registry's groups and those of the reviews.
fn groups(registry: &Registry) -> Vec<(String, Vec<String>)> {
    let mut groups = registry.groups();
    for (group, _, _) in REVIEWS {
        if !groups.iter().any(|(known, _)| known == group) {
            groups.push((group.to_owned(), vec!["v1".to_owned()]));
        }
    }
    groups
}

fn group((name, versions): &(String, Vec<String>)) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": api_version(name, version), "version": version }))
        .collect();
    json!({ "name": name, "versions": versions, "preferredVersion": versions[0] })
}

fn served<'a>(registry: &'a Registry, group: &str, version: &str) -> Vec<&'a Arc<Resource>> {
    registry.all().filter(|resource| resource.group == group && resource.version == version).collect()
}

fn reviews(group: &str, version: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_served = version == "v1";
    REVIEWS.iter().filter(move |review| is_served && review.0 == group).map(|review| (review.1, review.2))
}

fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut entries = Vec::new();
    for resource in served(registry, group, version) {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": VERBS,
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        entries.push(entry);
        for (subresource, (group, version, kind)) in subresources(resource) {
            let mut entry = json!({
                "name": format!("{}/{subresource}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": SUBRESOURCE_VERBS,
            });
            if subresource == "scale" {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entries.push(entry);
        }
    }
    for (plural, kind) in reviews(group, version) {
        let singular = kind.to_lowercase();
        entries.push(json!({
            "name": plural, "singularName": singular, "namespaced": false, "kind": kind, "verbs": ["create"],
        }));
    }
    if entries.is_empty() {
        return None;
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version), "resources": entries,
    }))
}

fn aggregated(registry: &Registry, is_core: bool) -> Value {
    let wanted = groups(registry).into_iter().filter(|(group, _)| group.is_empty() == is_core);
    let items: Vec<Value> = wanted
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let served = served(registry, &group, version);
                    let mut resources: Vec<Value> = served.into_iter().map(|r| aggregated_resource(r)).collect();
                    resources.extend(reviews(&group, version).map(|(plural, kind)| {
                        json!({
                            "resource": plural, "singularResource": kind.to_lowercase(), "scope": "Cluster",
                            "responseKind": { "group": "", "version": "", "kind": kind }, "verbs": ["create"],
                        })
                    }));
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let subresources: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|(subresource, (g, v, k))| {
            json!({ "subresource": subresource, "responseKind": kind(&g, &v, &k), "verbs": SUBRESOURCE_VERBS })
        })
        .collect();
    let mut entry = json!({
        "resource": resource.plural, "singularResource": resource.singular,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": kind(&resource.group, &resource.version, &resource.kind), "verbs": VERBS,
    });
    for (member, list) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !list.is_empty() {
            entry[member] = json!(list);
        }
    }
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}

/// The subresources with group, version and kind of what they answer.
fn subresources(resource: &Resource) -> Vec<(&'static str, (String, String, String))> {
    let mut list = Vec::new();
    if resource.has_status {
        let own = (resource.group.clone(), resource.version.clone(), resource.kind.clone());
        list.push(("status", own));
    }
    if resource.has_scale {
        list.push(("scale", ("autoscaling".into(), "v1".into(), "Scale".into())));
    }
    list
}
