//! The answers' table held against the embedded API: the same rows, with answers that nobody scripted.

use super::*;
use crate::{
    action::{ActionError, ActionMetrics, Executor, ExecutorDeps, Outside, Secrets, testing::*},
    contract::{Action, Patch},
    kinds::Kinds,
};
use kube::Client;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use weir_devapi::{DevApi, Options};

/// The embedded API with node `a`, and the handler's view of it.
struct World {
    client: Client,
    executor: Executor,
}

impl World {
    fn new() -> World {
        let api = DevApi::new(Options::default());
        api.apply_yaml("{ apiVersion: v1, kind: Node, metadata: { name: a }, status: { phase: Ready } }").unwrap();
        api.apply_yaml("{ apiVersion: v1, kind: Namespace, metadata: { name: x } }").unwrap();
        let client = Client::new(api.service(), "default");
        let executor = Executor::new(ExecutorDeps {
            outside: Outside::new(Secrets::default()),
            client: client.clone(),
            kinds: Kinds::new(client.clone()),
            manifest: Arc::new(manifest()),
            instance: "host-1".into(),
            pace: Arc::new(|| Duration::ZERO),
            lines: Arc::new(|_| ()),
            metrics: ActionMetrics::default(),
        });
        World { client, executor }
    }

    async fn get(&self) -> Value {
        let request = Request::get("/api/v1/nodes/a").body(Vec::new()).unwrap();
        self.client.request(request).await.unwrap()
    }

