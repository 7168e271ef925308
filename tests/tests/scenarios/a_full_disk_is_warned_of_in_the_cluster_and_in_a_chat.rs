//! node-images warns of a node whose images fill its disk: by an Event, by annotations, and by a message to a chat once that is granted. A chat that is away
//! keeps nothing else back and is told later. With room again the warning is taken back.

use serde_json::Value;
use weir_tests::{
    webhook::Webhook,
    world::{SECRET, World, node_images, node_path},
};

pub(crate) async fn run(mut world: World) {
    let chat = Webhook::start().await;
    let url = chat.at("/hooks/${env:HOOK_SECRET}");
    let settings = format!("    webhook: '{url}'\n");
    let node = world.node("full", &[("a:1", 700), ("b:1", 200)]).await;
    world.install("node-images", "node-images", &node_images(&settings, "", "", ""));
    world.run().await;
    let letter = world.await_dead("node-images").await;
    let error = letter["error"].as_str().unwrap();
    // A URL with a secret in it is never suggested as a line to add.
    assert!(error.contains(&format!("not granted: http POST {url}")) && error.contains("grant of that very text"), "{error}");
    assert_eq!(chat.posted(), []);
    assert_eq!(world.writes(&node_path("full")), [], "what is refused is refused as a whole");
    assert!(world.events_about("full", "ImagesFillDisk").await.is_empty());

    (0..2).for_each(|_| chat.answer_next("503 Later"));
    let end = format!("    http: ['{url}']\n  retry: {{ base: 5ms, cap: 20ms }}\n");
    world.put("node-images.yaml", node_images(&settings, "", "", &end).as_bytes());
    world
        .eventually("the warning is recorded", async || world.node_annotation("full", "warned-at").await)
        .await;
    world.quiet().await;
    for (annotation, value) in [("count", "2"), ("total-bytes", "900"), ("percent", "90")] {
        world.await_node("full", annotation, Some(value)).await;
    }
    let warning = "2 images fill 90 % of 1000 bytes (warning above 80 %): 900 bytes";
    let posted = chat.posted();
    assert_eq!(posted.len(), 3, "{posted:#?}");
    for request in &posted {
        assert_eq!(request.line, format!("POST /hooks/{SECRET}"));
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.body, format!(r#"{{"text":"node full: {warning}"}}"#));
        assert_eq!(request.header("idempotency-key"), posted[0].header("idempotency-key"));
    }
    // What the node holds was recorded before the chat was asked, that it was told only after.
    let annotated = |body: &str| serde_json::from_str::<Value>(body).unwrap()["metadata"]["annotations"].clone();
    let sent: Vec<Value> = world.writes(&node_path("full")).iter().map(|it| annotated(&it.body)).collect();
    let (first, last) = (sent.first().unwrap(), sent.last().unwrap());
    assert_eq!((&first["images.weir.dev/percent"], &first["images.weir.dev/warned-at"]), (&"90".into(), &Value::Null), "{sent:#?}");
    assert!(last["images.weir.dev/warned-at"].is_string(), "{sent:#?}");
    let events = world.events_about("full", "ImagesFillDisk").await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!((&events[0]["type"], &events[0]["note"]), (&"Warning".into(), &warning.into()), "{events:#?}");
    assert_eq!(events[0]["regarding"]["uid"], node["metadata"]["uid"], "{events:#?}");

    world.images("full", &[("a:1", 700)]).await;
    world.await_node("full", "warned-at", None).await;
    world.await_node("full", "percent", Some("70")).await;
    world.quiet().await;
    let notes: Vec<Value> = world.events_about("full", "ImagesChanged").await.iter().map(|it| it["note"].clone()).collect();
    assert!(notes.contains(&"2 images, 900 bytes; added a:1, b:1".into()), "{notes:?}");
    assert!(notes.contains(&"1 images, 700 bytes; removed b:1".into()), "{notes:?}");
    assert_eq!(chat.posted().len(), 3, "there is nothing to warn of");
    assert_eq!(world.lane("node-images")["deadLetters"], 0);
    world.stop().await;
}
