//! The oracle: weir is killed, again and again, in the midst of a random history, and what its handlers were told is held against what happened.
//!
//! The API is in this process; weir is a process of its own. Three handlers, all the guest `oracle`, say in the log what they are told. `judge.rs` has the promises.
//!
//! `WEIR_SEED` takes a printed seed back, `WEIR_ORACLE_ROUNDS` says how many rounds each API has, `WEIR_ORACLE_FIRST` which round is to be repeated. See
//! tests/README.md.

#![expect(clippy::unwrap_used, reason = "what fails here fails the run, where it stands")]

mod api;
mod history;
mod judge;
mod kills;
mod log;
mod quiet;
mod rounds;
#[path = "../guests/src/seen.rs"]
mod seen;
mod weir;

use rounds::{Run, Tally};
use tempfile::TempDir;
use tokio::time::Instant;
use weir_tests::world::{On, guests};

/// Rounds unless `WEIR_ORACLE_ROUNDS` says otherwise: enough for each place a kill can be aimed at.
const EMBEDDED_ROUNDS: u32 = 11;
/// The same on the genuine API, where they are slower.
const GENUINE_ROUNDS: u32 = 2;
/// How many rounds share an API and a state directory.
const CHAPTER: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_told_twice_however_weir_is_killed_on_the_embedded_api() {
    run(On::Embedded, EMBEDDED_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_told_twice_however_weir_is_killed_on_the_genuine_api() {
    run(On::Genuine, GENUINE_ROUNDS).await;
}

async fn run(on: On, rounds: u32) {
    if guests().is_none() {
        eprintln!("SKIPPED the oracle: the guests are not built; run `cargo xtask test`, which builds them");
        return;
    }
    let seed = number("WEIR_SEED").unwrap_or_else(|| rand::random::<u64>() >> 16);
    let given = |variable: &str| number(variable).and_then(|number| u32::try_from(number).ok());
    let rounds = given("WEIR_ORACLE_ROUNDS").unwrap_or(rounds);
    // A chapter owes nothing to the ones before, so a round can be repeated without them.
    let first = given("WEIR_ORACLE_FIRST").unwrap_or(0) / CHAPTER;
    println!("WEIR_SEED={seed}");
    let (began, mut tally) = (Instant::now(), Tally::default());
    for chapter in first..first + rounds.div_ceil(CHAPTER) {
        let mut scratch = TempDir::new().unwrap();
        // What a failure leaves is for whoever looks into it.
        scratch.disable_cleanup(true);
        // Most of the time with tables so small that they are written out and merged all the time.
        let Some(run) = Run::start(on, seed, chapter % 4 != 3, scratch.path()).await else { return };
        let last = (first * CHAPTER + rounds).min((chapter + 1) * CHAPTER);
        run.rounds(chapter * CHAPTER..last, &mut tally).await;
        scratch.disable_cleanup(false);
    }
    // An aim that always misses tests nothing.
    let missed = tally.missed();
    assert!(rounds < 2 * EMBEDDED_ROUNDS || missed.is_empty(), "no kill hit {missed:?}: {tally}");
    println!("{on:?}: WEIR_SEED={seed} rounds={rounds} {tally} seconds={}", began.elapsed().as_secs());
}

/// Read once, by a test.
#[expect(clippy::disallowed_methods, reason = "a seed to repeat comes from whoever runs the test")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}
