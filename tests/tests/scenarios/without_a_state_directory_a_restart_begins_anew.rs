//! Without a state directory weir knows nothing after a restart: every object is `initial`, and what went meanwhile is not told.

use serde_json::json;
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("gone", "one", json!({})).await;
    world.config_map("same", "one", json!({})).await;
    world.record("calls", &json!({}));
    world.run().await;
    world.expect_told("calls", &["gone initial", "same initial"]).await;
    world.stop().await;
    world.delete(&config_map_path("gone")).await;
    world.run().await;
    world.expect_told("calls", &["gone initial", "same initial", "same initial"]).await;
    world.stop().await;
}
