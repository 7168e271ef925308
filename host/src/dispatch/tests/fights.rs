//! Two handlers that want one field otherwise: named, shown, and slowed.

use super::rig::Rig;
use crate::{contract::Action, dispatch::WRITE_BUDGET};
use serde_json::Value;
use std::time::Duration;

/// Answers every event by setting one annotation.
fn annotates(rig: &Rig, key: &'static str, value: &'static str) {
    rig.script.answers(move |_| Ok(vec![Action::Annotate(vec![(key.into(), Some(value.into()))])]));
}

/// The Kubernetes Events of fights: about what, and their words.
async fn events(rig: &Rig) -> Vec<(String, String)> {
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let list: Value = rig.client.request(request).await.unwrap();
    let events = list["items"].as_array().unwrap().iter().filter(|event| event["reason"] == "HandlersFight");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    events.map(|event| (text(&event["regarding"]["name"]), text(&event["note"]))).collect()
}

#[tokio::test(start_paused = true)]
async fn two_handlers_that_set_one_annotation_in_turn_are_named_shown_and_slowed() {
    let one = Rig::running().await;
    let two = one.beside("other").await;
    annotates(&one, "example.com/a", "1");
    annotates(&two, "example.com/a", "2");
    one.set("a", "0");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let events = events(&one).await;
    assert_eq!(events.len(), 1, "{events:?}");
    let (object, words) = &events[0];
    assert_eq!(object, "a");
    for named in ["handler h", "handler other", "/metadata/annotations/example.com~1a"] {
        assert!(words.contains(named), "no {named} in {words}");
    }
    let shown = one.fights.status();
    assert_eq!((shown.len(), shown[0].object.as_str(), shown[0].kind.as_str()), (1, "default/a", "ConfigMap"));
    assert_eq!(shown[0].handlers, ["h", "other"]);
    assert_eq!(shown[0].fields, ["/metadata/annotations/example.com~1a"]);
    let writes = one.api.requests().iter().filter(|r| r.method == "PATCH" && r.path.ends_with("/a")).count();
    assert!(writes < 2 * (WRITE_BUDGET as usize + 10), "slowed by their budgets: {writes}");
    two.end().await;
    one.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_handlers_that_agree_or_write_side_by_side_do_not_fight() {
    let one = Rig::running().await;
    let two = one.beside("other").await;
    for key in ["example.com/one", "example.com/same"] {
        annotates(&one, key, "1");
        annotates(&two, if key == "example.com/one" { "example.com/two" } else { key }, "1");
        for round in 0..6 {
            one.set("a", &format!("{key} {round}"));
            one.quiet().await;
        }
    }
    assert!(one.fights.status().is_empty());
    assert!(events(&one).await.is_empty());
    two.end().await;
    one.end().await;
}
