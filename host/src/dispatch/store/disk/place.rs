//! The directory around the ledger: who has it, what format it is of, and where things go that cannot be used.
//!
//! Promises: it is one process's at a time, and the next learns whose; directories are made for their owner alone, and one that is there keeps its mode,
//! unless everybody may write there, which is refused; what is set aside is moved whole, to a place that nothing else has; the format is written whole or not at all.
//!
//! Not here: any file that weir did not make. What else lies in the directory stays where it is.

use super::{OpenError, Refusal};
use crate::places;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

/// The database.
pub(super) const LEDGER: &str = "ledger";
/// A database that is being made. Whatever has this name holds nothing yet.
pub(super) const DRAFT: &str = "ledger-new";
/// Which [`Format`] the ledger is of.
pub(super) const FORMAT: &str = "format";
/// Held by the process that uses the directory, whose pid is its content.
const LOCK: &str = "lock";
/// How long a directory in use is tried again: a process that was killed, or a child it had just forked, lets go a moment later.
const CLAIM_PATIENCE: Duration = Duration::from_millis(500);
/// How often.
const CLAIM_LOOK: Duration = Duration::from_millis(10);
/// The prefix of what cannot be used.
const SET_ASIDE: &str = "set-aside-";

/// The format of this version.
const THIS_FORMAT: u64 = 1;
/// What a `format` file has at most, in bytes; a longer one is none of weir's.
const MAX_FORMAT_BYTES: u64 = 4 << 10;
/// Bytes of a block, as `stat` counts them everywhere.
const BLOCK_BYTES: u64 = 512;

/// The content of the file `format`.
#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u64,
}

/// The directory is ours until this is dropped, or the process ends however it does.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

/// Makes the directory if need be, and takes it. Blocks.
#[expect(clippy::disallowed_methods, reason = "a directory is opened on a thread that may block")]
pub(super) fn claim(dir: &Path) -> Result<Lock, OpenError> {
    let failed = |source| OpenError::Directory { dir: dir.to_owned(), source };
    make_private(dir).map_err(failed)?;
    if let Some(mode) = places::open_to_all(dir).map_err(failed)? {
        return Err(OpenError::OpenToAll { dir: dir.to_owned(), mode });
    }
    let mut options = OpenOptions::new();
    let path = dir.join(LOCK);
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    let begun = Instant::now();
    let taken = loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < CLAIM_PATIENCE => thread::sleep(CLAIM_LOOK),
            taken => break taken,
        }
    };
    match taken {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(failed(source)),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.take(32).read_to_string(&mut pid).is_ok();
            let pid = Some(pid.trim()).filter(|it| read && !it.is_empty()).unwrap_or("unknown").to_owned();
            return Err(OpenError::InUse { dir: dir.to_owned(), pid });
        }
    }
    // For people; what keeps others out is the lock. On a full disk it cannot be written, and that is no reason to stop here.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
    Ok(Lock(file))
}

/// Whether what is there is of this format; writes the format if nothing is.
pub(super) fn check(dir: &Path) -> Result<(), Refusal> {
    let path = dir.join(FORMAT);
    match File::open(&path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(MAX_FORMAT_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| Refusal::Unusable(format!("its file `{FORMAT}` cannot be read: {error}")))?;
            match serde_json::from_str(&text) {
                Ok(Format { format: THIS_FORMAT }) => Ok(()),
                Ok(Format { format }) => Err(Refusal::Unusable(format!(
                    "it is of format {format}, and this version of weir knows {THIS_FORMAT}"
                ))),
                Err(error) => Err(Refusal::Unusable(format!("its file `{FORMAT}` is none of weir's: {error}"))),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if dir.join(LEDGER).symlink_metadata().is_ok() {
                return Err(Refusal::Unusable(format!("it has a `{LEDGER}` and no `{FORMAT}`: weir did not make it")));
            }
            write_format(dir).map_err(Refusal::Environment)
        }
        Err(error) => Err(error.into()),
    }
}

