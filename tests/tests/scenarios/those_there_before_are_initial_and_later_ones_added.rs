//! What was there before the handler is handed over as `initial`, what comes later as `added`, and a change as `updated`: each once.

use serde_json::json;
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("first", "one", json!({})).await;
    world.config_map("second", "one", json!({})).await;
    world.record("calls", &json!({}));
    world.run().await;
    world.expect_told("calls", &["first initial", "second initial"]).await;

    world.config_map("third", "one", json!({})).await;
    world.merge(&config_map_path("first"), json!({ "data": { "said": "two" } })).await;
    world.expect_told("calls", &["first initial", "first updated", "second initial", "third added"]).await;
    world.stop().await;
}
