//! `cargo xtask ci`: what must hold before a change lands.

use crate::{
    demo, place,
    stage::{self, Done, Failed, Stages},
    test::{self, cargo},
};
use std::{path::PathBuf, process::Command};

/// The version of cargo-deny that is installed when it is missing.
const CARGO_DENY: &str = "0.20.2";

/// Runs every stage in order, stopping at the first that fails.
pub(crate) fn ci(stages: &mut Stages) -> Done {
    stages.run("format", || stage::run(cargo().args(["fmt", "--all", "--check"]), "run `cargo fmt --all`"))?;
    stages.run("clippy", || {
        let mut clippy = cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        stage::run(&mut clippy, "mend what clippy names above")
    })?;
    stages.run("deny", deny)?;
    stages.run("docs", || {
        let mut docs = cargo();
        docs.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        stage::run(&mut docs, "mend the documentation named above")
    })?;
    test::test(stages)?;
    stages.run("demo", || demo::demo(&demo::Options::default()))
}

/// Bans, licences and sources always; advisories where their database can be reached.
fn deny() -> Done {
    let deny = cargo_deny()?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command.current_dir(place::root()).args(["--all-features", "check"]).args(what);
        command
    };
    stage::run(&mut check(&["bans", "licenses", "sources"]), "mend what deny.toml forbids")?;
    let mut advisories = check(&["advisories"]);
    let output = advisories.output().map_err(|error| Failed(format!("running cargo-deny: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        eprintln!("  advisories: none");
    } else if said.contains("failed to fetch advisory database") || said.contains("failed to load advisory database") {
        eprintln!("  advisories: NOT CHECKED, their database cannot be reached from here");
    } else {
        eprintln!("{said}");
        return Err(Failed("cargo-deny found advisories; update the crates it names".into()));
    }
    Ok(())
}

/// The program, installed outside the target directory if it is not there.
fn cargo_deny() -> Done<PathBuf> {
    let root = place::cache(&format!("tools/cargo-deny-{CARGO_DENY}"))?;
    let program = root.join("bin").join("cargo-deny");
    if !program.is_file() {
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY, "--root"]).arg(&root);
        // Its objects are of no use to anybody else.
        install.env("CARGO_TARGET_DIR", place::target().join("tools"));
        stage::run_quietly(&mut install, "installing cargo-deny", "check that the crate registry can be reached")?;
    }
    Ok(program)
}
