//! A kind whose definition was deleted while weir was down: nothing of it can be listed any more, and yet its objects are told as deleted, because the API confirms that the
//! definition is gone. An object of the same name under a definition of the same name is another one.

use serde_json::{Value, json};
use weir_tests::world::{WIDGETS, World};

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.define_widgets().await;
    let widget = world.widget("w").await;
    world.record("calls", &json!({ "apiVersion": "example.org/v1", "kind": "Widget" }));
    world.run().await;
    world.expect_told("calls", &["w initial"]).await;
    world.stop().await;

    world.delete(WIDGETS).await;
    world.eventually("the definition is gone", async || world.get(WIDGETS).await.is_none().then_some(())).await;
    world.run().await;
    world.expect_told("calls", &["w initial", "w deleted"]).await;
    let record = &world.records("calls").await[1];
    assert_eq!((&record["uid"], &record["finalStateUnknown"]), (&widget["metadata"]["uid"], &json!("true")));
    let last: Value = serde_json::from_str(record["object"].as_str().unwrap()).unwrap();
    assert_eq!(last["spec"]["size"], 1, "the last state that was told");

    world.define_widgets().await;
    world.widget("w").await;
    world.expect_told("calls", &["w initial", "w deleted", "w added"]).await;
    world.stop().await;
}
