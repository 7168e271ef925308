//! node-images deletes the pods that `settings.prune` names from a node that is too full, by uid and with its grace period: none without the grants to read and to
//! delete them, none elsewhere, and those that come later at the next look. Which pods there are is read from weir's cache.

use serde_json::{Value, json};
use weir_tests::world::{World, node_images, node_path};

/// A look every second, so that the scenario need not wait half a minute.
const WATCHES: &str = "  watches: [{ name: nodes, apiVersion: v1, kind: Node, changed: [/status/images], previous: true, resync: 1s }]\n";
const SETTINGS: &str = "    prune: { labelSelector: 'may-leave in (yes, true)', gracePeriodSeconds: 7 }\n";
const READ: &str = "      - { apiVersion: v1, kind: Pod }\n";
const WRITE: &str = "      - { apiVersion: v1, kind: Pod, actions: [delete] }\n";

pub(crate) async fn run(mut world: World) {
    world.namespace("other").await;
    world.node("full", &[("a:1", 900)]).await;
    world.node("roomy", &[("a:1", 100)]).await;
    let mut going = Vec::new();
    for namespace in ["default", "other"] {
        let pod = pod(&world, namespace, "goes", "full", json!({ "may-leave": "yes" })).await;
        going.push((path(namespace, "goes"), pod["metadata"]["uid"].clone()));
    }
    pod(&world, "default", "elsewhere", "roomy", json!({ "may-leave": "yes" })).await;
    pod(&world, "default", "unlabelled", "full", json!({})).await;
    pod(&world, "default", "otherwise", "full", json!({ "may-leave": "no" })).await;

    // Without reading pods, what does not need them is done all the same.
    world.install("node-images", "node-images", &node_images(SETTINGS, "", "", WATCHES));
    world.run().await;
    world.await_node("full", "percent", Some("90")).await;
    await_dead(&world, "reading v1 Pod is not granted").await;
    world.put("node-images.yaml", node_images(SETTINGS, READ, "", WATCHES).as_bytes());
    let error = await_dead(&world, "not granted: delete on Pod default/goes, delete on Pod other/goes").await;
    assert!(error.contains("kind: Pod\n  actions: [delete]"), "{error}");
    for (path, _) in &going {
        assert_eq!(world.writes(path), []);
    }

    world.put("node-images.yaml", node_images(SETTINGS, READ, WRITE, WATCHES).as_bytes());
    for (path, uid) in &going {
        await_leaving(&world, path, uid).await;
    }
    let notes: Vec<Value> = world.events_about("full", "PodsPruned").await.iter().map(|it| it["note"].clone()).collect();
    assert!(notes.contains(&"deleting 2 pods that match may-leave in (yes, true): default/goes, other/goes".into()), "{notes:?}");

    // The node does not change, but it is looked at again.
    let late = pod(&world, "default", "late", "full", json!({ "may-leave": "true" })).await;
    await_leaving(&world, &path("default", "late"), &late["metadata"]["uid"]).await;

    for name in ["elsewhere", "unlabelled", "otherwise"] {
        let path = path("default", name);
        let pod = world.get(&path).await.unwrap();
        assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null, "{pod:#}");
        assert_eq!(world.writes(&path), [], "{name} stays");
    }
    assert_eq!(world.writes(&node_path("full")).iter().filter(|it| it.method == "DELETE").count(), 0);
    assert_eq!(world.lane("node-images")["deadLetters"], 0);
    let mut asked = world.requests();
    asked.retain(|it| it.method == "GET" && it.user_agent.starts_with("weir") && it.path.ends_with("/pods"));
    assert!(!asked.is_empty() && asked.iter().all(|it| !it.query.contains("Selector")), "the cache is asked, not the API: {asked:#?}");
    world.stop().await;
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

/// Creates a pod that is on a node, so that it takes its time to end.
async fn pod(world: &World, namespace: &str, name: &str, node: &str, labels: Value) -> Value {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": labels },
        "spec": { "nodeName": node, "containers": [{ "name": "main", "image": "example.com/main" }] },
    });
    world.create(&format!("/api/v1/namespaces/{namespace}/pods"), pod).await
}

/// Waits until a dead letter says so; what it says.
async fn await_dead(world: &World, words: &str) -> String {
    world
        .eventually(format!("a dead letter says {words:?}"), async || {
            let error = world.lane("node-images")["dead"][0]["error"].as_str()?.to_owned();
            error.contains(words).then_some(error)
        })
        .await
}

/// Waits until the pod is being deleted, by the one request that is to do it.
async fn await_leaving(world: &World, path: &str, uid: &Value) {
    // A pod that has ended by now was deleted, too.
    let leaves = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
    let pod = world
        .eventually(format!("{path} is being deleted"), async || match world.get(path).await {
            None => Some(Value::Null),
            Some(pod) => leaves(&pod).then_some(pod),
        })
        .await;
    assert!(pod.is_null() || pod["metadata"]["deletionGracePeriodSeconds"] == 7, "{pod:#}");
    world.quiet().await;
    let sent = world.writes(path);
    assert_eq!(sent.len(), 1, "{sent:#?}");
    let body: Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!((&*sent[0].method, &body["gracePeriodSeconds"]), ("DELETE", &json!(7)), "{sent:#?}");
    assert_eq!(&body["preconditions"]["uid"], uid, "{sent:#?}");
}
