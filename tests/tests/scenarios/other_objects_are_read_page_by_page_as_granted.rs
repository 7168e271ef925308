//! `cluster` answers for kinds that were declared and granted, one object or page by page; else it is denied, and the dead letter
//! says what to add.

use serde_json::json;
use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    for name in ["n1", "n2", "n3", "n4", "n5"] {
        let metadata = json!({ "name": name, "labels": { "read": "yes" } });
        world.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata })).await;
    }
    let unlabelled = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n6" } });
    world.create("/api/v1/nodes", unlabelled).await;
    let nodes = "  reads: [{ apiVersion: v1, kind: Node }]\n";
    let asking = |mode: &str| {
        let target = "target: { apiVersion: v1, kind: Node, name: n3 }, labelSelector: read=yes, pageSize: 2";
        format!("  settings: {{ modes: [{mode}], {target} }}\n")
    };
    // `granted` ends its grants with those for writing, so that more can follow.
    let granting = |mode: &str| format!("    read: [{{ apiVersion: v1, kind: Node }}]\n{nodes}{}", asking(mode));
    world.install("get", "echo", &granted("one", "annotate", &granting("get-cluster")));
    world.install("list", "echo", &granted("two", "annotate", &granting("list-cluster")));
    world.install("ungranted", "echo", &granted("three", "annotate", &format!("{nodes}{}", asking("get-cluster"))));
    world.install("undeclared", "echo", &granted("three", "annotate", &asking("list-cluster")));
    world.run().await;
    for name in ["one", "two", "three"] {
        world.create_text(name, "one").await;
    }
    world.await_mark("one", "got", "yes").await;
    world.await_mark("two", "listed", "n1,n2,n3,n4,n5").await;
    for (handler, words) in
        [("ungranted", "grants:\n    read: [{ apiVersion: v1, kind: Node }]"), ("undeclared", "reads: [{ apiVersion: v1, kind: Node }]")]
    {
        let letter = world.await_dead(handler).await;
        assert!(letter["error"].as_str().unwrap().contains(words), "{letter:#}");
        assert_eq!(letter["attempts"], 1, "{letter:#}");
    }
    let lists = world.requests().iter().filter(|it| it.path == "/api/v1/nodes" && it.query.contains("labelSelector")).count();
    assert_eq!(lists, 0, "reads are answered from the cache");
    world.stop().await;
}
