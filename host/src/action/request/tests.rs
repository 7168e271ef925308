use crate::{
    action::testing::*,
    contract::{Action, Apply, Deletion, Patch, PatchFormat, Propagation},
};
use serde_json::{Value, json};

/// The one request of one action.
async fn request(action: Action) -> Asked {
    let script = Script::new([ok()]);
    carry_out(&script, vec![action]).await.unwrap();
    script.requests().remove(0)
}

#[tokio::test]
async fn annotate_and_label_are_merge_patches_bound_to_the_uid_alone() {
    let metadata = |field: &str| json!({ "metadata": { field: { "a": "1", "b": null }, "uid": "u1" } });
    let entries = || vec![("a".into(), Some("1".into())), ("b".into(), None)];
    let line = "PATCH /api/v1/nodes/a?fieldManager=weir/h";
    let merge = "application/merge-patch+json";
    assert_eq!(request(Action::Annotate(entries())).await, asked(line, merge, metadata("annotations")));
    assert_eq!(request(Action::Label(entries())).await, asked(line, merge, metadata("labels")));
}

#[tokio::test]
async fn set_status_and_patches_of_the_own_object_are_bound_to_uid_and_version() {
    let bound = json!({ "uid": "u1", "resourceVersion": "5" });
    assert_eq!(
        request(Action::SetStatus(r#"{"x":1}"#.into())).await,
        asked(
            "PATCH /api/v1/nodes/a/status?fieldManager=weir/h",
            "application/merge-patch+json",
            json!({ "status": { "x": 1 }, "metadata": bound })
        )
    );
    let line = "PATCH /api/v1/nodes/a?fieldManager=weir/h";
    assert_eq!(
        request(patch(PatchFormat::Merge, json!({ "spec": { "x": 1 }, "metadata": { "resourceVersion": "9" } }))).await,
        asked(line, "application/merge-patch+json", json!({ "spec": { "x": 1 }, "metadata": bound }))
    );
    assert_eq!(
        request(patch(PatchFormat::Strategic, json!({ "spec": { "x": 1 } }))).await,
        asked(line, "application/strategic-merge-patch+json", json!({ "spec": { "x": 1 }, "metadata": bound }))
    );
    assert_eq!(
        request(patch(PatchFormat::JsonPatch, json!([{ "op": "test", "path": "/x", "value": 1 }]))).await,
        asked(
            line,
            "application/json-patch+json",
            json!([
                { "op": "test", "path": "/x", "value": 1 },
                { "op": "add", "path": "/metadata/uid", "value": "u1" },
                { "op": "add", "path": "/metadata/resourceVersion", "value": "5" },
            ])
        )
    );
}

#[tokio::test]
async fn a_patch_of_another_object_carries_the_handlers_condition_only() {
    let other = |uid: Option<&str>, format, subresource: Option<&str>, body: &str| {
        let (uid, subresource) = (uid.map(str::to_owned), subresource.map(str::to_owned));
        Action::Patch(Patch { target: Some(config_map()), uid, subresource, format, body: body.into() })
    };
    let line = "PATCH /api/v1/namespaces/x/configmaps/b?fieldManager=weir/h";
    let merge = "application/merge-patch+json";
    assert_eq!(request(other(None, PatchFormat::Merge, None, "{}")).await, asked(line, merge, json!({})));
    let bound = json!({ "metadata": { "uid": "u9" } });
    assert_eq!(request(other(Some("u9"), PatchFormat::Merge, None, "{}")).await, asked(line, merge, bound));
    assert_eq!(
        request(other(Some("u9"), PatchFormat::JsonPatch, Some("scale"), "[]")).await,
        asked(
            "PATCH /api/v1/namespaces/x/configmaps/b/scale?fieldManager=weir/h",
            "application/json-patch+json",
            json!([{ "op": "add", "path": "/metadata/uid", "value": "u9" }])
        )
    );
}

#[tokio::test]
async fn apply_is_server_side_under_the_handlers_manager() {
    let own = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "a", "uid": "u1" } });
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "b", "namespace": "x" } });
    let yaml = "application/apply-patch+yaml";
    assert_eq!(
        request(Action::Apply(apply("Node", "a"))).await,
        asked("PATCH /api/v1/nodes/a?fieldManager=weir/h", yaml, own)
    );
    let action = Apply { manager: Some("m".into()), subresource: Some("status".into()), ..apply("ConfigMap", "b") };
    assert_eq!(
        request(Action::Apply(action)).await,
        asked("PATCH /api/v1/namespaces/x/configmaps/b/status?fieldManager=weir/h/m", yaml, other)
    );
    let mut granted = manifest();
    granted.grants.write[0].force = true;
    let script = Script::new([ok()]);
    let forced = Action::Apply(Apply { force: true, ..apply("Node", "a") });
    script.executor(granted).carry_out(&node(), vec![forced]).await.unwrap();
    assert_eq!(script.requests()[0].line, "PATCH /api/v1/nodes/a?fieldManager=weir/h&force=true");
}

#[tokio::test]
async fn create_posts_and_delete_names_its_preconditions() {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "b", "namespace": "x" } });
    let json = "application/json";
    assert_eq!(request(create()).await, asked("POST /api/v1/namespaces/x/configmaps?fieldManager=weir/h", json, body));
    let options = |more: Value| {
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let own = Deletion { grace_period_seconds: Some(0), propagation: Some(Propagation::Foreground), ..delete() };
    assert_eq!(
        request(Action::Delete(own)).await,
        asked(
            "DELETE /api/v1/nodes/a",
            json,
            options(json!({
                "preconditions": { "uid": "u1", "resourceVersion": "5" },
                "gracePeriodSeconds": 0,
                "propagationPolicy": "Foreground",
            }))
        )
    );
    let other = |uid: Option<&str>| {
        Action::Delete(Deletion { target: Some(config_map()), uid: uid.map(str::to_owned), ..delete() })
    };
    let line = "DELETE /api/v1/namespaces/x/configmaps/b";
    assert_eq!(request(other(None)).await, asked(line, json, options(json!({}))));
    let preconditions = json!({ "preconditions": { "uid": "u9" } });
    assert_eq!(request(other(Some("u9"))).await, asked(line, json, options(preconditions)));
}
