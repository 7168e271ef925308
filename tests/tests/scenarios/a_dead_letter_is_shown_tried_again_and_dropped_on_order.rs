//! What a handler gave up is listed and shown by `weir dead`, and tried again when what stood in its way is gone: a live object as it now is, a deleted one with
//! its last state. A retry limit of 5 is six calls, each later than the one before. What is dropped is gone, and a wrong name changes nothing.

use serde_json::Value;
use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    // It creates something in a namespace that is not there yet.
    let failing = r#"  settings: { modes: [create], names: [victim, gone], manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: later } } }
  retry: { limit: 5, base: 5ms, cap: 100ms }"#;
    world.keep_state();
    world.install("maker", "echo", &granted("", "annotate, create", failing));
    world.run().await;
    for name in ["victim", "gone"] {
        world.create_text(name, "one").await;
    }
    let letters = async |world: &World| -> Vec<Value> {
        serde_json::from_str(&world.weir_says(&["dead", "list", "-o", "json"], 0).await).unwrap()
    };
    let both = async || (letters(&world).await.len() == 2).then_some(());
    world.eventually("both are given up", both).await;
    world.delete("/api/v1/namespaces/default/configmaps/gone").await;
    let ended = async || letters(&world).await.into_iter().find(|letter| letter["change"] == "deleted");
    let ended = world.eventually("its deletion is given up, too", ended).await;
    let all = letters(&world).await;
    assert_eq!(all.len(), 2, "one for each object: {all:#?}");
    let live = all.iter().find(|letter| letter["object"] == "default/victim").unwrap();
    let [live_name, ended_name] = [live, &ended].map(|letter| letter["name"].as_str().unwrap().to_owned());

    let tries = |world: &World| {
        let requests = world.requests().into_iter();
        requests.filter(|it| it.method == "POST" && it.path == "/api/v1/namespaces/later/configmaps").count()
    };
    assert_eq!(tries(&world), 18, "six calls for each of three events");
    let shown: Value =
        serde_json::from_str(&world.weir_says(&["dead", "show", &live_name, "-o", "json"], 0).await).unwrap();
    assert_eq!((&shown["attempts"], &shown["event"]["key"]["name"]), (&6.into(), &"victim".into()), "{shown:#}");
    assert!(shown["error"].as_str().unwrap().contains("later"), "{shown:#}");
    assert_eq!(shown["digest"], world.lane("maker")["digest"]);
    assert!(shown["event"]["object"].as_str().unwrap().contains("one"), "the object as it was handed over");
    let table = world.weir_says(&["dead", "list", "maker"], 0).await;
    assert!(table.starts_with("NAME") && table.lines().count() == 3, "{table}");

    for wrong in ["nobody", "maker/99"] {
        let words = world.weir_says(&["dead", "retry", &live_name, wrong], 1).await;
        assert!(words.contains("there is maker") || words.contains("no dead letter 99"), "{words}");
    }
    assert_eq!(tries(&world), 18, "with one wrong name nothing is tried");

    world.namespace("later").await;
    let words = world.weir_says(&["dead", "retry", &live_name], 0).await;
    assert_eq!(words.trim(), format!("{live_name} is tried again"));
    let one_left = async || (letters(&world).await.len() == 1).then_some(());
    world.eventually("the letter is gone", one_left).await;
    assert!(world.get("/api/v1/namespaces/later/configmaps/made").await.is_some());
    world.delete("/api/v1/namespaces/later/configmaps/made").await;
    world.weir_says(&["dead", "retry", &ended_name], 0).await;
    world.eventually("the deletion is told", async || letters(&world).await.is_empty().then_some(())).await;
    assert!(world.get("/api/v1/namespaces/later/configmaps/made").await.is_some(), "from the letter's own state");
    world.quiet().await;
    assert_eq!(world.lane("maker")["ledger"]["givenUp"], 0);

    // Dropped on the directory that nobody runs on, as on one that somebody does.
    world.delete("/api/v1/namespaces/later/configmaps/made").await;
    world.delete("/api/v1/namespaces/later").await;
    let emptied = async || world.get("/api/v1/namespaces/later").await.is_none().then_some(());
    world.eventually("the namespace is gone", emptied).await;
    world.change_text("victim", "two").await;
    world.eventually("it is given up again", async || (letters(&world).await.len() == 1).then_some(())).await;
    world.stop().await;
    let all = letters(&world).await;
    let name = all[0]["name"].as_str().unwrap();
    assert_ne!(name, live_name, "no number is given twice");
    assert_eq!(world.weir_says(&["dead", "drop", name], 0).await.trim(), format!("{name} is dropped when weir runs next"));
    assert_eq!(letters(&world).await.len(), 0);
    let words = world.weir_says(&["forget", "maker"], 0).await;
    assert!(words.contains("begins anew"), "{words}");
}
