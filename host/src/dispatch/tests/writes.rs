//! The handler's own writes to the event's object, and calls at once.

use super::rig::{Rig, manifest, set, watch};
use crate::{
    contract::{Action, Patch, PatchFormat},
    handler::manifest::{Manifest, Retry},
};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

fn annotate(value: &str) -> Action {
    Action::Annotate(vec![("h/seen".into(), Some(value.into()))])
}

fn merge(body: &str) -> Action {
    Action::Patch(Patch { target: None, uid: None, subresource: None, format: PatchFormat::Merge, body: body.into() })
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_woken_by_its_own_writes() {
    let rig = Rig::running().await;
    rig.script.answers(|event| Ok(vec![annotate(&event.resource_version), merge(r#"{"data":{"w":"1"}}"#)]));
    rig.set("a", "1");
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(rig.script.heard(), ["added a 1"]);
    assert_eq!(rig.lane.status().ledger.acknowledged, 1);
    set(&rig.api, "a", "2", "x");
    assert_eq!(rig.heard().await, ["updated a 2"], "the next change of somebody else's is told");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_somebody_elses_under_an_own_write_is_told() {
    let rig = Rig::running().await;
    let (api, calls) = (rig.api.clone(), AtomicU32::new(0));
    rig.script.answers(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            set(&api, "a", "2", "x");
        }
        Ok(vec![annotate("1")])
    });
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1", "updated a 2"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_guarded_write_on_a_state_that_is_behind_is_computed_anew_and_not_counted() {
    let mut rig = Rig::new();
    rig.publish(Manifest { retry: Retry { limit: Some(0), ..Retry::default() }, ..manifest(vec![watch()]) });
    rig.quiet().await;
    let (api, calls) = (rig.api.clone(), AtomicU32::new(0));
    rig.script.answers(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            set(&api, "a", "2", "x");
        }
        Ok(vec![merge(r#"{"data":{"w":"1"}}"#)])
    });
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1", "added a 2"], "with the new state, as the first attempt");
    assert_eq!(rig.lane.status().dead_letters, 0);
    let map = rig.maps().get("a").await.unwrap();
    assert_eq!(map.data.unwrap()["w"], "1");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_held_until_the_watch_has_caught_up_with_its_own_write() {
    let rig = Rig::running().await;
    rig.set("a", "1");
    rig.quiet().await;
    rig.script.heard();
    let api = rig.api.clone();
    rig.script.answers(move |event| {
        if event.key.name == "a" {
            // From here on the watch tells nothing, as over a broken line.
            api.faults().silence_watches("/api/v1/", true);
        }
        Ok(vec![merge(r#"{"data":{"w":"1"}}"#)])
    });
    rig.set("a", "2");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(rig.script.heard(), ["updated a 2"]);
    assert_eq!(rig.lane.status().queue.claimed, 1, "held, although the call has long ended");
    let asked = || rig.api.requests().iter().filter(|r| r.method == "GET" && r.path.ends_with("/configmaps/a")).count();
    assert_eq!(asked(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((rig.lane.status().queue.claimed, asked()), (0, 1), "one GET fed the cache");
    assert!(rig.script.heard().is_empty());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_never_runs_twice_at_once_for_one_object() {
    let mut rig = Rig::new();
    rig.publish(Manifest { workers: 4, ..manifest(vec![watch()]) });
    rig.quiet().await;
    rig.script.takes(Duration::from_millis(100));
    for round in 0..20 {
        for name in ["a", "b", "c"] {
            rig.set(name, &round.to_string());
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let told = rig.heard().await;
    for name in ["a", "b", "c"] {
        let last = told.iter().rfind(|line| line.contains(&format!(" {name} ")));
        assert_eq!(last, Some(&format!("updated {name} 19")), "the latest state is told, whatever was skipped");
    }
    assert_eq!(*rig.script.most.lock().unwrap(), (1, 3), "one for each object, three in all");
    rig.end().await;
}
