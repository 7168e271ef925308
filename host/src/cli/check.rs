//! `weir check`: a component and its manifest, looked at as `weir run` would, without calling `handle`.
//!
//! It is started once, for `describe`; what that instance held is what `memory` says.

use super::Output;
use crate::{
    handler::{self, manifest::Manifest},
    runtime::{Component, Engine, EngineSettings, Footprint},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    error::Error,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The component; NAME.yaml beside it is taken as its manifest
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

/// What is known of a component that was checked.
struct Checked<'a> {
    file: &'a Path,
    beside: &'a Path,
    bytes: usize,
    component: Component,
    manifest: Manifest,
    memory: Footprint,
    /// The lines that would grant what it lacks.
    ungranted: String,
}

pub(super) fn run(arguments: CheckArgs) -> Result<(), Box<dyn Error>> {
    let file = &arguments.file;
    let bytes = component(file)?;
    let size = bytes.len();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_extension("yaml");
    let checked = super::runtime()?.block_on(async {
        let engine = Engine::new(EngineSettings::default())?;
        let within = |error: &dyn Error| format!("{}: {error}", file.display());
        let component = engine.load(&stem, bytes.into()).await.map_err(|error| within(&error))?;
        let (described, memory) = component.measure().await.map_err(|error| within(&error))?;
        let written = if beside.is_file() { Some(std::fs::read_to_string(&beside)?) } else { None };
        let operator = written.as_deref().map(|text| (beside.as_path(), text));
        let manifest = handler::merge(&described, operator, &stem, 1)?;
        let ungranted = handler::ungranted(&manifest);
        Ok::<_, Box<dyn Error>>(Checked { file, beside: &beside, bytes: size, component, manifest, memory, ungranted })
    })?;
    match arguments.output {
        Output::Text => print!("{}", text(&checked)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&structured(&checked))?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&structured(&checked))?),
    }
    let Footprint { described, .. } = checked.memory;
    let limit = checked.manifest.limits.memory;
    if described > limit {
        return Err(format!(
            "{}: it holds {described} bytes before its first call, more than limits.memory, {limit}; raise that in {}",
            file.display(),
            beside.display()
        )
        .into());
    }
    Ok(())
}

fn text(checked: &Checked<'_>) -> String {
    let Checked { file, beside, bytes, component, manifest, memory, ungranted } = checked;
    let sound =
        if memory.described > manifest.limits.memory { ", that may not hold what it needs" } else { ", and sound" };
    let mut text = format!("{}: a handler{sound}\n", file.display());
    let mut line = |what: &str, value: String| text.push_str(&format!("  {what:<10} {value}\n"));
    line("name:", manifest.name.clone());
    line("does:", manifest.description.clone());
    line("contract:", component.contract_version().to_owned());
    line("digest:", format!("sha256:{}", component.digest()));
    line("size:", format!("{bytes} bytes, compiled in {} ms", component.compile_time().as_millis()));
    let (started, described) = (memory.started >> 10, memory.described >> 10);
    let limit = manifest.limits.memory >> 10;
    line("memory:", format!("{started} KiB an instance, {described} KiB after `describe`, of {limit} KiB allowed"));
    for watch in &manifest.watches {
        line("watches:", format!("{} {}", watch.api_version, watch.kind));
    }
    for read in &manifest.reads {
        line("reads:", format!("{} {}", read.api_version, read.kind));
    }
    for import in component.imports() {
        line("imports:", import.clone());
    }
    if !ungranted.is_empty() {
        let beside = beside.display();
        text.push_str(&format!("  not granted, though it wants it; to grant it, add to {beside}:\n{ungranted}"));
    }
    text
}

/// The same for programs. Sizes are bytes.
fn structured(checked: &Checked<'_>) -> Value {
    let Checked { file, bytes, component, manifest, memory, ungranted, .. } = checked;
    let kind = |api_version: &str, kind: &str| json!({ "apiVersion": api_version, "kind": kind });
    json!({
        "file": file.display().to_string(),
        "name": manifest.name,
        "description": manifest.description,
        "contract": component.contract_version(),
        "digest": format!("sha256:{}", component.digest()),
        "size": bytes,
        "compileMs": u64::try_from(component.compile_time().as_millis()).unwrap_or(u64::MAX),
        "memory": { "started": memory.started, "described": memory.described, "limit": manifest.limits.memory },
        "watches": manifest.watches.iter().map(|it| kind(&it.api_version, &it.kind)).collect::<Vec<_>>(),
        "reads": manifest.reads.iter().map(|it| kind(&it.api_version, &it.kind)).collect::<Vec<_>>(),
        "imports": component.imports(),
        "ungranted": ungranted,
    })
}

/// The bytes of a component; like everywhere in the command line, one message if they cannot be had.
pub(super) fn component(file: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let unread = |error: &dyn std::fmt::Display| {
        format!("{}: it cannot be read ({error}); give the path of a .wasm file", file.display())
    };
    let found = std::fs::metadata(file).map_err(|error| unread(&error))?;
    if !found.is_file() {
        return Err(unread(&"it is no regular file").into());
    }
    // As in the directory of handlers, the size is looked at before anything is read.
    let limit = handler::directory::Limits::default().component_bytes;
    if found.len() > limit {
        return Err(format!(
            "{}: it has {} bytes, more than the {limit} it may have; strip the component's debug information, or split it",
            file.display(),
            found.len()
        )
        .into());
    }
    Ok(std::fs::read(file).map_err(|error| unread(&error))?)
}
