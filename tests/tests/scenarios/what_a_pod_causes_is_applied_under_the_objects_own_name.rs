//! pod-retry applies the manifest of its settings, whose kind weir finds by discovery, under a field manager named after the object.
//! A field that somebody else owns is in the way, and is taken over with force.

use serde_json::{Value, json};
use weir_tests::world::{World, plugin_manifest};

const WIDGET: &str = "/apis/example.org/v1/namespaces/default/widgets/handled";

pub(crate) async fn run(mut world: World) {
    world.define_widgets().await;
    world.widget("another").await;
    if !world.install_pod_retry("") {
        return;
    }
    world.put("pod-retry.yaml", applying(false).as_bytes());
    world.run().await;
    world.failing_pod("first", 0).await;
    world.await_pod("first", "handled", "1").await;
    let widget = world.get(WIDGET).await.unwrap();
    assert_eq!(widget["spec"], json!({ "size": 2 }), "{widget:#}");
    assert_eq!(owners(&widget), ["weir/pod-retry/handled"], "{widget:#}");

    let theirs = json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "handled" }, "spec": { "size": 3 } });
    let path = format!("{WIDGET}?fieldManager=somebody-else&force=true");
    world.send("PATCH", &path, "application/apply-patch+yaml", &theirs).await.unwrap();
    world.failing_pod("second", 0).await;
    let letter = world.await_dead("pod-retry").await;
    assert!(letter["error"].as_str().unwrap().contains("somebody-else"), "{letter:#}");
    assert_eq!(world.get(WIDGET).await.unwrap()["spec"], json!({ "size": 3 }));

    // Another manifest brings back what was given up.
    world.put("pod-retry.yaml", applying(true).as_bytes());
    world.await_pod("second", "handled", "1").await;
    let widget = world.get(WIDGET).await.unwrap();
    assert_eq!(widget["spec"], json!({ "size": 2 }), "{widget:#}");
    assert_eq!(owners(&widget), ["weir/pod-retry/handled"], "{widget:#}");
    world.stop().await;
}

/// The plugin's manifest, with this to apply and the grant to do it.
fn applying(force: bool) -> String {
    let object = "{ apiVersion: example.org/v1, kind: Widget, metadata: { name: handled, namespace: default }, spec: { size: 2 } }";
    let grant = "{ apiVersion: example.org/v1, kind: Widget, actions: [apply], force: true }";
    let own = plugin_manifest("pod-retry");
    let granted = own.replace("actions: [annotate, emit] }]", &format!("actions: [annotate, emit] }}, {grant}]"));
    assert_ne!(own, granted, "the manifest's grants are where they were");
    format!("{granted}\n  settings: {{ force: {force}, manifest: {object} }}\n")
}

/// Who owns the widget's size.
fn owners(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap().iter();
    let owning = entries.filter(|entry| entry.pointer("/fieldsV1/f:spec/f:size").is_some());
    owning.filter_map(|entry| entry["manager"].as_str().map(str::to_owned)).collect()
}
