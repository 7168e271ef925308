use super::*;
use crate::{
    action::testing::{config_map, manifest as granted, node},
    contract::{Change, Level, Severity},
};

fn steps(actions: Vec<Action>) -> Result<Vec<Step>, String> {
    plan(actions, &node(), &granted()).map(|plan| plan.steps).map_err(|refused| refused.message)
}

fn wrong(action: Action) -> String {
    steps(vec![action]).unwrap_err()
}

fn entries(entries: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    entries.iter().map(|&(key, value)| (key.to_owned(), value.map(str::to_owned))).collect()
}

fn patch(format: PatchFormat, body: &str) -> Action {
    Action::Patch(Patch { target: None, uid: None, subresource: None, format, body: body.into() })
}

fn apply(manifest: &str) -> Action {
    Action::Apply(Apply { manifest: manifest.into(), subresource: None, manager: None, force: false })
}

fn note(reason: &str, message: String) -> Action {
    Action::Emit(Note { regarding: None, severity: Severity::Normal, reason: reason.into(), message })
}

fn log() -> Action {
    Action::Log(LogLine { level: Level::Info, message: "x".into(), fields: Vec::new() })
}

#[test]
fn adjacent_annotations_and_labels_become_one_step_and_later_keys_win() {
    let plan = steps(vec![
        Action::Annotate(entries(&[("a", Some("1")), ("b", Some("1"))])),
        Action::Label(entries(&[("l", Some("1"))])),
        Action::Annotate(entries(&[("a", None), ("c", Some("3"))])),
    ])
    .unwrap();
    assert_eq!(plan.len(), 1);
    assert_eq!(plan[0].actions, ["annotate", "label", "annotate"]);
    let patch = json!({"metadata": {"annotations": {"a": null, "b": "1", "c": "3"}, "labels": {"l": "1"}}});
    assert_eq!(plan[0].what, What::Metadata(patch));
}

#[test]
fn what_stands_between_two_annotations_keeps_them_apart() {
    let annotate = || Action::Annotate(entries(&[("a", Some("1"))]));
    let names: Vec<_> =
        steps(vec![annotate(), log(), annotate()]).unwrap().into_iter().flat_map(|step| step.actions).collect();
    assert_eq!(names, ["annotate", "log", "annotate"]);
}

#[test]
fn requeue_and_fail_are_no_steps_and_the_floor_holds() {
    let fail = |reason: &str| Action::Fail(Failure::Retry(reason.into()));
    let actions = vec![fail("first"), Action::RequeueAfter(5), fail("second")];
    let plan = plan(actions.clone(), &node(), &granted()).unwrap();
    assert_eq!((plan.steps.len(), plan.requeue_after_ms), (0, Some(1000)));
    assert_eq!(plan.fail, Some(Failure::Retry("first".into())));
    let longest = super::plan(vec![Action::RequeueAfter(u32::MAX)], &node(), &granted()).unwrap();
    assert_eq!(longest.requeue_after_ms, Some(2_147_483_647));
    for change in [Change::Deleted, Change::Left] {
        let subject = Subject { change, ..node() };
        assert_eq!(super::plan(actions.clone(), &subject, &granted()).unwrap().requeue_after_ms, None);
    }
}

#[test]
fn keys_values_and_sizes_of_annotations_and_labels_are_checked() {
    assert!(wrong(Action::Annotate(entries(&[("a b", None)]))).starts_with("action 1 of the reply, annotate: the key"));
    assert!(wrong(Action::Label(entries(&[("a", Some("not a value"))]))).contains("label value"));
    // Annotation values are free, and their keys may have capitals before the slash.
    assert!(steps(vec![Action::Annotate(entries(&[("Example.org/a", Some("any thing\n"))]))]).is_ok());
    assert!(wrong(Action::Label(entries(&[("Example.org/a", Some(""))]))).contains("DNS name"));
    let large = "x".repeat(256 << 10);
    assert!(wrong(Action::Annotate(entries(&[("a", Some(&large))]))).contains("262145 bytes of annotations"));
}

