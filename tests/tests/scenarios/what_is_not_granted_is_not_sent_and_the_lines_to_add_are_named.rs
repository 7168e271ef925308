//! An action that is not granted sends nothing; its dead letter says which lines allow it, and with them it is done.

use weir_tests::world::{World, config_map, granted, manifest};

pub(crate) async fn run(mut world: World) {
    let watch = "  watches: [{ name: objects, apiVersion: v1, kind: ConfigMap, namespaces: [default] }]";
    world.install("eager", "echo", &manifest(watch));
    world.run().await;
    world.create_text("a", "one").await;
    let letter = world.await_dead("eager").await;
    let error = letter["error"].as_str().unwrap();
    for words in ["not granted", "spec.grants.write", "apiVersion: v1\n  kind: ConfigMap\n  actions: [annotate]"] {
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    assert_eq!(letter["attempts"], 1, "{letter:#}");
    assert_eq!(world.writes(&config_map("a")), []);

    world.put("eager.yaml", granted("", "annotate", "").as_bytes());
    world.await_mark("a", "change", "added").await;
    world.quiet().await;
    assert_eq!(world.writes(&config_map("a")).len(), 1);
    assert_eq!(world.lane("eager")["deadLetters"], 0);
    world.stop().await;
}
