//! One call of a real component without any cluster: what `weir call` stands on.

use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use weir::{
    app::{Call, Called},
    contract::{Action, Change},
};
use weir_tests::world::{component, guests};

fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "a" },
        "status": { "images": [{ "names": ["x"], "sizeBytes": 5 }, { "names": ["y"], "sizeBytes": 5 }] },
    })
}

/// None, loudly, where the guests are not built.
async fn call(manifest: Option<&str>, object: Value, watch: Option<&str>) -> Option<Result<Called, String>> {
    if guests().is_none() {
        eprintln!("SKIPPED: the guests are not built; run `cargo xtask test`, which builds them");
        return None;
    }
    let call = Call {
        stem: "first-handler",
        component: component("first-handler").into(),
        cache_dir: None,
        manifest: manifest.map(|text| (Path::new("first-handler.yaml"), text)),
        grant_wishes: manifest.is_none(),
        change: Change::Updated,
        watch,
        object,
        previous: None,
        read: Vec::new(),
        attempt: 1,
    };
    Some(call.once(Arc::new(|_| ())).await)
}

#[tokio::test]
async fn it_is_handed_what_its_watch_hands_over_and_its_actions_are_told() {
    let Some(called) = call(None, node(), None).await else { return };
    let called = called.unwrap();
    let handed: Value = serde_json::from_str(&called.event.object).unwrap();
    assert_eq!(handed["status"]["images"].as_array().map(Vec::len), Some(2));
    assert_eq!(handed.pointer("/metadata/name"), Some(&json!("a")));
    let annotated = Action::Annotate(vec![("example.com/images".into(), Some("2".into()))]);
    assert_eq!(called.reply, Ok(vec![annotated]));
    assert_eq!(called.refused, None);
}

#[tokio::test]
async fn what_the_manifest_does_not_grant_is_said_with_the_lines_to_add() {
    let manifest = "apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec: { workers: 1 }\n";
    let Some(called) = call(Some(manifest), node(), None).await else { return };
    let refused = called.unwrap().refused.expect("it has no grants");
    assert!(refused.contains("annotate on Node a") && refused.contains("actions: [annotate]"), "{refused}");
}

#[tokio::test]
async fn an_object_that_it_would_never_be_called_for_is_refused_with_what_it_watches() {
    for (object, watch, words) in [
        (json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }), None, "it watches nodes (v1 Node)"),
        (node(), Some("pods"), "has no watch `pods`; it has nodes (v1 Node)"),
        (json!({ "apiVersion": "v1", "kind": "Node", "metadata": {} }), None, "has no metadata.name"),
        (json!({ "metadata": { "name": "a" } }), None, "has no apiVersion or kind"),
    ] {
        let Some(called) = call(None, object, watch).await else { return };
        let problem = called.unwrap_err();
        assert!(problem.contains(words), "{problem}");
    }
}
