//! weir's informers alone: kinds that come and go.

use super::{
    api::{Api, Want},
    oracle::{all_pods, informers, noting},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use weir::watch::{ObjectKey, WatchSettings, WatchSpec, Whereabouts};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("n"), name)
}

fn foos() -> WatchSpec {
    WatchSpec { api_version: "example.org/v1".into(), kind: "Foo".into(), ..all_pods() }
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_later_is_waited_for_in_plain_sight() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (source, _) = noting(&informers, &foos());
    sleep(600).await;
    assert_eq!(informers.status()[0].state, "waiting for kind");
    assert!(!source.is_synced() && source.resource().is_none());
    let asked = api.count(Want::Discovery);
    assert!(asked < 40, "{asked} questions in ten minutes");
    let began = Instant::now();
    api.define_foo(true, true);
    source.synced().await;
    assert!(began.elapsed() < Duration::from_secs(1), "the definition wakes it");
    assert_eq!(source.resource().unwrap().to_string(), "foos.example.org");
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_kind_are_gone_only_when_its_definition_is() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    api.define_foo(true, true);
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (source, told) = noting(&informers, &foos());
    source.synced().await;
    // Discovery lags, as after a restart of the API server.
    api.define_foo(true, false);
    api.cut_watches();
    sleep(120).await;
    assert_eq!(informers.status()[0].state, "waiting for kind");
    assert!(source.get(&key("a")).is_some());
    api.define_foo(true, true);
    sleep(60).await;
    assert_eq!(informers.status()[0].state, "synced");
    assert_eq!(told.lock().unwrap().len(), 1, "nothing happened to the object");
    api.define_foo(false, false);
    api.cut_watches();
    sleep(120).await;
    assert!(source.get(&key("a")).is_none());
    assert!(told.lock().unwrap()[1].now.is_none());
    assert_eq!(source.last_known(&key("a"), "a1").unwrap().uid(), "a1");
}

#[tokio::test(start_paused = true)]
async fn with_its_definition_an_object_is_deleted_and_has_not_left() {
    let api = Api::new();
    api.put("a", "a1", json!({"app": "web"}));
    api.define_foo(true, true);
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (source, _) = noting(&informers, &WatchSpec { label_selector: "app=web".into(), ..foos() });
    source.synced().await;
    api.define_foo(true, false);
    source.whereabouts(&key("a"), "a1").await.unwrap_err();
    api.define_foo(false, false);
    assert_eq!(source.whereabouts(&key("a"), "a1").await.unwrap(), Whereabouts::Deleted);
}
