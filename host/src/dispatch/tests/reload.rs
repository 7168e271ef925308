//! Generations: what a reload keeps, and what a changed manifest means.

use super::rig::{Rig, manifest, retry, set, watch};
use crate::{
    contract::{Change, Failure},
    dispatch::LaneState,
    handler::manifest::{Manifest, Watch},
    queue::Drained,
    runtime::FailureKind,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_reload_tells_nothing_twice_and_loses_nothing() {
    let mut rig = Rig::running().await;
    for name in ["a", "b", "c"] {
        rig.set(name, "1");
    }
    assert_eq!(rig.heard().await.len(), 3);
    rig.publish(manifest(vec![watch()]));
    rig.set("b", "2");
    rig.set("d", "1");
    rig.delete("c").await;
    let mut told = rig.heard().await;
    told.sort();
    assert_eq!(told, ["added d 1", "deleted c 1", "updated b 2"]);
    assert_eq!(rig.lane.status().generation, Some(2));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn reloads_under_a_stream_of_changes_tell_each_state_at_most_once() {
    let mut rig = Rig::running().await;
    rig.script.takes(Duration::from_millis(7));
    for round in 0..30 {
        rig.set(["a", "b", "c"][round % 3], &round.to_string());
        if round % 5 == 0 {
            rig.publish(Manifest { workers: 1 + round % 4, ..manifest(vec![watch()]) });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut told: Vec<String> =
        rig.heard().await.iter().map(|line| line.split(' ').skip(1).collect::<Vec<_>>().join(" ")).collect();
    for last in ["a 27", "b 28", "c 29"] {
        assert!(told.iter().any(|line| line == last), "{last} is missing in {told:?}");
    }
    let calls = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), calls, "none twice for one state");
    assert_eq!(rig.script.most.lock().unwrap().0, 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_handler_is_called_no_more_and_goes_on_when_it_comes_back() {
    let mut rig = Rig::running().await;
    for name in ["a", "b", "c"] {
        rig.set(name, "1");
    }
    assert_eq!(rig.heard().await.len(), 3);
    rig.lane.remove();
    rig.set("a", "2");
    rig.delete("b").await;
    rig.set("d", "1");
    assert!(rig.heard().await.is_empty());
    assert_eq!(rig.lane.status().state, LaneState::Removed);
    // Longer than an informer outlives its last subscription: nobody knows the last state of b any more but the ledger.
    tokio::time::sleep(Duration::from_secs(120)).await;
    rig.publish(manifest(vec![watch()]));
    let mut told = rig.heard().await;
    told.sort();
    assert_eq!(told, ["added d 1", "deleted b 1 unknown", "updated a 2"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn removing_a_handler_ends_its_calls_and_they_are_made_again() {
    let mut rig = Rig::running().await;
    rig.script.takes(Duration::from_secs(600));
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    rig.lane.remove();
    rig.quiet().await;
    assert_eq!((*rig.script.cut.lock().unwrap(), rig.lane.status().queue.claimed), (1, 0));
    rig.script.takes(Duration::ZERO);
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, ["added a 1"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_survives_a_reload() {
    let mut rig = Rig::running().await;
    rig.script.answers(|event| {
        Ok(if event.change == Change::Added { vec![crate::contract::Action::RequeueAfter(60_000)] } else { Vec::new() })
    });
    rig.set("a", "1");
    rig.quiet().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, ["added a 1"]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.script.heard(), ["requeued a 1"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_projection_wakes_nobody_who_knows_the_state() {
    let mut rig = Rig::running().await;
    rig.set("a", "1");
    rig.set("b", "1");
    rig.quiet().await;
    rig.script.answers(|event| if event.key.name == "b" { Err(retry()) } else { Ok(Vec::new()) });
    rig.publish(manifest(vec![watch()]));
    rig.set("b", "2");
    tokio::time::sleep(Duration::from_millis(1)).await;
    rig.script.heard();
    rig.publish(manifest(vec![Watch { fields: Some(vec!["/data".into()]), ..watch() }]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let told = rig.script.heard();
    assert!(told.iter().all(|line| line.starts_with("updated b 2")) && !told.is_empty(), "{told:?}");
    rig.script.answers(|_| Ok(Vec::new()));
    rig.quiet().await;
    rig.script.heard();
    rig.set("a", "2");
    assert_eq!(rig.heard().await, ["updated a 2"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn narrower_selectors_forget_without_a_call_but_deletions_are_told() {
    let mut rig = Rig::new();
    for (name, label) in [("in", "in"), ("out", "out"), ("gone", "in")] {
        set(&rig.api, name, "1", label);
    }
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await.len(), 3);
    rig.lane.remove();
    rig.delete("gone").await;
    rig.publish(manifest(vec![Watch { label_selector: "l=in".into(), ..watch() }]));
    assert_eq!(rig.heard().await, ["deleted gone 1 unknown"]);
    assert_eq!(rig.lane.status().ledger.acknowledged, 1);
    // And what is new to wider ones is initial.
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, ["initial out 1"]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_no_more_is_forgotten_without_a_storm() {
    let mut rig = Rig::running().await;
    rig.set("a", "1");
    rig.quiet().await;
    rig.script.heard();
    rig.publish(manifest(vec![Watch { name: "others".into(), kind: "Secret".into(), ..watch() }]));
    assert!(rig.heard().await.is_empty());
    assert_eq!(rig.lane.status().ledger.acknowledged, 0);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_tries_every_dead_letter_again() {
    let mut rig = Rig::running().await;
    rig.script.answers(|_| Err(FailureKind::Answered(Failure::Permanent("no".into()))));
    rig.set("alive", "1");
    rig.set("dead", "1");
    rig.quiet().await;
    rig.delete("dead").await;
    rig.quiet().await;
    rig.set("dead", "2");
    rig.quiet().await;
    rig.script.heard();
    assert_eq!(rig.lane.status().dead_letters, 3);
    // Again in vain: the letters are replaced, and nothing is tried without end.
    rig.publish(manifest(vec![watch()]));
    let mut told = rig.heard().await;
    told.sort();
    assert_eq!(told, ["added alive 1", "added dead 2", "deleted dead 1"]);
    assert_eq!(rig.lane.status().dead_letters, 3);
    rig.script.answers(|_| Ok(Vec::new()));
    rig.publish(manifest(vec![watch()]));
    let mut told = rig.heard().await;
    told.sort();
    assert_eq!(told, ["added alive 1", "added dead 2", "deleted dead 1"]);
    assert_eq!((rig.lane.status().dead_letters, rig.lane.status().ledger.acknowledged), (0, 2));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_generation_is_refused() {
    let rig = Rig::running().await;
    let (publish, status) = (rig.stale(), rig.lane.status());
    assert_eq!(
        rig.lane.publish(publish).unwrap_err().to_string(),
        "generation 1 is not younger than 1, which is published"
    );
    assert_eq!(rig.lane.status(), status);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_works_off_what_is_ready_and_ends_by_its_deadline() {
    let rig = Rig::running().await;
    rig.script.takes(Duration::from_millis(100));
    rig.set("a", "1");
    rig.set("b", "1");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.lane.drain(Duration::from_secs(10)).await, Drained::Complete);
    assert_eq!(rig.script.heard(), ["added a 1", "added b 1"]);
    rig.end().await;

    let rig = Rig::running().await;
    rig.script.takes(Duration::from_secs(600));
    rig.set("a", "1");
    rig.quiet().await;
    let drained = rig.lane.drain(Duration::from_secs(5)).await;
    assert_eq!(drained, Drained::Left { queued: 0, processing: 1 });
    assert_eq!((*rig.script.cut.lock().unwrap(), rig.lane.status().ledger.open), (1, 1), "it is open, and so owed");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_has_a_ledger_of_its_own() {
    let mut rig = Rig::running().await;
    rig.script.answers(|_| Ok(vec![crate::contract::Action::Annotate(vec![("h/seen".into(), Some("yes".into()))])]));
    rig.publish(Manifest { dry_run: true, ..manifest(vec![watch()]) });
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    assert!(rig.maps().get("a").await.unwrap().metadata.annotations.is_none());
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, ["added a 1"], "in earnest");
    assert!(rig.maps().get("a").await.unwrap().metadata.annotations.is_some());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_informer_that_lags_never_shows_a_state_from_before_an_own_write() {
    let mut rig = Rig::running().await;
    rig.script.takes(Duration::from_millis(500));
    rig.script.answers(|_| Ok(vec![crate::contract::Action::Annotate(vec![("h/seen".into(), Some("yes".into()))])]));
    rig.set("a", "1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Another selector, so another informer, which has its list and then hears nothing of the write to come.
    rig.publish(manifest(vec![Watch { label_selector: "l=x".into(), ..watch() }]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.api.faults().silence_watches("/api/v1/", true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(rig.script.heard(), ["added a 1"]);
    assert_eq!(rig.lane.status().queue.claimed, 0);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_another_informer_has_not_seen_yet_is_not_taken_for_gone() {
    let selected = Watch { label_selector: "l=x".into(), ..watch() };
    let everywhere = Watch { namespaces: Vec::new(), ..watch() };
    for (other, path) in
        [(selected, "/api/v1/namespaces/default/configmaps?labelSelector"), (everywhere, "/api/v1/configmaps")]
    {
        let mut rig = Rig::new();
        // It has its list, stays for a while after it is not wanted any more, and lags.
        rig.publish(manifest(vec![other.clone()]));
        rig.quiet().await;
        rig.publish(manifest(vec![watch()]));
        rig.quiet().await;
        rig.api.faults().silence_watches(path, true);
        rig.set("a", "1");
        assert_eq!(rig.heard().await, ["added a 1"]);
        rig.publish(manifest(vec![other]));
        tokio::time::sleep(Duration::from_secs(10)).await;
        rig.api.faults().clear();
        rig.quiet().await;
        assert_eq!(rig.script.heard(), Vec::<String>::new(), "{path}");
        assert_eq!(rig.lane.status().ledger.acknowledged, 1);
        rig.end().await;
    }
}
