//! A handler that traps call after call: called slowly, named, and well again by itself; and what it meets of its bounds.

use super::rig::{Rig, manifest, watch};
use crate::{
    contract::Failure,
    dispatch::{LaneState, health::LONGEST_FAULT_WAIT},
    handler::manifest::{Limits, Manifest, Retry, limit::Limit},
    runtime::FailureKind,
};
use std::time::Duration;

fn persistent() -> Manifest {
    Manifest { retry: Retry { limit: None, ..Retry::default() }, ..manifest(vec![watch()]) }
}

/// The Events recorded so far, by their reasons.
fn events(rig: &Rig) -> Vec<String> {
    let requests = rig.api.requests();
    let recorded = requests.iter().filter(|request| request.method == "POST" && request.path.ends_with("/events"));
    let reason = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).unwrap()["reason"].clone();
    recorded.map(|request| reason(&request.body).as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_that_traps_is_called_slowly_named_once_and_well_again_with_the_first_call_that_ends_well() {
    let mut rig = Rig::new();
    rig.publish(persistent());
    rig.quiet().await;
    let neighbour = rig.beside("neighbour").await;
    rig.script.answers(|_| Err(FailureKind::TimedOut));
    (0..50).for_each(|name| rig.set(&format!("m{name}"), "1"));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let told = rig.script.heard().len();
    assert!((20..50).contains(&told), "more and more slowly, and at last every 30 s: {told}");
    assert_eq!(neighbour.script.heard().len(), 50, "who else watches the same is told of everything");
    let status = rig.lane.status();
    let longest = u64::try_from(LONGEST_FAULT_WAIT.as_millis()).unwrap();
    assert_eq!((status.state, status.slowed_ms), (LaneState::Unhealthy, longest));
    assert_eq!(neighbour.lane.status().state, LaneState::Running);
    assert!(rig.has_metric(r#"weir_handler_unhealthy{handler="h"} 1"#));
    assert_eq!(events(&rig), ["HandlerUnhealthy"]);

    rig.script.answers(|_| Ok(Vec::new()));
    tokio::time::sleep(LONGEST_FAULT_WAIT + Duration::from_secs(1)).await;
    let status = rig.lane.status();
    assert_eq!((status.state, status.slowed_ms), (LaneState::Running, 0));
    assert!(rig.has_metric(r#"weir_handler_unhealthy{handler="h"} 0"#));
    assert_eq!(events(&rig), ["HandlerUnhealthy", "HandlerRecovered"]);
    neighbour.end().await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn dead_letters_beyond_their_bounds_are_counted_by_the_bound() {
    let mut rig = Rig::new();
    let no_retries = Retry { limit: Some(0), ..Retry::default() };
    let bounded = |limits| Manifest { retry: no_retries.clone(), limits, ..manifest(vec![watch()]) };
    rig.publish(bounded(Limits { dead_letters: 1, ..Limits::default() }));
    rig.quiet().await;
    rig.script.answers(|_| Err(FailureKind::Answered(Failure::Permanent("no".into()))));
    rig.set("a", "1");
    rig.quiet().await;
    rig.set("b", "1");
    rig.quiet().await;
    assert_eq!(rig.limits.of("h", Limit::DeadLetters), 1);
    rig.publish(bounded(Limits { dead_letter_bytes: 1, ..Limits::default() }));
    rig.set("c", "1");
    rig.quiet().await;
    assert!(rig.limits.of("h", Limit::DeadLetterBytes) > 0);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_weir_says_of_failures_is_within_the_handlers_share_of_the_log() {
    let mut rig = Rig::new();
    let limits = Limits { log_burst: 500, log_bytes_per_second: 1, ..Limits::default() };
    rig.publish(Manifest { limits, ..manifest(vec![watch()]) });
    rig.quiet().await;
    rig.script.answers(|_| Err(FailureKind::Answered(Failure::Permanent("no".into()))));
    (0..20).for_each(|name| rig.set(&format!("m{name}"), "1"));
    rig.quiet().await;
    assert_eq!(rig.lane.status().dead_letters, 20, "what is not said is not lost");
    assert_eq!(rig.limits.of("h", Limit::LogBytesPerSecond), 1);
    rig.end().await;
}
