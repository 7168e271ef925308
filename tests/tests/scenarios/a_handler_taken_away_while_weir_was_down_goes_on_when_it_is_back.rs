//! A handler whose file is not there when weir starts keeps what it knows in the state directory. Put back, after yet another restart, it is told what changed since it
//! was last called, deletions included, and no more.

use serde_json::json;
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.watched_namespace().await;
    for name in ["changed", "deleted", "same"] {
        world.config_map(name, "one", json!({})).await;
    }
    world.record("kept", &json!({}));
    world.record("other", &json!({}));
    world.run().await;
    let before = ["changed initial", "deleted initial", "same initial"];
    world.expect_told("kept", &before).await;
    world.expect_told("other", &before).await;
    world.stop().await;

    world.remove("kept.wasm");
    world.run().await;
    world.merge(&config_map_path("changed"), json!({ "data": { "said": "two" } })).await;
    world.delete(&config_map_path("deleted")).await;
    let after = [&before[..], &["changed updated", "deleted deleted"]].concat();
    world.expect_told("other", &after).await;
    world.expect_told("kept", &before).await;
    world.stop().await;

    world.record("kept", &json!({}));
    world.run().await;
    world.expect_told("kept", &after).await;
    world.expect_told("other", &after).await;
    world.stop().await;
}
