//! What scenarios do with the `recorder` guest: what it was told is what the API holds afterwards.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::{PATIENCE, World, until};
use serde_json::{Value, json};
use tokio::time::timeout;

/// The namespace of what is watched; what the `recorder` guest records is in `default`.
pub const WATCHED: &str = "watched";

/// The path of a ConfigMap in [`WATCHED`].
pub fn config_map_path(name: &str) -> String {
    format!("/api/v1/namespaces/{WATCHED}/configmaps/{name}")
}

impl World {
    /// What the `recorder` guest recorded under `prefix`, in the order of the calls.
    pub async fn records(&self, prefix: &str) -> Vec<Value> {
        let path = format!("/api/v1/configmaps?labelSelector=test.weir.dev%2Frecorded%3D{prefix}");
        let mut records: Vec<Value> = self.list(&path).await.into_iter().map(|mut item| item["data"].take()).collect();
        let order = |record: &Value| -> (u64, u64) {
            let number = |key: &str| record[key].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            (number("at"), number("call"))
        };
        records.sort_by_key(order);
        records
    }

    /// The same, as `NAME CHANGE` lines.
    pub async fn told(&self, prefix: &str) -> Vec<String> {
        let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
        self.records(prefix).await.iter().map(|it| format!("{} {}", text(it, "name"), text(it, "change"))).collect()
    }

    /// Installs the `recorder` guest as handler `name`, which records under its name what one watch tells it. `watch` is the watch;
    /// its name, apiVersion and kind are those of ConfigMaps in [`WATCHED`] unless it says otherwise.
    pub fn record(&self, name: &str, watch: &Value) {
        let mut whole = json!({ "name": "watched", "apiVersion": "v1", "kind": "ConfigMap" });
        if watch.get("kind").is_none() && watch.get("namespaces").is_none() {
            whole["namespaces"] = json!([WATCHED]);
        }
        whole.as_object_mut().unwrap().extend(watch.as_object().cloned().unwrap_or_default());
        let spec = json!({
            "watches": [whole],
            "settings": { "prefix": name },
            "grants": { "write": [{ "apiVersion": "v1", "kind": "ConfigMap", "actions": ["create"] }] },
            // One after the other, so that the records are in the order of the calls.
            "workers": 1,
        });
        // JSON is YAML.
        let document = json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "Handler", "spec": spec });
        self.install(name, "recorder", &document.to_string());
    }

    /// Waits until the recorder was told as much as this, as `NAME CHANGE` lines, and weir is quiet; then it must be exactly this. The
    /// order of each object's lines counts; there is none between objects.
    pub async fn expect_told(&self, prefix: &str, expected: &[&str]) {
        let enough = async || (self.told(prefix).await.len() >= expected.len()).then_some(());
        // What is missing is told below.
        if timeout(PATIENCE, until(enough)).await.is_ok() {
            self.quiet().await;
        }
        let object = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let mut told = self.told(prefix).await;
        told.sort_by_key(|line| object(line));
        let mut expected = expected.to_vec();
        expected.sort_by_key(|line| object(line));
        assert_eq!(told, expected, "what {prefix} was told; weir's status: {:#}", self.status());
    }

    /// Creates the namespace [`WATCHED`], where [`World::record`] watches ConfigMaps.
    pub async fn watched_namespace(&self) {
        self.namespace(WATCHED).await;
    }

    /// Creates a namespace.
    pub async fn namespace(&self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.create("/api/v1/namespaces", namespace).await;
    }

    /// Creates a ConfigMap in [`WATCHED`] with one key, `said`, and labels.
    pub async fn config_map(&self, name: &str, said: &str, labels: Value) -> Value {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": labels }, "data": { "said": said },
        });
        self.create(&format!("/api/v1/namespaces/{WATCHED}/configmaps"), object).await
    }
}
