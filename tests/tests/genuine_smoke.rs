//! The genuine API server starts, and behaves as the suites on it rely on.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use weir_tests::genuine::Genuine;
use weir_tests::proxy::Proxy;

fn config_map(value: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "smoke"}, "data": {"key": value}})
}

#[tokio::test]
async fn a_cluster_has_its_namespaces_and_owners_of_fields() {
    let Some(api) = Genuine::start("smoke").await else { return };
    let client = api.client().await;

    let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    let names: Vec<_> = namespaces.items.iter().filter_map(|namespace| namespace.metadata.name.as_deref()).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);

    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let owner = PatchParams::apply("weir/smoke");
    let applied = maps.patch("smoke", &owner, &Patch::Apply(config_map("one"))).await.unwrap();
    let fields = applied.metadata.managed_fields.unwrap();
    assert_eq!(fields[0].manager.as_deref(), Some("weir/smoke"));
    let other = maps.patch("smoke", &PatchParams::apply("other"), &Patch::Apply(config_map("two"))).await;
    let refused = other.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 409), "{refused:?}");

    let sent = api.await_request(|request| request.method == "PATCH" && request.code == 409).await;
    assert_eq!(sent.path, "/api/v1/namespaces/default/configmaps/smoke");
    assert!(sent.query.contains("fieldManager=other"), "{}", sent.query);
    assert!(sent.body.contains("two"), "{}", sent.body);
}

#[tokio::test]
async fn a_watch_that_was_cut_goes_on_from_where_it_was() {
    let Some(api) = Genuine::start("cut").await else { return };
    let proxy = Proxy::start(api.address()).await;
    let through: Api<ConfigMap> = Api::default_namespaced(api.client_through(&proxy).await);
    let direct: Api<ConfigMap> = Api::default_namespaced(api.client().await);
    let first: ConfigMap = serde_json::from_value(config_map("one")).unwrap();
    let from = direct.create(&PostParams::default(), &first).await.unwrap().metadata.resource_version.unwrap();

    let mut cut = through.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    proxy.refuse(true);
    proxy.cut();
    assert!(!matches!(cut.next().await, Some(Ok(_))), "a cut watch brings no event");
    let merge = Patch::Merge(json!({"data": {"key": "two"}}));
    direct.patch("smoke", &PatchParams::default(), &merge).await.unwrap();
    proxy.refuse(false);

    let mut resumed = through.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    let Some(WatchEvent::Modified(now)) = resumed.try_next().await.unwrap() else {
        panic!("the change that was missed")
    };
    assert_eq!(now.data.unwrap()["key"], "two");
}

#[tokio::test]
async fn a_restarted_server_keeps_its_objects_and_its_clients() {
    let Some(mut api) = Genuine::start("restart").await else { return };
    let client = api.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(config_map("kept")).unwrap();
    let before = maps.create(&PostParams::default(), &map).await.unwrap();
    let url = api.url().to_owned();
    api.restart().await;
    assert_eq!(api.url(), url);
    let after = maps.get("smoke").await.unwrap();
    assert_eq!(after.metadata.uid, before.metadata.uid);

    // A fresh watch cache does not know what was before it, and says so inside the stream.
    let newer = maps.patch("smoke", &PatchParams::default(), &Patch::Merge(json!({"data": {"a": "b"}}))).await.unwrap();
    assert_ne!(newer.metadata.resource_version, after.metadata.resource_version);
    let mut stale = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    let Some(WatchEvent::Error(gone)) = stale.try_next().await.unwrap() else { panic!("an error in the stream") };
    assert_eq!(gone.code, 410);
    api.stop();
}
