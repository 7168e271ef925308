//! A deletion is told once, with the state the object had last, and then forgotten.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    let created = world.config_map("gone", "one", json!({})).await;
    world.record("calls", &json!({}));
    world.run().await;
    world.expect_told("calls", &["gone initial"]).await;

    world.merge(&config_map_path("gone"), json!({ "data": { "said": "last words" } })).await;
    world.expect_told("calls", &["gone initial", "gone updated"]).await;
    world.delete(&config_map_path("gone")).await;
    world.config_map("after", "one", json!({})).await;
    world.expect_told("calls", &["gone initial", "gone updated", "gone deleted", "after added"]).await;

    let records = world.records("calls").await;
    let deletion = records.iter().find(|record| record["change"] == "deleted").unwrap();
    assert_eq!(deletion["uid"], created["metadata"]["uid"]);
    assert_eq!(deletion["finalStateUnknown"], "false", "the watch told it");
    let object: Value = serde_json::from_str(deletion["object"].as_str().unwrap()).unwrap();
    assert_eq!(object["data"]["said"], "last words");
    assert_eq!(world.lane("calls")["ledger"]["acknowledged"], 1, "only the one that lives is remembered");
    world.stop().await;
}
