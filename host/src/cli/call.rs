//! `weir call`: one call of a handler with objects from files, and what it answers.
//!
//! Exit codes: 0 it answered and weir would carry it out; 1 it failed, or a grant is missing; 2 the command line is wrong.

use super::{Output, UsageError};
use crate::{
    app::{Call, Called},
    contract::{Action, Change, Level, LogLine},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes of a file of objects that are read at most.
const MAX_OBJECTS: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The component; NAME.yaml beside it is taken as its manifest, with its grants. Without one it is granted what it wants
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Why it is called: initial, added, updated, left, deleted, resync or requeued
    #[arg(long, value_name = "CHANGE", value_parser = change, default_value = "updated")]
    change: Change,
    /// The object it is called for, whole: YAML or JSON
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    /// Which of the file's objects, if it has several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The state it acknowledged last, for watches with `previous`
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Its settings, instead of those in the manifest
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Objects that it finds when it reads; may be given more than once
    #[arg(long, value_name = "FILE")]
    read: Vec<PathBuf>,
    /// Which watch, if it has several on the object's kind
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
    /// Which attempt it is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// Directory for the compiled component, so that the next call need not compile it; private to this user
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(arguments: CallArgs) -> Result<(), Box<dyn Error>> {
    let file = &arguments.file;
    let component = super::check::component(file)?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_extension("yaml");
    let written = if beside.is_file() { Some(std::fs::read_to_string(&beside)?) } else { None };
    let grant_wishes = written.is_none();
    if grant_wishes {
        eprintln!("no {} beside it: granted what it wants, as `weir dev` does", beside.display());
    }
    let manifest = match &arguments.settings {
        None => written,
        Some(settings) => Some(with_settings(written.as_deref(), &beside, settings)?),
    };
    let name = arguments.name.as_deref();
    let object = one(&arguments.object, name)?;
    let previous = arguments.previous.as_deref().map(|file| one(file, name)).transpose()?;
    let read = arguments.read.iter().map(|file| objects(file)).collect::<Result<Vec<_>, _>>()?.concat();
    let call = Call {
        stem: &stem,
        component: component.into(),
        cache_dir: arguments.cache_dir.clone(),
        manifest: manifest.as_deref().map(|text| (beside.as_path(), text)),
        grant_wishes,
        change: arguments.change,
        watch: arguments.watch.as_deref(),
        object,
        previous,
        read,
        attempt: arguments.attempt,
    };
    let called = super::runtime()?
        .block_on(call.once(Arc::new(line)))
        .map_err(|problem| format!("{}: {problem}", file.display()))?;
    match arguments.output {
        Output::Text => print!("{}", text(&called)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&structured(&called))?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&structured(&called))?),
    }
    match (&called.reply, &called.refused) {
        (Err(failure), _) => Err(format!("the call failed: {}", failure.message).into()),
        (Ok(_), Some(refused)) => Err(format!("weir would not carry this out: {refused}").into()),
        (Ok(_), None) => Ok(()),
    }
}

/// A log line of the handler's, told beside the answer.
fn line(line: &LogLine) {
    let level = match line.level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let fields: String = line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    eprintln!("{level}: {}{fields}", line.message);
}

fn text(called: &Called) -> String {
    let mut text = format!("{} {}\n", called.event.change, called.event.key);
    match &called.reply {
        Err(failure) if !failure.stderr.is_empty() => {
            text.push_str(&format!("  stderr: {}\n", failure.stderr.trim_end()))
        }
        Err(_) => {}
        Ok(actions) if actions.is_empty() => text.push_str("  no actions\n"),
        Ok(actions) => {
            for action in actions {
                text.push_str(&format!("  {:12} {}\n", action.name(), body(action)));
            }
        }
    }
    text
}

