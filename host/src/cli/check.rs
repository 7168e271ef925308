//! `weir check`: a component and its manifest, looked at as `weir run` would, without calling `handle`.

use crate::{
    handler,
    runtime::{Engine, EngineSettings},
};
use clap::Args;
use std::{
    error::Error,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The component; NAME.yaml beside it is taken as its manifest
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
}

pub(super) fn run(arguments: CheckArgs) -> Result<(), Box<dyn Error>> {
    let file = &arguments.file;
    let bytes = component(file)?;
    let size = bytes.len();
    super::runtime()?.block_on(async {
        let engine = Engine::new(EngineSettings::default())?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let within = |error: &dyn Error| format!("{}: {error}", file.display());
        let component = engine.load(&stem, bytes.into()).await.map_err(|error| within(&error))?;
        let described = component.describe().await.map_err(|error| within(&error))?;
        let beside = file.with_extension("yaml");
        let written = if beside.is_file() { Some(std::fs::read_to_string(&beside)?) } else { None };
        let operator = written.as_deref().map(|text| (beside.as_path(), text));
        let manifest = handler::merge(&described, operator, &stem, 1)?;
        println!("{}: a handler, and sound", file.display());
        println!("  name:      {}", manifest.name);
        println!("  does:      {}", manifest.description);
        println!("  contract:  {}", component.contract_version());
        println!("  digest:    sha256:{}", component.digest());
        println!("  size:      {size} bytes, compiled in {} ms", component.compile_time().as_millis());
        for watch in &manifest.watches {
            println!("  watches:   {} {}", watch.api_version, watch.kind);
        }
        for read in &manifest.reads {
            println!("  reads:     {} {}", read.api_version, read.kind);
        }
        for import in component.imports() {
            println!("  imports:   {import}");
        }
        let ungranted = handler::ungranted(&manifest);
        if !ungranted.is_empty() {
            println!("  not granted, though it wants it; to grant it, add to {}:", beside.display());
            print!("{ungranted}");
        }
        Ok(())
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
