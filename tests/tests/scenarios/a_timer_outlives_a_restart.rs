//! A handler's wish to be called again outlives weir: one that came due while weir was down is called at once, one that did not when it does.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    for (name, after_ms) in [("soon", 1_000), ("later", 8_000)] {
        let settings = format!("  settings: {{ modes: [annotate, requeue], afterMs: {after_ms}, until: 1 }}");
        world.install(name, "echo", &granted(name, "annotate", &settings));
    }
    world.run().await;
    for name in ["soon", "later"] {
        world.create_text(name, "one").await;
        world.await_mark(name, "change", "added").await;
    }
    world.stop().await;
    // Nothing but time has to pass.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;

    world.run().await;
    world.await_mark("soon", "change", "requeued").await;
    assert_eq!(world.mark("later", "change").await.as_deref(), Some("added"), "not yet");
    world.await_mark("later", "change", "requeued").await;
    assert_eq!(world.lane("later")["calls"], 1, "since the restart");
    world.stop().await;
}
