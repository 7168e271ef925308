//! However many handlers watch the same objects, the API sees one watch; each handler is told all of it.

use serde_json::json;
use weir_tests::world::World;

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.config_map("a", "one", json!({})).await;
    let handlers = ["first", "second", "third"];
    // They differ in what they are handed and called for, not in what is watched.
    world.record("first", &json!({}));
    world.record("second", &json!({ "fields": ["/data/said"] }));
    world.run().await;
    for handler in &handlers[..2] {
        world.expect_told(handler, &["a initial"]).await;
    }
    // One that comes later joins, and is told what is there.
    world.record("third", &json!({ "events": ["initial", "added"] }));
    world.expect_told("third", &["a initial"]).await;
    world.config_map("b", "one", json!({})).await;
    for handler in handlers {
        world.expect_told(handler, &["a initial", "b added"]).await;
    }
    let requests = world.requests();
    let watches = requests.iter().filter(|it| {
        it.user_agent.starts_with("weir") && it.path == "/api/v1/namespaces/watched/configmaps" && it.query.contains("watch=")
    });
    assert_eq!(watches.count(), 1, "{requests:#?}");
    world.stop().await;
}
