//! A guest that says in the log what it is told, for the oracle: a line as a call begins, and one before it is answered.
//!
//! ```yaml
//! settings:
//!   fail: 7        # of the states, one in so many fails at first; default 0: none
//!   failures: 2    # how often
//!   never: 5       # one in so many fails for as long as the object is there
//!   again: 11      # one in so many asks to be called again
//!   againMs: 200   # after so long
//!   mark: 3        # one in so many is written to: the annotation `oracle.weir.dev/mark` becomes the state
//! ```
//!
//! Which states those are is decided by a hash of the object's key and its state, so a call that is made again is answered alike.

use crate::seen::{seen, state};
use serde::Deserialize;
use std::time::Duration;
use weir_sdk::{
    Actions, Change, Error, Event, host,
    log::{self, Level},
    serde_json::{Value, json},
};

/// What the marks are called.
const MARK: &str = "oracle.weir.dev/mark";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    fail: u32,
    failures: u32,
    never: u32,
    again: u32,
    again_ms: u64,
    mark: u32,
}

/// Says what it was told, and answers as its settings say.
pub fn handle(event: &Event) -> Result<Actions, Error> {
    let settings: Settings = host::settings()?;
    let object: Value = event.object()?;
    let key = format!("{}/{}", event.key.namespace.as_deref().unwrap_or_default(), event.key.name);
    say(&json!({
        "call": "begins",
        "watch": event.watch,
        "key": key,
        "uid": event.uid,
        "version": event.resource_version,
        "change": event.change.to_string(),
        "attempt": event.attempt,
        "unknown": event.final_state_unknown,
        "state": state(&object),
        "seen": seen(&object),
        "previous": event.previous::<Value>()?.map(|previous| state(&previous).to_owned()),
    }));
    let one_in = |salt: &str, many: u32| many != 0 && hash(&[salt, &key, state(&object)]).is_multiple_of(many);
    let marks = one_in("mark", settings.mark) && !event.is_ending();
    // What was called because it asked is not called for ever: it neither asks again, nor fails, after which it would be `updated`.
    let asked = event.change == Change::Requeued;
    let again = one_in("again", settings.again) && !event.is_ending() && !asked;
    let at_first = one_in("fail", settings.fail) && event.attempt <= settings.failures && !asked;
    let fails = at_first || (one_in("never", settings.never) && !event.is_ending());
    let answer = match (fails, again) {
        (true, _) => "fails",
        (_, true) => "again",
        _ => "done",
    };
    say(&json!({
        "call": "ends", "watch": event.watch, "key": key, "uid": event.uid, "answer": answer, "marks": marks,
    }));
    if fails {
        return Err(Error::retry("as the settings say"));
    }
    let mut actions = Actions::new();
    if marks {
        actions = actions.annotate(MARK, state(&object));
    }
    Ok(if again { actions.requeue_after(Duration::from_millis(settings.again_ms)) } else { actions })
}

fn say(line: &Value) {
    log::write(Level::Info, &line.to_string(), &[]);
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: what a handler does with a state is decided by a hash of it, so that it does the
/// same again.
fn hash(parts: &[&str]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The lowest bits of FNV-1a depend on the lowest bits of the text alone.
    hash ^ (hash >> 15)
}
