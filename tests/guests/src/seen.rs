//! What of a ConfigMap the oracle's histories change, as text: the same words in the guest that is told and in the test that judges.
//!
//! The test includes this file by its path, so it may use nothing but serde_json.

use serde_json::Value;

/// `data.state`: what a history calls the object's state; empty if there is none.
pub(crate) fn state(object: &Value) -> &str {
    object["data"]["state"].as_str().unwrap_or_default()
}

/// Everything that a history or a handler changes, in one line. Equal lines are equal states.
pub(crate) fn seen(object: &Value) -> String {
    let metadata = &object["metadata"];
    let mut line = state(object).to_owned();
    for map in ["labels", "annotations"] {
        // In order of their names, however they were written.
        let mut pairs: Vec<_> = metadata[map].as_object().into_iter().flatten().collect();
        pairs.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in pairs {
            line.push_str(&format!(" {name}={}", value.as_str().unwrap_or_default()));
        }
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        line.push_str(&format!(" finalizer={}", finalizer.as_str().unwrap_or_default()));
    }
    if !metadata["deletionTimestamp"].is_null() {
        line.push_str(" deleting");
    }
    line
}
