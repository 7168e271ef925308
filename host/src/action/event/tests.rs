use super::*;
use crate::action::testing;
use tokio::time::advance;

fn note(reason: &str, message: &str) -> Note {
    Note { regarding: None, severity: Severity::Warning, reason: reason.into(), message: message.into() }
}

fn node(name: &str) -> Regarding {
    Regarding { key: ObjectRef { name: name.into(), ..testing::node().key }, uid: Some("u1".into()) }
}

fn created(record: Record) -> Value {
    match record {
        Record::Create { body, .. } => body,
        other => panic!("not created: {other:?}"),
    }
}

fn count(record: Record) -> Value {
    match record {
        Record::Repeat { body, .. } => body["series"]["count"].clone(),
        other => panic!("not repeated: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_kubernetes_asks_of_it() {
    let recorder = Recorder::new("h", "host-1");
    let Record::Create { collection, name, mut body } = recorder.record(&node("a"), &note("Full", "no room")) else {
        panic!("not created");
    };
    // A cluster-scoped object's Events live in the default namespace.
    assert_eq!(collection, "/apis/events.k8s.io/v1/namespaces/default/events");
    assert!(name.starts_with("a."), "{name}");
    let time = body["eventTime"].take();
    let time = time.as_str().unwrap();
    assert!(time.parse::<Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    assert_eq!(
        body,
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": { "name": name, "namespace": "default" },
            "eventTime": null,
            "reportingController": "weir.dev/h", "reportingInstance": "host-1", "action": "Handle",
            "reason": "Full", "type": "Warning", "note": "no room",
            "regarding": { "apiVersion": "v1", "kind": "Node", "name": "a", "uid": "u1" },
        })
    );
    let other = Regarding { key: testing::config_map(), uid: None };
    let body = created(recorder.record(&other, &note("Full", "")));
    assert_eq!(body["metadata"]["namespace"], "x");
    assert_eq!(body["regarding"], json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "b", "namespace": "x" }));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_within_the_window_goes_on_with_the_series() {
    let recorder = Recorder::new("h", "i");
    created(recorder.record(&node("a"), &note("Full", "x")));
    advance(WINDOW - Duration::from_secs(1)).await;
    assert_eq!(count(recorder.record(&node("a"), &note("Full", "x"))), 2);
    advance(WINDOW - Duration::from_secs(1)).await;
    assert_eq!(count(recorder.record(&node("a"), &note("Full", "x"))), 3);
    advance(WINDOW).await;
    created(recorder.record(&node("a"), &note("Full", "x")));
    created(recorder.record(&node("b"), &note("Full", "x")));
    created(recorder.record(&node("a"), &note("Other", "x")));
}

#[tokio::test(start_paused = true)]
async fn the_eleventh_different_note_of_a_reason_is_combined() {
    let recorder = Recorder::new("h", "i");
    for index in 0..10 {
        created(recorder.record(&node("a"), &note("Full", &index.to_string())));
    }
    let body = created(recorder.record(&node("a"), &note("Full", "10")));
    assert_eq!(body["note"], "(combined from similar events): 10");
    assert_eq!(count(recorder.record(&node("a"), &note("Full", "11"))), 2);
    // A note known before goes on with its own series, another reason begins its own.
    assert_eq!(count(recorder.record(&node("a"), &note("Full", "3"))), 2);
    created(recorder.record(&node("a"), &note("Empty", "12")));
}

#[tokio::test(start_paused = true)]
async fn beyond_a_burst_about_one_object_events_are_dropped_until_the_bucket_refills() {
    let recorder = Recorder::new("h", "i");
    let sent = (0..30).filter(|_| recorder.record(&node("a"), &note("Full", "x")) != Record::Drop).count();
    assert_eq!(sent, 25);
    assert_ne!(recorder.record(&node("b"), &note("Full", "x")), Record::Drop);
    advance(REFILL).await;
    assert_ne!(recorder.record(&node("a"), &note("Full", "x")), Record::Drop);
    assert_eq!(recorder.record(&node("a"), &note("Full", "x")), Record::Drop);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_event_is_created_again() {
    let recorder = Recorder::new("h", "i");
    let Record::Create { name, .. } = recorder.record(&node("a"), &note("Full", "x")) else { panic!("not created") };
    recorder.forget(&node("a"), &name);
    created(recorder.record(&node("a"), &note("Full", "x")));
}

#[tokio::test(start_paused = true)]
async fn no_more_objects_are_remembered_than_the_bound_and_the_oldest_goes() {
    let recorder = Recorder::new("h", "i");
    for index in 0..MAX_OBJECTS {
        recorder.record(&node(&index.to_string()), &note("Full", "x"));
        advance(Duration::from_millis(1)).await;
    }
    recorder.record(&node("0"), &note("Full", "x"));
    advance(Duration::from_millis(1)).await;
    recorder.record(&node("new"), &note("Full", "x"));
    assert_eq!(recorder.objects.lock().unwrap().len(), MAX_OBJECTS);
    assert_eq!(count(recorder.record(&node("0"), &note("Full", "x"))), 3);
    created(recorder.record(&node("1"), &note("Full", "x")));
}

#[test]
fn the_name_of_an_event_is_a_dns_name_whatever_the_objects_is() {
    let long = "a".repeat(253);
    for object in ["system:Node", "a", "b.", &long] {
        let name = name(object);
        let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        assert!(name.len() <= 253 && name.split('.').all(label), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)));
    }
}
