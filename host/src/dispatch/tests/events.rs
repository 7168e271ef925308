//! What a handler is told, from first list to deletion.

use super::rig::{Rig, manifest, retry, set, watch};
use crate::{
    contract::{Action, Change},
    handler::manifest::Watch,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_object_is_told_from_the_first_list_to_its_deletion() {
    let mut rig = Rig::new();
    rig.set("a", "1");
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, ["initial a 1"]);
    rig.set("a", "2");
    rig.set("b", "1");
    assert_eq!(rig.heard().await, ["updated a 2", "added b 1"]);
    rig.delete("a").await;
    assert_eq!(rig.heard().await, ["deleted a 2"]);
    assert_eq!(rig.lane.status().ledger.acknowledged, 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_and_created_anew_unseen_is_told_as_two() {
    let rig = Rig::running().await;
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    rig.script.takes(Duration::from_millis(300));
    rig.set("a", "2");
    tokio::time::sleep(Duration::from_millis(100)).await;
    // While the handler is busy with the old one.
    rig.delete("a").await;
    rig.set("a", "3");
    assert_eq!(rig.heard().await, ["updated a 2", "deleted a 2", "added a 3"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_and_goes_before_it_was_told_is_not_told() {
    let rig = Rig::running().await;
    rig.script.takes(Duration::from_millis(300));
    rig.set("busy", "1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.set("a", "1");
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.delete("a").await;
    assert_eq!(rig.heard().await, ["added busy 1"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_leaves_the_selector_has_left_and_comes_back_as_added() {
    let mut rig = Rig::new();
    set(&rig.api, "a", "1", "in");
    rig.publish(manifest(vec![Watch { label_selector: "l=in".into(), ..watch() }]));
    assert_eq!(rig.heard().await, ["initial a 1"]);
    set(&rig.api, "a", "2", "out");
    assert_eq!(rig.heard().await, ["left a 1"], "with the last state that matched");
    set(&rig.api, "a", "3", "in");
    assert_eq!(rig.heard().await, ["added a 3"]);
    rig.delete("a").await;
    assert_eq!(rig.heard().await, ["deleted a 3"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_left_that_failed_and_was_overtaken_is_updated() {
    let mut rig = Rig::new();
    set(&rig.api, "a", "1", "in");
    rig.publish(manifest(vec![Watch { label_selector: "l=in".into(), ..watch() }]));
    assert_eq!(rig.heard().await, ["initial a 1"]);
    rig.script.answers(|event| if event.change == Change::Left { Err(retry()) } else { Ok(Vec::new()) });
    rig.script.takes(Duration::from_millis(10));
    set(&rig.api, "a", "2", "out");
    tokio::time::sleep(Duration::from_millis(5)).await;
    set(&rig.api, "a", "3", "in");
    assert_eq!(rig.heard().await, ["left a 1", "updated a 3"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_left_out_make_no_call_but_the_end_is_told() {
    let mut rig = Rig::new();
    rig.set("a", "1");
    rig.publish(manifest(vec![Watch { events: [Change::Deleted].into(), ..watch() }]));
    rig.quiet().await;
    rig.set("a", "2");
    assert!(rig.heard().await.is_empty());
    rig.delete("a").await;
    assert_eq!(rig.heard().await, ["deleted a 2"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_woken_by_what_it_cannot_see() {
    let mut rig = Rig::new();
    rig.set("a", "1");
    rig.publish(manifest(vec![Watch { fields: Some(vec!["/data".into()]), ..watch() }]));
    assert_eq!(rig.heard().await, ["initial a 1"]);
    set(&rig.api, "a", "1", "another-label");
    assert!(rig.heard().await.is_empty());
    rig.set("a", "2");
    assert_eq!(rig.heard().await, ["updated a 2"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn previous_is_the_state_acknowledged_last() {
    let mut rig = Rig::new();
    rig.set("a", "1");
    rig.publish(manifest(vec![Watch { previous: true, fields: Some(vec!["/data".into()]), ..watch() }]));
    rig.quiet().await;
    rig.script.answers(|event| if event.object.contains("bad") { Err(retry()) } else { Ok(Vec::new()) });
    rig.set("a", "bad");
    tokio::time::sleep(Duration::from_millis(20)).await;
    rig.set("a", "3");
    rig.quiet().await;
    let told = rig.script.told.lock().unwrap().clone();
    let (last, _) = told.last().unwrap();
    assert!(last.object.contains(r#""3""#) && told[0].0.previous.is_none());
    assert!(last.previous.as_ref().unwrap().contains(r#""1""#), "not the one that failed: {last:?}");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_calls_again_and_each_answer_replaces_it() {
    let rig = Rig::running().await;
    rig.script.answers(|event| {
        Ok(if event.change == Change::Requeued { Vec::new() } else { vec![Action::RequeueAfter(30_000)] })
    });
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    rig.set("a", "2");
    assert_eq!(rig.heard().await, ["updated a 2"]);
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(rig.script.heard().is_empty(), "the first timer was replaced");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.script.heard(), ["requeued a 2"]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(rig.script.heard().is_empty(), "an answer without a timer cleared it");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_clears_the_timer() {
    let rig = Rig::running().await;
    rig.script.answers(|_| Ok(vec![Action::RequeueAfter(30_000)]));
    rig.set("a", "1");
    rig.quiet().await;
    rig.script.answers(|event| if event.attempt == 1 { Err(retry()) } else { Ok(Vec::new()) });
    rig.set("a", "2");
    assert_eq!(rig.heard().await, ["added a 1", "updated a 2", "updated a 2 #2"]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(rig.script.heard().is_empty());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_resync_comes_round_and_is_no_more_once_the_object_is_gone() {
    let mut rig = Rig::new();
    rig.set("a", "1");
    let mut events = watch().events;
    events.insert(Change::Resync);
    rig.publish(manifest(vec![Watch { resync: Some(Duration::from_secs(100)), events, ..watch() }]));
    assert_eq!(rig.heard().await, ["initial a 1"]);
    tokio::time::sleep(Duration::from_secs(85)).await;
    assert!(rig.script.heard().is_empty());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.script.heard(), ["resync a 1"]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(rig.script.heard(), ["resync a 1"]);
    rig.delete("a").await;
    assert_eq!(rig.heard().await, ["deleted a 1"]);
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert!(rig.script.heard().is_empty());
    rig.end().await;
}
