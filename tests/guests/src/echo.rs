//! A guest that does what its settings say, action by action.
//!
//! ```yaml
//! settings:
//!   modes: [annotate, emit]      # in this order; default [annotate]
//!   names: [victim]              # only for objects with these names, the others get `annotate`; default: all
//!   until: 2                     # only up to this attempt, then `annotate`; default: always
//!   …                            # what a mode needs, see `Settings`
//! ```
//!
//! `annotate` marks the object with `test.weir.dev/change`, `/told` (the resourceVersion), `/attempt`, `/version` (which build),
//! and, if `counted` is set, `/calls` (how often this instance was called), which makes every write a change.

use serde::Deserialize;
use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use weir_sdk::{
    Action, Actions, Apply, Deletion, Error, Event, HttpRequest, LogLine, Note, ObjectKey, Patch, PatchFormat, cluster, host,
    log::{self, Level},
    serde_json::Value,
    subject,
};

/// The guest's settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    modes: Vec<Mode>,
    names: Vec<String>,
    until: u32,
    counted: bool,
    /// `set-status`: what to merge. `patch`: the body.
    body: Value,
    /// `patch`: `json`, `merge` or `strategic`.
    format: String,
    /// `patch`, `apply`.
    subresource: Option<String>,
    /// `apply`, `create`: the object.
    manifest: Value,
    /// `apply`.
    manager: Option<String>,
    /// `apply`.
    force: bool,
    /// `patch`, `delete`, `emit`, `get-cluster`, `list-cluster`: apiVersion, kind, namespace and name; none: the event's object.
    target: Option<Target>,
    /// `delete`, `patch`: only if the object has this uid.
    uid: Option<String>,
    /// `requeue`, `retry-later`: milliseconds.
    after_ms: u32,
    /// `emit`, `log`, and everything that fails.
    message: String,
    /// `read-subject`: where.
    pointer: String,
    /// `list-cluster`.
    label_selector: String,
    /// `list-cluster`: objects a page.
    page_size: u32,
    /// `http`: where to POST the message.
    url: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            modes: vec![Mode::Annotate],
            names: Vec::new(),
            until: u32::MAX,
            counted: false,
            body: Value::Null,
            format: "merge".into(),
            subresource: None,
            manifest: Value::Null,
            manager: None,
            force: false,
            target: None,
            uid: None,
            after_ms: 1000,
            message: "as the settings say".into(),
            pointer: "/metadata/name".into(),
            label_selector: String::new(),
            page_size: 0,
            url: String::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Target {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    #[serde(default)]
    name: String,
}

impl From<Target> for ObjectKey {
    fn from(target: Target) -> Self {
        ObjectKey { api_version: target.api_version, kind: target.kind, namespace: target.namespace, name: target.name }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Nothing,
    Annotate,
    Label,
    SetStatus,
    Patch,
    Apply,
    Create,
    Delete,
    Emit,
    /// The action.
    LogAction,
    /// The import.
    Log,
    /// Two lines on standard error, where the toolchain has one.
    Stderr,
    Http,
    Requeue,
    /// The action.
    Fail,
    Retry,
    RetryLater,
    Permanent,
    Trap,
    Loop,
    /// Takes memory until there is no more.
    Grow,
    /// More actions than any limit allows.
    Flood,
    /// More log lines than any limit allows.
    FloodLog,
    ReadSubject,
    GetCluster,
    ListCluster,
}

/// Answers an event as the settings say. `version` is which build this is.
pub fn handle(version: &str, event: &Event) -> Result<Actions, Error> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let settings: Settings = host::settings()?;
    let chosen = settings.names.is_empty() || settings.names.contains(&event.key.name);
    let modes = if chosen && event.attempt <= settings.until { &settings.modes[..] } else { &[Mode::Annotate] };
    let mut actions = Actions::new();
    for mode in modes {
        actions = match mode {
            Mode::Annotate => {
                let marked = mark(actions, version, event);
                if settings.counted { marked.annotate("test.weir.dev/calls", calls) } else { marked }
            }
            mode => act(*mode, actions, &settings)?,
        };
    }
    Ok(actions)
}

