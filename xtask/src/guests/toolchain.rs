//! Which compiler builds the guests.
//!
//! In this order: the active toolchain, if it has `wasm32-wasip2`; Debian's pair, if installed; the target, fetched by rustup;
//! Debian's pair, installed by apt-get when run as root. The last two only where nothing is there, so a second run never asks the
//! network. Debian's pair is for guests only: its standard library is built from source, for the bare `wasm32-unknown-unknown`.

use super::GuestError;
use indicatif::ProgressBar;
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
pub(super) struct Toolchain {
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
    /// Finds one, installing it where that is possible.
    pub(super) fn find(workspace: &Path, progress: &ProgressBar) -> Result<Toolchain, GuestError> {
        if has_target(workspace) {
            return Toolchain::new(Kind::Rustup, workspace);
        }
        if has_debian() {
            return Toolchain::new(Kind::Debian, workspace);
        }
        progress.set_prefix("fetching a compiler for WebAssembly: rustup target add wasm32-wasip2");
        if runs(Command::new("rustup").args(["target", "add", "wasm32-wasip2"]).current_dir(workspace))
            && has_target(workspace)
        {
            return Toolchain::new(Kind::Rustup, workspace);
        }
        progress.set_prefix(format!("fetching a compiler for WebAssembly: apt-get install {DEBIAN}"));
        let mut install = Command::new("apt-get");
        install
            .args(["install", "--yes", "--no-install-recommends"])
            .args(DEBIAN.split(' '))
            .env("DEBIAN_FRONTEND", "noninteractive");
        if is_root()
            && (runs(&mut install) || (runs(Command::new("apt-get").arg("update")) && runs(&mut install)))
            && has_debian()
        {
            return Toolchain::new(Kind::Debian, workspace);
        }
        let attempt =
            if is_root() { "neither rustup nor apt-get could fetch one" } else { "rustup could not fetch one" };
        Err(GuestError::NoToolchain { attempt: attempt.into(), packages: DEBIAN })
    }

    fn new(kind: Kind, workspace: &Path) -> Result<Toolchain, GuestError> {
        let mut rustc = Command::new(match kind {
            Kind::Rustup => "rustc",
            Kind::Debian => DEBIAN_RUSTC,
        });
        rustc.arg("-vV").current_dir(workspace);
        let said = rustc.output().map_err(|source| GuestError::Start { command: format!("{rustc:?}"), source })?;
        Ok(Toolchain { kind, version: String::from_utf8_lossy(&said.stdout).into_owned() })
    }

    /// One that compiles nothing.
    #[cfg(test)]
    pub(super) fn for_test(version: &str) -> Toolchain {
        Toolchain { kind: Kind::Debian, version: version.into() }
    }

    /// What two equal toolchains have in common, and two different ones do not.
    pub(super) fn identity(&self) -> String {
        format!("{:?}\n{}", self.kind, self.version)
    }

    /// `cargo build --release` for guests, to be run in a package's directory. `flags` go to the compiler.
    pub(super) fn cargo(&self, flags: &[String]) -> Command {
        let mut flags = flags.to_vec();
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

    /// Where cargo leaves a component's module.
    pub(super) fn output(&self, target_directory: &Path, name: &str, by_example: bool) -> PathBuf {
        let target = match self.kind {
            Kind::Rustup => "wasm32-wasip2",
            Kind::Debian => "wasm32-unknown-unknown",
        };
        let directory = target_directory.join(target).join("release");
        let directory = if by_example { directory.join("examples") } else { directory };
        // A library's file is named by its crate, which is a Rust identifier; examples are libraries here.
        directory.join(format!("{}.wasm", name.replace('-', "_")))
    }
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

/// Whether a command ended well; its output is not shown, because a failure here only means trying the next way.
fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|ended| ended.status.success())
}
