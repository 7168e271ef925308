//! A field selector is sent to the server, which knows what a kind can be selected by; objects outside it are never told.

use serde_json::json;
use weir_tests::world::World;

pub(crate) async fn run(mut world: World) {
    pod(&world, "here", "node-a").await;
    pod(&world, "there", "node-b").await;
    let watch = json!({ "kind": "Pod", "namespaces": ["default"], "fieldSelector": "spec.nodeName=node-a" });
    world.record("calls", &watch);
    world.run().await;
    pod(&world, "also-there", "node-b").await;
    pod(&world, "also-here", "node-a").await;
    world.expect_told("calls", &["here initial", "also-here added"]).await;
    let asked = world.requests();
    let pods: Vec<_> =
        asked.iter().filter(|it| it.user_agent.starts_with("weir") && it.path.ends_with("/pods")).map(|it| &it.query).collect();
    assert!(!pods.is_empty() && pods.iter().all(|query| query.contains("fieldSelector=spec.nodeName%3Dnode-a")), "{pods:?}");
    world.stop().await;
}

async fn pod(world: &World, name: &str, node: &str) {
    let spec = json!({ "nodeName": node, "containers": [{ "name": "main", "image": "registry.example/app:1" }] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    world.create("/api/v1/namespaces/default/pods", pod).await;
}
