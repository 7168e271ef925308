//! `previous: true` hands over the state that this handler acknowledged last beside the new one: none at first sight, and for a
//! deletion the last one.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map_path};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("a", "one", json!({})).await;
    world.record("calls", &json!({ "previous": true, "fields": ["/data/said"] }));
    world.run().await;
    world.expect_told("calls", &["a initial"]).await;
    world.merge(&config_map_path("a"), json!({ "data": { "said": "two" } })).await;
    world.expect_told("calls", &["a initial", "a updated"]).await;
    world.delete(&config_map_path("a")).await;
    world.expect_told("calls", &["a initial", "a updated", "a deleted"]).await;

    let said = |record: &Value, which: &str| -> Value {
        let text = record[which].as_str().unwrap();
        let object: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap() };
        object["data"]["said"].clone()
    };
    let records = world.records("calls").await;
    let states: Vec<_> = records.iter().map(|it| (said(it, "object"), said(it, "previous"))).collect();
    assert_eq!(states[0], (json!("one"), Value::Null));
    assert_eq!(states[1], (json!("two"), json!("one")));
    assert_eq!(states[2], (json!("two"), json!("two")));
    world.stop().await;
}
