//! A handler's `http` action: refused with the lines to add; then sent, tried again after a 500 with the same idempotency key, with a secret that
//! is the operator's and that nobody but the server sees. A secret that is not there refuses the manifest.

use weir_tests::{
    webhook::Webhook,
    world::{SECRET, World, granted},
};

pub(crate) async fn run(mut world: World) {
    let webhook = Webhook::start().await;
    let url = webhook.at("/hooks/${env:HOOK_SECRET}");
    let posting = |url: &str, grants: &str| {
        // `granted` ends with the grants of writes, so that more can follow.
        let more = format!("{grants}  settings: {{ modes: [http, annotate], url: '{url}', message: hello }}\n  retry: {{ base: 5ms, cap: 20ms }}");
        granted("", "annotate", &more)
    };
    world.install("chat", "echo", &posting(&webhook.at("/hooks/T0"), ""));
    world.run().await;
    world.create_text("a", "one").await;
    let letter = world.await_dead("chat").await;
    let error = letter["error"].as_str().unwrap();
    let line = format!("spec.grants.http in the manifest of chat:\n- {}", webhook.at("/hooks/T0"));
    assert!(error.contains("not granted: http POST") && error.contains(&line), "{error}");
    assert_eq!(letter["attempts"], 1, "{letter:#}");
    assert_eq!(webhook.posted(), []);

    webhook.answer_next("500 Oh");
    webhook.answer_next("302 There\r\nLocation: /elsewhere");
    let headers = "headers: { Authorization: 'Bearer ${env:HOOK_SECRET}' }";
    world.put("chat.yaml", posting(&url, &format!("    http: [{{ url: '{url}', {headers} }}]\n")).as_bytes());
    world.await_mark("a", "attempt", "3").await;
    world.quiet().await;
    let posted = webhook.posted();
    assert_eq!(posted.len(), 3, "{posted:#?}");
    for request in &posted {
        assert_eq!(request.line, format!("POST /hooks/{SECRET}"));
        assert_eq!(request.header("authorization"), format!("Bearer {SECRET}"));
        assert_eq!(request.body, "hello");
        assert_eq!(request.header("idempotency-key"), posted[0].header("idempotency-key"));
    }
    assert_eq!(world.lane("chat")["deadLetters"], 0);

    // Another change is another message.
    world.change_text("a", "two").await;
    world.await_mark("a", "attempt", "1").await;
    world.quiet().await;
    let posted = webhook.posted();
    assert_eq!(posted.len(), 4, "{posted:#?}");
    assert_ne!(posted[3].header("idempotency-key"), posted[0].header("idempotency-key"));

    // What keeps failing is given up, and still tells nobody the secret.
    (0..30).for_each(|_| webhook.answer_next(&format!("403 {SECRET}")));
    world.change_text("a", "three").await;
    let letter = world.await_dead("chat").await;
    assert!(letter["error"].as_str().unwrap().contains("POST http://127.0.0.1"), "{letter:#}");
    assert!(letter["error"].as_str().unwrap().contains("answered 403 Forbidden"), "{letter:#}");
    let events = world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
    assert!(!world.status().to_string().contains(SECRET), "{:#}", world.status());
    assert!(!world.weir().admin().metrics().contains(SECRET));
    assert!(!serde_json::to_string(&events).unwrap().contains(SECRET), "{events:#?}");

    world.install("later", "echo", &posting(&url, "    http: ['https://a.example/${env:NOT_SET}']\n"));
    let refused = world
        .eventually("the manifest is refused", async || {
            let status = world.status();
            let files = status["files"].as_array()?.clone();
            files.into_iter().find(|file| file["file"] == "later.wasm" && file["state"] == "refused")
        })
        .await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("later.yaml: grants.http, https://a.example/${env:NOT_SET}: ${env:NOT_SET} is not set"), "{error}");
    world.stop().await;
}
