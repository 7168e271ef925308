//! What scenarios do with pods and with the plugin pod-retry, which is in Go.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::{World, guests, plugin_manifest};
use serde_json::{Value, json};

/// The collection of the namespace `default`.
pub const PODS: &str = "/api/v1/namespaces/default/pods";

impl World {
    /// Installs pod-retry with its own manifest and these lines under `spec`. False, said loudly, where it is not built.
    pub fn install_pod_retry(&self, more: &str) -> bool {
        if !guests().unwrap().join("pod-retry.wasm").is_file() {
            eprintln!(
                "SKIPPED: pod-retry is not built, as there is no Go; `cargo xtask test` builds it and says what it needs"
            );
            return false;
        }
        self.install("pod-retry", "pod-retry", &format!("{}\n{more}\n", plugin_manifest("pod-retry")));
        true
    }

    /// Creates a pod that pod-retry watches and that shall fail so often.
    pub async fn failing_pod(&self, name: &str, failures: u32) {
        self.create(PODS, pod(name, json!({ "pod-retry.weir.dev/watch": "yes" }), failures)).await;
    }

    /// Waits until pod-retry's annotation on the pod is this.
    pub async fn await_pod(&self, name: &str, annotation: &str, value: &str) -> Value {
        let path = format!("{PODS}/{name}");
        let annotation = format!("pod-retry.weir.dev/{annotation}");
        self.eventually(format!("{name} has {annotation}: {value}"), async || {
            self.get(&path).await.filter(|pod| pod["metadata"]["annotations"][&annotation] == value)
        })
        .await
    }
}

/// A pod with these labels that shall fail so often.
pub fn pod(name: &str, labels: Value, failures: u32) -> Value {
    let annotations = json!({ "pod-retry.weir.dev/failures": failures.to_string() });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": labels, "annotations": annotations },
        "spec": { "containers": [{ "name": "main", "image": "example.com/main" }] },
    })
}
