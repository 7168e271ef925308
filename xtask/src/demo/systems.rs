//! The other systems at work beside `node-images`: what is done to the cluster, and what comes of it.
//!
//! Each shows one thing that its language's handler and weir do together, and reads it back from where it must be seen: the API,
//! the chat, or weir's status.

use super::{PATIENCE, chat::Chat, cluster::Cluster, say};
use crate::stage::Done;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

/// The handlers beside `node-images`, each with what it needs of its language, and what shows it.
pub(super) const SYSTEMS: &[System] = &[
    System { name: "service-announcer", language: "JavaScript", operator: to_chat, show: services },
    System { name: "flag-watch", language: "Python", operator: |_| String::new(), show: flags },
    System { name: "pod-retry", language: "Go", operator: |_| String::new(), show: pods },
];

/// One handler of `plugins/`.
pub(super) struct System {
    pub(super) name: &'static str,
    pub(super) language: &'static str,
    /// What the demo's operator adds at the end of its manifest, which is `spec`.
    pub(super) operator: fn(&Chat) -> String,
    pub(super) show: fn(&Scene) -> Done,
}

/// Where it happens.
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) chat: &'a Chat,
    pub(super) admin: &'a str,
}

fn to_chat(chat: &Chat) -> String {
    let url = chat.url();
    format!("  settings: {{ webhook: {url:?} }}\n  grants: {{ http: [{url:?}] }}\n")
}

/// A Service that comes, changes and goes, and what the chat is told.
fn services(scene: &Scene) -> Done {
    const SERVICES: &str = "/api/v1/namespaces/default/services";
    say("   a Service is added, labelled and deleted; each change is posted to a chat as an http action");
    let path = format!("{SERVICES}/web");
    let metadata = json!({ "name": "web" });
    let spec = json!({ "ports": [{ "port": 80, "protocol": "TCP" }], "selector": { "app": "web" } });
    let web = json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec });
    let labelled = json!({ "metadata": { "labels": { "team": "a" } } });
    let steps = [
        ("POST", SERVICES, web, "added"),
        ("PATCH", &path, labelled, "changed"),
        ("DELETE", &path, json!({}), "deleted"),
    ];
    for (method, path, body, word) in steps {
        scene.cluster.write(method, path, &body)?;
        let (message, took) = scene.cluster.until(PATIENCE, &format!("the chat is told that web is {word}"), |_| {
            scene.chat.message(&format!("Service default/web {word}"))
        })?;
        say(&format!("   {message} ({} ms)", took.as_millis()));
    }
    Ok(())
}

/// Feature flags, of a kind that weir has been waiting for: one that is not sound, and its mending.
fn flags(scene: &Scene) -> Done {
    const FLAGS: &str = "/apis/core.openfeature.dev/v1alpha2/namespaces/default/featureflagconfigurations";
    say(
        "   the kind is defined only now; flags are judged in their status, and summed up in a ConfigMap that they own",
    );
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let version = json!({
        "name": "v1alpha2", "served": true, "storage": true, "subresources": { "status": {} },
        "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": open, "status": open } } },
    });
    let names = json!({
        "kind": "FeatureFlagConfiguration", "listKind": "FeatureFlagConfigurationList",
        "plural": "featureflagconfigurations", "singular": "featureflagconfiguration",
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "featureflagconfigurations.core.openfeature.dev" },
        "spec": { "group": "core.openfeature.dev", "scope": "Namespaced", "names": names, "versions": [version] },
    });
    scene.cluster.write("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition)?;
    scene.cluster.until(PATIENCE, "the kind is served", |cluster| cluster.get(FLAGS).ok())?;
    let spec = |default: &str| {
        let banner = json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": default });
        json!({ "featureFlagSpec": { "flags": { "banner": banner } } })
    };
    let shop = json!({
        "apiVersion": "core.openfeature.dev/v1alpha2", "kind": "FeatureFlagConfiguration",
        "metadata": { "name": "shop" }, "spec": spec("blue"),
    });
    let mended = json!({ "spec": spec("on") });
    let path = format!("{FLAGS}/shop");
    for (method, at, body, status) in [("POST", FLAGS, shop, "False"), ("PATCH", &path, mended, "True")] {
        scene.cluster.write(method, at, &body)?;
        let (message, took) =
            scene.cluster.until(PATIENCE, &format!("shop's condition Valid is {status}"), |cluster| {
                let conditions = cluster.get(&path).ok()?["status"]["conditions"].as_array()?.clone();
                let valid = conditions.into_iter().find(|it| it["type"] == "Valid" && it["status"] == status)?;
                Some(valid["message"].as_str()?.to_owned())
            })?;
        say(&format!("   shop is Valid={status}: {message} ({} ms)", took.as_millis()));
    }
    let (owner, _) = scene.cluster.until(PATIENCE, "the ConfigMap says so, too", |cluster| {
        let summary = cluster.get("/api/v1/namespaces/default/configmaps/shop-flags").ok()?;
        let owner = summary["metadata"]["ownerReferences"][0]["name"].as_str()?.to_owned();
        (summary["data"]["valid"] == "true").then_some(owner)
    })?;
    say(&format!("   ConfigMap shop-flags says valid=true and is owned by {owner}"));
    Ok(())
}

/// A pod that fails twice, and one that always fails.
fn pods(scene: &Scene) -> Done {
    say("   pods are tried again until they succeed, with growing waits; one never does and becomes a dead letter");
    for (name, failures) in [("pod-stumbles", "2"), ("pod-never", "99")] {
        let metadata = json!({
            "name": name,
            "labels": { "pod-retry.weir.dev/watch": "yes" },
            "annotations": { "pod-retry.weir.dev/failures": failures },
        });
        let spec = json!({ "containers": [{ "name": "main", "image": "registry.example/app-0:1" }] });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
        scene.cluster.write("POST", PODS, &pod)?;
    }
    let (handled, _) = scene.cluster.until(PATIENCE, "pod-stumbles is handled", |cluster| {
        let pod = cluster.get(&format!("{PODS}/pod-stumbles")).ok()?;
        Some(pod["metadata"]["annotations"]["pod-retry.weir.dev/handled"].as_str()?.to_owned())
    })?;
    say(&format!("   pod-stumbles: handled at try {handled}"));
    let (letter, _) = scene.cluster.until(PATIENCE, "pod-never is a dead letter", |cluster| {
        let status = cluster.read(&format!("{}/status", scene.admin)).ok()?;
        let lane = lane(&status, "pod-retry")?;
        let dead = lane["dead"].as_array()?.iter().find(|letter| letter["object"] == "default/pod-never")?.clone();
        Some(dead)
    })?;
    say(&format!(
        "   pod-never: given up after {} tries: {}",
        letter["attempts"],
        letter["error"].as_str().unwrap_or("?")
    ));
    Ok(())
}

/// A handler's part of the status.
pub(super) fn lane<'a>(status: &'a Value, handler: &str) -> Option<&'a Value> {
    status["handlers"].as_array()?.iter().find(|lane| lane["handler"] == handler)
}
