//! `fields` hands over what it names and what names the object, nothing else; `fields: []` hands over metadata, and asks the API for
//! no more than that.

use serde_json::{Value, json};
use weir_tests::world::World;

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("a", "one", json!({ "team": "blue" })).await;
    world.record("chosen", &json!({ "fields": ["/data/said", "/data/missing"] }));
    world.record("metadata", &json!({ "fields": [] }));
    world.run().await;
    for handler in ["chosen", "metadata"] {
        world.expect_told(handler, &["a initial"]).await;
    }
    let chosen = object(&world, "chosen").await;
    let uid = chosen["metadata"]["uid"].clone();
    let named = json!({ "name": "a", "namespace": "watched", "uid": uid });
    let expected = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": { "said": "one" } });
    assert_eq!(chosen, expected);

    let metadata = object(&world, "metadata").await;
    assert_eq!(metadata["metadata"]["labels"], json!({ "team": "blue" }));
    assert_eq!(metadata["kind"], "ConfigMap");
    assert_eq!(metadata["data"], Value::Null);
    assert_eq!(metadata["metadata"]["managedFields"], Value::Null, "they are never handed over");

    let watches: Vec<String> = world
        .requests()
        .into_iter()
        .filter(|it| it.user_agent.starts_with("weir") && it.path.ends_with("/configmaps") && it.query.contains("watch="))
        .map(|it| it.accept)
        .collect();
    let partial = watches.iter().filter(|accept| accept.contains("PartialObjectMetadata")).count();
    assert!(partial > 0 && partial < watches.len(), "one handler watches metadata, the other whole objects: {watches:?}");
    world.stop().await;
}

async fn object(world: &World, handler: &str) -> Value {
    let record = &world.records(handler).await[0];
    serde_json::from_str(record["object"].as_str().unwrap()).unwrap()
}
