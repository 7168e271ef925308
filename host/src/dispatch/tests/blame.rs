//! Whose failure it is: what counts for a handler, what is one object's, what is the world's, and how long each waits. To the millisecond,
//! because the clock is paused.

use super::rig::{Rig, manifest, retry, watch};
use crate::{
    contract::{Action, Change, Event, Failure},
    dispatch::LaneState,
    handler::manifest::{Manifest, Retry},
    runtime::FailureKind,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use weir_devapi::{Effect, Fault};

const SECOND: Duration = Duration::from_secs(1);

/// When each call ended, since the first, and for which object.
type Calls = Arc<Mutex<Vec<(Instant, String)>>>;

fn with(limit: Option<u32>, base: Duration, cap: Duration) -> Manifest {
    Manifest { retry: Retry { limit, base, cap }, ..manifest(vec![watch()]) }
}

fn with_limit(limit: Option<u32>) -> Manifest {
    Manifest { retry: Retry { limit, ..Retry::default() }, ..manifest(vec![watch()]) }
}

fn annotate() -> Vec<Action> {
    vec![Action::Annotate(vec![("h/seen".into(), Some("yes".into()))])]
}

fn status(code: u16, reason: &str, message: &str) -> Effect {
    Effect::Status { code, reason: reason.into(), message: message.into(), retry_after: None }
}

fn fail_writes(rig: &Rig, method: &str, path: &str, times: u32, effect: Effect) {
    rig.api.faults().inject(Fault {
        method: Some(method.into()),
        path_contains: path.into(),
        watch: None,
        times,
        effect,
    });
}

async fn running(manifest: Manifest) -> Rig {
    let mut rig = Rig::new();
    rig.publish(manifest);
    rig.quiet().await;
    rig
}

/// Answers, and notes when.
fn answer(rig: &Rig, answer: impl Fn(&Event) -> super::rig::Ending + Send + 'static) -> Calls {
    let calls = Calls::default();
    let note = calls.clone();
    rig.script.answers(move |event| {
        note.lock().unwrap().push((Instant::now(), event.key.name.clone()));
        answer(event)
    });
    calls
}

/// Milliseconds from each call for an object to the next.
fn waits(calls: &Calls, name: &str) -> Vec<u128> {
    let calls = calls.lock().unwrap();
    let times: Vec<Instant> = calls.iter().filter(|(_, called)| called == name).map(|(at, _)| *at).collect();
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_lane_backs_off_once_probes_with_changing_keys_and_then_all_are_back_at_once() {
    let rig = running(Manifest { workers: 4, ..with_limit(Some(0)) }).await;
    rig.script.takes(Duration::from_millis(10));
    let calls = answer(&rig, |_| Ok(annotate()));
    fail_writes(&rig, "PATCH", "configmaps", u32::MAX, status(503, "ServiceUnavailable", "scripted"));
    for number in 0..120 {
        rig.set(&format!("m{number}"), "1");
    }
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(rig.lane.status().state, LaneState::WorldAway);
    let tried = std::mem::take(&mut *calls.lock().unwrap());
    let (first, rest) = tried.split_at(4);
    let shut = first[0].0;
    assert!(first.iter().all(|(at, _)| *at == shut), "one call of each worker was under way: {first:?}");
    // Whatever the workers and keys, there is one probe at a time, and the call that it is takes ten milliseconds.
    let probes: Vec<u128> = rest.iter().map(|(at, _)| (*at - shut).as_millis()).collect();
    assert_eq!(probes, [510, 1_520, 3_530, 7_540, 15_550]);
    let names: BTreeSet<&String> = tried.iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), tried.len(), "another key each time");

    rig.api.faults().clear();
    tokio::time::sleep(15 * SECOND).await;
    let calls = calls.lock().unwrap().clone();
    let opened = calls[0].0;
    assert_eq!((opened - shut).as_millis(), 31_560);
    // 119 others, four at a time, ten milliseconds each: those that had met the silence among them.
    let back = |(at, _): &&(Instant, String)| *at - opened <= Duration::from_millis(300);
    assert_eq!(calls.iter().filter(back).count(), 120, "no key waits for a backoff of its own");
    let status = rig.lane.status();
    assert_eq!((status.state, status.dead_letters, status.ledger.acknowledged), (LaneState::Running, 0, 120));
    assert!(rig.script.heard().iter().all(|line| !line.contains('#')), "no attempt was counted");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_key_is_probed_with_as_often_as_many_are() {
    let rig = running(with_limit(Some(0))).await;
    let calls = answer(&rig, |_| Ok(annotate()));
    fail_writes(&rig, "PATCH", "configmaps", 9, status(503, "ServiceUnavailable", "scripted"));
    rig.set("a", "1");
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(waits(&calls, "a"), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert_eq!(rig.lane.status().ledger.acknowledged, 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_answer_401_429_and_502_to_504_are_the_world_being_away() {
    let refusals = [401, 429, 502, 503, 504].map(|code| status(code, "Scripted", "scripted"));
    for effect in refusals.into_iter().chain([Effect::DropConnection]) {
        let rig = running(with_limit(Some(0))).await;
        rig.script.answers(|_| Ok(annotate()));
        fail_writes(&rig, "PATCH", "configmaps", 2, effect.clone());
        rig.set("a", "1");
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(rig.script.heard(), ["added a 1"; 3], "{effect:?}");
        let status = rig.lane.status();
        assert_eq!((status.dead_letters, status.ledger.acknowledged), (0, 1), "{effect:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_be_left_alone_is() {
    let rig = running(with_limit(Some(0))).await;
    let calls = answer(&rig, |_| Ok(annotate()));
    let effect = Effect::Status {
        code: 429,
        reason: "TooManyRequests".into(),
        message: "scripted".into(),
        retry_after: Some(17),
    };
    fail_writes(&rig, "PATCH", "configmaps", 1, effect);
    rig.set("a", "1");
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(waits(&calls, "a"), [17_000]);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_world_going_away_in_between_keeps_the_count_of_failures() {
    let rig = running(with_limit(Some(4))).await;
    rig.script.answers(|event| if event.attempt == 3 { Ok(annotate()) } else { Err(retry()) });
    fail_writes(&rig, "PATCH", "configmaps", 2, status(503, "ServiceUnavailable", "scripted"));
    fail_writes(&rig, "PATCH", "configmaps", 1, status(500, "InternalError", "scripted"));
    rig.set("a", "1");
    tokio::time::sleep(60 * SECOND).await;
    let counts: Vec<String> = rig.script.heard();
    let expected = ["", " #2", " #3", " #3", " #3", " #4", " #5"].map(|attempt| format!("added a 1{attempt}"));
    assert_eq!(counts, expected);
    assert_eq!(rig.lane.status().dead[0].attempts, 5);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_the_api_refuses_opens_the_lane_even_if_it_was_the_last_try() {
    let rig = running(with_limit(Some(0))).await;
    rig.script.answers(|_| Ok(annotate()));
    fail_writes(&rig, "PATCH", "configmaps", 1, status(503, "ServiceUnavailable", "scripted"));
    fail_writes(&rig, "PATCH", "configmaps", u32::MAX, status(500, "InternalError", "scripted"));
    for name in ["a", "b"] {
        rig.set(name, "1");
    }
    rig.quiet().await;
    let status = rig.lane.status();
    assert_eq!((status.state, status.dead_letters), (LaneState::Running, 2), "the API answers, if not what one hoped");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cut_off_with_its_handler_does_not_leave_the_lane_shut() {
    let mut rig = running(with_limit(Some(0))).await;
    rig.script.answers(|_| Ok(annotate()));
    fail_writes(&rig, "PATCH", "configmaps", 1, status(503, "ServiceUnavailable", "scripted"));
    for name in ["a", "b"] {
        rig.set(name, "1");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.script.takes(5 * SECOND);
    tokio::time::sleep(SECOND).await;
    rig.lane.remove();
    rig.quiet().await;
    assert_eq!(*rig.script.cut.lock().unwrap(), 1, "the probe");
    rig.script.takes(Duration::ZERO);
    rig.publish(with_limit(Some(0)));
    rig.quiet().await;
    let status = rig.lane.status();
    assert_eq!((status.state, status.ledger.acknowledged), (LaneState::Running, 2));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_api_refuses_for_one_object_waits_slowly_and_stops_nobody_else() {
    let being_deleted = "object is being deleted: configmaps \"made\" already exists";
    let cases = [
        ("PATCH", "configmaps/bad", status(403, "Forbidden", "no such luck")),
        ("PATCH", "configmaps/bad", status(500, "InternalError", "no such luck")),
        ("POST", "default/configmaps", status(409, "AlreadyExists", being_deleted)),
    ];
    for (method, path, effect) in cases {
        let rig = running(with(Some(4), Duration::from_millis(5), 3 * SECOND)).await;
        let create = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: default } }";
        let poisoned = move |event: &Event| match (&*event.key.name, method) {
            ("bad", "POST") => vec![Action::Create(create.into())],
            ("bad", _) => annotate(),
            _ => Vec::new(),
        };
        let calls = answer(&rig, move |event| Ok(poisoned(event)));
        fail_writes(&rig, method, path, u32::MAX, effect);
        rig.set("bad", "1");
        for number in 0..100 {
            rig.set(&format!("good{number}"), "1");
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
        let status = rig.lane.status();
        assert_eq!((status.ledger.acknowledged, status.state), (100, LaneState::Running), "one worker, and none waits");
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(waits(&calls, "bad"), [1_000, 2_000, 3_000, 3_000], "up to the handler's cap");
        let status = rig.lane.status();
        assert_eq!((status.dead_letters, status.dead[0].attempts), (1, 5));
        let words = if method == "POST" { being_deleted } else { "no such luck" };
        assert!(status.dead[0].error.contains(words), "{}", status.dead[0].error);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn retry_later_is_kept_to_the_millisecond_whatever_changes_meanwhile() {
    let rig = running(with_limit(Some(5))).await;
    let later = |after_ms| FailureKind::Answered(Failure::RetryLater { after_ms, reason: "later".into() });
    let calls = answer(&rig, move |event| match event.attempt {
        1 => Err(later(1_234)),
        2 => Err(later(0)),
        _ => Ok(Vec::new()),
    });
    rig.set("a", "1");
    for value in 2..12 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.set("a", &value.to_string());
    }
    tokio::time::sleep(SECOND).await;
    // The least is the handler's base.
    assert_eq!(waits(&calls, "a"), [1_234, 5]);
    assert_eq!(rig.script.heard(), ["added a 1", "added a 11 #2", "added a 11 #3"], "and the change is not lost");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn changes_neither_shorten_nor_lengthen_a_keys_backoff_and_none_is_lost() {
    let rig = running(with(Some(9), SECOND, 60 * SECOND)).await;
    let calls = answer(&rig, |event| match (event.change, event.attempt) {
        (Change::Added, 1..5) => Err(retry()),
        _ => Ok(Vec::new()),
    });
    rig.set("a", "0");
    for value in 1..200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.set("a", &value.to_string());
    }
    rig.quiet().await;
    let waits = waits(&calls, "a");
    assert_eq!(waits[..4], [1_000, 2_000, 4_000, 8_000]);
    assert!(waits[4..].iter().all(|wait| *wait <= 100), "once it is answered it is told of each change: {waits:?}");
    assert_eq!(rig.script.heard().last().unwrap(), "updated a 199");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_the_backoff_too_and_is_then_tried_from_one() {
    let rig = running(with(None, SECOND, 60 * SECOND)).await;
    let calls = answer(&rig, |event| {
        let fails = event.attempt < 2 || event.change == Change::Added;
        if fails && event.object.contains("\"1\"") { Err(retry()) } else { Ok(Vec::new()) }
    });
    rig.set("a", "1");
    tokio::time::sleep(2 * SECOND).await;
    rig.delete("a").await;
    rig.set("a", "2");
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(rig.script.heard(), ["added a 1", "added a 1 #2", "deleted a 1", "deleted a 1 #2", "added a 2"]);
    assert_eq!(waits(&calls, "a")[1], 2_000, "a change of any kind leaves a backoff alone");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_one_call_and_forever_is_forever() {
    let rig = running(with_limit(Some(0))).await;
    rig.script.answers(|_| Err(retry()));
    rig.set("a", "1");
    assert_eq!(rig.heard().await, ["added a 1"]);
    assert_eq!(rig.lane.status().dead[0].attempts, 1);
    rig.end().await;

    let rig = running(with(None, Duration::from_millis(5), SECOND)).await;
    rig.script.answers(|_| Err(retry()));
    rig.set("a", "1");
    tokio::time::sleep(1000 * SECOND).await;
    assert_eq!(rig.lane.status().dead_letters, 0);
    let told = rig.script.heard();
    assert!(told.len() > 1000, "{}", told.len());
    assert_eq!(told.last().unwrap(), &format!("added a 1 #{}", told.len()));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn timeouts_that_repeat_slow_the_lane_and_the_first_answer_ends_that() {
    let rig = running(with(None, SECOND, SECOND)).await;
    rig.script.answers(|_| Err(FailureKind::TimedOut));
    for number in 0..50 {
        rig.set(&format!("m{number}"), "1");
    }
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(rig.lane.status().state, LaneState::Unhealthy);
    assert!(rig.script.heard().len() < 20, "all of them, not each alone");
    let calls = answer(&rig, |_| Ok(Vec::new()));
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(rig.lane.status().ledger.acknowledged, 50);
    let calls = calls.lock().unwrap().clone();
    assert_eq!(calls[49].0, calls[0].0, "after the first answer nobody waits any more");
    assert_eq!(rig.lane.status().state, LaneState::Running);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_among_actions_carries_out_the_others_and_is_given_up_at_once() {
    let rig = running(with_limit(Some(5))).await;
    rig.script.answers(|_| {
        let mut actions = annotate();
        actions.push(Action::Fail(Failure::Permanent("never".into())));
        Ok(actions)
    });
    rig.set("a", "1");
    assert_eq!(rig.heard().await[0], "added a 1");
    assert_eq!(rig.lane.status().dead_letters, 1);
    assert_eq!(rig.maps().get("a").await.unwrap().metadata.annotations.unwrap()["h/seen"], "yes");
    rig.end().await;
}
