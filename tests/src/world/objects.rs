//! What many scenarios do with ConfigMaps of the namespace `default`, and with the API as a whole.

use super::{Api, Request, World, manifest};
use serde_json::{Value, json};
use weir_devapi::{Effect, Fault};

/// The collection.
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The path of one of them.
pub fn config_map(name: &str) -> String {
    format!("{CONFIG_MAPS}/{name}")
}

/// The definition of a custom resource, once it is [defined](World::define_widgets).
pub const WIDGETS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org";

/// A manifest for a handler of those whose name is `name` (empty: all), with these actions on them granted; `more` are further
/// lines under `spec`.
pub fn granted(name: &str, actions: &str, more: &str) -> String {
    let selector = if name.is_empty() { String::new() } else { format!("metadata.name={name}") };
    manifest(&format!(
        "  watches: [{{ name: objects, apiVersion: v1, kind: ConfigMap, namespaces: [default], fieldSelector: \"{selector}\" }}]
  grants:
    write: [{{ apiVersion: v1, kind: ConfigMap, actions: [{actions}] }}]
{more}"
    ))
}

impl World {
    /// Creates a ConfigMap with this text.
    pub async fn create_text(&self, name: &str, text: &str) -> Value {
        self.create(CONFIG_MAPS, text_object(name, text)).await
    }

    /// Creates a ConfigMap past the faults, also while the API is [away](World::away).
    pub async fn create_aside(&self, name: &str, text: &str) {
        match self.embedded() {
            Some(api) => drop(api.apply_yaml(&text_object(name, text).to_string()).unwrap()),
            None => drop(self.create_text(name, text).await),
        }
    }

    /// Changes its text.
    pub async fn change_text(&self, name: &str, text: &str) {
        self.merge(&config_map(name), json!({ "data": { "text": text } })).await;
    }

    /// Defines the kind `Widget` of `example.org/v1`.
    pub async fn define_widgets(&self) {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } });
        let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList" });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "widgets.example.org" },
            "spec": { "group": "example.org", "scope": "Namespaced", "names": names, "versions": [version] },
        });
        self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    }

    /// Creates a widget of size 1, once they are served: until then the API says 404, or 429 while it makes their storage.
    pub async fn widget(&self, name: &str) -> Value {
        let metadata = json!({ "name": name });
        let widget =
            json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": metadata, "spec": { "size": 1 } });
        let widgets = "/apis/example.org/v1/namespaces/default/widgets";
        self.eventually("widgets are served", async || {
            self.send("POST", widgets, "application/json", &widget).await.ok()
        })
        .await
    }

    /// What the `echo` guest marked a ConfigMap with, under `test.weir.dev/MARK`.
    pub async fn mark(&self, name: &str, mark: &str) -> Option<String> {
        let object = self.get(&config_map(name)).await?;
        object["metadata"]["annotations"][format!("test.weir.dev/{mark}")].as_str().map(str::to_owned)
    }

    /// Waits until that mark is `value`.
    pub async fn await_mark(&self, name: &str, mark: &str, value: &str) {
        self.eventually(format!("{name} is marked with {mark}: {value}"), async || {
            (self.mark(name, mark).await? == value).then_some(())
        })
        .await;
    }

    /// Waits until the lane has a dead letter, and answers with it as `/status` shows it.
    pub async fn await_dead(&self, handler: &str) -> Value {
        self.eventually(format!("{handler} has a dead letter"), async || self.lane(handler)["dead"].get(0).cloned())
            .await
    }

    /// The requests other than reads that weir sent to a path.
    pub fn writes(&self, path: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|it| it.method != "GET" && it.path == path && it.user_agent.starts_with("weir"));
        requests
    }

    /// From now on, weir cannot reach the API; or it can again. On the embedded API the scenario cannot, either.
    pub fn away(&self, away: bool) {
        match &self.api {
            Api::Embedded { api, .. } if away => {
                let (reason, message) = ("ServiceUnavailable".to_owned(), "away on purpose".to_owned());
                let effect = Effect::Status { code: 503, reason, message, retry_after: None };
                let all = Fault { method: None, path_contains: String::new(), watch: None, times: u32::MAX, effect };
                api.faults().inject(all);
                api.faults().cut_watches("/");
            }
            Api::Embedded { api, .. } => api.faults().clear(),
            Api::Genuine { proxy, .. } => {
                proxy.refuse(away);
                proxy.cut();
            }
        }
    }
}

fn text_object(name: &str, text: &str) -> Value {
    let metadata = json!({ "name": name, "namespace": "default" });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "text": text } })
}
