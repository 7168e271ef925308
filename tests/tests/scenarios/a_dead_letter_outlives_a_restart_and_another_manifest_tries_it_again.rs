//! What a handler gave up stays given up over a restart with the same build and manifest, and can still be seen; a manifest that was edited meanwhile tries it again, and
//! success drops it.

use serde_json::{Value, json};
use weir_tests::world::{WATCHED, World, config_map_path, manifest};

fn failing(names: &str) -> String {
    manifest(&format!(
        "  watches: [{{ name: watched, apiVersion: v1, kind: ConfigMap, namespaces: [{WATCHED}] }}]
  settings: {{ prefix: calls, fail: [{names}] }}
  grants: {{ write: [{{ apiVersion: v1, kind: ConfigMap, actions: [create] }}] }}
  retry: {{ limit: 1 }}
  workers: 1"
    ))
}

/// The letters, less their age.
fn letters(world: &World) -> Value {
    let mut letters = world.lane("calls")["dead"].take();
    for letter in letters.as_array_mut().unwrap() {
        letter.as_object_mut().unwrap().remove("ageSeconds").unwrap();
    }
    letters
}

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.watched_namespace().await;
    world.install("calls", "recorder", &failing("a, b"));
    world.run().await;
    for name in ["a", "b"] {
        world.config_map(name, "one", json!({})).await;
    }
    let before = ["a added", "a added", "b added", "b added"];
    world.expect_told("calls", &before).await;
    world.delete(&config_map_path("b")).await;
    let before = [&before[..], &["b deleted", "b deleted"]].concat();
    world.expect_told("calls", &before).await;
    let dead = letters(&world);
    assert_eq!(dead.as_array().unwrap().len(), 2, "one for each: {dead:#}");
    world.stop().await;

    world.run().await;
    world.expect_told("calls", &before).await;
    assert_eq!(letters(&world), dead);
    world.crash();

    world.put("calls.yaml", failing("").as_bytes());
    world.run().await;
    world.expect_told("calls", &[&before[..], &["a added", "b deleted"]].concat()).await;
    assert_eq!(letters(&world), json!([]));
    world.stop().await;
}
