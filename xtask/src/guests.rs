//! Building the repository's own handlers into components.
//!
//! Guarantees: `target/guests/components/NAME.wasm` is what the sources at hand give with the toolchain at hand, or an error;
//! every component exports the contract, imports nothing that weir does not offer, and names no directory of this machine. What
//! was built once from the same inputs is taken from a cache outside the repository, so a clean clone needs no compiler run.
//!
//! Does not: build the host, or handlers in other languages.

use crate::guests::{component::ComponentError, toolchain::Toolchain};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    fs, io,
    io::BufRead,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

mod component;
mod toolchain;

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
    /// There is no compiler for WebAssembly, and none could be installed.
    #[error(
        "cannot build handlers: no Rust compiler for WebAssembly here, and {attempt}; on an ordinary machine run \
             `rustup target add wasm32-wasip2`, on Debian `apt-get install --no-install-recommends {packages}`"
    )]
    NoToolchain {
        /// What was tried.
        attempt: String,
        /// Debian's packages.
        packages: &'static str,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// The compiler refused a guest.
    #[error("cannot build the handler {package}; the compiler's last words:\n{words}")]
    Compile {
        /// The package's directory name.
        package: String,
        /// The end of its output, at most [`LAST_WORDS`] lines.
        words: String,
    },
    /// No such guest.
    #[error("there is no handler called {name}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// What came out is not a component that weir would load.
    #[error("the handler {name} was built, but is no component for weir")]
    Component {
        /// The component's name.
        name: String,
        /// What is wrong with it.
        source: ComponentError,
    },
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How many lines of a failed compiler run are shown.
const LAST_WORDS: usize = 60;
/// How many builds the cache keeps; the oldest go first. Each is some 100 kB.
const CACHED_BUILDS: usize = 200;
/// Part of every cache key: raise it when this program builds differently from the same inputs.
const RECIPE: &str = "1";

/// One cargo package of guests.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    /// The directory's name, which is the package's.
    name: String,
    directory: PathBuf,
    /// Each component's name. A package with `examples/` holds one component per example, one without is one itself.
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
    progress.set_prefix("looking for a compiler");
    let toolchain = Toolchain::find(workspace, &progress)?;
    let mut built = Vec::new();
    for package in packages.iter().filter(|package| only.is_empty() || only.contains(&package.name)) {
        built.extend(build_package(workspace, package, &toolchain, &components_directory(workspace), &progress)?);
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
    let toolchain = Toolchain::find(workspace, &progress)?;
    let name = stem(directory);
    let package = Package {
        name: name.clone(),
        directory: directory.to_owned(),
        components: vec![name.clone()],
        by_example: false,
    };
    let built = build_package(workspace, &package, &toolchain, place, &progress)?;
    progress.finish_and_clear();
    built.into_iter().next().ok_or(GuestError::Unknown { name, known: String::new() })
}

fn build_package(
    workspace: &Path,
    package: &Package,
    toolchain: &Toolchain,
    place: &Path,
    progress: &ProgressBar,
) -> Result<Vec<Component>, GuestError> {
    let kept = cache_directory().join(inputs(workspace, package, toolchain)?);
    let cached = package.components.iter().all(|name| kept.join(format!("{name}.wasm")).is_file());
    if !cached {
        progress.set_prefix(format!("building {}", package.name));
        compile(workspace, package, toolchain, progress)?;
        let mut finished = Vec::new();
        for name in &package.components {
            let raw = toolchain.output(&target_directory(workspace), name, package.by_example);
            let bytes = component::finish(&read(&raw)?, &machine_paths(workspace))
                .map_err(|source| GuestError::Component { name: name.clone(), source })?;
            finished.push((name, bytes));
        }
        // Whole files appear under their final name at once: another build may be reading.
        for (name, bytes) in finished {
            write(&kept.join(format!("{name}.wasm")), &bytes)?;
        }
        forget_old_builds(&cache_directory());
    }
    let mut components = Vec::new();
    for name in &package.components {
        let bytes = read(&kept.join(format!("{name}.wasm")))?;
        let path = place.join(format!("{name}.wasm"));
        // An equal file is left alone, so that a host watching the directory sees no change.
        if fs::read(&path).ok().as_ref() != Some(&bytes) {
            write(&path, &bytes)?;
        }
        components.push(Component { path, bytes: bytes.len() as u64, cached });
    }
    Ok(components)
}

/// Runs cargo, showing its last line as progress.
fn compile(
    workspace: &Path,
    package: &Package,
    toolchain: &Toolchain,
    progress: &ProgressBar,
) -> Result<(), GuestError> {
    let mut command = toolchain.cargo(&remaps(workspace));
    command.current_dir(&package.directory).arg("--target-dir").arg(target_directory(workspace));
    if package.by_example {
        command.arg("--examples");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let fails = |source| GuestError::Start { command: shown.clone(), source };
    let mut child = command.spawn().map_err(fails)?;
    let mut words = VecDeque::with_capacity(LAST_WORDS);
    if let Some(stderr) = child.stderr.take() {
        for line in io::BufReader::new(stderr).lines().map_while(Result::ok) {
            progress.set_message(line.trim().to_owned());
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            words.push_back(line);
        }
    }
    progress.set_message("");
    let ended = child.wait().map_err(fails)?;
    if ended.success() {
        return Ok(());
    }
    Err(GuestError::Compile { package: package.name.clone(), words: Vec::from(words).join("\n") })
}

/// All packages of guests, by name.
fn find(workspace: &Path) -> Result<Vec<Package>, GuestError> {
    let mut directories = vec![workspace.join("tests/guests")];
    for parent in ["plugins", "examples"] {
        directories.extend(entries(&workspace.join(parent))?);
    }
    let mut packages = Vec::new();
    for directory in directories.into_iter().filter(|directory| directory.join("Cargo.toml").is_file()) {
        let name = stem(&directory);
        let by_example = directory.join("examples").is_dir();
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
        packages.push(Package { name, directory, components, by_example });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Everything that decides what a package's components are, as one hash.
fn inputs(workspace: &Path, package: &Package, toolchain: &Toolchain) -> Result<String, GuestError> {
    let mut files = vec![workspace.join("Cargo.toml"), workspace.join("sdk/rust/Cargo.toml")];
    for directory in [workspace.join("sdk/rust/src"), workspace.join("wit"), package.directory.clone()] {
        collect(&directory, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    hash.update(toolchain.identity());
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
        } else if stem(&entry) != "target" {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// The entries of a directory, sorted; none if it does not exist.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, GuestError> {
    let fails = |source| GuestError::File { what: "list", path: directory.to_owned(), source };
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fails(error)),
    };
    let mut found =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(fails)?;
    found.sort();
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    fs::read(path).map_err(|source| GuestError::File { what: "read", path: path.to_owned(), source })
}

/// Writes a whole file by rename, making its directory.
fn write(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    let fails = |source| GuestError::File { what: "write", path: path.to_owned(), source };
    let half = path.with_extension(format!("half-{}", std::process::id()));
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(fails)?;
    fs::write(&half, bytes).and_then(|()| fs::rename(&half, path)).map_err(fails)
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

/// `${XDG_CACHE_HOME:-~/.cache}/weir/guests`.
fn cache_directory() -> PathBuf {
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("weir/guests")
}

/// What must not be found in a component: where this machine keeps things.
fn machine_paths(workspace: &Path) -> Vec<PathBuf> {
    let mut paths = vec![workspace.to_owned()];
    paths.extend(variable("CARGO_HOME").or_else(|| Some(variable("HOME")?.join(".cargo"))));
    paths
}

/// The compiler's arguments that keep [`machine_paths`] out.
fn remaps(workspace: &Path) -> Vec<String> {
    let names = ["/weir", "/cargo"];
    let pairs = machine_paths(workspace).into_iter().zip(names);
    pairs.map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())).collect()
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
