//! pod-retry counts 5,000 pods by pages of its own size, from weir's cache, which weir filled by pages of the API.

use futures::future::join_all;
use serde_json::json;
use weir_tests::world::{PODS, World, pod};

/// The other pods, which are not watched.
const OTHERS: usize = 5000;
/// How many are created at once.
const AT_ONCE: usize = 100;

pub(crate) async fn run(mut world: World) {
    // Counting takes longer where neither weir nor its component are optimised.
    if !world.install_pod_retry("  settings: { pageSize: 300 }\n  limits: { time: 60s, readBytes: 64Mi, memory: 256Mi }") {
        return;
    }
    let names: Vec<_> = (0..OTHERS).map(|at| format!("other-{at}")).collect();
    for some in names.chunks(AT_ONCE) {
        join_all(some.iter().map(|name| world.create(PODS, pod(name, json!({}), 0)))).await;
    }
    world.failing_pod("counter", 0).await;
    world.run().await;
    world.await_pod("counter", "pods", &(OTHERS + 1).to_string()).await;
    // Streaming lists have no pages; where the informer lists, it lists by pages.
    for list in world.requests().iter().filter(|it| it.method == "GET" && it.path == "/api/v1/pods" && it.user_agent.starts_with("weir")) {
        assert!(list.query.contains("watch=") || list.query.contains("limit="), "{list:?}");
    }
    world.stop().await;
}
