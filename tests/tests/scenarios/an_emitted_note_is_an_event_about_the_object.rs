//! `emit` records a Kubernetes Event about the object, as the handler; the same note again is counted, not repeated.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    world.install("crier", "echo", &granted("", "emit", "  settings: { modes: [emit], message: hear ye }"));
    world.run().await;
    let object = world.create_text("a", "one").await;
    let events = async || world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
    let event = world.eventually("there is an Event", async || events().await.pop()).await;
    assert_eq!(event["regarding"]["uid"], object["metadata"]["uid"], "{event:#}");
    assert_eq!(event["regarding"]["name"], "a", "{event:#}");
    assert_eq!(event["note"], "hear ye", "{event:#}");
    assert_eq!(event["reason"], "Echo", "{event:#}");
    assert_eq!(event["type"], "Warning", "{event:#}");
    assert_eq!(event["reportingController"], "weir.dev/crier", "{event:#}");

    world.change_text("a", "two").await;
    let counted = |event: serde_json::Value| event["series"]["count"].as_u64().filter(|count| *count >= 2);
    world.eventually("it is counted", async || events().await.pop().and_then(counted)).await;
    assert_eq!(events().await.len(), 1);
    world.stop().await;
}
