//! weir's informers alone: who shares what, what a subscription may ask, kinds that come and go.

use super::{
    api::{Api, Fault, Want},
    oracle::{all_pods, informers, informers_over, noting},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use weir::watch::{Mode, ObjectKey, Presence, WatchMetrics, WatchSettings, WatchSpec, Whereabouts};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("n"), name)
}

fn labelled() -> WatchSpec {
    WatchSpec { label_selector: "app=web".into(), ..all_pods() }
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Lets the informers take in what has just happened.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn however_many_subscribe_there_is_one_list_and_one_watch() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let first = noting(&informers, &all_pods());
    first.0.synced().await;
    let second = noting(&informers, &all_pods());
    second.0.synced().await;
    api.put("a", "a1", json!({"x": "y"}));
    settle().await;
    assert_eq!((api.count(Want::List), api.count(Want::Watch)), (1, 1));
    for (source, told) in [first, second] {
        assert_eq!(told.lock().unwrap().len(), 2);
        assert_eq!(source.get(&key("a")).unwrap().resource_version(), "12");
    }
    // Another selector is another watch.
    let third = noting(&informers, &labelled());
    third.0.synced().await;
    assert_eq!((api.count(Want::List), api.count(Want::Watch)), (2, 2));
    assert_eq!(informers.status().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_is_given_what_is_there_and_what_is_newly_gone() {
    let api = Api::new();
    api.put("old", "o1", json!({}));
    api.put("dead", "x1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (early, _) = noting(&informers, &all_pods());
    early.synced().await;
    api.put("young", "y1", json!({}));
    api.delete("dead");
    settle().await;
    let (late, told) = noting(&informers, &all_pods());
    late.synced().await;
    api.put("newest", "n1", json!({}));
    settle().await;

    let mut told: Vec<(String, bool)> =
        told.lock().unwrap().iter().map(|delta| (delta.key.name.to_string(), delta.now.is_some())).collect();
    assert_eq!(told.pop().unwrap(), ("newest".to_owned(), true), "changes come after what was there");
    told.sort();
    assert_eq!(told, [("dead".to_owned(), false), ("old".to_owned(), true), ("young".to_owned(), true)]);
    let first = |source: &weir::watch::Source| ["old", "young", "newest"].map(|name| source.in_first_list(&key(name)));
    assert_eq!(first(&early), [true, false, false]);
    assert_eq!(first(&late), [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn the_last_state_is_kept_until_every_subscription_was_told() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings::default());
    let ((one, _), (two, _)) = (noting(&informers, &all_pods()), noting(&informers, &all_pods()));
    one.synced().await;
    two.synced().await;
    let version = api.delete("a").to_string();
    settle().await;
    assert!(one.get(&key("a")).is_none());
    assert_eq!(one.last_known(&key("a"), "a1").unwrap().resource_version(), version);
    one.release(&key("a"), "a1");
    assert!(two.last_known(&key("a"), "a1").is_some());
    drop(two);
    settle().await;
    assert!(one.last_known(&key("a"), "a1").is_none());
    assert_eq!(informers.status()[0].tombstones, 0);
}

#[tokio::test(start_paused = true)]
async fn what_left_the_selectors_is_told_from_what_was_deleted_with_one_request_for_all() {
    let api = Api::new();
    for name in ["leaves", "dies", "reborn"] {
        api.put(name, &format!("{name}1"), json!({"app": "web"}));
    }
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let ((one, _), (two, _)) = (noting(&informers, &labelled()), noting(&informers, &labelled()));
    one.synced().await;
    two.synced().await;
    api.put("leaves", "leaves1", json!({"app": "db"}));
    api.delete("dies");
    api.delete("reborn");
    api.put("reborn", "reborn2", json!({"app": "db"}));
    settle().await;
    let before = api.count(Want::List);
    for (name, whereabouts) in
        [("leaves", Whereabouts::Left), ("dies", Whereabouts::Deleted), ("reborn", Whereabouts::Deleted)]
    {
        assert!(one.get(&key(name)).is_none());
        let uid = format!("{name}1");
        let key = key(name);
        let (first, second) = tokio::join!(one.whereabouts(&key, &uid), two.whereabouts(&key, &uid));
        assert_eq!((first.unwrap(), second.unwrap()), (whereabouts, whereabouts), "{name}");
    }
    assert_eq!(api.count(Want::List) - before, 3);
    let asked = api.seen().into_iter().rfind(|seen| seen.want == Want::List).unwrap();
    assert!(
        asked.accept.contains("as=PartialObjectMetadataList") && asked.query == "fieldSelector=metadata.name%3Dreborn"
    );
}

#[tokio::test(start_paused = true)]
async fn whereabouts_that_could_not_be_asked_are_asked_again() {
    let api = Api::new();
    api.put("a", "a1", json!({"app": "web"}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (source, _) = noting(&informers, &labelled());
    source.synced().await;
    api.put("a", "a1", json!({}));
    settle().await;
    api.fault(Want::List, 1, Fault::Status { code: 500, reason: "InternalError", retry_after: None });
    source.whereabouts(&key("a"), "a1").await.unwrap_err();
    assert_eq!(source.whereabouts(&key("a"), "a1").await.unwrap(), Whereabouts::Left);
}

#[tokio::test(start_paused = true)]
async fn without_selectors_nothing_is_asked_about_what_is_gone() {
    let api = Api::new();
    let (informers, ..) = informers(&api, WatchSettings::default());
    let (source, _) = noting(&informers, &all_pods());
    source.synced().await;
    let before = api.seen().len();
    assert_eq!(source.whereabouts(&key("a"), "a1").await.unwrap(), Whereabouts::Deleted);
    assert_eq!(api.seen().len(), before);
}

#[tokio::test(start_paused = true)]
async fn catching_up_takes_an_event_a_bookmark_or_a_get_but_never_time_alone() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (source, _) = noting(&informers, &all_pods());
    source.synced().await;
    // By the event.
    let version = api.put("a", "a1", json!({"n": "1"})).to_string();
    source.caught_up(&key("a"), &version).await;
    assert_eq!(api.count(Want::Get), 0);
    // By a bookmark, for an object that never was.
    assert!(!source.reached(&key("z"), "13"));
    api.put("b", "b1", json!({}));
    api.bookmark();
    source.caught_up(&key("z"), "13").await;
    // By a GET, when the watch is silent. The first two GETs fail.
    api.fault(Want::Watch, 1, Fault::Silence);
    api.cut_watches();
    sleep(1).await;
    api.fault(Want::Get, 2, Fault::Status { code: 500, reason: "InternalError", retry_after: None });
    let version = api.put("a", "a1", json!({"n": "2"})).to_string();
    let began = Instant::now();
    source.caught_up(&key("a"), &version).await;
    assert_eq!(api.count(Want::Get), 3);
    assert_eq!(began.elapsed().as_secs(), 2 + 4 + 8);
    assert_eq!(source.get(&key("a")).unwrap().resource_version(), version);
    // What does not exist is never caught up with: an hour later still not.
    let never = tokio::time::timeout(Duration::from_secs(120), source.caught_up(&key("a"), "999")).await;
    assert!(never.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_get_tells_whether_an_object_is_there_and_feeds_only_what_is_selected() {
    let api = Api::new();
    api.put("in", "i1", json!({"app": "web"}));
    api.put("out", "o1", json!({"app": "db"}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (source, told) = noting(&informers, &labelled());
    source.synced().await;
    api.fault(Want::Watch, 1, Fault::Silence);
    api.cut_watches();
    settle().await;
    let version = api.put("in", "i1", json!({"app": "web", "n": "2"})).to_string();
    let Presence::Present(object) = source.refresh(&key("in")).await.unwrap() else { panic!("it is there") };
    assert_eq!(object.resource_version(), version);
    assert_eq!(source.get(&key("in")).unwrap().resource_version(), version);
    assert_eq!(told.lock().unwrap().len(), 2, "what a GET brings is told as any change");
    assert!(matches!(source.refresh(&key("out")).await.unwrap(), Presence::Present(_)));
    assert!(source.get(&key("out")).is_none());
    assert!(matches!(source.refresh(&key("never")).await.unwrap(), Presence::Gone));
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_and_not_retried_hot() {
    let api = Api::new();
    api.fault(Want::List, u32::MAX, Fault::Status { code: 403, reason: "Forbidden", retry_after: None });
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let nodes = WatchSpec { kind: "Node".into(), ..all_pods() };
    let (source, _) = noting(&informers, &nodes);
    sleep(600).await;
    assert!(api.count(Want::List) <= 21, "{}", api.count(Want::List));
    assert_eq!(
        informers.status()[0].state,
        "forbidden: needs get, list, watch on nodes (rules: apiGroups [\"\"], resources [\"nodes\"], verbs [get, list, watch])"
    );
    api.heal();
    source.synced().await;
    settle().await;
    assert_eq!(informers.status()[0].state, "synced");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_stays_in_sight_while_it_is_asked_for_again() {
    let api = Api::new();
    api.fault(Want::List, 3, Fault::Status { code: 403, reason: "Forbidden", retry_after: None });
    api.fault(Want::List, 1, Fault::Hang);
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (_source, _) = noting(&informers, &all_pods());
    while api.count(Want::List) < 4 {
        sleep(1).await;
        assert!(informers.status()[0].state.starts_with("forbidden"), "{}", informers.status()[0].state);
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_waited_for_without_end() {
    for want in [Want::Discovery, Want::List, Want::Watch, Want::Get] {
        let api = Api::new();
        api.put("a", "a1", json!({}));
        api.fault(want, 1, Fault::Hang);
        let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
        let (source, _) = noting(&informers, &all_pods());
        let began = Instant::now();
        source.synced().await;
        if want == Want::Get {
            source.refresh(&key("a")).await.unwrap_err();
        }
        let version = api.put("a", "a1", json!({"n": "2"})).to_string();
        while !source.reached(&key("a"), &version) {
            sleep(1).await;
        }
        assert!((60..63).contains(&began.elapsed().as_secs()), "{want:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_informer_outlives_a_reload_and_not_much_more() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, stop, tasks) =
        informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (first, _) = noting(&informers, &all_pods());
    first.synced().await;
    drop(first);
    sleep(20).await;
    let (second, _) = noting(&informers, &all_pods());
    second.synced().await;
    assert_eq!(api.count(Want::List), 1);
    drop(second);
    // Also while its watch is busy.
    for n in 0..31 {
        api.put("a", "a1", json!({"n": n.to_string()}));
        sleep(1).await;
    }
    assert!(informers.status().is_empty());
    assert!(tasks.is_empty());
    // And one that is wanted again begins anew.
    let (third, _) = noting(&informers, &all_pods());
    third.synced().await;
    assert_eq!(api.count(Want::List), 2);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_two_namespaces_is_one_source_over_two_informers() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let spec = WatchSpec { namespaces: vec!["n".into(), "m".into(), "n".into()], ..all_pods() };
    let (source, _) = noting(&informers, &spec);
    source.synced().await;
    let mut paths: Vec<String> =
        api.seen().into_iter().filter(|seen| seen.want == Want::List).map(|seen| seen.path).collect();
    paths.sort();
    assert_eq!(paths, ["/api/v1/namespaces/m/pods", "/api/v1/namespaces/n/pods"]);
    assert!(source.get(&key("a")).is_some());
    assert!(source.get(&ObjectKey::new(Some("elsewhere"), "a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_metadata_watch_asks_for_nothing_else() {
    let api = Api::new();
    api.put("a", "a1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (source, _) = noting(&informers, &WatchSpec { mode: Mode::Metadata, ..all_pods() });
    source.synced().await;
    settle().await;
    let accepted = |want| api.seen().into_iter().find(|seen| seen.want == want).unwrap().accept;
    assert_eq!(accepted(Want::List), "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    assert_eq!(accepted(Want::Watch), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

#[tokio::test(start_paused = true)]
async fn a_list_from_the_past_is_not_believed_until_the_api_insists() {
    let api = Api::new();
    let first = api.put("a", "a1", json!({}));
    api.put("b", "b1", json!({}));
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let (source, told) = noting(&informers, &all_pods());
    source.synced().await;
    // One list from a server that lags.
    api.fault(Want::List, 1, Fault::Stale(first));
    api.fault(Want::Watch, 1, Fault::Status { code: 410, reason: "Expired", retry_after: None });
    api.cut_watches();
    sleep(60).await;
    assert_eq!((told.lock().unwrap().len(), api.count(Want::List)), (2, 3));
    // A backup was restored: every list is from the past now.
    api.restore(first);
    sleep(200).await;
    assert!(source.get(&key("b")).is_none());
    api.put("a", "a1", json!({"after": "restore"}));
    settle().await;
    assert_eq!(source.get(&key("a")).unwrap().resource_version(), (first + 1).to_string());
}

#[tokio::test(start_paused = true)]
async fn watches_that_began_together_do_not_end_together() {
    let api = Api::new();
    let (informers, ..) = informers(&api, WatchSettings { streaming_lists: false, ..WatchSettings::default() });
    let namespaces = (0..20).map(|n| format!("n{n}")).collect();
    let (source, _) = noting(&informers, &WatchSpec { namespaces, ..all_pods() });
    source.synced().await;
    settle().await;
    let asked: std::collections::BTreeSet<u64> = api
        .seen()
        .iter()
        .filter(|seen| seen.want == Want::Watch)
        .map(|seen| seen.query.split("timeoutSeconds=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap())
        .collect();
    assert!(asked.iter().all(|seconds| (240..=290).contains(seconds)), "{asked:?}");
    assert!(asked.len() > 3, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn metrics_add_up_over_informers_and_name_no_objects() {
    let api = Api::new();
    api.put("a-name", "a1", json!({"app": "web"}));
    let mut registry = Registry::default();
    let metrics = WatchMetrics::new(&mut registry);
    let settings = WatchSettings { streaming_lists: false, ..WatchSettings::default() };
    let (informers, ..) = informers_over(api.client(), settings, metrics);
    let ((all, _), (some, _)) = (noting(&informers, &all_pods()), noting(&informers, &labelled()));
    all.synced().await;
    some.synced().await;
    let shown = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    assert!(shown().contains("weir_informer_objects{resource=\"pods\"} 2"), "{}", shown());
    assert!(shown().contains("weir_informer_relists_total{resource=\"pods\",reason=\"first\"} 2"), "{}", shown());
    api.delete("a-name");
    settle().await;
    assert!(shown().contains("weir_informer_tombstones{resource=\"pods\"} 2"), "{}", shown());
    drop(some);
    sleep(31).await;
    assert!(shown().contains("weir_informer_tombstones{resource=\"pods\"} 1"), "{}", shown());
    assert!(!shown().contains("a-name"));
}
