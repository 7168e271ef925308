//! Building the repository's own handlers into components, as `weir build` does, with a cache.
//!
//! Guarantees: `target/guests/components/NAME.wasm` is what the sources at hand give with the tools at hand, or an error;
//! every component exports the contract, imports nothing that weir does not offer, and names no directory of this machine. What
//! was built once from the same inputs is taken from a cache outside the repository, so a clean clone needs no compiler run. A
//! Rust compiler for WebAssembly is fetched where that may be; a handler whose other tools are missing is skipped, loudly.
//!
//! Does not: build the host, or know how a language is built (`weir-build` does).

use crate::place;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use weir_build::{BuildError, Job, Language, entries, rust::Toolchain, write};

mod tools;

/// One finished component.
#[derive(Debug)]
pub(crate) struct Component {
    /// `target/guests/components/NAME.wasm`.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// Nothing was compiled for it: its inputs are those of an earlier build.
    pub(crate) cached: bool,
}

/// Why guests could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    /// It could not be built.
    #[error("cannot build the handler {package}")]
    Build {
        /// The package's directory name.
        package: String,
        /// Why.
        source: BuildError,
    },
    /// No such guest.
    #[error("there is no handler called {name}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written, or a directory listed.
    #[error(transparent)]
    File(#[from] BuildError),
}

/// How many builds the cache keeps; the oldest go first. Each is some 100 kB.
const CACHED_BUILDS: usize = 200;
/// Part of every cache key: raise it when this program builds differently from the same inputs.
const RECIPE: &str = "3";

/// One folder of source.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    /// The directory's name, which is the package's.
    name: String,
    directory: PathBuf,
    language: Language,
    /// Each component's name. A Rust package with `examples/` holds one component per example; any other folder is one itself.
    components: Vec<String>,
    by_example: bool,
}

/// Builds the packages named, or all of them.
///
/// # Errors
///
/// The first that fails ends the build; components finished before it are in place.
pub(crate) fn build(workspace: &Path, only: &[String]) -> Result<Vec<Component>, GuestError> {
    let packages = find(workspace)?;
    if let Some(name) = only.iter().find(|name| !packages.iter().any(|package| package.name == **name)) {
        let known = packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(GuestError::Unknown { name: name.clone(), known });
    }
    let progress = ProgressBar::new_spinner();
    progress.set_style(
        ProgressStyle::with_template("{spinner} {prefix} {wide_msg}").unwrap_or(ProgressStyle::default_spinner()),
    );
    progress.enable_steady_tick(Duration::from_millis(120));
    if Toolchain::find(workspace)?.is_none() {
        Toolchain::install(workspace, &mut |what| progress.set_prefix(what.to_owned()))?;
    }
    let chosen = || packages.iter().filter(|package| only.is_empty() || only.contains(&package.name));
    if chosen().any(|package| package.language == Language::Python) {
        tools::python(&tools_directory(), &progress);
    }
    if chosen().any(|package| matches!(package.language, Language::JavaScript | Language::TypeScript)) {
        tools::javascript(&tools_directory(), &progress);
    }
    if chosen().any(|package| package.language == Language::C) {
        tools::c(&tools_directory(), &progress);
    }
    let mut built = Vec::new();
    for package in chosen() {
        match build_package(workspace, package, &components_directory(workspace), &progress) {
            Err(GuestError::Build { package, source: missing @ BuildError::Missing { .. } }) => {
                progress.suspend(|| eprintln!("SKIPPED: the handler {package}: {missing}"));
            }
            done => built.extend(done?),
        }
    }
    progress.finish_and_clear();
    Ok(built)
}

/// Builds one package that may lie anywhere, and puts its component into `place`.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_at(workspace: &Path, directory: &Path, place: &Path) -> Result<Component, GuestError> {
    let progress = ProgressBar::new_spinner();
    let package = package(directory.to_owned())?;
    let name = package.name.clone();
    let built = build_package(workspace, &package, place, &progress)?;
    progress.finish_and_clear();
    built.into_iter().next().ok_or(GuestError::Unknown { name, known: String::new() })
}

