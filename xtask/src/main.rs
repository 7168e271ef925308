//! `cargo xtask …`: the project's own commands, the same on every machine.
//!
//! This file reads the command line and prints; each command is a module. A command installs what it lacks where it may, and
//! otherwise fails with the line to type.

mod apiserver;
mod bench;
mod ci;
mod demo;
mod guests;
mod oracle;
mod place;
mod stage;
mod test;

use clap::{Parser, Subcommand};
use stage::Stages;
use std::process::ExitCode;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds the handlers in plugins/, examples/ and tests/guests/ into target/guests/components/
    Guests {
        /// Only these packages, by directory name; none: all
        packages: Vec<String>,
    },
    /// Shows weir at work: events in, actions out, and a reload while it runs
    Demo(demo::Options),
    /// Measures something against a named baseline, and prints the ratios
    Bench {
        /// What
        which: bench::Which,
    },
    /// Sets up what is missing and runs every test, the genuine API included
    Test,
    /// Kills weir again and again, and holds what its handlers were told against what happened
    Oracle(oracle::Options),
    /// What must pass before a change lands: format, clippy, deny, docs, tests, demo
    Ci,
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Guests { packages } => build_guests(&packages),
        Command::Demo(options) => demo::demo(&options).map_err(Into::into),
        Command::Bench { which } => bench::bench(which).map_err(Into::into),
        Command::Test => staged(test::test),
        Command::Oracle(options) => staged(|stages| oracle::oracle(stages, &options)),
        Command::Ci => staged(ci::ci),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Runs a job of several stages, and prints what each took however it ended.
fn staged(job: impl FnOnce(&mut Stages) -> stage::Done) -> Result<(), Box<dyn std::error::Error>> {
    let mut stages = Stages::default();
    let done = job(&mut stages);
    stages.print();
    Ok(done?)
}

fn build_guests(packages: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    for component in guests::build(&place::root(), packages)? {
        let how = if component.cached { "unchanged" } else { "built" };
        let root = place::root();
        let path = component.path.strip_prefix(&root).unwrap_or(&component.path);
        println!("{how:>9}  {:>8} bytes  {}", component.bytes, path.display());
    }
    Ok(())
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
