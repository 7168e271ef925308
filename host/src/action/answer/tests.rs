use super::*;
use crate::{
    action::{
        plan::read,
        testing::{self, config_map, node},
    },
    contract::{Action, Apply, Deletion, Note, ObjectRef, Patch, Severity},
};
use serde_json::{Value, json};

/// The steps that the rows speak of, by a short name.
fn step(name: &str) -> Step {
    let own = "apiVersion: v1\nkind: Node\nmetadata: {name: a}";
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: x}";
    let patch = |target: Option<ObjectRef>, uid: Option<&str>, format, body: &str| {
        Action::Patch(Patch { target, uid: uid.map(str::to_owned), subresource: None, format, body: body.into() })
    };
    let apply = |manifest: &str| {
        Action::Apply(Apply { manifest: manifest.into(), subresource: None, manager: None, force: false })
    };
    let delete = |target, uid: Option<&str>| {
        let uid = uid.map(str::to_owned);
        Action::Delete(Deletion { target, uid, grace_period_seconds: None, propagation: None })
    };
    let action = match name {
        "annotate" => Action::Annotate(vec![("a".into(), Some("1".into()))]),
        "set-status" => Action::SetStatus("{}".into()),
        "merge" => patch(None, None, PatchFormat::Merge, "{}"),
        "json" => patch(None, None, PatchFormat::JsonPatch, "[]"),
        "apply" => apply(own),
        "delete" => delete(None, None),
        "merge other" => patch(Some(config_map()), Some("u9"), PatchFormat::Merge, "{}"),
        "json other" => patch(Some(config_map()), None, PatchFormat::JsonPatch, "[]"),
        "apply other" => apply(other),
        "delete other" => delete(Some(config_map()), Some("u9")),
        "create" => Action::Create(other.into()),
        "create own" => Action::Create(own.into()),
        "emit" => Action::Emit(Note {
            regarding: None,
            severity: Severity::Normal,
            reason: "Seen".into(),
            message: String::new(),
        }),
        _ => panic!("no step {name}"),
    };
    read(action, &node(), "weir/h").unwrap()
}

const OWN: [&str; 6] = ["annotate", "set-status", "merge", "json", "apply", "delete"];
const OTHER: [&str; 6] = ["merge other", "json other", "apply other", "create", "create own", "emit"];

fn answer(code: u16, reason: &str, message: &str, details: Value) -> Refusal {
    let status = json!({ "status": "Failure", "reason": reason, "message": message, "details": details, "code": code });
    Refusal { code, status: serde_json::from_value(status).unwrap(), retry_after: None }
}

fn verdict(name: &str, refusal: &Refusal) -> Verdict {
    judge(Asked { step: &step(name), deleted: false, field_manager: "weir/h", forced: false }, refusal)
}

fn verdict_after_deletion(name: &str, refusal: &Refusal) -> Verdict {
    judge(Asked { step: &step(name), deleted: true, field_manager: "weir/h", forced: false }, refusal)
}

fn behind(counted: bool) -> Class {
    Class::Behind { counted, at_least: None }
}

fn named() -> Value {
    json!({ "name": "a", "kind": "nodes" })
}

fn about_uid() -> Refusal {
    let cause = json!({ "reason": "FieldValueInvalid", "field": "metadata.uid", "message": "field is immutable" });
    answer(422, "Invalid", "", json!({ "name": "a", "kind": "Node", "causes": [cause] }))
}

fn conflict_with(owners: &[&str]) -> Refusal {
    let cause = |owner: &&str| {
        let message = format!("conflict with \"{owner}\" using v1");
        json!({ "reason": "FieldManagerConflict", "field": ".data.a", "message": message })
    };
    let causes: Vec<Value> = owners.iter().map(cause).collect();
    answer(409, "Conflict", "", json!({ "causes": causes }))
}

#[test]
fn a_conflict_on_the_own_object_means_that_the_cache_is_behind() {
    let conflict = answer(409, "Conflict", "the object has been modified", named());
    for name in OWN {
        assert_eq!(verdict(name, &conflict), Verdict::Failed(behind(false)), "{name}");
    }
}

