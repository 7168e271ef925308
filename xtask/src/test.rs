//! `cargo xtask test`: sets up what is missing and runs every test, the genuine API included.

use crate::{
    apiserver::{self, Server},
    guests, place,
    stage::{self, Done, Failed, Stages},
};
use std::{ffi::OsString, path::Path, process::Command};
use weir_build::javascript;

/// Runs everything.
pub(crate) fn test(stages: &mut Stages) -> Done {
    let root = place::root();
    stages.run("guests", || guests::build(&root, &[]).map_err(|error| Failed(crate::chain(&error))))?;
    let server = stages.run("genuine API server", apiserver::prepare)?;
    stages.run("tests", || {
        let mut tests = cargo();
        tests
            .args(["test", "--workspace", "--no-fail-fast"])
            .env("WEIR_TEST_GUESTS", guests::components_directory(&root))
            .env("WEIR_TEST_COMPILED", place::cache("")?.join("compiled"));
        if let Server::Built(binary) = &server {
            tests.env("WEIR_TEST_APISERVER", binary);
        }
        stage::run(&mut tests, "see the failures above")
    })?;
    stages.run("tests of the plugins", || {
        let mut tests = cargo();
        tests.args(["test", "--locked", "--manifest-path"]).arg(root.join("plugins/node-images/Cargo.toml"));
        tests.env("CARGO_TARGET_DIR", place::target().join("plugins"));
        stage::run(&mut tests, "see the failures above")
    })?;
    stages.run("tests in Go", || go_tests(&root))?;
    stages.run("tests in Python", || python_tests(&root))?;
    stages.run("tests in JavaScript", || javascript_tests(&root))?;
    if let Server::Missing(why) = server {
        eprintln!("\nSKIPPED: the genuine API suite did not run: {why}\n");
    }
    Ok(())
}

/// The kit's own tests, and those of what is written with it.
fn go_tests(root: &Path) -> Done {
    if Command::new("go").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no Go; install Go 1.25 or newer from https://go.dev/dl");
        return Ok(());
    }
    for folder in ["sdk/go", "tests/handlers/cases-go", "plugins/pod-retry"] {
        for command in ["vet", "test"] {
            let mut go = Command::new("go");
            go.current_dir(root.join(folder)).args([command, "./..."]).env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
            stage::run(&mut go, "see the failures above")?;
        }
    }
    Ok(())
}

/// The kit's own tests, and those of what is written with it.
fn python_tests(root: &Path) -> Done {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3; install Python 3.11 or newer");
        return Ok(());
    }
    let kit = root.join("sdk/python");
    for (folder, tests) in [(kit.clone(), "tests"), (root.join("plugins/flag-watch"), ".")] {
        let mut python = Command::new("python3");
        python
            .current_dir(folder)
            .args(["-B", "-m", "unittest", "discover", "-s", tests, "-t", "."])
            .env("PYTHONPATH", &kit);
        stage::run(&mut python, "see the failures above")?;
    }
    Ok(())
}

/// The kit's own tests, and those of what is written with it, which take the kit from where a build puts it.
fn javascript_tests(root: &Path) -> Done {
    if Command::new("npm").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no npm; install Node 20 or newer from https://nodejs.org");
        return Ok(());
    }
    // What building the guests has installed: `tsc` and `esbuild` are asked for by name.
    let mut path = OsString::from(javascript::programs(&place::cache("tools")?));
    path.push(":");
    path.push(place::variable("PATH").unwrap_or_default());
    let npm_test = |folder: &str| {
        let mut npm = Command::new("npm");
        npm.current_dir(root.join(folder)).args(["test", "--silent"]).env("PATH", &path);
        stage::run(&mut npm, "see the failures above")
    };
    npm_test("sdk/js")?;
    for plugin in ["plugins/service-announcer", "plugins/service-announcer-ts"] {
        javascript::provide(&root.join(plugin)).map_err(|error| Failed(crate::chain(&error)))?;
        npm_test(plugin)?;
    }
    Ok(())
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(place::variable("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told us of our own package. A build script that asks for it (ring's does) would see something else than under a cargo that was called by
    // hand, and so would be run again, with all that depends on it, at each change between the two.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    cargo
}