    /// The node as it now is, as a handler is told of it.
    async fn subject(&self) -> Subject {
        let state = self.get().await;
        let text = |pointer: &str| state.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let (uid, resource_version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
        Subject { uid, resource_version, state: state.to_string().into(), ..node() }
    }

    async fn delete(&self) {
        let request = Request::delete("/api/v1/nodes/a").body(Vec::new()).unwrap();
        self.client.request_text(request).await.unwrap();
    }

    async fn carry_out(&self, subject: &Subject, action: Action) -> Result<Applied, ActionError> {
        self.executor.carry_out(subject, vec![action]).await
    }
}

/// The actions that are bound to a version.
fn guarded() -> [Action; 4] {
    [
        Action::SetStatus(r#"{"x":"1"}"#.into()),
        patch(PatchFormat::Merge, json!({ "spec": { "podCIDR": "10.0.0.0/8" } })),
        patch(PatchFormat::JsonPatch, json!([{ "op": "add", "path": "/metadata/labels", "value": { "l": "1" } }])),
        Action::Delete(delete()),
    ]
}

#[tokio::test]
async fn each_write_to_the_own_object_is_carried_out_and_reported() {
    for action in [vec![annotate("1"), Action::Apply(apply("Node", "a"))], guarded()[..3].to_vec()].concat() {
        let world = World::new();
        let subject = world.subject().await;
        let applied = world.carry_out(&subject, action.clone()).await.unwrap();
        let now = world.get().await;
        if let [write] = &applied.own[..] {
            assert_eq!(write.resource_version, now["metadata"]["resourceVersion"], "{action:?}");
        }
        assert_eq!(applied.own.len() as u32, applied.writes, "{action:?}");
    }
}

#[tokio::test]
async fn a_guarded_write_to_an_object_that_moved_on_is_refused_and_behind() {
    for action in guarded() {
        let world = World::new();
        let old = world.subject().await;
        world.carry_out(&old, annotate("1")).await.unwrap();
        let before = world.get().await;
        let failed = world.carry_out(&old, action.clone()).await.unwrap_err();
        assert_eq!(failed.class, Class::Behind { counted: false, at_least: None }, "{action:?}: {failed}");
        assert_eq!(world.get().await, before, "{action:?}");
        // annotate is bound to the uid alone.
        world.carry_out(&old, annotate("2")).await.unwrap();
    }
}

#[tokio::test]
async fn no_write_hits_or_makes_another_object_of_the_same_name() {
    for recreated in [true, false] {
        for action in guarded().into_iter().chain([annotate("1"), Action::Apply(apply("Node", "a"))]) {
            let world = World::new();
            let old = world.subject().await;
            world.delete().await;
            if recreated {
                world.executor.carry_out(&old, vec![Action::Create(apply("Node", "a").manifest)]).await.unwrap();
            }
            let before =
                world.client.request_text(Request::get("/api/v1/nodes").body(Vec::new()).unwrap()).await.unwrap();
            match world.carry_out(&old, action.clone()).await {
                Ok(applied) => assert!(applied.own_deleted && applied.own.is_empty(), "{action:?}"),
                Err(failed) => {
                    assert!(matches!(failed.class, Class::Behind { counted: false, .. }), "{action:?}: {failed}")
                }
            }
            let after =
                world.client.request_text(Request::get("/api/v1/nodes").body(Vec::new()).unwrap()).await.unwrap();
            assert_eq!(before, after, "{action:?}");
            // Who was told of the deletion is through with it, whatever has the name now.
            let deleted = Subject { change: Change::Deleted, ..old };
            assert!(world.carry_out(&deleted, action).await.unwrap().own_deleted);
        }
    }
}

#[tokio::test]
async fn a_failed_test_of_the_handlers_own_counts() {
    let world = World::new();
    let subject = world.subject().await;
    let test = json!([{ "op": "test", "path": "/metadata/name", "value": "b" }]);
    let failed = world.carry_out(&subject, patch(PatchFormat::JsonPatch, test)).await.unwrap_err();
    assert_eq!(failed.class, Class::Behind { counted: true, at_least: None });
}

#[tokio::test]
async fn creating_what_exists_and_deleting_what_is_gone_is_done() {
    let world = World::new();
    let subject = world.subject().await;
    let create = || Action::Create(apply("ConfigMap", "b").manifest);
    world.carry_out(&subject, create()).await.unwrap();
    assert_eq!(world.carry_out(&subject, create()).await.unwrap().writes, 0);
    let delete = || Action::Delete(crate::contract::Deletion { target: Some(config_map()), ..delete() });
    assert_eq!(world.carry_out(&subject, delete()).await.unwrap().writes, 1);
    assert_eq!(world.carry_out(&subject, delete()).await.unwrap().writes, 0);
    let absent = Patch {
        target: Some(config_map()),
        uid: None,
        subresource: None,
        format: PatchFormat::Merge,
        body: r#"{"data":{"a":"1"}}"#.into(),
    };
    assert_eq!(world.carry_out(&subject, Action::Patch(absent)).await.unwrap_err().class, Class::Handler);
}

#[tokio::test]
async fn fields_of_this_handlers_other_manager_are_taken_over_and_those_of_others_are_not() {
    let world = World::new();
    let subject = world.subject().await;
    let set = |value: &str, manager: Option<&str>| {
        let mut apply = apply("ConfigMap", "b");
        apply.manifest.push_str(&format!("\ndata: {{k: {value}}}"));
        Action::Apply(crate::contract::Apply { manager: manager.map(str::to_owned), ..apply })
    };
    world.carry_out(&subject, set("v1", Some("m"))).await.unwrap();
    world.carry_out(&subject, set("v2", None)).await.unwrap();
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "b" }, "data": { "k": "v3" } });
    let foreign = Request::patch("/api/v1/namespaces/x/configmaps/b?fieldManager=kubectl&force=true")
        .header("content-type", "application/apply-patch+yaml")
        .body(body.to_string().into_bytes())
        .unwrap();
    world.client.request_text(foreign).await.unwrap();
    let failed = world.carry_out(&subject, set("v4", None)).await.unwrap_err();
    assert_eq!(failed.class, Class::Handler);
    assert!(failed.message.ends_with("the fields are owned by kubectl"), "{failed}");
}

#[tokio::test]
async fn a_repeated_event_becomes_a_series_that_the_api_keeps() {
    let world = World::new();
    let subject = world.subject().await;
    for _ in 0..3 {
        world.carry_out(&subject, Action::Emit(note("x"))).await.unwrap();
    }
    let request = Request::get("/apis/events.k8s.io/v1/namespaces/default/events").body(Vec::new()).unwrap();
    let list: Value = world.client.request(request).await.unwrap();
    let events = list["items"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["series"]["count"], 3);
    assert_eq!(events[0]["regarding"]["uid"], subject.uid);
}
