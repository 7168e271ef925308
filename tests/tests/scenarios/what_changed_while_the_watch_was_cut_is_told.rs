//! What is changed, created, deleted and recreated while weir cannot reach the API is told when it can again: each change once, a
//! deletion even though its object is long gone, and a recreated object as `deleted` and `added`, with the uids.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    for name in ["changed", "deleted", "recreated", "same"] {
        world.config_map(name, "one", json!({})).await;
    }
    let uid = async |name: &str| world.get(&config_map_path(name)).await.unwrap()["metadata"]["uid"].clone();
    let (deleted, old) = (uid("deleted").await, uid("recreated").await);
    world.record("calls", &json!({}));
    world.run().await;
    let before = ["changed initial", "deleted initial", "recreated initial", "same initial"];
    world.expect_told("calls", &before).await;

    world.disconnect();
    world.merge(&config_map_path("changed"), json!({ "data": { "said": "two" } })).await;
    world.delete(&config_map_path("deleted")).await;
    world.delete(&config_map_path("recreated")).await;
    let new = world.config_map("recreated", "anew", json!({})).await["metadata"]["uid"].clone();
    world.config_map("created", "one", json!({})).await;
    assert_eq!(world.told("calls").await.len(), before.len(), "weir cannot know yet");
    world.reconnect();

    let after = ["changed updated", "deleted deleted", "recreated deleted", "recreated added", "created added"];
    world.expect_told("calls", &[&before[..], &after[..]].concat()).await;
    let records = world.records("calls").await;
    let told = |name: &str, change: &str| -> Value {
        records.iter().find(|record| record["name"] == name && record["change"] == change).cloned().unwrap()
    };
    let said = |record: &Value| -> Value {
        let object: Value = serde_json::from_str(record["object"].as_str().unwrap()).unwrap();
        object["data"]["said"].clone()
    };
    assert_eq!(said(&told("changed", "updated")), "two");
    assert_eq!(told("deleted", "deleted")["uid"], deleted);
    assert_eq!(told("recreated", "deleted")["uid"], old);
    assert_eq!(said(&told("recreated", "deleted")), "one", "the old one's last state");
    assert_eq!(told("recreated", "added")["uid"], new);
    assert_eq!(said(&told("recreated", "added")), "anew");
    world.stop().await;
}
