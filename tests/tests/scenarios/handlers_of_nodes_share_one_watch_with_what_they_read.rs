//! Three handlers of Nodes, one of which also reads Nodes: the API server is asked for one watch, and no more lists than that needs.

use serde_json::json;
use weir_tests::world::{World, manifest, plugin_manifest};

pub(crate) async fn run(mut world: World) {
    world.node("a", &[("a:1", 100)]).await;
    let grants = "  grants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate] }] }";
    world.install("node-images", "node-images", &plugin_manifest("node-images"));
    world.install("first-handler", "first-handler", &manifest(grants));
    world.record("recorder", &json!({ "kind": "Node", "events": ["initial", "added"] }));
    world.run().await;
    world.node("b", &[("a:1", 100), ("b:1", 100)]).await;
    for (name, count) in [("a", "1"), ("b", "2")] {
        world.await_node(name, "count", Some(count)).await;
        let path = weir_tests::world::node_path(name);
        world
            .eventually(format!("first-handler counted the images of {name}"), async || {
                let node = world.get(&path).await?;
                (node["metadata"]["annotations"]["example.com/images"] == count).then_some(())
            })
            .await;
    }
    world.expect_told("recorder", &["a initial", "b added"]).await;
    let mut asked = world.requests();
    asked.retain(|it| it.method == "GET" && it.user_agent.starts_with("weir") && it.path == "/api/v1/nodes");
    let (watches, lists): (Vec<_>, Vec<_>) = asked.iter().partition(|it| it.query.contains("watch="));
    assert_eq!(watches.len(), 1, "{asked:#?}");
    assert!(lists.len() <= 1, "{asked:#?}");
    world.stop().await;
}
