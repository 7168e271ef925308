//! A handler that answers `permanent` is not asked again until the object changes.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    let settings = "  settings: { modes: [permanent], names: [victim], message: hopeless }";
    world.install("strict", "echo", &granted("", "annotate", settings));
    world.run().await;
    world.create_text("victim", "one").await;
    let letter = world.await_dead("strict").await;
    assert_eq!(letter["attempts"], 1, "{letter:#}");
    assert!(letter["error"].as_str().unwrap().contains("hopeless"), "{letter:#}");

    world.create_text("other", "one").await;
    world.await_mark("other", "change", "added").await;
    world.quiet().await;
    assert_eq!(world.lane("strict")["calls"], 2, "{:#}", world.lane("strict"));

    // Another state is another event, and replaces the letter.
    world.change_text("victim", "two").await;
    world.eventually("the change was handed over", async || (world.lane("strict")["calls"] == 3).then_some(())).await;
    world.quiet().await;
    let lane = world.lane("strict");
    assert_eq!(lane["deadLetters"], 1, "{lane:#}");
    assert_eq!(lane["calls"], 3, "{lane:#}");
    world.stop().await;
}
