//! `cargo xtask oracle`: weir is killed, again and again, and what its handlers were told is held against what happened.
//!
//! Promises: everything it needs is built; it prints the seed first, and for each API one line with rounds, kills by kind, calls, violations and seconds; it fails at the
//! first violation, with that object's whole history. The rounds themselves are `tests/oracle`.

use crate::{
    apiserver::{self, Server},
    guests, place,
    stage::{self, Done, Failed, Stages},
    test::cargo,
};
use std::process::Command;

/// How many rounds there are on the embedded API unless said otherwise.
const EMBEDDED_ROUNDS: u32 = 200;
/// The same on the genuine one.
const GENUINE_ROUNDS: u32 = 20;

/// How long, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds on each API [default: 200 on the embedded one, 20 on the genuine one]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Which API
    #[arg(long, value_enum, default_value_t = Which::Both)]
    api: Which,
    /// A seed that was printed, to be repeated
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The round that failed: begins with the first of those that share its API and its state directory
    #[arg(long, value_name = "ROUND", requires = "seed")]
    first: Option<u32>,
}

/// Which API the rounds are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The embedded one
    Embedded,
    /// Kubernetes' own machinery
    Genuine,
    /// One after the other
    Both,
}

/// Builds what it needs, and runs the rounds.
pub(crate) fn oracle(stages: &mut Stages, options: &Options) -> Done {
    let root = place::root();
    stages.run("guests", || guests::build(&root, &["guests".into()]).map_err(|error| Failed(crate::chain(&error))))?;
    stages.run("build weir", || {
        // The selection of everything, as `cargo test --workspace` has it, so that nothing is compiled twice.
        stage::run(cargo().args(["build", "--workspace", "--all-targets"]), "mend what the compiler names above")
    })?;
    if options.api != Which::Genuine {
        stages.run("the embedded API", || {
            stage::run(&mut rounds(options, "embedded", EMBEDDED_ROUNDS), "the violation is above, with its seed")
        })?;
    }
    if options.api != Which::Embedded {
        let server = stages.run("genuine API server", apiserver::prepare)?;
        if let Server::Missing(why) = server {
            return Err(Failed(format!("the rounds on the genuine API cannot run: {why}; or give --api embedded")));
        }
        stages.run("the genuine API", || {
            let mut rounds = rounds(options, "genuine", GENUINE_ROUNDS);
            if let Server::Built(binary) = &server {
                rounds.env("WEIR_TEST_APISERVER", binary);
            }
            stage::run(&mut rounds, "the violation is above, with its seed")
        })?;
    }
    Ok(())
}

/// The rounds on one API.
fn rounds(options: &Options, api: &str, rounds: u32) -> Command {
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--test", "oracle"])
        .arg(format!("{api}_api"))
        .args(["--", "--nocapture"])
        .env("WEIR_TEST_GUESTS", guests::components_directory(&place::root()))
        .env("WEIR_ORACLE_ROUNDS", options.rounds.unwrap_or(rounds).to_string());
    if let Some(seed) = options.seed {
        tests.env("WEIR_SEED", seed.to_string());
    }
    if let Some(first) = options.first {
        tests.env("WEIR_ORACLE_FIRST", first.to_string());
    }
    tests
}
