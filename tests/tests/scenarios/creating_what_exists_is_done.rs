//! Creating an object that exists is no failure, and leaves it as it is.

use weir_tests::world::{CONFIG_MAPS, World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    let there = world.create_text("result", "theirs").await;
    let object = "apiVersion: v1, kind: ConfigMap, metadata: { name: result, namespace: default }, data: { text: ours }";
    let settings = format!("  settings: {{ modes: [create, annotate], manifest: {{ {object} }} }}");
    world.install("creator", "echo", &granted("source", "create, annotate", &settings));
    world.run().await;
    world.create_text("source", "one").await;
    world.await_mark("source", "change", "added").await;
    world.quiet().await;
    let created = world.writes(CONFIG_MAPS);
    assert_eq!(created.iter().map(|it| it.status).collect::<Vec<_>>(), [409], "{created:#?}");
    let result = world.get(&config_map("result")).await.unwrap();
    assert_eq!(result["metadata"]["resourceVersion"], there["metadata"]["resourceVersion"]);
    assert_eq!(world.lane("creator")["failures"], 0);
    world.stop().await;
}
