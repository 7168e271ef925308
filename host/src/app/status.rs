//! `/status`: what weir is doing, as JSON. No object content.

use super::handlers::{FileState, Handlers};
use crate::dispatch::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// The whole report.
pub(super) fn report(handlers: &Handlers, cluster: &str, began: Instant) -> Value {
    let table = handlers.table();
    let files: Vec<Value> = table
        .files
        .iter()
        .map(|(stem, file)| {
            let file_name = format!("{stem}.wasm");
            match &file.state {
                FileState::Loading => json!({ "file": file_name, "state": "loading" }),
                FileState::Waiting { name } => json!({ "file": file_name, "state": "waiting", "handler": name }),
                FileState::Running { name, check, swap } => json!({
                    "file": file_name, "state": "running", "handler": name,
                    "checkMs": millis(*check), "swapMs": millis(*swap),
                }),
                FileState::Refused { error } => json!({
                    "file": file_name, "state": "refused", "error": error,
                    "keepsRunning": table.loaded.get(stem).and_then(|it| it.name.as_deref()),
                }),
            }
        })
        .collect();
    let rights: BTreeMap<&str, Value> = table
        .files
        .values()
        .filter_map(|file| file.rights.as_ref())
        .map(|(name, standing)| (name.as_str(), standing.report()))
        .collect();
    let lanes: Vec<Value> = table
        .lanes
        .iter()
        .map(|(name, place)| {
            let mut lane = json!(place.lane.status());
            lane["rights"] = rights.get(name.as_str()).cloned().unwrap_or_default();
            lane
        })
        .collect();
    drop(rights);
    let problems: Vec<String> = table.problems.iter().map(ToString::to_string).collect();
    drop(table);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cluster": cluster,
        "uptimeSeconds": began.elapsed().as_secs(),
        "plugins": handlers.parts.settings.plugins.display().to_string(),
        "state": handlers.parts.store.as_ref().map(Store::status),
        "files": files,
        "problems": problems,
        "handlers": lanes,
        "fights": handlers.parts.fights.status(),
        "watches": handlers.parts.informers.status(),
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
