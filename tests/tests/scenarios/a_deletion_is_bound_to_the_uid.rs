//! Deleting names the uid: the event's own object goes, another one only if it is the incarnation meant; one of another uid is
//! left alone, and that is no failure.

use serde_json::Value;
use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    let other = world.create_text("other", "one").await;
    let uid = other["metadata"]["uid"].as_str().unwrap();
    let deleting = |uid: &str| {
        let target = "target: { apiVersion: v1, kind: ConfigMap, namespace: default, name: other }";
        format!("  settings: {{ modes: [delete, annotate], {target}, uid: \"{uid}\" }}")
    };
    let stranger = deleting("00000000-0000-4000-8000-000000000000");
    world.install("own", "echo", &granted("victim", "delete", "  settings: { modes: [delete] }"));
    world.install("mistaken", "echo", &granted("first", "delete, annotate", &stranger));
    world.install("meant", "echo", &granted("second", "delete, annotate", &deleting(uid)));
    world.run().await;

    let victim = world.create_text("victim", "one").await;
    world.eventually("it is gone", async || world.get(&config_map("victim")).await.is_none().then_some(())).await;
    world.quiet().await;
    let sent = world.writes(&config_map("victim"));
    let body: Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(body["preconditions"]["uid"], victim["metadata"]["uid"], "{sent:#?}");

    world.create_text("first", "one").await;
    world.await_mark("first", "change", "added").await;
    assert!(world.get(&config_map("other")).await.is_some(), "another incarnation was meant");
    world.create_text("second", "one").await;
    world.await_mark("second", "change", "added").await;
    assert!(world.get(&config_map("other")).await.is_none());
    world.quiet().await;
    let sent: Vec<u16> = world.writes(&config_map("other")).iter().map(|it| it.status).collect();
    assert_eq!(sent, [409, 200]);
    for handler in ["mistaken", "meant"] {
        assert_eq!(world.lane(handler)["failures"], 0, "{:#}", world.lane(handler));
    }
    world.stop().await;
}
