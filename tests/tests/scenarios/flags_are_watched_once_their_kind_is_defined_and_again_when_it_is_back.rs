//! flag-watch runs where the kind of flags is not defined: weir waits for it, and other handlers do their work. Once it is defined, flags are judged; when the definition
//! goes, others go on; when it is back, flags are judged again.

use serde_json::json;
use weir_tests::world::{FLAGS_DEFINITION, World, flag};

const SOUND: (&str, &str, &str) = ("True", "FlagsValid", "1 flag, 1 enabled");

pub(crate) async fn run(mut world: World) {
    if !world.install_flag_watch(&[]).await {
        return;
    }
    world.watched_namespace().await;
    world.record("other", &json!({}));
    world.run().await;
    state(&world, "waiting for kind").await;
    world.config_map("before", "", json!({})).await;
    world.expect_told("other", &["before added"]).await;

    world.define_flags().await;
    let spec = json!({ "flags": { "colour": flag("red") } });
    let first = world.flags("default", "shop", &spec).await;
    world.await_verdict("shop", SOUND).await;
    let summary = world.await_summary("shop", "true").await;
    assert_eq!(summary["metadata"]["ownerReferences"][0]["uid"], first["metadata"]["uid"]);

    world.delete(FLAGS_DEFINITION).await;
    state(&world, "waiting for kind").await;
    world.config_map("between", "", json!({})).await;
    world.expect_told("other", &["before added", "between added"]).await;

    world
        .eventually("the definition is gone", async || world.get(FLAGS_DEFINITION).await.is_none().then_some(()))
        .await;
    world.define_flags().await;
    let second = world.flags("default", "shop", &spec).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    world.await_verdict("shop", SOUND).await;
    // Nobody collects garbage here: the ConfigMap of before is still there, and now belongs to the flags of now.
    world
        .eventually("the ConfigMap belongs to the flags of now", async || {
            let summary = world.await_summary("shop", "true").await;
            let owners = summary["metadata"]["ownerReferences"].as_array()?;
            (owners.len() == 1 && owners[0]["uid"] == second["metadata"]["uid"]).then_some(())
        })
        .await;
    world.config_map("after", "", json!({})).await;
    world.expect_told("other", &["before added", "between added", "after added"]).await;
    assert_eq!(world.lane("flag-watch")["failures"], 0, "{:#}", world.lane("flag-watch"));
    world.stop().await;
}

/// Waits until the watch of flags is in this state.
async fn state(world: &World, wanted: &str) {
    world
        .eventually(format!("the watch of flags is `{wanted}`"), async || {
            let status = world.status();
            let watches = status["watches"].as_array()?;
            let watch = watches.iter().find(|watch| watch["kind"] == "FeatureFlagConfiguration")?;
            watch["state"].as_str()?.starts_with(wanted).then_some(())
        })
        .await;
}
