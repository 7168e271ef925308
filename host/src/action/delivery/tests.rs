use super::*;
use crate::{
    action::testing::*,
    contract::{Action, ObjectRef, Patch},
};
use kube::Client;
use serde_json::json;

const BEHIND: Class = Class::Behind { counted: false, at_least: None };

#[tokio::test]
async fn after_left_and_deleted_only_the_uid_binds() {
    for change in [Change::Left, Change::Deleted] {
        let script = Script::new([ok(), ok(), ok()]);
        let actions = vec![
            Action::SetStatus(r#"{"x":1}"#.into()),
            patch(PatchFormat::JsonPatch, json!([])),
            Action::Delete(delete()),
        ];
        script.executor(manifest()).carry_out(&Subject { change, ..node() }, actions).await.unwrap();
        let requests = script.requests();
        assert_eq!(requests[0].body["metadata"], json!({ "uid": "u1" }));
        assert_eq!(requests[1].body, json!([{ "op": "add", "path": "/metadata/uid", "value": "u1" }]));
        assert_eq!(requests[2].body["preconditions"], json!({ "uid": "u1" }));
    }
}

#[tokio::test]
async fn each_guarded_write_is_bound_to_the_reply_before_it() {
    let script = Script::new([
        annotated("6", "1"),
        (200, at("7", |object| object["status"] = json!({ "phase": "Ready", "x": 1 }))),
        (200, at("8", |_| ())),
    ]);
    let actions =
        vec![annotate("1"), Action::SetStatus(r#"{"x":1}"#.into()), patch(PatchFormat::Merge, json!({"spec": {}}))];
    let applied = carry_out(&script, actions).await.unwrap();
    let requests = script.requests();
    assert_eq!(requests[1].body["metadata"]["resourceVersion"], "6");
    assert_eq!(requests[2].body["metadata"]["resourceVersion"], "7");
    assert_eq!(applied.writes, 3);
    let echoes: Vec<_> =
        applied.own.iter().map(|write| (write.resource_version.as_str(), write.echo.clone())).collect();
    let merged = Echo::Merged(json!({ "metadata": { "annotations": { "a": "1" } } }));
    assert_eq!(echoes, [("6", merged), ("7", Echo::Guarded), ("8", Echo::Guarded)]);
    assert!(applied.own.iter().all(|write| write.object.is_some() && write.uid == "u1"));
}

#[tokio::test]
async fn what_others_wrote_in_between_is_not_taken_for_seen() {
    let foreign = at("9", |object| {
        object["metadata"]["annotations"] = json!({ "a": "1" });
        object["status"]["phase"] = json!("Lost");
    });
    let script = Script::new([(200, foreign), refusal(409, "Conflict", json!({ "name": "a" }))]);
    let failed = carry_out(&script, vec![annotate("1"), Action::SetStatus(r#"{"x":1}"#.into())]).await.unwrap_err();
    assert_eq!(script.requests()[1].body["metadata"]["resourceVersion"], "5");
    assert_eq!(failed.class, BEHIND);
    assert_eq!(failed.before.own.len(), 1);
}

#[tokio::test]
async fn what_already_is_so_is_not_sent() {
    let script = Script::new([annotated("6", "1")]);
    let actions = vec![
        annotate("1"),
        Action::SetStatus(r#"{"phase":"Ready"}"#.into()),
        annotate("1"),
        patch(PatchFormat::Merge, json!({ "status": { "phase": "Ready" } })),
    ];
    let applied = carry_out(&script, actions).await.unwrap();
    assert_eq!((script.requests().len(), applied.writes, applied.own.len()), (1, 1, 1));
}

#[tokio::test]
async fn a_write_that_the_server_found_to_change_nothing_is_none() {
    let script = Script::new([(200, at("5", |_| ()))]);
    let applied = carry_out(&script, vec![Action::Apply(apply("Node", "a"))]).await.unwrap();
    assert_eq!((script.requests().len(), applied.writes, applied.own.len()), (1, 0, 0));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_no_echo_and_leaves_the_state_unknown() {
    let scale =
        json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "uid": "u1", "resourceVersion": "6" } });
    let script = Script::new([(200, scale), (200, at("7", |_| ()))]);
    let scale = Action::Patch(Patch {
        target: None,
        uid: None,
        subresource: Some("scale".into()),
        format: PatchFormat::Merge,
        body: r#"{"spec":{"replicas":2}}"#.into(),
    });
    let applied = carry_out(&script, vec![scale, Action::SetStatus(r#"{"phase":"Ready"}"#.into())]).await.unwrap();
    assert_eq!(script.requests()[1].body["metadata"]["resourceVersion"], "6");
    assert_eq!((applied.own[0].echo.clone(), applied.own[0].object.is_none()), (Echo::None, true));
}

#[tokio::test]
async fn deleting_the_own_object_is_told_from_asking_it_to_go() {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    let gone = carry_out(&Script::new([(200, status)]), vec![Action::Delete(delete())]).await.unwrap();
    assert_eq!((gone.own_deleted, gone.own.len(), gone.writes), (true, 0, 1));
    let going = at("6", |object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    let going = carry_out(&Script::new([(200, going)]), vec![Action::Delete(delete())]).await.unwrap();
    assert_eq!((going.own_deleted, going.own[0].echo.clone()), (false, Echo::Guarded));
}

#[tokio::test]
async fn an_own_object_that_is_gone_is_confirmed_by_one_get() {
    let recreated = (200, at("9", |object| object["metadata"]["uid"] = json!("u2")));
    for found in [absent(), recreated] {
        let script = Script::new([absent(), found]);
        let applied = carry_out(&script, vec![annotate("1")]).await.unwrap();
        assert!(applied.own_deleted && applied.own.is_empty());
        assert_eq!(script.requests()[1], asked("GET /api/v1/nodes/a", "", Value::Null));
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_although_the_object_is_is_permanent() {
    let script = Script::new([absent(), ok()]);
    let failed = carry_out(&script, vec![Action::SetStatus(r#"{"x":1}"#.into())]).await.unwrap_err();
    assert_eq!(failed.class, Class::Permanent);
    assert!(failed.message.contains("there is no /api/v1/nodes/a/status, though the object exists"), "{failed}");
    // A 404 that does not name the object speaks of the path.
    let script = Script::new([absent(), refusal(404, "NotFound", json!({}))]);
    let failed = carry_out(&script, vec![annotate("1")]).await.unwrap_err();
    assert_eq!(failed.class, Class::Permanent);
}

#[tokio::test]
async fn a_failing_look_is_what_it_says_itself() {
    let script = Script::new([absent(), refusal(503, "ServiceUnavailable", Value::Null)]);
    let failed = carry_out(&script, vec![annotate("1")]).await.unwrap_err();
    assert_eq!(failed.class, Class::World { retry_after: None });
    assert!(failed.message.contains("looking whether it still exists"), "{failed}");
}

#[tokio::test]
async fn after_a_deletion_a_conflict_with_the_next_object_of_the_name_is_done() {
    let conflict = refusal(409, "Conflict", json!({ "name": "a" }));
    let script = Script::new([conflict, (200, at("9", |object| object["metadata"]["uid"] = json!("u2")))]);
    let subject = Subject { change: Change::Deleted, ..node() };
    let applied = script.executor(manifest()).carry_out(&subject, vec![annotate("1")]).await.unwrap();
    assert!(applied.own_deleted);
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn the_first_failure_stops_the_rest_and_tells_what_was_before_it() {
    let script = Script::new([annotated("6", "1"), refusal(500, "InternalError", Value::Null)]);
    let actions = vec![annotate("1"), create(), Action::SetStatus(r#"{"x":1}"#.into()), Action::RequeueAfter(5000)];
    let failed = carry_out(&script, actions).await.unwrap_err();
    assert_eq!(failed.class, Class::Key);
    assert_eq!(
        failed.to_string(),
        "create on ConfigMap x/b: the API answered 500 Internal Server Error: the server's words"
    );
    assert_eq!((failed.before.own.len(), failed.before.writes, failed.before.requeue_after_ms), (1, 1, None));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn scope_and_strategic_patches_are_checked_before_anything_is_sent() {
    let target = |api_version: &str, kind: &str, namespace: Option<&str>| {
        let namespace = namespace.map(str::to_owned);
        Some(ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace, name: "z".into() })
    };
    let patch =
        |target, format| Action::Patch(Patch { target, uid: None, subresource: None, format, body: "{}".into() });
    for (action, message) in [
        (patch(target("v1", "Node", Some("x")), PatchFormat::Merge), "Node lives in no namespace; leave it out"),
        (patch(target("v1", "ConfigMap", None), PatchFormat::Merge), "ConfigMap lives in namespaces; name one"),
        (
            patch(target("example.org/v1", "Widget", Some("x")), PatchFormat::Strategic),
            "widgets.example.org is a custom resource; use merge or json-patch",
        ),
    ] {
        let script = Script::default();
        let failed = carry_out(&script, vec![annotate("1"), action]).await.unwrap_err();
        assert_eq!((failed.class, script.requests().len()), (Class::Permanent, 0));
        assert!(failed.message.ends_with(message), "{}", failed.message);
    }
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_the_handlers_failure_and_what_was_before_it_is_done() {
    let mut granted = manifest();
    granted.grants.write[1].kind = "Gadget".into();
    let script = Script::new([annotated("6", "1")]);
    let gadget = Action::Create(apply("Gadget", "b").manifest);
    let failed = script.executor(granted).carry_out(&node(), vec![annotate("1"), gadget]).await.unwrap_err();
    assert_eq!((failed.class, failed.before.writes), (Class::Handler, 1));
    assert_eq!(failed.message, "create on Gadget x/b: the API serves no kind Gadget in v1");
}

#[tokio::test]
async fn a_conflict_of_the_handler_with_itself_is_sent_again_with_force() {
    let cause = json!({ "reason": "FieldManagerConflict", "message": "conflict with \"weir/h/m\" using v1" });
    let conflict = || refusal(409, "Conflict", json!({ "causes": [cause.clone()] }));
    let script = Script::new([conflict(), ok()]);
    carry_out(&script, vec![Action::Apply(apply("Node", "a"))]).await.unwrap();
    assert!(script.requests()[1].line.ends_with("?fieldManager=weir/h&force=true"));
    let script = Script::new([conflict(), conflict()]);
    let failed = carry_out(&script, vec![Action::Apply(apply("Node", "a"))]).await.unwrap_err();
    assert_eq!((failed.class, script.requests().len()), (Class::Handler, 2));
    assert!(failed.message.ends_with("the fields are owned by weir/h/m"), "{}", failed.message);
}

#[tokio::test]
async fn a_dry_run_says_so_in_every_write_and_reports_none() {
    let mut dry = manifest();
    dry.dry_run = true;
    let script = Script::new([annotated("5", "1"), ok(), ok(), (201, json!({}))]);
    let actions = vec![annotate("1"), create(), Action::Delete(delete()), Action::Emit(note("x"))];
    let applied = script.executor(dry).carry_out(&node(), actions).await.unwrap();
    assert_eq!((applied.own.len(), applied.own_deleted, applied.writes), (0, false, 0));
    let requests = script.requests();
    assert!(requests.iter().all(|request| request.line.contains("dryRun=All")), "{requests:?}");
    // A server that finds a body in a DELETE does not look at the query.
    assert_eq!(requests[2].body["dryRun"], json!(["All"]));
}

#[tokio::test]
async fn the_world_being_away_tells_how_long() {
    let script = Script::plain(429, 7, "too many requests, please try again later");
    let failed = carry_out(&script, vec![annotate("1")]).await.unwrap_err();
    assert_eq!(failed.class, Class::World { retry_after: Some(7) });
    assert!(failed.message.ends_with("429 Too Many Requests: too many requests, please try again later"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_does_not_answer_is_the_world_being_away() {
    let client = Client::new(
        tower::service_fn(|_: ::http::Request<kube::client::Body>| {
            std::future::pending::<Result<::http::Response<kube::client::Body>, kube::Error>>()
        }),
        "default",
    );
    let mut executor = Script::default().executor(manifest());
    executor.deps.client = client;
    let failed = executor.carry_out(&node(), vec![annotate("1")]).await.unwrap_err();
    assert_eq!(failed.class, Class::World { retry_after: None });
    assert_eq!(failed.message, "annotate on Node a: the API did not answer within 40 s");
}

#[tokio::test]
async fn a_broken_connection_is_the_world_being_away() {
    let broken = |_: ::http::Request<kube::client::Body>| {
        std::future::ready(Err::<::http::Response<kube::client::Body>, _>(std::io::Error::other("connection refused")))
    };
    let mut executor = Script::default().executor(manifest());
    executor.deps.client = Client::new(tower::service_fn(broken), "default");
    let failed = executor.carry_out(&node(), vec![annotate("1")]).await.unwrap_err();
    assert_eq!(failed.class, Class::World { retry_after: None });
    assert!(failed.message.contains("the API could not be asked: "), "{failed}");
    assert!(failed.message.ends_with("connection refused"), "{failed}");
}

#[tokio::test]
async fn an_event_is_created_then_its_series_goes_on_and_a_lost_one_begins_anew() {
    let script = Script::new([(201, json!({})), (200, json!({})), absent(), (201, json!({}))]);
    let executor = script.executor(manifest());
    for _ in 0..3 {
        let applied = executor.carry_out(&node(), vec![Action::Emit(note("x"))]).await.unwrap();
        // An Event is no write of the object.
        assert_eq!((applied.writes, applied.own.len()), (0, 0));
    }
    let requests = script.requests();
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    assert_eq!(requests[0].line, format!("POST {events}?fieldManager=weir/h"));
    let name = requests[0].body["metadata"]["name"].as_str().unwrap();
    for repeated in &requests[1..3] {
        assert_eq!(repeated.line, format!("PATCH {events}/{name}?fieldManager=weir/h"));
        assert_eq!(repeated.content_type, "application/merge-patch+json");
    }
    assert_eq!(requests[1].body["series"]["count"], 2);
    assert_eq!(requests[3].line, requests[0].line);
    assert_eq!(requests[0].body["regarding"]["uid"], "u1");
}

#[tokio::test]
async fn an_event_that_failed_is_created_on_the_next_try() {
    let script = Script::new([refusal(500, "InternalError", Value::Null), (201, json!({}))]);
    let executor = script.executor(manifest());
    let failed = executor.carry_out(&node(), vec![Action::Emit(note("x"))]).await.unwrap_err();
    assert_eq!(failed.class, Class::Key);
    executor.note(&node(), note("x")).await.unwrap();
    assert!(script.requests()[1].line.starts_with("POST "));
}

#[tokio::test]
async fn the_own_object_in_another_version_of_its_group_is_no_echo() {
    // The subject was watched in a version that the target does not name.
    let mut subject = node();
    subject.key.api_version = "v2".into();
    subject.resource.version = "v2".into();
    let script = Script::new([(200, at("6", |_| ()))]);
    let apply = Action::Apply(apply("Node", "a"));
    let applied = script.executor(manifest()).carry_out(&subject, vec![apply]).await.unwrap();
    assert_eq!(script.requests()[0].line, "PATCH /api/v1/nodes/a?fieldManager=weir/h");
    assert_eq!(script.requests()[0].body["metadata"]["uid"], "u1");
    assert!(applied.own[0].object.is_none());
}

#[test]
fn coalesced_actions_are_named_once() {
    assert_eq!(words(&["annotate", "annotate", "label"]), "annotate and label");
}