#[test]
fn another_uid_means_that_the_own_object_was_recreated() {
    for name in OWN {
        assert_eq!(verdict(name, &about_uid()), Verdict::Failed(behind(false)), "{name}");
    }
    let uid = answer(409, "Conflict", "Precondition failed: UID in precondition: u1, UID in object meta: u2", named());
    assert_eq!(verdict("delete", &uid), Verdict::Failed(behind(false)));
    assert_eq!(verdict("apply", &uid), Verdict::Failed(behind(false)));
}

#[test]
fn who_was_told_of_the_deletion_is_not_held_up_by_the_next_object_of_the_name() {
    let conflict = answer(409, "Conflict", "", named());
    for name in OWN {
        assert_eq!(verdict_after_deletion(name, &conflict), Verdict::Confirm(behind(false)), "{name}");
        assert_eq!(verdict_after_deletion(name, &about_uid()), Verdict::Confirm(behind(false)), "{name}");
    }
}

#[test]
fn a_condition_on_another_objects_uid_that_fails_is_the_handlers_failure() {
    assert_eq!(verdict("merge other", &about_uid()), Verdict::Failed(Class::Handler));
    let conflict = answer(409, "Conflict", "", named());
    assert_eq!(verdict("merge other", &conflict), Verdict::Failed(Class::Handler));
    assert_eq!(verdict("delete other", &conflict), Verdict::Failed(Class::Handler));
}

#[test]
fn deleting_another_object_is_done_when_that_uid_is_gone() {
    let uid = answer(409, "Conflict", "Precondition failed: UID in precondition: u9, UID in object meta: u2", named());
    assert_eq!(verdict("delete other", &uid), Verdict::Done);
    let words =
        "the UID in the precondition (u9) does not match the UID in record (u2). The object might have been recreated";
    assert_eq!(verdict("delete other", &answer(409, "Conflict", words, named())), Verdict::Done);
    assert_eq!(verdict("delete other", &answer(404, "NotFound", "", named())), Verdict::Done);
}

#[test]
fn a_failed_test_of_a_json_patch_is_computed_anew_and_counts() {
    let bare = answer(422, "Invalid", "the server rejected our request", json!({}));
    assert_eq!(verdict("json", &bare), Verdict::Failed(behind(true)));
    assert_eq!(verdict("json other", &bare), Verdict::Failed(behind(true)));
    assert_eq!(verdict("merge", &bare), Verdict::Failed(Class::Permanent));
    let invalid = answer(422, "Invalid", "", json!({ "name": "a", "causes": [{ "field": "spec.x" }] }));
    assert_eq!(verdict("json", &invalid), Verdict::Failed(Class::Permanent));
}

#[test]
fn a_conflict_of_managers_is_the_handlers_and_with_itself_is_forced_once() {
    for name in ["apply", "apply other"] {
        assert_eq!(verdict(name, &conflict_with(&["kubectl"])), Verdict::Failed(Class::Handler));
        assert_eq!(verdict(name, &conflict_with(&["weir/h/b", "kubectl"])), Verdict::Failed(Class::Handler));
        assert_eq!(verdict(name, &conflict_with(&["weir/h2"])), Verdict::Failed(Class::Handler));
        assert_eq!(verdict(name, &conflict_with(&["weir/h", "weir/h/b"])), Verdict::Force);
        let again = Asked { step: &step(name), deleted: false, field_manager: "weir/h", forced: true };
        assert_eq!(judge(again, &conflict_with(&["weir/h"])), Verdict::Failed(Class::Handler));
    }
}

#[test]
fn what_exists_already_is_created() {
    let exists = answer(409, "AlreadyExists", "configmaps \"b\" already exists", named());
    let going = answer(409, "AlreadyExists", "object is being deleted: configmaps \"b\" already exists", named());
    for name in ["create", "create own", "emit"] {
        assert_eq!(verdict(name, &exists), Verdict::Done, "{name}");
        assert_eq!(verdict(name, &going), Verdict::Failed(Class::Key), "{name}");
    }
}

