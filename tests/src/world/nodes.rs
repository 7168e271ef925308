//! What scenarios do with nodes and with the plugin node-images.

use super::{World, plugin_manifest};
use serde_json::{Value, json};

/// The path of a node.
pub fn node_path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

/// The manifest that node-images brings, with these further lines: under `settings`, `grants.read`, `grants.write` and, at its end, `grants`
/// and `spec`. Each is whole lines with the indentation they need, or empty.
pub fn node_images(settings: &str, read: &str, write: &str, end: &str) -> String {
    let mut manifest = plugin_manifest("node-images");
    for (place, lines) in [("  settings:\n", settings), ("    read:\n", read), ("    write:\n", write)] {
        let wider = manifest.replace(place, &format!("{place}{lines}"));
        assert!(wider.matches(place).count() == 1, "the manifest has {place:?} where it was: {wider}");
        manifest = wider;
    }
    format!("{manifest}{end}")
}

impl World {
    /// Creates a node with a disk of 1000 bytes and these images, each with its size.
    pub async fn node(&self, name: &str, images: &[(&str, u64)]) -> Value {
        // Without anything of its own in it, an object is created without managedFields, and its updates are not tracked either.
        let metadata = json!({ "name": name, "labels": { "kubernetes.io/hostname": name } });
        self.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata })).await;
        let disk = json!({ "ephemeral-storage": "1000" });
        self.status_of_node(name, json!({ "capacity": disk, "images": reported(images) })).await
    }

    /// The node reports these images from now on.
    pub async fn images(&self, name: &str, images: &[(&str, u64)]) -> Value {
        self.status_of_node(name, json!({ "images": reported(images) })).await
    }

    async fn status_of_node(&self, name: &str, status: Value) -> Value {
        self.merge(&format!("{}/status", node_path(name)), json!({ "status": status })).await
    }

    /// An annotation of node-images on the node: `count`, `percent`, …
    pub async fn node_annotation(&self, name: &str, annotation: &str) -> Option<String> {
        let node = self.get(&node_path(name)).await?;
        let value = &node["metadata"]["annotations"][format!("images.weir.dev/{annotation}")];
        value.as_str().map(str::to_owned)
    }

    /// Waits until that is this value.
    pub async fn await_node(&self, name: &str, annotation: &str, value: Option<&str>) {
        self.eventually(format!("node {name} has {annotation}: {value:?}"), async || {
            (self.node_annotation(name, annotation).await.as_deref() == value).then_some(())
        })
        .await;
    }

    /// The Events about an object that handlers recorded, with this reason.
    pub async fn events_about(&self, name: &str, reason: &str) -> Vec<Value> {
        let mut events = self.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
        events.retain(|event| event["regarding"]["name"] == name && event["reason"] == reason);
        events
    }
}

fn reported(images: &[(&str, u64)]) -> Vec<Value> {
    images.iter().map(|(tag, bytes)| json!({ "names": [tag], "sizeBytes": bytes })).collect()
}
