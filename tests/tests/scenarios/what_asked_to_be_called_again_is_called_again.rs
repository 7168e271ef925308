//! A watch's `resync` calls for every object although nothing changed, again and again; a handler's `requeue` calls for the one
//! object it was said of.

use serde_json::json;
use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("a", "one", json!({})).await;
    world.record("periodic", &json!({ "resync": "1s" }));
    let settings = "  settings: { modes: [annotate, requeue], afterMs: 1 }";
    world.install("timer", "echo", &granted("timed", "annotate", settings));
    world.run().await;
    world.create_text("timed", "0").await;

    // Asked for after 1 ms, raised to the floor of 1 s.
    world.await_mark("timed", "change", "requeued").await;
    let twice = async || {
        let told = world.told("periodic").await;
        (told.iter().filter(|line| *line == "a resync").count() >= 2).then_some(told)
    };
    let told = world.eventually("there were two resyncs", twice).await;
    assert_eq!(told[0], "a initial");
    assert!(told[1..].iter().all(|line| line == "a resync"), "nothing else happened: {told:?}");
    assert!(world.writes(&config_map("timed")).len() >= 2, "the requeued call wrote, too");
    world.stop().await;
}
