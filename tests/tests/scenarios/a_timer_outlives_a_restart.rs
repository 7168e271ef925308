//! A handler's wish to be called again outlives weir: one that came due while weir was down is called at once, one that did not when it does.

use std::time::Duration;
use tokio::time::Instant;
use weir_tests::world::{World, granted};

const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(6);

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    for (name, after) in [("soon", SOON), ("later", LATER)] {
        let settings = format!("  settings: {{ modes: [annotate, requeue], afterMs: {} }}", after.as_millis());
        world.install(name, "echo", &granted(name, "annotate", &settings));
    }
    world.run().await;
    let began = Instant::now();
    for name in ["soon", "later"] {
        world.create_text(name, "one").await;
        world.await_mark(name, "change", "added").await;
    }
    world.stop().await;
    tokio::time::sleep(SOON).await;

    world.run().await;
    world.await_mark("soon", "change", "requeued").await;
    world.await_mark("later", "change", "requeued").await;
    assert!(began.elapsed() >= LATER, "not before its time");
    world.stop().await;
}
