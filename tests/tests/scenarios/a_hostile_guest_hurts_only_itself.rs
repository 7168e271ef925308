//! A guest that traps, one that never ends and one that takes all memory are each given up, each told apart in `/status`, while
//! another handler of the same objects works as ever.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    let hostile = [
        ("trapping", "trap", "", "trapped"),
        ("looping", "loop", "  limits: { time: 200ms }", "200ms"),
        ("hoarding", "grow", "  limits: { memory: 16Mi }", "memory"),
    ];
    for (handler, mode, limits, _) in hostile {
        let settings = format!("  settings: {{ modes: [{mode}], names: [victim], message: on purpose }}\n  retry: {{ limit: 1 }}\n{limits}");
        world.install(handler, "echo", &granted("victim", "annotate", &settings));
    }
    world.install("neighbour", "echo", &granted("", "annotate", ""));
    world.run().await;
    world.create_text("victim", "one").await;
    for number in 0..20 {
        world.create_text(&format!("other-{number}"), "one").await;
    }
    world.await_mark("victim", "change", "added").await;
    for number in 0..20 {
        world.await_mark(&format!("other-{number}"), "change", "added").await;
    }
    for (handler, _, _, words) in hostile {
        let letter = world.await_dead(handler).await;
        let error = letter["error"].as_str().unwrap();
        assert!(error.contains(words), "{handler}: {words:?} is not in {error:?}");
        assert_eq!(letter["object"], "default/victim", "{letter:#}");
    }
    let lane = world.lane("neighbour");
    assert_eq!(lane["failures"], 0, "{lane:#}");
    assert_eq!(lane["state"], "running", "{lane:#}");
    world.stop().await;
}
