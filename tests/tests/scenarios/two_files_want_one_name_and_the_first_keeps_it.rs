//! A name belongs to one file: a second file that wants it is refused, naming both, and has its turn when the first one goes.

use serde_json::{Value, json};
use weir_tests::world::World;

const NAMED: &str = "apiVersion: weir.dev/v1alpha1
kind: Handler
metadata: { name: shared }
spec:
  grants: { write: [{ apiVersion: v1, kind: ConfigMap, actions: [annotate] }] }
";

pub(crate) async fn run(mut world: World) {
    world.install("first", "echo", NAMED);
    world.run().await;
    world.install("second", "echo-two", NAMED);
    let refused = world.eventually("the second file is refused", async || state(&world, "second.wasm", "refused")).await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.starts_with("second.wasm is not loaded, because first.wasm already has the handler name"), "{error}");
    marked_by(&world, "a", "one").await;

    world.remove("first.wasm");
    world.remove("first.yaml");
    world.eventually("the second file has its turn", async || state(&world, "second.wasm", "running")).await;
    marked_by(&world, "b", "two").await;
    assert_eq!(world.status()["handlers"].as_array().unwrap().len(), 1, "one name, one lane");
    world.stop().await;
}

fn state(world: &World, file: &str, state: &str) -> Option<Value> {
    let status = world.status();
    let found = status["files"].as_array()?.iter().find(|it| it["file"] == file && it["state"] == state);
    found.cloned()
}

/// Creates an object, and waits until the build `version` has marked it.
async fn marked_by(world: &World, name: &str, version: &str) {
    let maps = "/api/v1/namespaces/default/configmaps";
    world.create(maps, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })).await;
    world
        .eventually(format!("build {version} has marked {name}"), async || {
            let object = world.get(&format!("{maps}/{name}")).await?;
            (object["metadata"]["annotations"]["test.weir.dev/version"] == version).then_some(())
        })
        .await;
}
