//! A retry limit of 2 is three calls; then the event is a dead letter, shown in `/status` and by an Event on the object. Others
//! are handled as before.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    let failing = "  settings: { modes: [retry], names: [victim], message: no luck }
  retry: { limit: 2, base: 5ms, cap: 20ms }";
    world.install("stubborn", "echo", &granted("", "annotate", failing));
    world.run().await;
    world.create_text("victim", "one").await;

    let letter = world.await_dead("stubborn").await;
    assert_eq!(letter["object"], "default/victim", "{letter:#}");
    assert_eq!(letter["attempts"], 3, "{letter:#}");
    assert!(letter["error"].as_str().unwrap().contains("no luck"), "{letter:#}");
    let event = world
        .eventually("an Event on the object says so", async || {
            let events = world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
            events.into_iter().find(|event| event["regarding"]["name"] == "victim")
        })
        .await;
    assert_eq!(event["reason"], "HandlerGaveUp", "{event:#}");
    assert_eq!(event["type"], "Warning", "{event:#}");

    world.create_text("other", "one").await;
    world.await_mark("other", "change", "added").await;
    world.quiet().await;
    let lane = world.lane("stubborn");
    assert_eq!(lane["calls"], 4, "three for the victim, one for the other: {lane:#}");
    assert_eq!(lane["failures"], 3, "{lane:#}");
    assert_eq!(lane["ledger"]["givenUp"], 1, "{lane:#}");
    world.stop().await;
}
