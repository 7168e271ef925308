//! service-announcer, in JavaScript: a chat is posted to about each Service that was there, comes, changes or goes. Each change is one post, in
//! order, with a key of its own that stays over retries; what only `managedFields` knows of is none. The secret is the operator's.

use serde_json::{Value, json};
use weir_tests::{
    webhook::{Posted, Webhook},
    world::{SECRET, World, guests, plugin_manifest},
};

const SERVICES: &str = "/api/v1/namespaces/default/services";

pub(crate) async fn run(world: World) {
    announced(world, "service-announcer").await;
}

/// The scenario with one of the plugins that announce.
pub(crate) async fn announced(mut world: World, plugin: &str) {
    if !guests().unwrap().join(format!("{plugin}.wasm")).is_file() {
        eprintln!("SKIPPED: {plugin} is not built; `cargo xtask test` builds it and says what it needs");
        return;
    }
    let chat = Webhook::start().await;
    let url = chat.at("/hooks/services");
    let grant = format!("{{ url: '{url}', headers: {{ Authorization: 'Bearer ${{env:HOOK_SECRET}}' }} }}");
    let post = "[initial, added, updated, left, deleted]";
    let more = format!("  settings: {{ webhook: '{url}', post: {post} }}\n  grants: {{ http: [{grant}] }}\n");
    // Waits of seconds are for chats, not for tests.
    let manifest = plugin_manifest(plugin).replace("base: 1s", "base: 5ms") + &more;
    let web = format!("{SERVICES}/web");

    world.create(SERVICES, service("before")).await;
    world.install(plugin, plugin, &manifest);
    world.run().await;
    await_posts(&world, &chat, "before", 1).await;

    world.create(SERVICES, service("web")).await;
    await_posts(&world, &chat, "web", 1).await;
    // As `kubectl edit svc` would.
    world.merge(&web, labels(json!({ "team": "a" }))).await;
    await_posts(&world, &chat, "web", 2).await;

    // Another owner of the same value changes managedFields and nothing else.
    let same = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "labels": { "team": "a" } } });
    let applied = world.send("PATCH", &format!("{web}?fieldManager=other"), "application/apply-patch+yaml", &same).await;
    let owners = applied.unwrap()["metadata"]["managedFields"].to_string();
    assert!(owners.contains("other"), "{owners}");

    // The chat is away for two tries of one change.
    chat.answer_next("500 Oh");
    chat.answer_next("429 Slowly");
    world.merge(&web, labels(json!({ "team": "b" }))).await;
    await_posts(&world, &chat, "web", 5).await;
    world.merge(&web, labels(json!({ "team": "c" }))).await;
    await_posts(&world, &chat, "web", 6).await;
    world.delete(&web).await;
    await_posts(&world, &chat, "web", 7).await;
    world.quiet().await;

    let posted = posts(&chat, "web");
    let said: Vec<_> = posted.iter().map(text).collect();
    assert_eq!(said, [
        "Service default/web added: ClusterIP None 80/TCP",
        r#"Service default/web changed: /metadata/labels: none -> {"team":"a"}"#,
        r#"Service default/web changed: /metadata/labels/team: "a" -> "b""#,
        r#"Service default/web changed: /metadata/labels/team: "a" -> "b""#,
        r#"Service default/web changed: /metadata/labels/team: "a" -> "b""#,
        r#"Service default/web changed: /metadata/labels/team: "b" -> "c""#,
        "Service default/web deleted: ClusterIP None 80/TCP",
    ]);
    let before: Vec<_> = posts(&chat, "before").iter().map(text).collect();
    assert_eq!(before, ["Service default/before initial: ClusterIP None 80/TCP"]);

    let mut keys: Vec<_> = posted.iter().map(|it| it.header("idempotency-key")).collect();
    assert!(keys.iter().all(|key| !key.is_empty()), "{keys:?}");
    assert!(keys[2] == keys[3] && keys[3] == keys[4], "the same change has the same key: {keys:?}");
    keys.dedup();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 5, "each change has a key of its own: {keys:?}");
    for request in &posted {
        assert_eq!(request.line, "POST /hooks/services");
        assert_eq!(request.header("authorization"), format!("Bearer {SECRET}"));
        assert_eq!(request.header("content-type"), "application/json");
    }
    assert!(!world.status().to_string().contains(SECRET), "{:#}", world.status());
    assert_eq!(world.lane(plugin)["deadLetters"], 0, "{:#}", world.status());

    // Of the API it asked to see Services, once, and what it may; nothing else was sent for it.
    let requests: Vec<_> = world.requests().into_iter().filter(|it| it.user_agent.starts_with("weir/")).collect();
    let asks = |path: &str| path.ends_with("/selfsubjectaccessreviews");
    assert!(requests.iter().all(|it| it.method == "GET" || asks(&it.path)), "{requests:#?}");
    let watches = requests.iter().filter(|it| it.path == "/api/v1/services" && it.query.contains("watch="));
    assert_eq!(watches.count(), 1, "{requests:#?}");
    world.stop().await;
}

/// A Service without an address, as what the API would choose is its own business.
fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" },
        "spec": { "type": "ClusterIP", "clusterIP": "None", "ports": [{ "port": 80, "protocol": "TCP" }] },
    })
}

/// A patch that sets labels.
fn labels(labels: Value) -> Value {
    json!({ "metadata": { "labels": labels } })
}

fn text(posted: &Posted) -> String {
    let body: Value = serde_json::from_str(&posted.body).unwrap();
    body["text"].as_str().unwrap_or_default().to_owned()
}

/// What was posted about one Service; an API may have some of its own.
fn posts(chat: &Webhook, name: &str) -> Vec<Posted> {
    let about = format!("Service default/{name} ");
    chat.posted().into_iter().filter(|it| text(it).starts_with(&about)).collect()
}

async fn await_posts(world: &World, chat: &Webhook, name: &str, count: usize) {
    world
        .eventually(format!("{count} posts are about {name}"), async || {
            (posts(chat, name).len() >= count).then_some(())
        })
        .await;
}
