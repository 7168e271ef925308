//! `weir-bench store`: which embedded store the state directory is made of, and what its writes cost.
//!
//! Promises: each engine writes the same groups of the same records, over and over the same [`KEYS`] keys as a ledger does, into a new directory on the same
//! file system; engines take turns within a round; what is printed is the median of [`ROUNDS`] rounds. Which of their writes survive kill -9 is tried out, not
//! taken from their manuals.

#![expect(clippy::disallowed_types, reason = "a benchmark measures real time")]

pub(crate) mod crash;
mod engine;

use engine::{ALL, Engine, Open};
use std::{
    error::Error,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// What everything here may end with.
pub(crate) type Done<T = ()> = Result<T, Box<dyn Error>>;

/// Odd, so that there is a median.
const ROUNDS: usize = 3;
/// How long one engine writes in one round.
const WRITING: Duration = Duration::from_millis(250);
/// Records that are written in turn.
const KEYS: u64 = 1000;
/// Records of an entry with a fingerprint, and of one with a projection, in bytes.
const SIZES: [usize; 2] = [1 << 10, 6 << 10];
/// Records in a group: a quiet lane's, a few workers', a burst's.
const GROUPS: [u64; 3] = [1, 8, 64];

/// One record.
struct Record {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What came of one engine in one round, or in the median of all.
#[derive(Clone, Copy)]
struct Measured {
    records_per_second: f64,
    p50: Duration,
    p99: Duration,
    /// On the disk afterwards, for each byte that is kept.
    disk: f64,
}

/// Runs it all and prints it.
pub(crate) fn compare() -> Done {
    let place = beside_the_program()?;
    println!("kill -9 after {} acknowledged writes", crash::WRITES);
    for engine in ALL {
        println!("  {:<34} {}", engine.name(), crash::survive(engine, place.path())?);
    }
    for size in SIZES {
        for group in GROUPS {
            println!("\ngroups of {group} × {size} bytes; ratios are to {}", ALL[0].name());
            println!("  {:<34} {:>10} {:>8} {:>10} {:>10} {:>12}", "", "records/s", "ratio", "p50", "p99", "disk/kept");
            let mut rounds = vec![Vec::new(); ALL.len()];
            for _ in 0..ROUNDS {
                for (engine, measured) in ALL.iter().zip(&mut rounds) {
                    measured.push(measure(*engine, place.path(), group, size)?);
                }
            }
            let medians: Vec<Measured> = rounds.iter().map(|rounds| median(rounds)).collect();
            for (engine, it) in ALL.iter().zip(&medians) {
                println!(
                    "  {:<34} {:>10.0} {:>7.2}× {:>10.1?} {:>10.1?} {:>12.1}",
                    engine.name(),
                    it.records_per_second,
                    it.records_per_second / medians[0].records_per_second,
                    it.p50,
                    it.p99,
                    it.disk,
                );
            }
        }
    }
    Ok(())
}

fn measure(engine: Engine, place: &Path, group: u64, size: usize) -> Done<Measured> {
    let dir = tempfile::tempdir_in(place)?;
    let mut open = Open::new(engine, dir.path())?;
    let (mut took, mut next) = (Vec::new(), 0);
    let mut spent = Duration::ZERO;
    while spent < WRITING {
        let records: Vec<Record> = (next..next + group).map(|n| record(n, size)).collect();
        let begun = Instant::now();
        open.write(&records)?;
        let needed = begun.elapsed();
        (next, spent) = (next + group, spent + needed);
        took.push(needed);
    }
    drop(open);
    took.sort_unstable();
    let kept = next.min(KEYS) as f64 * size as f64;
    Ok(Measured {
        records_per_second: next as f64 / spent.as_secs_f64(),
        p50: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
        disk: bytes(dir.path())? as f64 / kept,
    })
}

/// The `n`th record written: its key comes again, its value does not. As text it can be compressed to about half, as JSON can.
fn record(n: u64, size: usize) -> Record {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(noise);
    let mut value = format!("{n} ").into_bytes();
    let from = (n.wrapping_mul(7919) % (NOISE.len() - size) as u64) as usize;
    value.extend_from_slice(&NOISE[from..from + size - value.len()]);
    let key = format!("handler\0real\0namespace-{:03}/object-{:05}", n % 7, n % KEYS).into_bytes();
    Record { key, value }
}

/// A mebibyte of hexadecimal digits, from Marsaglia's xorshift64.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let digits = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}").into_bytes()
    });
    digits.flatten().take(1 << 20).collect()
}

/// Each column by itself.
fn median(rounds: &[Measured]) -> Measured {
    fn middle<T: PartialOrd + Copy>(rounds: &[Measured], of: impl Fn(&Measured) -> T) -> T {
        let mut values: Vec<T> = rounds.iter().map(of).collect();
        values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        values[values.len() / 2]
    }
    Measured {
        records_per_second: middle(rounds, |it| it.records_per_second),
        p50: middle(rounds, |it| it.p50),
        p99: middle(rounds, |it| it.p99),
        disk: middle(rounds, |it| it.disk),
    }
}

/// Not the system's directory for temporary files: that is often memory, which would make an fsync cost nothing.
pub(crate) fn beside_the_program() -> io::Result<tempfile::TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    tempfile::Builder::new().prefix("weir-bench-").tempdir_in(beside)
}

/// What the files under a directory take on the disk.
fn bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += if found.is_dir() { bytes(&entry.path())? } else { found.blocks() * 512 };
    }
    Ok(sum)
}