#[test]
fn bodies_have_to_be_of_the_right_form() {
    assert!(wrong(Action::SetStatus("[]".into())).contains("the status has to be a JSON object"));
    assert!(wrong(Action::SetStatus("{".into())).contains("not valid JSON"));
    assert!(wrong(patch(PatchFormat::Merge, "[]")).contains("the patch has to be a JSON object"));
    assert!(wrong(patch(PatchFormat::Strategic, "1")).contains("the patch has to be a JSON object"));
    assert!(wrong(patch(PatchFormat::Merge, r#"{"metadata":null}"#)).contains("metadata in the patch"));
    assert!(wrong(patch(PatchFormat::JsonPatch, "{}")).contains("array of operations"));
    assert!(wrong(patch(PatchFormat::JsonPatch, r#"[{"op":"remove"}]"#)).contains("op and path"));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    assert!(wrong(Action::SetStatus(deep)).contains("limits.jsonDepth"));
}

#[test]
fn a_manifest_is_one_named_object_in_json_or_yaml() {
    let json = r#" {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"x"},"data":{"a":"1"}}"#;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: x\ndata:\n  a: \"1\"\n";
    let read = |text: &str| steps(vec![Action::Create(text.into())]).unwrap().remove(0);
    assert_eq!(read(json), read(yaml));
    assert_eq!(
        read(json),
        read("{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: x}, data: {a: '1'}}")
    );
    assert_eq!(read(yaml).key, config_map());
    for (text, message) in [
        ("", "has 0 objects"),
        (&format!("{yaml}---\n{yaml}"), "has 2 objects"),
        ("{\"apiVersion\":\"v1\"", "not valid JSON"),
        ("a: [", "not valid YAML"),
        ("- a", "needs apiVersion"),
        ("apiVersion: v1", "needs kind"),
        ("apiVersion: v1\nkind: ConfigMap", "needs metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}", "needs metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: b-}", "generateName"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../secrets/a}", "is no name of an object"),
    ] {
        for action in [Action::Create(text.into()), apply(text)] {
            let refusal = wrong(action);
            assert!(refusal.contains(message), "{text}: {refusal}");
        }
    }
}

#[test]
fn yaml_keeps_the_types_that_kubernetes_reads_in_it() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\nx: {i: 80, f: 1.5, t: true, n: null, s: '80', v: 1e3x}";
    let Ok((_, value)) = manifest(text) else { panic!("refused") };
    assert_eq!(value["x"], json!({"i": 80, "f": 1.5, "t": true, "n": null, "s": "80", "v": "1e3x"}));
}

#[test]
fn aliases_that_would_grow_without_end_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", previous.trim_end_matches(", ")));
    }
    assert!(wrong(apply(&bomb)).contains("not valid YAML"));
}

#[test]
fn a_target_that_names_the_events_own_object_is_the_own_one() {
    let delete = |target: ObjectRef, uid: Option<&str>| {
        let uid = uid.map(str::to_owned);
        Action::Delete(Deletion { target: Some(target), uid, grace_period_seconds: None, propagation: None })
    };
    let own = |action: Action| steps(vec![action]).unwrap()[0].own;
    assert!(own(delete(node().key, None)));
    assert!(own(delete(node().key, Some("u1"))));
    assert!(!own(delete(config_map(), Some("u9"))));
    assert!(!own(delete(ObjectRef { name: "b".into(), ..node().key }, None)));
    assert!(own(apply("apiVersion: v1\nkind: Node\nmetadata: {name: a}")));
    assert!(wrong(delete(node().key, Some("u9"))).contains("the event's own object has \"u1\""));
    assert!(wrong(apply("apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: u9}")).contains("has \"u1\""));
}

#[test]
fn a_target_cannot_lead_to_another_path() {
    let delete = |edit: fn(&mut ObjectRef)| {
        let mut key = config_map();
        edit(&mut key);
        wrong(Action::Delete(Deletion { target: Some(key), uid: None, grace_period_seconds: None, propagation: None }))
    };
    assert!(delete(|key| key.name = "b/status".into()).contains("is no name of an object"));
    assert!(delete(|key| key.namespace = Some("x/../y".into())).contains("is no name of a namespace"));
    assert!(delete(|key| key.api_version = "v1/../x".into()).contains("is no apiVersion"));
    assert!(delete(|key| key.kind = "Config Map".into()).contains("is no kind"));
    let subresource = Some("status/../x".to_owned());
    let format = PatchFormat::Merge;
    let patch = Action::Patch(Patch { target: None, uid: None, subresource, format, body: "{}".into() });
    assert!(wrong(patch).contains("is no subresource"));
}

#[test]
fn a_patch_cannot_make_the_object_another() {
    for body in [
        r#"{"metadata":{"name":"b"}}"#,
        r#"{"metadata":{"namespace":"x"}}"#,
        r#"{"metadata":{"uid":"u9"}}"#,
        r#"{"metadata":{"uid":null}}"#,
        r#"{"kind":"Pod"}"#,
        r#"{"apiVersion":"v2"}"#,
    ] {
        assert!(wrong(patch(PatchFormat::Merge, body)).contains("which says what object this is"), "{body}");
    }
    let same = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"u1","labels":{}}}"#;
    assert!(steps(vec![patch(PatchFormat::Strategic, same)]).is_ok());
    let operations = |op: &str, path: &str| {
        patch(
            PatchFormat::JsonPatch,
            &format!(r#"[{{"op":"{op}","path":"{path}","from":"/metadata/uid","value":"x"}}]"#),
        )
    };
    for (op, path) in
        [("replace", "/metadata/uid"), ("remove", "/metadata"), ("add", ""), ("replace", "/kind"), ("move", "/data")]
    {
        assert!(wrong(operations(op, path)).contains("which says what object this is"), "{op} {path}");
    }
    for (op, path) in [("test", "/metadata/uid"), ("copy", "/metadata/labels/uid"), ("add", "/metadata/labels")] {
        assert!(steps(vec![operations(op, path)]).is_ok(), "{op} {path}");
    }
    // A subresource has a kind of its own.
    let body = r#"{"kind":"Scale","spec":{"replicas":2}}"#.to_owned();
    let scale = Patch {
        target: Some(config_map()),
        uid: None,
        subresource: Some("scale".into()),
        format: PatchFormat::Merge,
        body,
    };
    assert!(steps(vec![Action::Patch(scale)]).is_ok());
}

#[test]
fn the_text_of_an_event_is_cut_and_its_reason_checked() {
    let long = "ä".repeat(600);
    let plan = steps(vec![note("Seen", long)]).unwrap();
    let What::Emit(Note { message, .. }) = &plan[0].what else { panic!("no note") };
    assert_eq!(message.len(), 1024);
    for reason in ["", "Two words", &"R".repeat(129)] {
        assert!(wrong(note(reason, String::new())).contains("one CamelCase word"), "{reason}");
    }
}

#[test]
fn a_manager_is_appended_and_checked() {
    let apply = |manager: &str| {
        let manifest = "apiVersion: v1\nkind: Node\nmetadata: {name: a}".into();
        Action::Apply(Apply { manifest, subresource: None, manager: Some(manager.into()), force: false })
    };
    let plan = steps(vec![apply("images")]).unwrap();
    assert!(matches!(&plan[0].what, What::Apply { manager, .. } if manager == "weir/h/images"));
    assert!(wrong(apply("a b")).contains("the manager \"a b\""));
}

#[test]
fn extensions_are_refused_by_name() {
    assert!(wrong(Action::Extension("later".into(), "{}".into())).contains("no extension \"later\""));
}
