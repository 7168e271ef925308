//! Which writes survive kill -9: tried out on a child.
//!
//! Promises: what is compared is what the child said was written, with what is there when its directory is opened again.

use super::{Done, KEYS, Record, engine, engine::Engine, engine::Open};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

/// The command of the child.
pub(crate) const CHILD: &str = "store-child";
/// How many writes are waited for; fewer than keys, so that each is to be found.
pub(super) const WRITES: u64 = 200;
const _: () = assert!(WRITES * 2 < KEYS);

/// Kills a child that writes with this engine, and says what was left.
pub(super) fn survive(engine: Engine, place: &Path) -> Done<String> {
    let dir = tempfile::tempdir_in(place)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args([CHILD, engine.name()])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = child.stdout.take().ok_or("the child has no output")?;
    let mut written = 0;
    for line in BufReader::new(said).lines() {
        // What it says between the order to kill it and its end counts, too.
        written = line?.parse::<u64>()? + 1;
        if written == WRITES {
            child.kill()?;
        }
    }
    child.wait()?;
    if written < WRITES {
        return Err(format!("the child ended by itself after {written} writes").into());
    }
    let open = Open::new(engine, dir.path())?;
    let mut there = 0;
    for n in 0..written {
        let Record { key, value } = record(n);
        there += u64::from(open.read(&key)? == Some(value));
    }
    Ok(match there {
        0 => "all lost".to_owned(),
        _ if there == written => "all there".to_owned(),
        _ => format!("{} of {written} lost", written - there),
    })
}

/// Writes one record after the other and says which was written; ends by being killed, or when it ran out of keys.
pub(crate) fn write_until_killed(name: &str, dir: &Path) -> Done {
    let engine = engine::ALL.into_iter().find(|it| it.name() == name).ok_or("no such engine")?;
    let mut open = Open::new(engine, dir)?;
    let mut out = std::io::stdout();
    for n in 0..KEYS {
        open.write(&[record(n)])?;
        writeln!(out, "{n}")?;
        out.flush()?;
    }
    // Closing in order would save what a crash loses.
    loop {
        std::thread::park();
    }
}

fn record(n: u64) -> Record {
    super::record(n, 1 << 10)
}
