//! `set-status` writes the status subresource, bound to the uid and the state the handler saw, and leaves the rest alone.

use serde_json::{Value, json};
use weir_tests::world::{World, manifest};

pub(crate) async fn run(mut world: World) {
    world.install(
        "phases",
        "echo",
        &manifest(
            "  watches: [{ name: nodes, apiVersion: v1, kind: Node }]
  settings: { modes: [set-status], body: { phase: Running } }
  grants:
    write: [{ apiVersion: v1, kind: Node, actions: [set-status] }]",
        ),
    );
    world.run().await;
    let metadata = json!({ "name": "one", "labels": { "kubernetes.io/hostname": "one" } });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": { "podCIDR": "10.0.0.0/24" } });
    let created = world.create("/api/v1/nodes", node).await;
    let set = world
        .eventually("the status is set", async || {
            world.get("/api/v1/nodes/one").await.filter(|node| node["status"]["phase"] == "Running")
        })
        .await;
    assert_eq!(set["spec"], created["spec"]);
    assert_eq!(set["metadata"]["labels"], created["metadata"]["labels"]);
    world.quiet().await;
    assert_eq!(world.writes("/api/v1/nodes/one"), [], "only the subresource is written");
    let sent = world.writes("/api/v1/nodes/one/status");
    let body: Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(body["metadata"]["uid"], created["metadata"]["uid"], "{sent:#?}");
    assert_eq!(body["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"], "{sent:#?}");
    assert_eq!(world.lane("phases")["failures"], 0, "{:#}", world.lane("phases"));
    world.stop().await;
}
