//! `cargo xtask bench`: benchmarks with ratios against a named baseline.
//!
//! Promises: built with the profile of the tests, in which dependencies are optimised, so that nothing else need be compiled.

use crate::{
    place,
    stage::{self, Done},
    test::cargo,
};
use std::process::Command;

/// What can be measured.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Which {
    /// What a state directory costs: fjall against redb
    Store,
    /// What the state directory costs a lane: against memory only
    Lane,
}

/// Builds it and runs it.
pub(crate) fn bench(which: Which) -> Done {
    stage::run(cargo().args(["build", "--workspace", "--bin", "weir-bench"]), "see the errors above")?;
    let name = match which {
        Which::Store => "store",
        Which::Lane => "lane",
    };
    stage::run(Command::new(place::target().join("debug/weir-bench")).arg(name), "see the error above")
}
