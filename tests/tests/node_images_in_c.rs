//! `examples/node-images-c` is a port of `plugins/node-images`: both are given the same events, and answer the same.
//!
//! What is compared is the core that was ported: annotations and Events. What is only in the plugin is off unless its settings ask for
//! it, and these do not.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc};
use weir::{
    contract::{Change, Event, ObjectRef, Page},
    handler,
    runtime::{Engine, EngineSettings, Handler, Invocation, Invoke as _, Reads},
};
use weir_tests::world::{compiled, component, guests, manifest};

/// How long ago, in seconds, a time in an answer may be to count as now.
const NOW: i64 = 600;

async fn load(engine: &Engine, name: &str) -> Arc<Handler> {
    let component = engine.load(name, component(name).into()).await.unwrap();
    let described = component.describe().await.unwrap();
    let operator = manifest("  settings: { percent: 80, remindMinutes: 60 }\n  limits: { callsPerInstance: 1000000 }");
    let manifest = handler::merge(&described, Some((Path::new("operator.yaml"), &operator)), name, 1).unwrap();
    let reads =
        Reads { get: Arc::new(|_| Ok(None)), list: Arc::new(|_| Ok(Page { items: Vec::new(), continue_token: None })) };
    component.handler(name, &manifest, reads, Arc::new(|_| ()))
}

fn event(change: Change, object: &Value, previous: Option<&Value>) -> Invocation {
    let key = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: "a".into() };
    let object = object.to_string();
    let event = Event {
        change,
        watch: "nodes".into(),
        key,
        uid: "u-1".into(),
        resource_version: "7".into(),
        object: object.clone(),
        previous: previous.map(Value::to_string),
        final_state_unknown: false,
        attempt: 1,
        extra: Vec::new(),
    };
    Invocation { event, subject: object.into() }
}

/// So many seconds ago, as an annotation says it.
fn ago(seconds: i64) -> String {
    Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap().to_string()
}

/// What a handler answers, with times that are now written as `now`: the two are asked one after the other.
async fn answer(handler: &Handler, invocation: Invocation) -> Value {
    let reply = handler.invoke(invocation).await.unwrap();
    let mut actions = serde_json::to_value(&reply.actions).unwrap();
    for entry in actions.as_array_mut().unwrap().iter_mut().filter_map(|action| action.pointer_mut("/annotate/0/1")) {
        if entry.as_str().is_some_and(|text| ago(NOW).as_str() < text && text <= ago(0).as_str()) {
            *entry = json!("now");
        }
    }
    actions
}

fn image(names: &[&str], size: u64) -> Value {
    json!({ "names": names, "sizeBytes": size })
}

/// Lists of images as kubelets report them, and odd ones.
fn lists() -> Vec<Value> {
    let nginx = || image(&["nginx@sha256:1", "nginx:1.27"], 500);
    let redis = || image(&["redis@sha256:2", "redis:8"], 1 << 20);
    let untagged = || image(&["busybox@sha256:3"], 301);
    let many = ["a", "b", "c", "d", "e"].map(|name| image(&[name], 1 << 30));
    vec![
        Value::Null,
        json!([]),
        json!([nginx()]),
        json!([redis(), nginx()]),
        json!([untagged(), nginx(), nginx()]),
        json!([{ "names": null }, { "sizeBytes": 7 }, {}]),
        json!([
            image(&["größe:latest", "größe:\"1\"\n", "größe@sha256:4"], 9_000_000_000_000_000_000),
            redis(),
            redis()
        ]),
        json!(many),
    ]
}

/// What annotations may say of a node.
fn records(count: usize, total: u64) -> Vec<Value> {
    let with = |warned: Option<String>| {
        let mut record = json!({
            "images.weir.dev/count": count.to_string(),
            "images.weir.dev/total-bytes": total.to_string(),
            "images.weir.dev/changed-at": "2020-02-29T00:00:00Z",
        });
        if let Some(at) = warned {
            record["images.weir.dev/warned-at"] = json!(at);
        }
        record
    };
    let mut shared = with(None);
    shared["images.weir.dev/percent"] = json!("50");
    // Far from the reminder's hour, so that no answer depends on which of the two is asked first.
    vec![
        json!({}),
        json!({ "images.weir.dev/changed-at": "2020-02-29T00:00:00Z", "images.weir.dev/count": "77" }),
        with(None),
        shared,
        with(Some(ago(1800))),
        with(Some(ago(7200))),
        with(Some("2020-02-30T00:00:00Z".into())),
        with(Some("9999-12-31T23:59:59Z".into())),
    ]
}

#[tokio::test]
async fn the_port_in_c_answers_as_the_plugin_does() {
    let built = |name: &str| guests().is_some_and(|guests| guests.join(format!("{name}.wasm")).is_file());
    if !built("node-images") || !built("node-images-c") {
        eprintln!(
            "SKIPPED: node-images or node-images-c is not built; `cargo xtask test` builds them and says what they need"
        );
        return;
    }
    let engine = Engine::new(EngineSettings { cache_dir: compiled(), ..EngineSettings::default() }).unwrap();
    let (plugin, port) = (load(&engine, "node-images").await, load(&engine, "node-images-c").await);
    let disks = [json!({}), json!("1000"), json!("1.5Mi"), json!("20G"), json!("16Ei"), json!("1e9")];
    let node = |images: &Value, disk: &Value, record: &Value| {
        let metadata = json!({ "name": "a", "uid": "u-1", "annotations": record });
        let capacity = if disk.is_string() { json!({ "ephemeral-storage": disk }) } else { json!({}) };
        let status = json!({ "images": images, "capacity": capacity });
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status })
    };
    let (mut asked, mut different) = (0, BTreeSet::new());
    for images in &lists() {
        let list = images.as_array().map_or(&[][..], Vec::as_slice);
        let total = list.iter().fold(0_u64, |sum, image| sum.saturating_add(image["sizeBytes"].as_u64().unwrap_or(0)));
        for record in &records(list.len(), total) {
            for disk in &disks {
                let now = node(images, disk, record);
                let befores: Vec<Value> = lists().iter().map(|images| node(images, disk, record)).collect();
                for before in std::iter::once(None).chain(befores.iter().map(Some)) {
                    let ours = answer(&port, event(Change::Updated, &now, before)).await;
                    let theirs = answer(&plugin, event(Change::Updated, &now, before)).await;
                    assert_eq!(ours, theirs, "{now} after {before:?}");
                    asked += 1;
                    different.insert(ours.to_string());
                }
            }
        }
        for change in [Change::Left, Change::Deleted] {
            let now = node(images, &disks[1], &json!({}));
            let ours = answer(&port, event(change, &now, None)).await;
            assert_eq!(ours, answer(&plugin, event(change, &now, None)).await, "{change:?}");
        }
    }
    // Both say something, and not always the same.
    assert!(asked > 3000 && different.len() > 200, "{asked} events, {} different answers", different.len());
}
