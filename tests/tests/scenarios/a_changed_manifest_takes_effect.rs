//! Editing the YAML beside a component is enough: what was acknowledged stays so, and what changes from then on is handled as the
//! new settings say. A YAML that is wrong leaves the old one in effect, and names its line.

use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    world.install("h", "echo", &granted("", "annotate", ""));
    world.run().await;
    world.create_text("a", "one").await;
    world.await_mark("a", "change", "added").await;

    world.put("h.yaml", granted("", "label", "  settings: { modes: [label] }").as_bytes());
    world.eventually("it runs", async || (world.lane("h")["generation"] == 2).then_some(())).await;
    world.create_text("b", "one").await;
    labelled(&world, "b").await;
    world.quiet().await;
    assert_eq!(world.mark("b", "change").await, None);
    assert_eq!(world.writes(&config_map("a")).len(), 1, "a did not change, so nobody was called for it");

    world.put("h.yaml", granted("", "label", "  setings: {}").as_bytes());
    let error = world
        .eventually("the mistake is named", async || {
            Some(world.status()["files"][0]["error"].as_str()?.to_owned())
        })
        .await;
    assert!(error.contains("h.yaml") && error.contains("setings"), "{error}");
    world.create_text("c", "one").await;
    labelled(&world, "c").await;
    world.stop().await;
}

async fn labelled(world: &World, name: &str) {
    world
        .eventually(format!("{name} is labelled"), async || {
            let object = world.get(&config_map(name)).await?;
            (object["metadata"]["labels"]["test.weir.dev/echo"] == "yes").then_some(())
        })
        .await;
}
