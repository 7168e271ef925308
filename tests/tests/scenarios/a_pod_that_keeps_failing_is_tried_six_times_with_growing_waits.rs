//! pod-retry: five retries are six calls, each later than the one before; then the pod is a dead letter with the error. A try that
//! succeeds forgets the backoff. Which pods are watched is decided by all kinds of label selectors and a field selector.

use serde_json::{Value, json};
use weir_tests::world::{PODS, World, pod};

pub(crate) async fn run(mut world: World) {
    if !world.install_pod_retry("") {
        return;
    }
    world.failing_pod("good", 2).await;
    world.failing_pod("hopeless", 100).await;
    for (name, labels) in [
        ("unlabelled", json!({})),
        ("otherwise", json!({ "pod-retry.weir.dev/watch": "no" })),
        ("system", json!({ "pod-retry.weir.dev/watch": "yes", "tier": "system" })),
        ("ignored", json!({ "pod-retry.weir.dev/watch": "true", "pod-retry.weir.dev/ignore": "" })),
    ] {
        world.create(PODS, pod(name, labels, 0)).await;
    }
    world.run().await;

    world.await_pod("good", "handled", "3").await;
    let letter = world.await_dead("pod-retry").await;
    assert_eq!(letter["object"], "default/hopeless", "{letter:#}");
    assert_eq!(letter["attempts"], 6, "five retries are six calls: {letter:#}");
    assert!(letter["error"].as_str().unwrap().contains("try 6 of hopeless failed"), "{letter:#}");
    let tries = tries(&world, "hopeless");
    assert_eq!(tries.len(), 6, "{tries:?}");
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // At least what the backoff says, 100 ms doubled each time; how much more is the machine's.
    for (wait, least) in waits.iter().zip([100, 200, 400, 800, 1600]) {
        assert!(*wait >= least, "{waits:?}");
    }

    // A success forgets: the next failure is a first one.
    let failing = |count: &str| json!({ "metadata": { "annotations": { "pod-retry.weir.dev/failures": count } } });
    world.merge(&format!("{PODS}/good"), failing("1")).await;
    world.await_pod("good", "handled", "2").await;

    // A change brings a pod that was given up back.
    world.merge(&format!("{PODS}/hopeless"), failing("0")).await;
    world.await_pod("hopeless", "handled", "1").await;
    world.quiet().await;
    for name in ["unlabelled", "otherwise", "system", "ignored"] {
        assert_eq!(world.writes(&format!("{PODS}/{name}")), [], "{name} is not watched");
    }
    world.stop().await;
}

/// When the pod's tries were, as the requests say that weir sent, in milliseconds.
fn tries(world: &World, name: &str) -> Vec<u64> {
    let at = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["metadata"]["annotations"]["pod-retry.weir.dev/tried-at"].as_str()?.parse().ok()
    };
    world.writes(&format!("{PODS}/{name}")).iter().filter_map(|it| at(&it.body)).collect()
}
