//! Rust: which compiler, and what it is told.
//!
//! In this order: the active toolchain, if it has `wasm32-wasip2`; Debian's pair, if installed. Debian's pair is for guests only: its
//! standard library is built from source, for the bare `wasm32-unknown-unknown`, and its output is a core module. Where neither is
//! there, [`Toolchain::install`] can fetch one, for whoever may install things.

mod kit;

pub(crate) use kit::provide;

use crate::{
    BuildError, Job,
    command::{answer, run},
};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's packages for guests.
const DEBIAN: &str = "rustc-web cargo-web rust-web-src rust-web-llvm lld";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// Debian's standard library as source, which `-Zbuild-std` wants.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld";

/// A way to compile Rust for WebAssembly.
#[derive(Debug, Clone)]
pub struct Toolchain {
    kind: Kind,
    /// What `rustc -vV` says.
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// cargo with the target `wasm32-wasip2`; its output is a component already.
    Rustup,
    /// Debian's compiler; its output is a core module.
    Debian,
}

impl Toolchain {
    /// Finds one for the package in this directory, where a `rust-toolchain.toml` may say which.
    ///
    /// # Errors
    ///
    /// If there is one that does not run.
    pub fn find(directory: &Path) -> Result<Option<Toolchain>, BuildError> {
        let kind = match (has_target(directory), has_debian()) {
            (true, _) => Kind::Rustup,
            (false, true) => Kind::Debian,
            (false, false) => return Ok(None),
        };
        let rustc = match kind {
            Kind::Rustup => "rustc",
            Kind::Debian => DEBIAN_RUSTC,
        };
        let version = run(Command::new(rustc).arg("-vV").current_dir(directory), false, &mut |_| {})?;
        Ok(Some(Toolchain { kind, version: String::from_utf8_lossy(&version).into_owned() }))
    }

    /// Fetches one: the target by rustup, else Debian's pair by apt-get when run as root.
    ///
    /// # Errors
    ///
    /// If neither could be had; the error says what to type elsewhere.
    pub fn install(directory: &Path, say: &mut dyn FnMut(&str)) -> Result<Toolchain, BuildError> {
        say("fetching a compiler for WebAssembly: rustup target add wasm32-wasip2");
        answer(Command::new("rustup").args(["target", "add", "wasm32-wasip2"]).current_dir(directory));
        if !has_target(directory) && is_root() {
            say(&format!("fetching a compiler for WebAssembly: apt-get install {DEBIAN}"));
            let mut install = Command::new("apt-get");
            install.args(["install", "--yes", "--no-install-recommends"]).args(DEBIAN.split(' '));
            install.env("DEBIAN_FRONTEND", "noninteractive");
            if answer(&mut install).is_none() {
                answer(Command::new("apt-get").arg("update"));
                answer(&mut install);
            }
        }
        Toolchain::find(directory)?.ok_or_else(missing)
    }

    /// What two equal toolchains have in common, and two different ones do not.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{:?}\n{}", self.kind, self.version)
    }

    /// `cargo build --release` for guests, to be run in a package's directory. `flags` go to the compiler.
    fn cargo(&self, flags: Vec<String>) -> Command {
        let mut flags = flags;
        let mut command = match self.kind {
            Kind::Rustup => Command::new("cargo"),
            Kind::Debian => Command::new(DEBIAN_CARGO),
        };
        command.args(["build", "--release"]);
        match self.kind {
            Kind::Rustup => {
                command.args(["--target", "wasm32-wasip2"]);
            }
            Kind::Debian => {
                flags.push("-Clinker=wasm-ld".into());
                command.args(["-Zbuild-std=std,panic_abort", "--target", "wasm32-unknown-unknown"]);
                // `-Z` on a release compiler. What the outer cargo set for its own toolchain must not reach this one.
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
                for foreign in
                    ["RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
                {
                    command.env_remove(foreign);
                }
            }
        }
        // Not RUSTFLAGS, which are split at spaces: directories may have some.
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("CARGO_BUILD_TARGET");
        command
    }
}