fn build_package(
    workspace: &Path,
    package: &Package,
    place: &Path,
    progress: &ProgressBar,
) -> Result<Vec<Component>, GuestError> {
    let fails = |source| GuestError::Build { package: package.name.clone(), source };
    let job = Job {
        directory: package.directory.clone(),
        cargo_target: Some(target_directory(workspace)),
        hidden: machine_paths(workspace),
        tools: Some(tools_directory()),
        examples: package.by_example,
    };
    let tools = weir_build::tools_of(&job).map_err(fails)?;
    let kept = cache_directory().join(inputs(workspace, package, &tools)?);
    let cached = package.components.iter().all(|name| kept.join(format!("{name}.wasm")).is_file());
    if !cached {
        progress.set_prefix(format!("building {}", package.name));
        let built = weir_build::build(&job, &mut |line| progress.set_message(line.to_owned())).map_err(fails)?;
        progress.set_message("");
        // Whole files appear under their final name at once: another build may be reading.
        for component in built {
            write(&kept.join(format!("{}.wasm", component.name)), &component.bytes)?;
        }
        forget_old_builds(&cache_directory());
    }
    let mut components = Vec::new();
    for name in &package.components {
        let bytes = read(&kept.join(format!("{name}.wasm")))?;
        let path = place.join(format!("{name}.wasm"));
        write(&path, &bytes)?;
        components.push(Component { path, bytes: bytes.len() as u64, cached });
    }
    Ok(components)
}

/// All folders of guests, by name.
fn find(workspace: &Path) -> Result<Vec<Package>, GuestError> {
    let mut directories = vec![workspace.join("tests/guests")];
    for parent in ["plugins", "examples", "tests/handlers"] {
        directories.extend(entries(&workspace.join(parent))?);
    }
    let sources = directories.into_iter().filter(|directory| Language::of(directory).is_ok());
    let mut packages = sources.map(package).collect::<Result<Vec<_>, _>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// What one folder holds.
fn package(directory: PathBuf) -> Result<Package, GuestError> {
    let name = stem(&directory);
    let language = Language::of(&directory)?;
    let by_example = language == Language::Rust && directory.join("examples").is_dir();
    let components = match by_example {
        true => {
            let sources = entries(&directory.join("examples"))?;
            sources
                .iter()
                .filter(|file| file.extension().is_some_and(|end| end == "rs"))
                .map(|file| stem(file))
                .collect()
        }
        false => vec![name.clone()],
    };
    Ok(Package { name, directory, language, components, by_example })
}

/// Everything that decides what a package's components are, as one hash.
fn inputs(workspace: &Path, package: &Package, tools: &str) -> Result<String, GuestError> {
    let mut files = Vec::new();
    let kit = match package.language {
        Language::Rust => {
            files.extend([workspace.join("Cargo.toml"), workspace.join("sdk/rust/Cargo.toml")]);
            "sdk/rust/src"
        }
        // The kit, and how it is built.
        Language::Go => "sdk/go",
        Language::Python => "sdk/python/weir",
        Language::JavaScript | Language::TypeScript => "sdk/js",
        Language::C => "sdk/c",
    };
    for directory in
        [workspace.join(kit), workspace.join("wit"), workspace.join("build/src"), package.directory.clone()]
    {
        collect(&directory, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    hash.update(tools);
    for file in files {
        // Names relative to the workspace, each part with its length, so that neither a move nor a shifted border goes unseen.
        let name = file.strip_prefix(workspace).unwrap_or(&file).to_string_lossy().into_owned();
        let text = read(&file)?;
        for part in [name.as_bytes(), &text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// The source files under a directory; build output is none.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), GuestError> {
    for entry in entries(directory)? {
        if !entry.is_dir() {
            files.push(entry);
        } else if !matches!(stem(&entry).as_str(), "target" | "node_modules" | "__pycache__")
            && !stem(&entry).starts_with('.')
        {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    fs::read(path).map_err(|source| GuestError::Read { path: path.to_owned(), source })
}

/// Where finished components are put.
pub(crate) fn components_directory(workspace: &Path) -> PathBuf {
    target_directory(workspace).join("components")
}

/// Where all guests are compiled, so that the standard library is compiled once.
fn target_directory(workspace: &Path) -> PathBuf {
    workspace.join("target/guests")
}

/// Keeps the newest [`CACHED_BUILDS`]. A cache that cannot be tidied is not worth failing a build.
fn forget_old_builds(cache: &Path) {
    let age = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut builds = entries(cache).unwrap_or_default();
    builds.sort_by_key(|build| std::cmp::Reverse(age(build)));
    for old in builds.iter().skip(CACHED_BUILDS) {
        let _ = fs::remove_dir_all(old);
    }
}

/// Where finished components are kept between builds.
fn cache_directory() -> PathBuf {
    place::cache("guests").unwrap_or_else(|_| std::env::temp_dir().join("weir/guests"))
}

/// Where the tools of languages are installed, each in a directory with its version.
fn tools_directory() -> PathBuf {
    place::cache("tools").unwrap_or_else(|_| std::env::temp_dir().join("weir/tools"))
}

/// What must not be found in a component: where this machine keeps things.
fn machine_paths(workspace: &Path) -> Vec<PathBuf> {
    let mut paths = vec![workspace.to_owned()];
    paths.extend(variable("CARGO_HOME").or_else(|| Some(variable("HOME")?.join(".cargo"))));
    paths
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program is its own command line; only the cache's and cargo's place are asked for"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests;
