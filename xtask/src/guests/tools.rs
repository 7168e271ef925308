//! Installing what a language's handlers are built with, under a directory of the user's cache that is named after the version.
//!
//! What cannot be installed is said and left: the build then skips the handlers that need it, and names the command.

use indicatif::ProgressBar;
use std::{fs, path::Path, process::Command};
use weir_build::{c, javascript, python};

/// Provides componentize-py.
pub(super) fn python(tools: &Path, progress: &ProgressBar) {
    package("componentize-py", python::COMPONENTIZE, &python::place(tools), "bin/componentize-py", progress);
}

/// Provides zig as a C compiler, which is a package of Python's.
pub(super) fn c(tools: &Path, progress: &ProgressBar) {
    package("ziglang", c::ZIGLANG, &c::place(tools), "bin/python-zig", progress);
}

/// Provides a Python package in an environment of its own, by the program it brings. An environment that is only half there is made
/// anew.
fn package(name: &str, version: &str, place: &Path, program: &str, progress: &ProgressBar) {
    if place.join(program).is_file() {
        return;
    }
    progress.set_prefix(format!("installing {name} {version}"));
    let _ = fs::remove_dir_all(place);
    let package = format!("{name}=={version}");
    let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(place))
        && succeeds(Command::new(place.join("bin/pip")).args(["install", "--quiet", &package]));
    if !made {
        progress.suspend(|| eprintln!("cannot install {package} with python3 -m venv and pip"));
    }
}

/// Provides what JavaScript and TypeScript are built with.
pub(super) fn javascript(tools: &Path, progress: &ProgressBar) {
    let programs = javascript::programs(tools);
    if javascript::PROGRAMS.iter().all(|program| programs.join(program).exists()) {
        return;
    }
    let place = javascript::place(tools);
    progress.set_prefix(format!("installing {}", javascript::PACKAGES.join(", ")));
    let _ = fs::remove_dir_all(&place);
    let made = fs::create_dir_all(&place).is_ok()
        && succeeds(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&place)
                .args(javascript::PACKAGES),
        );
    if !made {
        progress.suspend(|| eprintln!("cannot install {} with npm", javascript::PACKAGES.join(" ")));
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|ended| ended.status.success())
}
