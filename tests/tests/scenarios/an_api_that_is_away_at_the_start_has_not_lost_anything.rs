//! weir starts again while the API cannot be reached: what it was told before is not taken for gone, and once the API is there only what really happened is told.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.watched_namespace().await;
    for name in ["deleted", "same"] {
        world.config_map(name, "one", json!({})).await;
    }
    world.record("calls", &json!({}));
    world.run().await;
    world.expect_told("calls", &["deleted initial", "same initial"]).await;
    world.stop().await;
    world.delete(&config_map_path("deleted")).await;

    world.disconnect();
    world.begin(&[]).await;
    let refused = async || {
        let status = world.status();
        let watches: &[Value] = status["watches"].as_array().map_or(&[], Vec::as_slice);
        watches.iter().any(|watch| watch["lastError"].is_string()).then_some(())
    };
    world.eventually("the informer was refused", refused).await;
    world.reconnect();
    world.await_ready().await;
    world.expect_told("calls", &["deleted initial", "deleted deleted", "same initial"]).await;
    world.stop().await;
}
