//! What happens when calls fail: retries, dead letters, a world that is away, a component that hurts itself.

use super::rig::{Rig, manifest, retry, watch};
use crate::{
    contract::{Action, Change, Failure},
    dispatch::{LaneState, WRITE_BUDGET},
    handler::manifest::{Manifest, Retry},
    runtime::FailureKind,
};
use std::time::Duration;
use weir_devapi::{Effect, Fault};

fn without_retries() -> Manifest {
    Manifest { retry: Retry { limit: Some(0), ..Retry::default() }, ..manifest(vec![watch()]) }
}

fn annotate() -> Vec<Action> {
    vec![Action::Annotate(vec![("h/seen".into(), Some("yes".into()))])]
}

fn status(code: u16) -> Effect {
    Effect::Status { code, reason: "Scripted".into(), message: "scripted".into(), retry_after: None }
}

/// What the API answers to the next `times` patches.
fn refuse_patches(rig: &Rig, times: u32, code: u16) {
    rig.api.faults().inject(Fault {
        method: Some("PATCH".into()),
        path_contains: "configmaps".into(),
        watch: None,
        times,
        effect: status(code),
    });
}

#[tokio::test(start_paused = true)]
async fn five_retries_are_six_calls_and_then_a_dead_letter() {
    let rig = Rig::running().await;
    rig.script.answers(|_| Err(retry()));
    rig.set("a", "1");
    let told = rig.heard().await;
    assert_eq!(told.len(), 6);
    assert_eq!(told.last().unwrap(), "added a 1 #6");
    let status = rig.lane.status();
    assert_eq!((status.dead_letters, status.ledger.given_up, status.ledger.open), (1, 1, 0));
    let letter = &status.dead[0];
    assert_eq!((letter.object.as_str(), letter.change, letter.attempts), ("default/a", "added", 6));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.script.heard().is_empty(), "given up is given up");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_change_is_tried_again_and_its_acknowledgement_drops_the_letter() {
    let rig = Rig::running().await;
    rig.script.answers(|_| Err(FailureKind::Answered(Failure::Permanent("no".into()))));
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"], "permanent is not tried again");
    assert_eq!(rig.lane.status().dead_letters, 1);
    rig.script.answers(|_| Ok(Vec::new()));
    rig.set("a", "2");
    assert_eq!(rig.heard().await, ["updated a 2"]);
    assert_eq!(rig.lane.status().dead_letters, 0);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_recorded_as_an_event_of_the_object() {
    let rig = Rig::running().await;
    rig.script.answers(|_| Err(FailureKind::Answered(Failure::Permanent("no".into()))));
    rig.set("a", "1");
    rig.quiet().await;
    let requests = rig.api.requests();
    let recorded = requests.iter().find(|request| request.method == "POST" && request.path.ends_with("/events"));
    let body = String::from_utf8_lossy(&recorded.expect("an Event").body).into_owned();
    assert!(body.contains("HandlerGaveUp") && body.contains("gave up on `added` after 1 calls"), "{body}");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_tried_from_its_own_first_attempt_and_its_letter_keeps_the_last_state() {
    let rig = Rig::running().await;
    rig.script.answers(|_| Err(retry()));
    rig.script.takes(Duration::from_millis(1));
    rig.set("a", "1");
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.delete("a").await;
    let told = rig.heard().await;
    let deletions: Vec<_> = told.iter().filter(|line| line.starts_with("deleted")).collect();
    assert_eq!(deletions.len(), 6, "{told:?}");
    assert_eq!(deletions[0], "deleted a 1");
    let status = rig.lane.status();
    assert_eq!((status.dead_letters, status.dead[0].change), (1, "deleted"));
    assert_eq!(status.ledger.given_up + status.ledger.open + status.ledger.acknowledged, 0, "the entry is gone");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn retry_later_waits_as_long_as_it_says_and_counts() {
    let rig = Rig::running().await;
    rig.script
        .answers(|_| Err(FailureKind::Answered(Failure::RetryLater { after_ms: 10_000, reason: "later".into() })));
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    // A change meanwhile neither shortens nor lengthens that.
    rig.set("a", "2");
    assert!(rig.heard().await.is_empty());
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(rig.script.heard(), ["added a 2 #2"]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(rig.script.heard().len(), 4);
    assert_eq!(rig.lane.status().dead_letters, 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_world_being_away_never_counts_and_opens_for_all_at_the_first_answer() {
    let mut rig = Rig::new();
    rig.publish(without_retries());
    rig.quiet().await;
    rig.script.answers(|_| Ok(annotate()));
    refuse_patches(&rig, 6, 503);
    for name in ["a", "b", "c", "d"] {
        rig.set(name, "1");
    }
    assert!(!rig.heard().await.is_empty());
    assert_eq!(rig.lane.status().state, LaneState::WorldAway);
    // Six refusals: the first, then probes after 0.5, 1, 2, 4 and 8 seconds, each with one key.
    tokio::time::sleep(Duration::from_secs(14)).await;
    let told = rig.script.heard();
    assert_eq!(rig.lane.status().state, LaneState::WorldAway, "{told:?}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let status = rig.lane.status();
    assert_eq!((status.state, status.dead_letters, status.ledger.acknowledged), (LaneState::Running, 0, 4));
    assert!(told.iter().all(|line| !line.contains('#')), "no attempt was counted: {told:?}");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn probes_go_around_so_that_one_poisoned_key_does_not_keep_the_lane_shut() {
    let mut rig = Rig::new();
    rig.publish(without_retries());
    rig.quiet().await;
    rig.script.answers(|_| Ok(annotate()));
    rig.api.faults().inject(Fault {
        method: Some("PATCH".into()),
        path_contains: "configmaps/poisoned".into(),
        watch: None,
        times: u32::MAX,
        effect: status(503),
    });
    for name in ["poisoned", "a", "b", "c"] {
        rig.set(name, "1");
    }
    for round in 0..120 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Ten of them, lest one uses up its budget of writes.
        rig.set(&format!("busy{}", round % 10), &round.to_string());
    }
    let told = rig.heard().await;
    assert_eq!(rig.lane.status().ledger.acknowledged, 13);
    let calls = |name: &str| told.iter().filter(|line| line.contains(&format!(" {name}"))).count();
    assert!(calls("poisoned") < 15, "it waits longer each time: {}", calls("poisoned"));
    assert!(calls("busy") > 100, "and the others hardly notice: {}", calls("busy"));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_api_refuses_for_one_object_is_that_keys_and_ends_as_a_dead_letter() {
    let rig = Rig::running().await;
    rig.script.answers(|event| Ok(if event.key.name == "bad" { annotate() } else { Vec::new() }));
    refuse_patches(&rig, u32::MAX, 500);
    rig.set("bad", "1");
    rig.set("good", "1");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.script.heard(), ["added bad 1", "added good 1"]);
    // One second, then two, four, eight and sixteen.
    tokio::time::sleep(Duration::from_secs(32)).await;
    assert_eq!(rig.script.heard().len(), 5);
    let status = rig.lane.status();
    assert_eq!((status.state, status.dead_letters), (LaneState::Running, 1));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn traps_that_repeat_slow_the_lane_until_a_new_generation_comes() {
    let mut rig = Rig::new();
    rig.publish(Manifest { retry: Retry { limit: None, ..Retry::default() }, ..manifest(vec![watch()]) });
    rig.quiet().await;
    rig.script.answers(|_| Err(FailureKind::Trapped));
    for name in 0..50 {
        rig.set(&format!("m{name}"), "1");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = rig.script.heard().len();
    assert!(told < 20, "each further call waits longer: {told}");
    assert_eq!(rig.lane.status().state, LaneState::Unhealthy);
    rig.script.answers(|_| Ok(Vec::new()));
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await.len(), 50);
    assert_eq!(rig.lane.status().state, LaneState::Running);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fights_over_an_object_is_slowed_and_named() {
    let rig = Rig::running().await;
    let api = rig.api.clone();
    let mut round = 0;
    // Somebody else undoes each write at once.
    let fight = std::sync::Mutex::new(move || {
        round += 1;
        super::rig::set(&api, "a", &round.to_string(), "x");
        vec![Action::Annotate(vec![("h/round".into(), Some(round.to_string()))])]
    });
    rig.script.answers(move |_| Ok((fight.lock().unwrap())()));
    rig.set("a", "0");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let calls = rig.script.heard().len();
    let budget = WRITE_BUDGET as usize;
    assert!((budget..budget + 10).contains(&calls), "{calls}");
    assert_eq!(rig.lane.status().over_budget, 1);
    let events = rig.api.requests().iter().filter(|r| r.method == "POST" && r.path.ends_with("/events")).count();
    assert_eq!(events, 1, "one Event names it");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fights_and_fails_is_slowed_too() {
    let mut rig = Rig::new();
    rig.publish(Manifest { retry: Retry { limit: None, ..Retry::default() }, ..manifest(vec![watch()]) });
    rig.quiet().await;
    let round = std::sync::atomic::AtomicU32::new(0);
    rig.script.answers(move |event| {
        let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let write = Action::Annotate(vec![("h/round".into(), Some(round.to_string()))]);
        // Now and then it is content, so that its own backoff stays short.
        let fail = Action::Fail(Failure::Retry("once more".into()));
        Ok(if event.attempt < 3 { vec![write, fail] } else { vec![write, Action::RequeueAfter(1)] })
    });
    rig.set("a", "0");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = rig.script.heard().len();
    // Twenty within the budget, then a second, two, four and so on.
    assert!((25..40).contains(&calls), "{calls}");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_fail_among_the_actions_carries_out_the_others_first() {
    let rig = Rig::running().await;
    rig.script.answers(|event| {
        let mut actions = annotate();
        if event.change == Change::Added && event.attempt == 1 {
            actions.push(Action::Fail(Failure::Retry("not ready".into())));
        }
        Ok(actions)
    });
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1", "added a 1 #2"]);
    let map = rig.maps().get("a").await.unwrap();
    assert_eq!(map.metadata.annotations.unwrap()["h/seen"], "yes");
    rig.end().await;
}
