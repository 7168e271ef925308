//! With `dryRun` every write asks the server to carry out nothing; taken away, the next state is really annotated.

use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    world.install("rehearsal", "echo", &granted("", "annotate", "  dryRun: true"));
    world.run().await;
    let created = world.create_text("a", "one").await;
    world.eventually("it was rehearsed", async || (!world.writes(&config_map("a")).is_empty()).then_some(())).await;
    world.quiet().await;
    let writes = world.writes(&config_map("a"));
    assert!(writes.iter().all(|it| it.query.contains("dryRun=All") && it.status == 200), "{writes:#?}");
    let object = world.get(&config_map("a")).await.unwrap();
    assert_eq!(object["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);

    world.put("rehearsal.yaml", granted("", "annotate", "").as_bytes());
    world.await_mark("a", "version", "one").await;
    world.stop().await;
}