fn mark(actions: Actions, version: &str, event: &Event) -> Actions {
    actions
        .annotate("test.weir.dev/change", event.change)
        .annotate("test.weir.dev/told", &event.resource_version)
        .annotate("test.weir.dev/attempt", event.attempt)
        .annotate("test.weir.dev/version", version)
}

fn act(mode: Mode, actions: Actions, settings: &Settings) -> Result<Actions, Error> {
    let message = settings.message.clone();
    let after = Duration::from_millis(settings.after_ms.into());
    let target = settings.target.clone().map(ObjectKey::from);
    // A string is taken as it is, so that a scenario can send YAML, or what is neither.
    let manifest = || settings.manifest.as_str().map_or_else(|| settings.manifest.to_string(), str::to_owned);
    Ok(match mode {
        Mode::Nothing | Mode::Annotate => actions,
        Mode::Label => actions.label("test.weir.dev/echo", "yes"),
        Mode::SetStatus => actions.set_status(&settings.body),
        Mode::Patch => actions.patch(Patch {
            target,
            uid: settings.uid.clone(),
            subresource: settings.subresource.clone(),
            format: match settings.format.as_str() {
                "json" => PatchFormat::Json,
                "strategic" => PatchFormat::Strategic,
                _ => PatchFormat::Merge,
            },
            body: settings.body.to_string(),
        }),
        Mode::Apply => actions.apply(Apply {
            manifest: manifest(),
            subresource: settings.subresource.clone(),
            manager: settings.manager.clone(),
            force: settings.force,
        }),
        Mode::Create => actions.and(Action::Create(manifest())),
        Mode::Delete => actions.delete(Deletion { target, uid: settings.uid.clone(), ..Deletion::default() }),
        Mode::Emit => actions.emit(Note { regarding: target, ..Note::warning("Echo", message) }),
        Mode::LogAction => actions.log(LogLine { level: Level::Info, message, fields: vec![("by".into(), "action".into())] }),
        Mode::Log => {
            log::info!(&message, by = "import");
            actions
        }
        Mode::Stderr => {
            eprintln!("{message}\nsecond line");
            actions
        }
        Mode::Http => actions.http(HttpRequest { method: "POST".into(), url: settings.url.clone(), body: message, ..HttpRequest::default() }),
        Mode::Requeue => actions.requeue_after(after),
        Mode::Fail => actions.fail(Error::retry(message)),
        Mode::Retry => return Err(Error::retry(message)),
        Mode::RetryLater => return Err(Error::retry_later(after, message)),
        Mode::Permanent => return Err(Error::permanent(message)),
        Mode::Trap => panic!("{message}"),
        Mode::Loop => spin(),
        Mode::Grow => hoard(),
        Mode::Flood => (0..1_000_000).map(|n| Action::Label(vec![(format!("test.weir.dev/{n}"), None)])).collect(),
        Mode::FloodLog => {
            (0..1_000_000).for_each(|n| log::info!("flood", n = n));
            actions
        }
        Mode::ReadSubject => {
            let found: Option<Value> = subject::get(&settings.pointer)?;
            actions.annotate("test.weir.dev/subject", found.map_or("nothing".into(), |found| found.to_string()))
        }
        Mode::GetCluster => {
            let key = target.ok_or_else(|| Error::permanent("get-cluster needs settings.target"))?;
            let found: Option<Value> = cluster::get(&key)?;
            actions.annotate("test.weir.dev/got", if found.is_some() { "yes" } else { "no" })
        }
        Mode::ListCluster => {
            let target = target.ok_or_else(|| Error::permanent("list-cluster needs settings.target"))?;
            let query = cluster::Query {
                api_version: target.api_version,
                kind: target.kind,
                namespace: target.namespace,
                label_selector: settings.label_selector.clone(),
                page_size: settings.page_size,
                ..cluster::Query::default()
            };
            let listed = cluster::list::<Value>(query).collect::<Result<Vec<_>, _>>()?;
            let mut names: Vec<&str> = listed.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect();
            names.sort_unstable();
            actions.annotate("test.weir.dev/listed", names.join(","))
        }
    })
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Memory that is written to, so that it is really taken.
fn hoard() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}
