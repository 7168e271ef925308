//! Go: the stock compiler, for WASI preview 1, with bindings and the kit written into the folder's `.weir/go`.
//!
//! The author's `go.mod` is not touched: the build uses a copy in which `weir.dev/weir` is that directory. So the kit that is built
//! with is always the one of this weir, wherever `go test` takes it from.

use crate::{
    BuildError, Job,
    command::{answer, run},
    contract, files,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The kit's module.
const MODULE: &str = "weir.dev/weir";
/// The oldest that can: 1.24 brought `go:wasmexport`, 1.25 is what the kit is tested with at least.
const OLDEST: (u32, u32) = (1, 25);
/// Where generated code looks for its support, and where the kit has it.
const SUPPORT: (&str, &str) = ("go.bytecodealliance.org/pkg/wit/", "weir.dev/weir/internal/wit/");

macro_rules! kit {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../sdk/go/", $file)))),*] };
}

/// The kit, as it is in `sdk/go`, less its tests.
const KIT: &[(&str, &str)] = kit![
    "action.go",
    "component_wasip1.go",
    "description.go",
    "errors.go",
    "event.go",
    "go.mod",
    "home.go",
    "host.go",
    "host_wasip1.go",
    "internal/bindings/exports/export_weir_api_handler/handler.go",
    "internal/wit/runtime/runtime.go",
    "internal/wit/types/types.go",
    "log.go",
    "weir.go",
    "weirtest/weirtest.go",
];

/// What `go version` says, if it is new enough.
pub(crate) fn version() -> Result<String, BuildError> {
    let missing = |what: String| BuildError::Missing {
        language: "Go",
        what,
        install: "see https://go.dev/dl, or on Debian `apt-get install golang-go` where that is new enough".into(),
    };
    let (major, minor) = OLDEST;
    let Some(said) = answer(Command::new("go").arg("version")) else {
        return Err(missing(format!("there is no `go` on the PATH, and Go {major}.{minor} or newer is needed")));
    };
    // `go version go1.26.1 linux/amd64`; what cannot be read is a development version, and new.
    let number = said.split(' ').find_map(|word| word.strip_prefix("go1.")).and_then(|rest| rest.split('.').next());
    match number.and_then(|number| number.parse::<u32>().ok()) {
        Some(found) if found < minor => {
            Err(missing(format!("Go {major}.{minor} or newer is needed, and this is {said}")))
        }
        _ => Ok(said),
    }
}

/// Compiles the folder to a core module that says which contract it is for.
pub(crate) fn compile(job: &Job, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    version()?;
    let own = job.directory.join(".weir");
    provide(&job.directory)?;
    for name in ["go.mod", "go.sum"] {
        let from = job.directory.join(name);
        if from.exists() {
            let text = fs::read(&from).map_err(|source| BuildError::file("read", &from, source))?;
            files::write(&own.join(name), &text)?;
        }
    }
    let go = || {
        let mut go = Command::new("go");
        go.current_dir(&job.directory).env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
        go
    };
    // Relative to the folder, as all names here: Go writes them into what it makes.
    let replace = format!("-replace={MODULE}=./.weir/go");
    let require = format!("-require={MODULE}@v0.1.0");
    run(go().args(["mod", "edit", &require, &replace, ".weir/go.mod"]), true, say)?;
    let mut build = go();
    build.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]);
    build.args(["-modfile=.weir/go.mod", "-o", ".weir/core.wasm", "."]);
    run(build.env("GOOS", "wasip1").env("GOARCH", "wasm"), true, say)?;
    Ok(own.join("core.wasm"))
}

/// Writes the kit into a folder, where the build and the author's `go test` look for it.
pub(crate) fn provide(directory: &Path) -> Result<(), BuildError> {
    files::provide(&directory.join(".weir/go"), &kit()?)
}

/// The kit with its bindings.
fn kit() -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let mut files: Vec<_> = KIT.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let bindings = contract::go_bindings(&format!("{MODULE}/internal/bindings"))
        .map_err(|words| BuildError::Bindings { language: "Go", words })?;
    for (name, bytes) in bindings {
        let text = String::from_utf8_lossy(&bytes).replace(SUPPORT.0, SUPPORT.1);
        files.push((format!("internal/bindings/{name}"), text.into_bytes()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files under a directory, relative to it; those of `.weir` and tests are none of the kit's.
    fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
        for entry in files::entries(directory).expect("readable") {
            let name = entry.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
            if entry.is_dir() {
                walk(root, &entry, found);
            } else if name == "go.mod" || name.ends_with(".go") && !name.ends_with("_test.go") {
                found.push(name);
            }
        }
    }

    #[test]
    fn the_kit_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/go");
        let mut found = Vec::new();
        walk(&root, &root, &mut found);
        found.sort();
        let mut known: Vec<_> = KIT.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(known, found, "KIT names every file of sdk/go but its tests");
    }

    #[test]
    fn bindings_need_nothing_but_the_kit() {
        for (name, bytes) in kit().expect("the contract generates") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("go.bytecodealliance.org"), "{name}");
        }
    }
}
