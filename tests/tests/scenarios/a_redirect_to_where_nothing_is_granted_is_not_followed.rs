//! A server may send a request on within the grants; outside them nothing arrives, and the dead letter says what would have to be granted.

use weir_tests::{
    webhook::Webhook,
    world::{World, granted},
};

pub(crate) async fn run(mut world: World) {
    let (webhook, other) = (Webhook::start().await, Webhook::start().await);
    let grants = format!("    http: ['{}']\n", webhook.at("/hooks/"));
    let settings = format!("  settings: {{ modes: [http, annotate], url: '{}' }}\n  retry: {{ limit: 0 }}", webhook.at("/hooks/one"));
    world.install("chat", "echo", &granted("", "annotate", &format!("{grants}{settings}")));
    world.run().await;

    webhook.answer_next("307 There\r\nLocation: /hooks/two");
    world.create_text("within", "one").await;
    world.await_mark("within", "change", "added").await;
    let lines: Vec<_> = webhook.posted().into_iter().map(|it| it.line).collect();
    assert_eq!(lines, ["POST /hooks/one", "POST /hooks/two"]);

    webhook.answer_next(&format!("308 There\r\nLocation: {}", other.at("/hooks/")));
    world.create_text("outside", "one").await;
    let letter = world.await_dead("chat").await;
    let error = letter["error"].as_str().unwrap();
    assert!(error.contains("redirects to a place that is not granted") && error.contains(&format!("- {}", other.at("/hooks/"))), "{error}");
    assert_eq!(other.posted(), []);
    assert_eq!(world.mark("outside", "change").await, None);
    world.stop().await;
}
