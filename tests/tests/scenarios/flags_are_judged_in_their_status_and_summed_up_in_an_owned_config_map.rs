//! flag-watch: whether the flags are sound is a condition of their status, whose time moves only when its status does, beside the conditions of others; and it is summed up in a
//! ConfigMap, which the handler owns as field manager and the flags own as object.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map, flag, flags};

const WRONG: &str = r#"flag colour: defaultVariant is "blue", which is not among its variants: green, red"#;

pub(crate) async fn run(mut world: World) {
    if !world.install_flag_watch(&[]).await {
        return;
    }
    world.define_flags().await;
    let created = world.flags("default", "shop", &json!({ "flags": { "colour": flag("red") } })).await;
    world.run().await;

    let first = world.await_verdict("shop", ("True", "FlagsValid", "1 flag, 1 enabled")).await;
    assert!(first["lastTransitionTime"].as_str().is_some_and(|time| time.ends_with('Z')), "{first:#}");
    let summary = world.await_summary("shop", "true").await;
    let data = json!({ "valid": "true", "flags": "1", "enabled": "1",
        "flags.json": r#"{"colour": {"defaultVariant": "red", "state": "ENABLED"}}"# });
    assert_eq!(summary["data"], data, "{summary:#}");
    let owner = json!([{ "apiVersion": "core.openfeature.dev/v1alpha2", "kind": "FeatureFlagConfiguration", "name": "shop",
        "uid": created["metadata"]["uid"], "controller": true }]);
    assert_eq!(summary["metadata"]["ownerReferences"], owner, "{summary:#}");
    assert_eq!(managers(&summary), [("weir/flag-watch", "Apply")], "{summary:#}");

    // Somebody else's condition, and a time by which it can be told whether ours was moved.
    let theirs = json!({ "type": "Synced", "status": "Unknown", "reason": "Asked", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" });
    let mut ours = first.clone();
    ours["lastTransitionTime"] = json!("2020-01-01T00:00:00Z");
    let status = format!("{}/status", flags("default", "shop"));
    world.merge(&status, json!({ "status": { "conditions": [theirs, ours] } })).await;
    change(&world, json!({ "other": flag("green") })).await;
    let same = world.await_verdict("shop", ("True", "FlagsValid", "2 flags, 2 enabled")).await;
    assert_eq!(same["lastTransitionTime"], "2020-01-01T00:00:00Z", "its status is the same: {same:#}");

    change(&world, json!({ "colour": { "defaultVariant": "blue" } })).await;
    let wrong = world.await_verdict("shop", ("False", "InvalidFlags", WRONG)).await;
    assert_ne!(wrong["lastTransitionTime"], "2020-01-01T00:00:00Z", "{wrong:#}");
    assert_eq!(world.await_summary("shop", "false").await["data"]["problems"], WRONG);

    change(&world, json!({ "colour": { "defaultVariant": "green" } })).await;
    world.await_verdict("shop", ("True", "FlagsValid", "2 flags, 2 enabled")).await;
    let summary = world.await_summary("shop", "true").await;
    assert_eq!(summary["data"].get("problems"), None, "what is applied no more is gone: {summary:#}");
    let conditions = world.get(&flags("default", "shop")).await.unwrap()["status"]["conditions"].clone();
    assert_eq!(conditions[0], theirs, "the conditions of others stay: {conditions:#}");
    assert_eq!(conditions.as_array().unwrap().len(), 2, "{conditions:#}");

    // As text, as an older version has it, and as text that is none.
    world.flags("default", "text", &json!(json!({ "flags": { "colour": flag("red") } }).to_string())).await;
    world.await_verdict("text", ("True", "FlagsValid", "1 flag, 1 enabled")).await;
    world.flags("default", "broken", &json!({ "flags": ["colour"] })).await;
    world.await_verdict("broken", ("False", "Unreadable", "featureFlagSpec.flags is no object")).await;

    world.quiet().await;
    assert_eq!(world.lane("flag-watch")["failures"], 0, "{:#}", world.lane("flag-watch"));
    assert_eq!(world.writes(&flags("default", "shop")), [], "only the status is written");
    let sent = world.writes(&config_map("shop-flags"));
    assert!(
        sent.iter().all(|it| it.method == "PATCH" && it.query.contains("fieldManager=weir/flag-watch")),
        "{sent:#?}"
    );
    assert!(sent.iter().all(|it| !it.query.contains("force=true")), "{sent:#?}");
    world.stop().await;
}

async fn change(world: &World, flags_changed: Value) {
    world.merge(&flags("default", "shop"), json!({ "spec": { "featureFlagSpec": { "flags": flags_changed } } })).await;
}

fn managers(object: &Value) -> Vec<(&str, &str)> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().map(|it| (it["manager"].as_str().unwrap(), it["operation"].as_str().unwrap())).collect()
}
