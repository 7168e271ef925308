//! The main job: node-images annotates nodes whenever they come, records Events, is told once of a deletion, and owns what it
//! wrote.

use weir_tests::world::{World, plugin_manifest};

/// What the nodes report, or the first few of them.
const IMAGES: [(&str, u64); 5] = [("app:0", 10), ("app:1", 11), ("app:2", 12), ("app:3", 13), ("app:4", 14)];

pub(crate) async fn run(mut world: World) {
    world.node("before", &IMAGES[..2]).await;
    world.install("node-images", "node-images", &plugin_manifest("node-images"));
    world.begin(&[]).await;
    world.node("during", &IMAGES[..1]).await;
    world.await_ready().await;
    world.node("after", &IMAGES[..3]).await;
    for (name, count) in [("before", "2"), ("during", "1"), ("after", "3")] {
        world.await_node(name, "count", Some(count)).await;
    }

    // A change while the watch is cut is delivered, too.
    world.cut();
    world.images("before", &IMAGES).await;
    world.await_node("before", "count", Some("5")).await;

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
