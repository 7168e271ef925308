//! node-images deletes a Node whose annotation asks for it, as it was shown to the handler and with ten seconds of grace: not without the grant, not one that
//! asks for something else, and not a later node of the same name.

use serde_json::{Value, json};
use weir_tests::world::{World, node_images, node_path};

pub(crate) async fn run(mut world: World) {
    let goes = world.node("goes", &[("a:1", 100)]).await;
    world.node("stays", &[("a:1", 100)]).await;
    world.install("node-images", "node-images", &node_images("", "", "", ""));
    world.run().await;
    for name in ["goes", "stays"] {
        world.await_node(name, "count", Some("1")).await;
    }
    world.quiet().await;
    let asking = |value: &str| json!({ "metadata": { "annotations": { "images.weir.dev/delete": value } } });
    world.merge(&node_path("stays"), asking("no")).await;
    world.merge(&node_path("goes"), asking("true")).await;
    let letter = world.await_dead("node-images").await;
    let error = letter["error"].as_str().unwrap();
    assert!(error.contains("not granted: delete on Node goes"), "{error}");
    assert!(error.contains("apiVersion: v1\n  kind: Node\n  actions: [delete]"), "{error}");
    assert_eq!(deletions(&world, "goes"), Vec::<Value>::new());

    let grant = "      - { apiVersion: v1, kind: Node, actions: [delete] }\n";
    world.put("node-images.yaml", node_images("", "", grant, "").as_bytes());
    world
        .eventually("the node is gone", async || world.get(&node_path("goes")).await.is_none().then_some(()))
        .await;
    world.quiet().await;
    let sent = deletions(&world, "goes");
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert_eq!(sent[0]["gracePeriodSeconds"], 10, "{sent:#?}");
    assert_eq!(sent[0]["preconditions"]["uid"], goes["metadata"]["uid"], "{sent:#?}");
    assert!(sent[0]["preconditions"]["resourceVersion"].is_string(), "as it was shown: {sent:#?}");
    assert_eq!(world.events_about("goes", "NodeDeleting").await.len(), 1);

    world.node("goes", &[("a:1", 100), ("b:1", 100)]).await;
    world.await_node("goes", "count", Some("2")).await;
    world.quiet().await;
    assert_eq!(deletions(&world, "goes").len(), 1, "another node of that name did not ask");
    assert_eq!(deletions(&world, "stays"), Vec::<Value>::new());
    assert_eq!(world.lane("node-images")["deadLetters"], 0);
    // Nothing was asked of the API for it: the list by name is answered from the cache.
    assert!(!world.requests().iter().any(|it| it.user_agent.starts_with("weir") && it.query.contains("metadata.name")));
    world.stop().await;
}

/// The bodies of the deletions that weir sent.
fn deletions(world: &World, name: &str) -> Vec<Value> {
    let writes = world.writes(&node_path(name));
    writes.iter().filter(|it| it.method == "DELETE").map(|it| serde_json::from_str(&it.body).unwrap()).collect()
}
