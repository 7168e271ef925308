//! A handler of a custom resource may be there before its definition: weir waits for it, visibly, and watches it once it is
//! served. When the definition goes, its objects are told as deleted, and weir waits again.

use serde_json::{Value, json};
use weir_tests::world::{WIDGETS, World};

pub(crate) async fn run(mut world: World) {
    world.record("calls", &json!({ "apiVersion": "example.org/v1", "kind": "Widget" }));
    world.run().await;
    state(&world, "waiting for kind").await;

    world.define_widgets().await;
    state(&world, "synced").await;
    world.widget("w").await;
    world.expect_told("calls", &["w added"]).await;

    world.delete(WIDGETS).await;
    world.expect_told("calls", &["w added", "w deleted"]).await;
    state(&world, "waiting for kind").await;
    let record = &world.records("calls").await[1];
    let last: Value = serde_json::from_str(record["object"].as_str().unwrap()).unwrap();
    assert_eq!(last["spec"]["size"], 1, "a deletion is told with the last state");
    world.stop().await;
}

/// Waits until the watch of Widgets is in this state.
async fn state(world: &World, wanted: &str) {
    world
        .eventually(format!("the watch of Widgets is `{wanted}`"), async || {
            let status = world.status();
            let watch = status["watches"].as_array()?.iter().find(|watch| watch["kind"] == "Widget")?.clone();
            watch["state"].as_str()?.starts_with(wanted).then_some(())
        })
        .await;
}
