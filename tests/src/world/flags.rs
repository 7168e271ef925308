//! What scenarios do with feature flags and the plugin flag-watch, which is in Python.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::{World, compile, guests, plugin_manifest};
use serde_json::{Value, json};
use std::path::Path;

/// The definition of sets of flags, once they are [defined](World::define_flags).
pub const FLAGS_DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/featureflagconfigurations.core.openfeature.dev";

/// The path of a set of flags.
pub fn flags(namespace: &str, name: &str) -> String {
    format!("/apis/core.openfeature.dev/v1alpha2/namespaces/{namespace}/featureflagconfigurations/{name}")
}

/// A flag with the variants `red` and `green`, and this default.
pub fn flag(default: &str) -> Value {
    json!({ "state": "ENABLED", "variants": { "red": "#f00", "green": "#0f0" }, "defaultVariant": default })
}

impl World {
    /// Installs flag-watch with its own manifest and these texts in it replaced. False, said loudly, where it is not built.
    pub async fn install_flag_watch(&self, changes: &[(&str, &str)]) -> bool {
        if !guests().unwrap().join("flag-watch.wasm").is_file() {
            eprintln!(
                "SKIPPED: flag-watch is not built; run `cargo xtask test`, which builds it and says what it needs"
            );
            return false;
        }
        compile("flag-watch").await;
        let manifest = changes.iter().fold(plugin_manifest("flag-watch"), |manifest, (from, to)| {
            assert!(manifest.contains(from), "flag-watch's manifest has no {from:?}");
            manifest.replace(from, to)
        });
        self.install("flag-watch", "flag-watch", &manifest);
        true
    }

    /// Defines sets of flags as flag-watch's own file does, with what a client needs to apply it.
    pub async fn define_flags(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/flag-watch/crd.yaml");
        let request = http::Request::patch(format!("{FLAGS_DEFINITION}?fieldManager=scenario"))
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(std::fs::read(file).unwrap())
            .unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }

    /// Creates a set of flags with this `featureFlagSpec`, once they are served.
    pub async fn flags(&self, namespace: &str, name: &str, spec: &Value) -> Value {
        let path = flags(namespace, "");
        let set = json!({
            "apiVersion": "core.openfeature.dev/v1alpha2", "kind": "FeatureFlagConfiguration",
            "metadata": { "name": name }, "spec": { "featureFlagSpec": spec },
        });
        self.eventually("sets of flags are served", async || {
            self.send("POST", path.trim_end_matches('/'), "application/json", &set).await.ok()
        })
        .await
    }

    /// Waits until the condition `Valid` of a set of flags in `default` is about its newest generation and has this status, reason and message.
    pub async fn await_verdict(&self, name: &str, verdict: (&str, &str, &str)) -> Value {
        self.eventually(format!("{name} is judged {verdict:?}"), async || {
            let set = self.get(&flags("default", name)).await?;
            let valid = set["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == "Valid")?.clone();
            let said = (valid["status"].as_str()?, valid["reason"].as_str()?, valid["message"].as_str()?);
            let is_newest = valid["observedGeneration"] == set["metadata"]["generation"];
            (is_newest && said == verdict).then_some(valid)
        })
        .await
    }

    /// Waits until the ConfigMap about a set of flags in `default` has this under `data.valid`.
    pub async fn await_summary(&self, name: &str, valid: &str) -> Value {
        let path = super::config_map(&format!("{name}-flags"));
        self.eventually(format!("{name} is summed up as {valid}"), async || {
            self.get(&path).await.filter(|summary| summary["data"]["valid"] == valid)
        })
        .await
    }
}
