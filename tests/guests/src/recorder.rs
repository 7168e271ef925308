//! A guest that leaves one ConfigMap per call, also for objects that are gone.
//!
//! Settings: `namespace` (where they go, default `default`), `prefix` (of their names, default `call`), `fail` (names of objects for
//! which the call then fails; the record is kept, because `fail` is an action), `until` (only up to this attempt).
//! Each is labelled `test.weir.dev/recorded: PREFIX`, so that a scenario lists them; `data` has the event, field by field.
//!
//! A name is never used twice, so calling twice is seen. The records' own creation must not be watched: a scenario that watches
//! ConfigMaps selects others, by label or namespace.

use serde::Deserialize;
use std::sync::atomic::{AtomicU32, Ordering};
use weir_sdk::{Actions, Error, Event, host, serde_json::json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    namespace: String,
    prefix: String,
    fail: Vec<String>,
    until: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { namespace: "default".into(), prefix: "call".into(), fail: Vec::new(), until: u32::MAX }
    }
}

/// Records an event.
pub fn handle(event: &Event) -> Result<Actions, Error> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let settings: Settings = host::settings()?;
    let at = host::now().as_millis();
    // Two instances may be called in the same millisecond, but never for one object: its uid is in the name too.
    let record = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": format!("{}-{at}-{calls}-{}", settings.prefix, event.uid.to_lowercase()),
            "namespace": settings.namespace,
            "labels": { "test.weir.dev/recorded": settings.prefix },
        },
        "data": {
            "change": event.change.to_string(),
            "watch": event.watch,
            "apiVersion": event.key.api_version,
            "kind": event.key.kind,
            "namespace": event.key.namespace.as_deref().unwrap_or_default(),
            "name": event.key.name,
            "uid": event.uid,
            "resourceVersion": event.resource_version,
            "attempt": event.attempt.to_string(),
            "finalStateUnknown": event.final_state_unknown.to_string(),
            "object": event.object_json,
            "previous": event.previous_json.as_deref().unwrap_or_default(),
            "at": at.to_string(),
            "call": calls.to_string(),
        },
    });
    let recorded = Actions::new().create(&record);
    let fails = settings.fail.contains(&event.key.name) && event.attempt <= settings.until;
    Ok(if fails { recorded.fail(Error::retry("as the settings say")) } else { recorded })
}