#[test]
fn not_found_is_confirmed_for_the_own_object_and_the_handlers_failure_for_others() {
    let absent = answer(404, "NotFound", "", named());
    for name in OWN {
        assert_eq!(verdict(name, &absent), Verdict::Confirm(Class::Permanent), "{name}");
    }
    for name in OTHER {
        assert_eq!(verdict(name, &absent), Verdict::Failed(Class::Handler), "{name}");
    }
}

#[test]
fn what_is_forbidden_or_fails_inside_the_server_is_the_keys() {
    for name in OWN.into_iter().chain(OTHER).chain(["delete other"]) {
        for code in [403, 500, 501, 505, 301] {
            assert_eq!(verdict(name, &answer(code, "", "", Value::Null)), Verdict::Failed(Class::Key), "{name} {code}");
        }
    }
}

#[test]
fn the_world_is_away() {
    for name in OWN.into_iter().chain(OTHER).chain(["delete other"]) {
        for code in [401, 408, 429, 502, 503, 504] {
            let refusal = Refusal { retry_after: Some(7), ..answer(code, "", "", Value::Null) };
            let away = Class::World { retry_after: Some(7) };
            assert_eq!(verdict(name, &refusal), Verdict::Failed(away), "{name} {code}");
        }
        let timeout = answer(500, "ServerTimeout", "", Value::Null);
        assert_eq!(verdict(name, &timeout), Verdict::Failed(Class::World { retry_after: None }), "{name}");
    }
}

#[test]
fn other_refusals_are_permanent() {
    for name in OWN.into_iter().chain(OTHER).chain(["delete other"]) {
        for code in [400, 405, 406, 410, 413, 415, 418] {
            let refusal = answer(code, "", "", Value::Null);
            assert_eq!(verdict(name, &refusal), Verdict::Failed(Class::Permanent), "{name} {code}");
        }
        let invalid = answer(422, "Invalid", "", named());
        assert_eq!(verdict(name, &invalid), Verdict::Failed(Class::Permanent), "{name}");
    }
}

#[test]
fn every_2xx_is_done() {
    for code in [200, 201, 202] {
        assert_eq!(verdict("merge", &Refusal { code, ..Refusal::default() }), Verdict::Done);
    }
}

#[test]
fn an_event_into_a_namespace_that_goes_is_dropped() {
    let cause = json!({ "reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace" });
    let going = answer(403, "Forbidden", "", json!({ "causes": [cause] }));
    assert_eq!(verdict("emit", &going), Verdict::Dropped);
    assert_eq!(verdict("create", &going), Verdict::Failed(Class::Key));
    let gone = answer(404, "NotFound", "namespaces \"x\" not found", json!({ "name": "x", "kind": "namespaces" }));
    assert_eq!(verdict("emit", &gone), Verdict::Dropped);
    assert_eq!(verdict("create", &gone), Verdict::Failed(Class::Handler));
}

#[test]
fn the_servers_words_are_kept_and_what_to_do_is_added() {
    let nodes = testing::resource("", "Node", "nodes", false);
    let forbidden = answer(403, "Forbidden", "nodes \"a\" is forbidden", named());
    assert_eq!(
        explain(&forbidden, &nodes, Some("status"), "patch", None),
        "the API answered 403 Forbidden: nodes \"a\" is forbidden; weir's role may lack apiGroups: [\"\"], \
         resources: [\"nodes/status\"], verbs: [patch]"
    );
    let owned = explain(&conflict_with(&["kubectl", "argo", "kubectl"]), &nodes, None, "patch", None);
    assert!(owned.ends_with("; the fields are owned by argo, kubectl"), "{owned}");
    assert_eq!(explain(&answer(418, "", "", Value::Null), &nodes, None, "", None), "the API answered 418 I'm a teapot");
}
