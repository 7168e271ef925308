//! A new build re-drives the dead letters of its handler, and its success drops them.

use weir_tests::world::{World, component, granted};

pub(crate) async fn run(mut world: World) {
    // This build creates ConfigMaps, which is not granted; the next one annotates, which is.
    world.install("mended", "recorder", &granted("", "annotate", ""));
    world.run().await;
    for name in ["a", "b"] {
        world.create_text(name, "one").await;
    }
    world.eventually("both are given up", async || (world.lane("mended")["deadLetters"] == 2).then_some(())).await;

    world.put("mended.wasm", &component("echo-two"));
    for name in ["a", "b"] {
        world.await_mark(name, "version", "two").await;
        world.await_mark(name, "change", "added").await;
        world.await_mark(name, "attempt", "1").await;
    }
    world.quiet().await;
    let lane = world.lane("mended");
    assert_eq!(lane["deadLetters"], 0, "{lane:#}");
    assert_eq!(lane["ledger"]["acknowledged"], 2, "{lane:#}");
    assert_eq!(lane["calls"], 4, "{lane:#}");
    world.stop().await;
}
