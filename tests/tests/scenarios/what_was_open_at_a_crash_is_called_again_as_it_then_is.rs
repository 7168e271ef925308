//! What a handler was handed and has not acknowledged is called again after a crash, with the state and the change that then hold; who was handed an object is told
//! of its end; and what was acknowledged before the crash is not told again.

use serde_json::{Value, json};
use weir_tests::world::{WATCHED, World, config_map_path, manifest};

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.watched_namespace().await;
    // Its first call for these fails, after the record was made; the next one is an hour away.
    let document = manifest(&format!(
        "  watches: [{{ name: watched, apiVersion: v1, kind: ConfigMap, namespaces: [{WATCHED}] }}]
  settings: {{ prefix: calls, fail: [changed, deleted], until: 1 }}
  grants: {{ write: [{{ apiVersion: v1, kind: ConfigMap, actions: [create] }}] }}
  retry: {{ base: 1h, cap: 1h }}
  workers: 1"
    ));
    world.install("calls", "recorder", &document);
    world.run().await;
    for name in ["changed", "deleted", "same"] {
        world.config_map(name, "one", json!({})).await;
    }
    let before = ["changed added", "deleted added", "same added"];
    world.expect_told("calls", &before).await;

    world.crash();
    world.merge(&config_map_path("changed"), json!({ "data": { "said": "two" } })).await;
    world.delete(&config_map_path("deleted")).await;
    world.run().await;
    // Its end is tried from one again, so that call fails, too, and is given up by nobody.
    let all = ["changed added", "changed added", "deleted added", "deleted deleted", "same added"];
    world.expect_told("calls", &all).await;
    let records = world.records("calls").await;
    let again = records.iter().rfind(|record| record["name"] == "changed").unwrap();
    assert_eq!(again["attempt"], "2", "the failure before the crash counts");
    let object: Value = serde_json::from_str(again["object"].as_str().unwrap()).unwrap();
    assert_eq!(object["data"]["said"], "two");
    world.stop().await;
}
