//! A handler that does what the object's annotation `test.weir.dev/do` says, word by word: one word for each thing that crosses the
//! contract, so that its answers show whether this language's kit says what was meant. The same in every language.

use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use weir_sdk::{
    Action, Actions, Apply, Deletion, Description, Error, Event, Fields, Handler, HttpRequest, LogLine, Note,
    ObjectKey, Patch, Propagation, Read, Watch,
    cluster::{self, Query},
    host,
    log::{self, Level},
};

struct Cases;

/// What this handler looks at.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Settings {
    greeting: String,
}

/// How often this instance was called.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Handler for Cases {
    fn describe() -> Description {
        let fields = Fields::Only(&["/metadata/annotations", "/data"]);
        let resync = Some(Duration::from_millis(1500));
        let objects =
            Watch { name: "objects", api_version: "v1", kind: "ConfigMap", fields, resync, ..Watch::default() };
        let greeting = json!({ "type": "string", "default": "grüß Gott" });
        Description {
            description: "Does what an annotation says",
            watches: vec![objects],
            reads: vec![Read { api_version: "v1", kind: "Pod", ..Read::default() }],
            settings_schema: Some(json!({ "type": "object", "properties": { "greeting": greeting } })),
            ..Description::default()
        }
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let object: Object = event.object()?;
        let data = object.data.unwrap_or_default();
        let words = object.metadata.annotations.get("test.weir.dev/do").map(String::as_str).unwrap_or_default();
        let mut actions = Actions::new();
        for word in words.split_whitespace() {
            actions.extend(act(word, &event, &data)?);
        }
        Ok(actions)
    }
}

fn act(word: &str, event: &Event, data: &BTreeMap<String, String>) -> Result<Actions, Error> {
    let pod = ObjectKey::namespaced("v1", "Pod", "default", "p");
    let none = Actions::new();
    Ok(match word {
        "event" => {
            let Event { change, watch, key, uid, resource_version, attempt, previous_json, .. } = event;
            let namespace = key.namespace.as_deref().unwrap_or_default();
            let key = format!("{}/{} {namespace}/{}", key.api_version, key.kind, key.name);
            let previous = previous_json.is_some();
            none.annotate("event", format!("{change} {watch} {key} {uid} {resource_version} {attempt} {previous}"))
        }
        "count" => none.annotate("count", data.len()),
        "text" => none.label("text", &data["text"]),
        "calls" => none.annotate("calls", CALLS.load(Ordering::Relaxed)),
        "settings" => none.annotate("greeting", host::settings::<Settings>()?.greeting),
        "remove" => none.remove_annotation("a").remove_label("b"),
        "status" => none.set_status(&json!({ "ready": true })),
        "patch" => {
            let status = Patch { uid: Some("u".into()), subresource: Some("status".into()), ..Patch::json(&json!([])) };
            none.patch(status.on(pod)).patch(Patch::merge(&json!({ "data": null })))
        }
        "apply" => {
            let one = json!({ "kind": "Pod" });
            // As text, because serde_json would sort the keys.
            let other = r#"{"apiVersion":"v1","kind":"Pod","namespace":"default","name":"p"}"#;
            let forced = Apply { manager: Some("m".into()), force: true, ..Apply::object(&one) };
            none.apply(forced).apply(Apply { manifest: other.into(), ..Apply::default() })
        }
        "create" => none.create(&json!({ "one": 1 })),
        "delete" => {
            let propagation = Some(Propagation::Orphan);
            let now = Deletion { grace_period_seconds: Some(0), propagation, ..Deletion::of(pod) };
            none.delete(now).delete(Deletion::default())
        }
        "emit" => {
            let other = Note { regarding: Some(pod), ..Note::normal("Other", "") };
            none.emit(Note::warning("Reason", format!("{} ünits", 3))).emit(other)
        }
        "log" => {
            log::info!("said at once", who = "me");
            let fields = vec![("who".into(), "me".into())];
            none.log(LogLine { level: Level::Warn, message: "said later".into(), fields })
        }
        "http" => none.http(HttpRequest {
            method: "POST".into(),
            url: "https://example.com/".into(),
            headers: vec![("a".into(), "b".into())],
            body: "x".into(),
            idempotency_key: None,
        }),
        "requeue" => none.requeue_after(Duration::from_millis(1500)),
        "fail" => none.fail(Error::retry_later(Duration::from_secs(2), "not ready")),
        "extension" => none.and(Action::Extension { name: "later".into(), payload: "{}".into() }),
        "list" => {
            let pods = Query { api_version: "v1".into(), kind: "Pod".into(), page_size: 2, ..Query::default() };
            let mut listed = 0;
            for pod in cluster::list::<Value>(pods) {
                pod?;
                listed += 1;
            }
            none.annotate("listed", listed)
        }
        "get" => none.annotate("found", cluster::get::<Value>(&pod)?.is_some()),
        "retry" => Err(std::io::Error::other("as any error"))?,
        "retry-later" => return Err(Error::retry_later(Duration::from_secs(60), "wrapped: later")),
        "permanent" => return Err(Error::permanent("never: für immer")),
        "garbage" => {
            for _ in 0..10 {
                std::hint::black_box(vec![0u8; 10_000]);
            }
            none
        }
        _ => return Err(Error::permanent(format!("there is no word {word:?}"))),
    })
}

weir_sdk::export!(Cases);
