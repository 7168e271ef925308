//! pod-retry with a state directory: a pod that was deleted while weir was down is told as gone, once, by an Event about it.

use weir_tests::world::{PODS, World};

pub(crate) async fn run(mut world: World) {
    if !world.install_pod_retry("") {
        return;
    }
    world.keep_state();
    for name in ["stays", "goes"] {
        world.failing_pod(name, 0).await;
    }
    world.run().await;
    for name in ["stays", "goes"] {
        world.await_pod(name, "handled", "1").await;
    }
    world.quiet().await;
    world.stop().await;
    world.delete(&format!("{PODS}/goes?gracePeriodSeconds=0")).await;

    world.run().await;
    world.eventually("the pod is said to be gone", async || (!gone(&world).await.is_empty()).then_some(())).await;
    world.failing_pod("last", 0).await;
    world.await_pod("last", "handled", "1").await;
    world.stop().await;
    world.run().await;
    world.quiet().await;
    assert_eq!(gone(&world).await, ["goes"]);
    world.stop().await;
}

/// About which pods there is an Event `PodGone`.
async fn gone(world: &World) -> Vec<String> {
    let events = world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
    let gone = events.iter().filter(|event| event["reason"] == "PodGone");
    gone.filter_map(|event| event["regarding"]["name"].as_str().map(str::to_owned)).collect()
}