fn structured(called: &Called) -> Value {
    let mut structured = match &called.reply {
        Ok(actions) => {
            let actions = actions.iter().map(|action| json!({ "action": action.name(), "value": body(action) }));
            json!({ "actions": actions.collect::<Vec<_>>() })
        }
        Err(failure) => json!({ "failure": {
            "kind": kind(&failure.kind), "message": failure.message, "stderr": failure.stderr,
        } }),
    };
    structured["change"] = called.event.change.name().into();
    structured["object"] = json!(called.event.key);
    if let Some(refused) = &called.refused {
        structured["refused"] = refused.as_str().into();
    }
    structured
}

fn kind(kind: &crate::runtime::FailureKind) -> &'static str {
    use crate::{contract::Failure, runtime::FailureKind};
    match kind {
        FailureKind::Answered(Failure::Retry(_)) => "retry",
        FailureKind::Answered(Failure::RetryLater { .. }) => "retry-later",
        FailureKind::Answered(Failure::Permanent(_)) => "permanent",
        FailureKind::Trapped => "trapped",
        FailureKind::TimedOut => "timed-out",
        FailureKind::OutOfMemory => "out-of-memory",
        FailureKind::ReplyTooLarge => "reply-too-large",
        FailureKind::TooManyReads => "too-many-reads",
        FailureKind::Broken => "broken",
    }
}

/// What the action says, with the JSON in its texts as JSON.
fn body(action: &Action) -> Value {
    let map =
        |pairs: &[(String, Option<String>)]| pairs.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    match action {
        Action::Annotate(pairs) | Action::Label(pairs) => Value::Object(map(pairs)),
        Action::SetStatus(text) | Action::Create(text) => parsed(text),
        Action::RequeueAfter(after) => json!(after),
        Action::Patch(patch) => {
            let mut value = json!(patch);
            value["body"] = parsed(&patch.body);
            value
        }
        Action::Apply(apply) => {
            let mut value = json!(apply);
            value["manifest"] = parsed(&apply.manifest);
            value
        }
        // As it is written: one key, the action's name.
        other => json!(other).as_object().and_then(|map| map.values().next().cloned()).unwrap_or_default(),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The manifest with other settings in it.
fn with_settings(written: Option<&str>, beside: &Path, settings: &Path) -> Result<String, Box<dyn Error>> {
    let mut document: Value = match written {
        Some(text) => serde_saphyr::from_str(text).map_err(|error| format!("{}: {error}", beside.display()))?,
        None => json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "Handler" }),
    };
    let text = read(settings)?;
    let settings: Value = serde_saphyr::from_str(&text).map_err(|error| format!("{}: {error}", settings.display()))?;
    let spec = document
        .as_object_mut()
        .map(|document| document.entry("spec").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
        .ok_or_else(|| format!("{}: it is no manifest", beside.display()))?;
    spec.insert("settings".to_owned(), settings);
    Ok(document.to_string())
}

/// The one object of a file, or the one of this name.
fn one(file: &Path, name: Option<&str>) -> Result<Value, Box<dyn Error>> {
    let named =
        |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = objects(file)?;
    let names = all.iter().map(named).collect::<Vec<_>>().join(", ");
    let mut meant = all.into_iter().filter(|object| name.is_none_or(|name| named(object) == name));
    match (meant.next(), meant.next()) {
        (Some(object), None) => Ok(object),
        (None, _) => Err(UsageError(format!("{}: the object is not there; it has: {names}", file.display())).into()),
        (Some(_), Some(_)) => {
            Err(UsageError(format!("{}: say which object with --name; it has {names}", file.display())).into())
        }
    }
}

/// The objects of a file; those of a list one by one.
pub(super) fn objects(file: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let text = read(file)?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut objects = Vec::new();
    for mut document in documents.into_iter().filter(|document| !document.is_null()) {
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => objects.extend(items),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    let unread = |error: &dyn std::fmt::Display| UsageError(format!("{}: it cannot be read: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unread(&error))?.len();
    if size > MAX_OBJECTS {
        return Err(unread(&format!("it has {size} bytes, more than {MAX_OBJECTS}")).into());
    }
    Ok(std::fs::read_to_string(file).map_err(|error| unread(&error))?)
}

fn change(text: &str) -> Result<Change, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "one of initial, added, updated, left, deleted, resync and requeued".to_owned())
}
