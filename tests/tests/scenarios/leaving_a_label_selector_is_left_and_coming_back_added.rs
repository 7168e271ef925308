//! An object that no longer matches the watch's selector has `left`, which is no deletion; when it matches again it is `added`. What
//! happens to it meanwhile is not told.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("member", "one", json!({ "team": "blue" })).await;
    world.config_map("stranger", "one", json!({ "team": "red" })).await;
    world.record("calls", &json!({ "labelSelector": "team=blue" }));
    world.run().await;
    world.expect_told("calls", &["member initial"]).await;

    let team = async |name: &str, team: &str| {
        let patch = json!({ "metadata": { "labels": { "team": team } }, "data": { "team": team } });
        world.merge(&config_map_path(name), patch).await;
    };
    team("member", "red").await;
    world.expect_told("calls", &["member initial", "member left"]).await;
    world.merge(&config_map_path("member"), json!({ "data": { "said": "outside" } })).await;
    team("stranger", "blue").await;
    world.expect_told("calls", &["member initial", "member left", "stranger added"]).await;
    team("member", "blue").await;
    world.delete(&config_map_path("stranger")).await;
    let all = ["member initial", "member left", "member added", "stranger added", "stranger deleted"];
    world.expect_told("calls", &all).await;

    let records = world.records("calls").await;
    let back = records.iter().find(|record| record["name"] == "member" && record["change"] == "added").unwrap();
    let object: Value = serde_json::from_str(back["object"].as_str().unwrap()).unwrap();
    assert_eq!(object["data"], json!({ "said": "outside", "team": "blue" }));
    world.stop().await;
}