/// That there is no compiler, and how to get one.
pub(crate) fn missing() -> BuildError {
    BuildError::Missing {
        language: "Rust",
        what: "there is no Rust compiler for WebAssembly here".into(),
        install: format!(
            "`rustup target add wasm32-wasip2`, or on Debian without rustup `apt-get install --no-install-recommends {DEBIAN}`"
        ),
    }
}

/// One line of what cargo says with `--message-format=json`; the rest of its lines and fields is skipped.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    crate_types: Vec<String>,
    name: String,
}

/// Compiles a package. What it made is known by what cargo says it made: names and directories are cargo's business.
pub(crate) fn compile(
    job: &Job,
    toolchain: &Toolchain,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<(String, PathBuf)>, BuildError> {
    provide(&job.directory)?;
    let mut command = toolchain.cargo(remaps(&job.hidden));
    command.current_dir(&job.directory).arg("--message-format=json-render-diagnostics");
    if let Some(target) = &job.cargo_target {
        command.arg("--target-dir").arg(target);
    }
    if job.examples {
        command.arg("--examples");
    }
    let said = run(&mut command, false, say)?;
    let made = made(&String::from_utf8_lossy(&said), job.examples);
    if made.is_empty() {
        return Err(BuildError::Failed {
            command: format!("{command:?}"),
            words: "it made no WebAssembly module; Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`".into(),
        });
    }
    // A library's file is named by its crate, which is a Rust identifier; the handler is named as the folder is.
    let folder = crate::files::name(&job.directory)?;
    Ok(made.into_iter().map(|(name, file)| (if job.examples { name } else { folder.clone() }, file)).collect())
}

/// The modules that cargo says it made of the package's library, or of its examples.
fn made(said: &str, examples: bool) -> Vec<(String, PathBuf)> {
    let mut made = Vec::new();
    for message in said.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()) {
        let Some(target) = message.target.filter(|_| message.reason == "compiler-artifact") else { continue };
        let wanted = target.crate_types.iter().any(|it| it == "cdylib")
            && target.kind.iter().any(|it| it == "example") == examples;
        let module = message.filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"));
        if let Some(module) = module.filter(|_| wanted) {
            made.push((target.name, module));
        }
    }
    made
}

/// The compiler's arguments that keep directories of this machine out of what it makes.
fn remaps(hidden: &[PathBuf]) -> Vec<String> {
    let stand_in = |(at, path): (usize, &PathBuf)| format!("--remap-path-prefix={}=/{at}", path.display());
    hidden.iter().enumerate().map(stand_in).collect()
}

fn has_target(workspace: &Path) -> bool {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(workspace).output();
    listed.is_ok_and(|listed| String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == "wasm32-wasip2"))
}

fn has_debian() -> bool {
    [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCES, DEBIAN_LINKER].iter().all(|path| Path::new(path).exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lines as cargo prints them, shortened.
    const SAID: &str = r#"
{"reason":"compiler-artifact","target":{"kind":["cdylib"],"crate_types":["cdylib"],"name":"one_two"},"filenames":["/t/one_two.wasm"]}
{"reason":"compiler-artifact","target":{"kind":["lib"],"crate_types":["lib"],"name":"serde"},"filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","target":{"kind":["example"],"crate_types":["cdylib"],"name":"echo-two"},"filenames":["/t/echo_two.wasm"]}
{"reason":"build-finished","success":true}"#;

    #[test]
    fn what_cargo_made_is_read_from_what_it_says() {
        assert_eq!(made(SAID, false), [("one_two".to_owned(), PathBuf::from("/t/one_two.wasm"))]);
        assert_eq!(made(SAID, true), [("echo-two".to_owned(), PathBuf::from("/t/echo_two.wasm"))]);
    }

    #[test]
    fn each_directory_gets_a_name_of_its_own_to_stand_for_it() {
        let flags = remaps(&[PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(flags, ["--remap-path-prefix=/a=/0", "--remap-path-prefix=/b=/1"]);
    }
}
