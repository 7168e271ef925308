//! `cargo xtask …`: the project's own commands, the same on every machine.
//!
//! This file reads the command line and prints; each command is a module. A command installs what it lacks where it may, and
//! otherwise fails with the line to type.

use clap::{Parser, Subcommand};
use std::{path::Path, process::ExitCode};

mod guests;

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
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Guests { packages } => build_guests(&packages),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// The directory of the workspace that this program was built in.
fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

fn build_guests(packages: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    for component in guests::build(workspace(), packages)? {
        let how = if component.cached { "unchanged" } else { "built" };
        let path = component.path.strip_prefix(workspace()).unwrap_or(&component.path);
        println!("{how:>9}  {:>8} bytes  {}", component.bytes, path.display());
    }
    Ok(())
}

/// An error with all its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
