//! `changed` names what a handler cares about: a change of anything else makes no call, and is not owed later either.

use serde_json::json;
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("a", "one", json!({})).await;
    world.record("calls", &json!({ "changed": ["/data/said"] }));
    world.run().await;
    world.expect_told("calls", &["a initial"]).await;

    world.merge(&config_map_path("a"), json!({ "metadata": { "labels": { "x": "y" } }, "data": { "other": "z" } })).await;
    // Shown by what comes after it: were it told, it would stand between.
    world.config_map("b", "one", json!({})).await;
    world.expect_told("calls", &["a initial", "b added"]).await;
    world.merge(&config_map_path("a"), json!({ "data": { "said": "two" } })).await;
    world.expect_told("calls", &["a initial", "a updated", "b added"]).await;
    let records = world.records("calls").await;
    let updated = records.iter().find(|record| record["change"] == "updated").unwrap();
    assert!(updated["object"].as_str().unwrap().contains("\"other\":\"z\""), "what is handed over is whole: {updated}");
    world.stop().await;
}
