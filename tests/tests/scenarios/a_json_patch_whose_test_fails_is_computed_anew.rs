//! A JSON patch whose `test` fails changes nothing, and is answered anew from the object as it is then, until it fits.

use weir_tests::world::{World, config_map, granted};

pub(crate) async fn run(mut world: World) {
    let test = "{ op: test, path: /data/text, value: ready }, { op: add, path: /data/patched, value: done }";
    let settings = format!("  settings: {{ modes: [patch], format: json, body: [{test}] }}\n  retry: {{ base: 50ms, cap: 200ms }}");
    world.install("patient", "echo", &granted("a", "patch", &settings));
    world.run().await;
    world.create_text("a", "not yet").await;
    let refused = || world.writes(&config_map("a")).iter().filter(|it| it.status == 422).count();
    world.eventually("it was refused twice", async || (refused() >= 2).then_some(())).await;
    let object = world.get(&config_map("a")).await.unwrap();
    assert_eq!(object["data"].get("patched"), None, "{object:#}");

    world.change_text("a", "ready").await;
    world
        .eventually("it is patched", async || {
            world.get(&config_map("a")).await.filter(|object| object["data"]["patched"] == "done")
        })
        .await;
    world.quiet().await;
    let lane = world.lane("patient");
    assert_eq!(lane["deadLetters"], 0, "{lane:#}");
    assert_eq!(lane["ledger"]["acknowledged"], 1, "{lane:#}");
    world.stop().await;
}
