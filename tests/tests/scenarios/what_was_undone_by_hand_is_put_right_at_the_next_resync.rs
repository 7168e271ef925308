//! flag-watch looks at all flags anew at each resync: a ConfigMap that was deleted, and a condition that was taken out, are back; what others wrote into the ConfigMap stays.

use serde_json::json;
use weir_tests::world::{World, config_map, flag, flags};

const SOUND: (&str, &str, &str) = ("True", "FlagsValid", "1 flag, 1 enabled");

pub(crate) async fn run(mut world: World) {
    // A minute, as the plugin has it, is long for a test.
    if !world.install_flag_watch(&[("resync: 60s", "resync: 1s")]).await {
        return;
    }
    world.define_flags().await;
    world.flags("default", "shop", &json!({ "flags": { "colour": flag("red") } })).await;
    world.run().await;
    world.await_verdict("shop", SOUND).await;
    world.await_summary("shop", "true").await;
    let summary = config_map("shop-flags");
    world.delete(&summary).await;
    world.await_summary("shop", "true").await;

    world.merge(&summary, json!({ "data": { "note": "by hand", "flags": null } })).await;
    let status = format!("{}/status", flags("default", "shop"));
    world.merge(&status, json!({ "status": { "conditions": [] } })).await;
    world.await_verdict("shop", SOUND).await;
    world
        .eventually("what was taken out of the ConfigMap is back", async || {
            world.get(&summary).await.filter(|it| it["data"]["flags"] == "1" && it["data"]["note"] == "by hand")
        })
        .await;
    world.stop().await;
}
