//! A handler is not called for what it wrote itself, also if every call writes something new; somebody else's write wakes it.

use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    for (handler, name, settings) in [
        ("steady", "quiet", "  settings: { counted: false }"),
        ("counting", "busy", "  settings: { counted: true }"),
    ] {
        world.install(handler, "echo", &granted(name, "annotate", settings));
    }
    world.run().await;
    for name in ["quiet", "busy"] {
        world.create_text(name, "one").await;
        world.await_mark(name, "change", "added").await;
        world.change_text(name, "two").await;
        world.await_mark(name, "change", "updated").await;
    }
    world.quiet().await;
    for (handler, name) in [("steady", "quiet"), ("counting", "busy")] {
        let lane = world.lane(handler);
        assert_eq!(lane["calls"], 2, "one for each write of the scenario: {lane:#}");
        assert_eq!(world.writes(&config_map(name)).len(), 2);
    }
    // That nothing came is shown by what came after it on the same watches.
    for name in ["quiet", "busy"] {
        world.change_text(name, "three").await;
        world.eventually("the third call was made", async || (world.writes(&config_map(name)).len() == 3).then_some(())).await;
    }
    world.quiet().await;
    assert_eq!(world.lane("steady")["calls"], 3);
    assert_eq!(world.lane("counting")["calls"], 3);
    world.stop().await;
}
