//! With a state directory a restart is no beginning: what was deleted, changed, made anew or left the selector while weir was down is told as that, once, and what did
//! not change is not told.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    let blue = || json!({ "team": "blue" });
    world.keep_state();
    world.watched_namespace().await;
    for name in ["changed", "deleted", "moved", "same"] {
        world.config_map(name, "one", blue()).await;
    }
    let recreated = world.config_map("recreated", "one", blue()).await;
    world.config_map("stranger", "one", json!({ "team": "red" })).await;
    world.record("calls", &json!({ "labelSelector": "team=blue" }));
    world.run().await;
    let before = ["changed initial", "deleted initial", "moved initial", "recreated initial", "same initial"];
    world.expect_told("calls", &before).await;
    world.stop().await;

    let team = |team: &str| json!({ "metadata": { "labels": { "team": team } } });
    world.merge(&config_map_path("changed"), json!({ "data": { "said": "two" } })).await;
    world.delete(&config_map_path("deleted")).await;
    world.merge(&config_map_path("moved"), team("red")).await;
    world.merge(&config_map_path("stranger"), team("blue")).await;
    world.delete(&config_map_path("recreated")).await;
    let again = world.config_map("recreated", "one", blue()).await;
    world.config_map("new", "one", blue()).await;

    world.run().await;
    let meanwhile = [
        "changed updated",
        "deleted deleted",
        "moved left",
        "recreated deleted",
        "recreated added",
        "stranger added",
        "new added",
    ];
    let all: Vec<&str> = before.into_iter().chain(meanwhile).collect();
    world.expect_told("calls", &all).await;

    let records = world.records("calls").await;
    let record = |name: &str, change: &str| {
        records.iter().find(|record| record["name"] == name && record["change"] == change).unwrap().clone()
    };
    assert_eq!(record("recreated", "deleted")["uid"], recreated["metadata"]["uid"]);
    assert_eq!(record("recreated", "added")["uid"], again["metadata"]["uid"]);
    let gone = record("deleted", "deleted");
    assert_eq!(gone["finalStateUnknown"], "true", "nobody saw it go");
    let last: Value = serde_json::from_str(gone["object"].as_str().unwrap()).unwrap();
    assert_eq!(last["data"], json!({ "said": "one" }), "the last state that was told");

    // And that is all: a second restart has nothing to tell.
    world.stop().await;
    world.run().await;
    world.config_map("last", "one", blue()).await;
    let all: Vec<&str> = all.into_iter().chain(["last added"]).collect();
    world.expect_told("calls", &all).await;
    world.stop().await;
}
