//! A manifest that names namespaces is called for objects in those; one that names none is confined to the host's `--namespace`.
//! Nothing else is even asked for.

use serde_json::json;
use weir_tests::world::{WATCHED, World};

pub(crate) async fn run(mut world: World) {
    world.watched_namespace().await;
    world.namespace("elsewhere").await;
    world.config_map("inside", "one", json!({})).await;
    let outside = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "outside" } });
    world.create("/api/v1/namespaces/elsewhere/configmaps", outside).await;
    world.record("named", &json!({ "namespaces": [WATCHED] }));
    world.record("confined", &json!({ "kind": "ConfigMap" }));
    world.run_in(&[WATCHED]).await;
    world.config_map("later", "one", json!({})).await;
    for handler in ["named", "confined"] {
        world.expect_told(handler, &["inside initial", "later added"]).await;
    }
    let asked: Vec<String> = world
        .requests()
        .into_iter()
        .filter(|it| it.method == "GET" && it.user_agent.starts_with("weir") && it.path.ends_with("/configmaps"))
        .map(|it| it.path)
        .collect();
    assert!(!asked.is_empty() && asked.iter().all(|path| path == "/api/v1/namespaces/watched/configmaps"), "{asked:?}");
    world.stop().await;
}
