//! weir's informers alone: kinds that come and go.

use super::{
    api::{Api, Fault, Want},
    oracle::{all_pods, informers, noting},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use weir::watch::{Known, ObjectKey, WatchSettings, WatchSpec, Whereabouts};

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

#[tokio::test(start_paused = true)]
async fn a_kind_that_never_had_a_definition_is_away_and_never_gone() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    // As a server behind the API has it.
    api.define_foo(false, true);
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (source, told) = noting(&informers, &foos());
    source.synced().await;
    assert_eq!(source.definition(), None);
    api.define_foo(false, false);
    api.cut_watches();
    sleep(600).await;
    assert_eq!(informers.status()[0].state, "waiting for kind");
    assert!(source.get(&key("a")).is_some());
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_definition_went_before_it_was_listed_is_empty_only_for_who_knows_that_it_had_one() {
    let api = Api::new();
    api.define_foo(true, true);
    let known = {
        let (informers, ..) = informers(&api, WatchSettings::default());
        let (source, _) = noting(&informers, &foos());
        source.synced().await;
        Known { version: None, defined: source.definition() }
    };
    assert_eq!(known.defined.as_ref().unwrap().plural, "foos");
    api.define_foo(false, false);
    for (known, synced) in [(Known::default(), false), (known.clone(), true)] {
        let (informers, ..) = informers(&api, WatchSettings::default());
        let source = informers.resume(&foos(), &known, Arc::new(|_| ()));
        sleep(600).await;
        assert_eq!(source.is_synced(), synced);
    }
    // It is there, but discovery lags: nobody concludes anything.
    api.define_foo(true, false);
    let (informers, ..) = informers(&api, WatchSettings::default());
    let source = informers.resume(&foos(), &known, Arc::new(|_| ()));
    sleep(600).await;
    assert!(!source.is_synced());
    // What is defined and made later was not there first.
    api.put("a", "a1", json!({}));
    api.define_foo(true, true);
    source.synced().await;
    assert!(source.get(&key("a")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_first_list_from_before_what_is_known_is_not_taken_whichever_way_it_is_listed() {
    for streaming_lists in [false, true] {
        let api = Api::new();
        let early = api.put("a", "a1", json!({}));
        let version = Some(api.put("b", "b1", json!({})).to_string());
        // A replica that lags, or one of several servers before a restored backup.
        api.fault(Want::Stream, 2, Fault::Close);
        api.fault(Want::List, 3, Fault::Stale(early));
        // No watch brings later what the list should have had.
        api.fault(Want::Watch, u32::MAX, Fault::Hang);
        let (informers, ..) = informers(&api, WatchSettings { streaming_lists, ..WatchSettings::default() });
        let known = Known { version, defined: None };
        let source = informers.resume(&all_pods(), &known, Arc::new(|_| ()));
        source.synced().await;
        assert!(source.get(&key("b")).is_some(), "the first complete list has what was told");
        // Never `resourceVersion=0`, which any state would satisfy.
        let lists = api.seen().into_iter().filter(|seen| [Want::List, Want::Stream].contains(&seen.want));
        for list in lists {
            assert!(!list.query.contains("resourceVersion="), "{}", list.query);
        }
    }
}
