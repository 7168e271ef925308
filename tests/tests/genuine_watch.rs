//! Informers on the genuine API server: streaming lists that are the most recent, broken connections, kinds that come and go.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use k8s_openapi::{
    api::core::v1::ConfigMap, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir::{
    kinds::Kinds,
    watch::{Delta, Informers, Mode, ObjectKey, Source, WatchMetrics, WatchSettings, WatchSpec, Whereabouts},
};
use weir_tests::{genuine::Genuine, proxy::Proxy};

fn informers(client: &Client) -> Informers {
    let (stop, tasks, kinds) = (CancellationToken::new(), TaskTracker::new(), Kinds::new(client.clone()));
    Informers::new(client.clone(), kinds, WatchSettings::default(), tasks, stop, WatchMetrics::default())
}

fn spec(api_version: &str, kind: &str, label_selector: &str) -> WatchSpec {
    WatchSpec {
        api_version: api_version.into(),
        kind: kind.into(),
        namespaces: vec!["default".into()],
        label_selector: label_selector.into(),
        field_selector: String::new(),
        mode: Mode::Whole,
        as_user: None,
    }
}

fn follow(informers: &Informers, spec: &WatchSpec) -> (Source, Arc<Mutex<Vec<Delta>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = told.clone();
    let source = informers.follow(spec, Arc::new(move |delta: &Delta| note.lock().unwrap().push(delta.clone())));
    (source, told)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("default"), name)
}

fn map(name: &str, app: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"app": app}}, "data": {"key": "one"}})).unwrap()
}

/// Real time, because the server's is: waits until it is so, and fails if it takes far too long.
async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..1500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it took too long until {what}");
}

#[tokio::test]
async fn what_happens_while_the_connection_is_broken_is_told_afterwards() {
    let Some(api) = Genuine::start("informer-cut").await else { return };
    let proxy = Proxy::start(api.address()).await;
    let maps: Api<ConfigMap> = Api::namespaced(api.client().await, "default");
    for name in ["stays", "dies", "reborn"] {
        maps.create(&PostParams::default(), &map(name, "web")).await.unwrap();
    }
    let informers = informers(&api.client_through(&proxy).await);
    let (source, told) = follow(&informers, &spec("v1", "ConfigMap", ""));
    source.synced().await;
    assert_eq!(source.objects().len(), 3);
    let streamed = api.await_request(|request| request.query.contains("sendInitialEvents=true")).await;
    assert!(
        streamed.query.contains("resourceVersionMatch=NotOlderThan") && !streamed.query.contains("resourceVersion=")
    );
    assert_eq!(informers.status()[0].relists, 1, "the genuine server does streaming lists: {:?}", informers.status());

    proxy.refuse(true);
    proxy.cut();
    maps.patch("stays", &PatchParams::default(), &Patch::Merge(json!({"data": {"key": "two"}}))).await.unwrap();
    for name in ["dies", "reborn"] {
        maps.delete(name, &Default::default()).await.unwrap();
    }
    let reborn = maps.create(&PostParams::default(), &map("reborn", "web")).await.unwrap();
    proxy.refuse(false);
    until("all was told", || {
        source.get(&key("dies")).is_none()
            && source.get(&key("reborn")).is_some_and(|object| Some(object.uid()) == reborn.uid().as_deref())
    })
    .await;
    assert!(told.lock().unwrap().iter().any(|delta| delta.key == key("dies") && delta.now.is_none()));
    let stays = source.get(&key("stays")).unwrap();
    assert!(String::from_utf8_lossy(stays.json()).contains("two"));
    assert!(!String::from_utf8_lossy(stays.json()).contains("managedFields"));
}

#[tokio::test]
async fn what_left_a_selector_is_told_from_what_was_deleted() {
    let Some(api) = Genuine::start("informer-left").await else { return };
    let client = api.client().await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let mut uids = Vec::new();
    for name in ["leaves", "dies"] {
        uids.push(maps.create(&PostParams::default(), &map(name, "web")).await.unwrap().uid().unwrap());
    }
    let informers = informers(&client);
    let (source, _) = follow(&informers, &spec("v1", "ConfigMap", "app=web"));
    source.synced().await;
    let label = Patch::Merge(json!({"metadata": {"labels": {"app": "db"}}}));
    let left = maps.patch("leaves", &PatchParams::default(), &label).await.unwrap();
    maps.delete("dies", &Default::default()).await.unwrap();
    source.caught_up(&key("leaves"), &left.resource_version().unwrap()).await;
    until("both are out", || source.objects().is_empty()).await;
    assert_eq!(source.whereabouts(&key("leaves"), &uids[0]).await.unwrap(), Whereabouts::Left);
    assert_eq!(source.whereabouts(&key("dies"), &uids[1]).await.unwrap(), Whereabouts::Deleted);
    assert_eq!(source.last_known(&key("dies"), &uids[1]).unwrap().uid(), uids[1]);
}

#[tokio::test]
async fn a_kind_is_waited_for_and_ends_with_its_definition() {
    let Some(api) = Genuine::start("informer-kind").await else { return };
    let client = api.client().await;
    let informers = informers(&client);
    let (source, told) = follow(&informers, &spec("weir.test/v1", "Probe", ""));
    until("it waits", || informers.status()[0].state == "waiting for kind").await;

    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = serde_json::from_value(json!({"metadata": {"name": "probes.weir.test"}, "spec": {
        "group": "weir.test", "scope": "Namespaced", "names": {"plural": "probes", "singular": "probe", "kind": "Probe"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}))
    .unwrap();
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    source.synced().await;

    let probe = json!({"apiVersion": "weir.test/v1", "kind": "Probe", "metadata": {"name": "one"}, "spec": {"n": 1}});
    let request = http::Request::post("/apis/weir.test/v1/namespaces/default/probes")
        .header("content-type", "application/json")
        .body(probe.to_string().into_bytes())
        .unwrap();
    client.request_text(request).await.unwrap();
    until("it is seen", || source.get(&key("one")).is_some()).await;
    definitions.delete("probes.weir.test", &Default::default()).await.unwrap();
    until("it is gone", || source.objects().is_empty()).await;
    assert!(told.lock().unwrap().last().unwrap().now.is_none());
    until("it waits again", || informers.status()[0].state == "waiting for kind").await;
}
