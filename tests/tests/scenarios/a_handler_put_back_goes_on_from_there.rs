//! Removing a handler ends its calls and keeps what it knows: put back, it is told what changed meanwhile, and no more.

use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    for name in ["changed", "same"] {
        world.create_text(name, "one").await;
    }
    world.install("h", "echo", &granted("", "annotate", ""));
    world.run().await;
    for name in ["changed", "same"] {
        world.await_mark(name, "change", "initial").await;
    }
    world.quiet().await;
    world.remove("h.wasm");
    world.eventually("it is removed", async || (world.lane("h")["state"] == "removed").then_some(())).await;
    world.change_text("changed", "two").await;
    world.create_text("new", "one").await;

    world.install("h", "echo", &granted("", "annotate", ""));
    world.await_mark("changed", "change", "updated").await;
    world.await_mark("new", "change", "added").await;
    world.quiet().await;
    let lane = world.lane("h");
    assert_eq!(lane["calls"], 4, "two before, two after: {lane:#}");
    assert_eq!(world.writes(&config_map("same")).len(), 1);
    world.stop().await;
}