fn write_format(dir: &Path) -> io::Result<()> {
    let draft = dir.join("format-new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    serde_json::to_writer(&mut file, &Format { format: THIS_FORMAT })?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    rename(&draft, &dir.join(FORMAT))
}

/// Whether a ledger has the outer shape of a database, as far as fjall would not say: it panics on some of what should not be there, and takes tables that a
/// damaged list does not name, and whole keyspaces without a list, for strays, which it deletes.
pub(super) fn shape(ledger: &Path) -> Result<(), Refusal> {
    let odd =
        |path: &Path| Refusal::Unusable(format!("it is no database: {} is not what it should be", path.display()));
    let is = |path: PathBuf, directory: bool| match path.metadata() {
        Ok(found) if found.is_dir() == directory => Ok(()),
        Ok(_) => Err(odd(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(odd(&path)),
        Err(error) => Err(error.into()),
    };
    let numbered = |name: &str| name.parse::<u64>().is_ok();
    is(ledger.to_owned(), true)?;
    is(ledger.join("version"), false)?;
    is(ledger.join("keyspaces"), true)?;
    is(ledger.join("keyspaces/0"), true)?;
    for entry in fs::read_dir(ledger.join("keyspaces"))? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(numbered) || !entry.file_type()?.is_dir() {
            return Err(odd(&entry.path()));
        }
        if !lists_its_tables(&entry.path())? {
            return Err(Refusal::Unusable(format!("{} has no whole list of its tables", entry.path().display())));
        }
    }
    for path in journals(ledger)? {
        if path.file_stem().and_then(|it| it.to_str()).and_then(|it| it.parse::<u64>().ok()).is_none() {
            return Err(odd(&path));
        }
        is(path, false)?;
    }
    Ok(())
}

/// Whether the list of a keyspace's tables is what was written. Its file `current` has, little-endian, the number of the list and the 128-bit xxh3 of the file
/// `v<number>`; lsm-tree 3.1 writes the checksum and never looks at it (`version/persist.rs`, `version/recovery.rs`).
fn lists_its_tables(keyspace: &Path) -> io::Result<bool> {
    let read = |name: &str| match fs::read(keyspace.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    };
    let Some(current) = read("current")? else { return Ok(false) };
    let Some((number, rest)) = current.split_first_chunk() else { return Ok(false) };
    let Some(checksum) = rest.first_chunk() else { return Ok(false) };
    let list = read(&format!("v{}", u64::from_le_bytes(*number)))?;
    Ok(list.is_some_and(|list| xxh3_128(&list) == u128::from_le_bytes(*checksum)))
}

/// The journals of a ledger, oldest first; those that have no number come before all others.
pub(super) fn journals(ledger: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(ledger)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("jnl")) {
            journals.push(path);
        }
    }
    journals.sort_by_key(|path| path.file_stem().and_then(|it| it.to_str()).and_then(|it| it.parse::<u64>().ok()));
    Ok(journals)
}

/// Moves what is there of `names` to a place of its own, and tells which.
pub(super) fn set_aside(dir: &Path, names: &[&str]) -> io::Result<PathBuf> {
    let at = aside(dir)?;
    for name in names {
        match fs::rename(dir.join(name), at.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    flush(&at)?;
    flush(dir)?;
    Ok(at)
}

/// Copies a file to a place of its own, and tells which.
pub(super) fn copy_aside(dir: &Path, file: &Path) -> io::Result<PathBuf> {
    let at = aside(dir)?;
    let copy = at.join(file.file_name().unwrap_or(file.as_os_str()));
    fs::copy(file, &copy)?;
    File::open(&copy)?.sync_all()?;
    flush(&at)?;
    Ok(at)
}

/// A new directory named after the time.
fn aside(dir: &Path) -> io::Result<PathBuf> {
    let mut ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    loop {
        let at = dir.join(format!("{SET_ASIDE}{ms}"));
        match DirBuilder::new().mode(0o700).create(&at) {
            Ok(()) => return Ok(at),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ms += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A directory that only its owner may look into, with its parents; one that is there is left as it is.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Renames, so that it stays renamed after a power cut.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), flush)
}

fn flush(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What all files under a directory take on the disk, in bytes: blocks in use, since journals are longer than what is in them. What goes while this looks
/// counts nothing.
pub(super) fn bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
