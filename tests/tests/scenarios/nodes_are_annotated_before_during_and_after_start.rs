//! The main job: node-images annotates nodes whenever they come, records Events, is told once of a deletion, and owns what it
//! wrote.

use serde_json::{Value, json};
use weir_tests::world::{World, plugin_manifest};

pub(crate) async fn run(mut world: World) {
    node(&world, "before", 2).await;
    world.install("node-images", "node-images", &plugin_manifest("node-images"));
    world.begin(&[]).await;
    node(&world, "during", 1).await;
    world.await_ready().await;
    node(&world, "after", 3).await;
    for (name, count) in [("before", "2"), ("during", "1"), ("after", "3")] {
        counted(&world, name, count).await;
    }

    // A change while the watch is cut is delivered, too.
    world.cut();
    let images = json!({ "status": { "images": images(5) } });
    world.merge("/api/v1/nodes/before/status", images).await;
    counted(&world, "before", "5").await;

    let node = world.get("/api/v1/nodes/before").await.unwrap();
    let owners = node["metadata"]["managedFields"].as_array().unwrap();
    let ours = owners.iter().find(|entry| entry["manager"] == "weir/node-images");
    let ours = ours.unwrap_or_else(|| panic!("weir owns nothing: {owners:#?}"));
    assert!(ours["fieldsV1"]["f:metadata"]["f:annotations"]["f:images.weir.dev/count"].is_object(), "{ours:#}");

    let events = world
        .eventually("there is an Event for every node", async || {
            let events = world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
            let about = |name: &str| events.iter().any(|event| event["regarding"]["name"] == name);
            ["before", "during", "after"].iter().all(|name| about(name)).then_some(events)
        })
        .await;
    assert!(events.iter().all(|event| event["reason"] == "ImagesChanged"), "{events:#?}");

    world.delete("/api/v1/nodes/during").await;
    world.quiet().await;
    let written = |path: &str| world.requests().iter().filter(|it| it.method == "PATCH" && it.path == path).count();
    assert_eq!(written("/api/v1/nodes/during"), 1, "one annotation, and nothing after the deletion");
    let lane = world.lane("node-images");
    assert_eq!(lane["ledger"]["acknowledged"], 2, "the deleted node is forgotten: {lane:#}");
    assert_eq!(lane["failures"], 0, "{lane:#}");
    world.stop().await;
}

fn images(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({ "names": [format!("registry.example/app:{n}")], "sizeBytes": 1000 + n })).collect()
}

async fn node(world: &World, name: &str, count: usize) {
    // Without anything of its own in it, an object is created without managedFields, and its updates are not tracked either.
    let metadata = json!({ "name": name, "labels": { "kubernetes.io/hostname": name } });
    world.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata })).await;
    let status = json!({ "status": { "images": images(count), "capacity": { "ephemeral-storage": "10Gi" } } });
    world.merge(&format!("/api/v1/nodes/{name}/status"), status).await;
}

async fn counted(world: &World, name: &str, count: &str) {
    world
        .eventually(format!("node {name} is annotated with {count} images"), async || {
            let node = world.get(&format!("/api/v1/nodes/{name}")).await?;
            (node["metadata"]["annotations"]["images.weir.dev/count"] == count).then_some(())
        })
        .await;
}
