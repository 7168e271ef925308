//! Server-side apply creates and owns, drops what is no longer applied, and does not take fields from others: the dead letter
//! names who owns them.

use serde_json::{Value, json};
use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    world.install("applier", "echo", &applying(r#"{ kept: "1", dropped: "1" }"#));
    world.run().await;
    world.create_text("source", "one").await;
    let result = holds(&world, json!({ "kept": "1", "dropped": "1" })).await;
    let owners = result["metadata"]["managedFields"].as_array().unwrap();
    let ours = owners.iter().find(|entry| entry["manager"] == "weir/applier");
    assert_eq!(ours.map(|entry| &entry["operation"]), Some(&json!("Apply")), "{owners:#?}");

    world.put("applier.yaml", applying(r#"{ kept: "1" }"#).as_bytes());
    world.eventually("the new manifest runs", async || (world.lane("applier")["generation"] == 2).then_some(())).await;
    world.change_text("source", "two").await;
    holds(&world, json!({ "kept": "1" })).await;

    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "result" }, "data": { "kept": "theirs" },
    });
    let path = format!("{}?fieldManager=somebody-else&force=true", config_map("result"));
    world.send("PATCH", &path, "application/apply-patch+yaml", &theirs).await.unwrap();
    world.change_text("source", "three").await;
    let letter = world.await_dead("applier").await;
    assert!(letter["error"].as_str().unwrap().contains("somebody-else"), "{letter:#}");
    assert_eq!(letter["attempts"], 2, "a conflict is the handler's failure, and tried again: {letter:#}");
    holds(&world, json!({ "kept": "theirs" })).await;
    world.stop().await;
}

fn applying(data: &str) -> String {
    let object = "apiVersion: v1, kind: ConfigMap, metadata: { name: result, namespace: default }";
    let settings = format!("  settings: {{ modes: [apply], manifest: {{ {object}, data: {data} }} }}");
    granted("source", "apply", &format!("{settings}\n  retry: {{ limit: 1 }}"))
}

async fn holds(world: &World, data: Value) -> Value {
    world
        .eventually(format!("the result holds {data}"), async || {
            world.get(&config_map("result")).await.filter(|result| result["data"] == data)
        })
        .await
}
