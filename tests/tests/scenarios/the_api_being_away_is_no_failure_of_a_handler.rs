//! While the API is away nothing counts towards a handler's retry limit, not even one of zero; when it is back, everything is
//! handled.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    let again = "  settings: { modes: [annotate, requeue], counted: true, afterMs: 500 }\n  retry: { limit: 0 }";
    world.install("h", "echo", &granted("", "annotate", again));
    world.run().await;
    for number in 0..5 {
        world.create_text(&format!("before-{number}"), "one").await;
    }
    for number in 0..5 {
        world.await_mark(&format!("before-{number}"), "attempt", "1").await;
    }
    world.away(true);
    world.eventually("the lane notices", async || (world.lane("h")["state"] == "world-away").then_some(())).await;
    for number in 0..5 {
        world.create_aside(&format!("during-{number}"), "one").await;
    }
    world.away(false);
    for number in 0..5 {
        world.await_mark(&format!("during-{number}"), "attempt", "1").await;
        let before = format!("before-{number}");
        world.change_text(&before, "two").await;
        world.await_mark(&before, "change", "updated").await;
    }
    let lane = world.lane("h");
    assert_eq!(lane["deadLetters"], 0, "{lane:#}");
    assert_eq!(lane["state"], "running", "{lane:#}");
    assert_eq!(lane["ledger"]["givenUp"], 0, "{lane:#}");
    world.stop().await;
}
