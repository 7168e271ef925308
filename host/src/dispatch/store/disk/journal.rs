//! The end of a journal, looked at before fjall does.
//!
//! Why: fjall 3.1 cuts a journal at the first byte it cannot read, whatever comes after, and refuses the whole database for one wrong checksum. So a bit that
//! rotted would take every later group without a word, and a power cut that tore the last second would take everything.
//!
//! Promises: of the newest journal, what a killed process left behind its last whole group is cut off, since nobody was told that it is written; if groups are
//! lost by the cut it is a [`Damage`], so that the journal is kept first. An older journal that is not whole is an error: it was forced to disk before the next
//! was begun.
//!
//! The bytes, as fjall's `journal/entry.rs` writes them, numbers little-endian: a group is `1, items: u32, sequence: u64`, its items, and
//! `3, checksum: u64, "FJL", 3`, where the checksum is xxh3 over the items; an item is `2, type: u8, compression: u8, table: u64, key: u16, value: u32, stored:
//! u32`, then so many bytes of the key and as stored; `4, table: u64` clears a table. A new journal is filled up with zeros.

use super::{Refusal, place};
use std::{
    fmt,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::xxh3_64;

/// The last bytes of each group.
const TRAILER: &[u8] = b"FJL\x03";

/// A newest journal of which groups are lost.
pub(super) struct Damage {
    pub(super) journal: PathBuf,
    /// Up to here it is whole.
    whole: u64,
    length: u64,
}

/// Cuts off what was begun and not written.
pub(super) fn mend(ledger: &Path) -> Result<Option<Damage>, Refusal> {
    let mut journals = place::journals(ledger)?;
    let Some(newest) = journals.pop() else { return Ok(None) };
    for older in journals {
        let bytes = fs::read(&older)?;
        let whole = whole(&bytes);
        if bytes[whole..].iter().any(|byte| *byte != 0) {
            return Err(Refusal::Unusable(format!("{} is damaged at byte {whole}", older.display())));
        }
    }
    let bytes = fs::read(&newest)?;
    let whole = whole(&bytes);
    let rest = &bytes[whole..];
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let damage = Damage { journal: newest, whole: whole as u64, length: bytes.len() as u64 };
    if rest.windows(1 + 8 + TRAILER.len()).any(|end| end[0] == 3 && end.ends_with(TRAILER)) {
        return Ok(Some(damage));
    }
    damage.cut()?;
    Ok(None)
}

impl Damage {
    /// Cuts the journal to what is whole.
    pub(super) fn cut(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.journal)?;
        file.set_len(self.whole)?;
        file.sync_all()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { journal, whole, length } = self;
        write!(
            f,
            "{} is damaged at byte {whole} of {length}, so what was written there and later is lost",
            journal.display()
        )
    }
}

/// How many bytes the whole groups at the beginning take.
pub(super) fn whole(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(after) = group(rest) {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// What comes after one whole group.
pub(super) fn group(bytes: &[u8]) -> Option<&[u8]> {
    let ([1], rest) = take::<1>(bytes)? else { return None };
    let (items, rest) = take::<4>(rest)?;
    let (_sequence, items_begin) = take::<8>(rest)?;
    let mut rest = items_begin;
    for _ in 0..u32::from_le_bytes(items) {
        rest = item(rest)?;
    }
    let hashed = &items_begin[..items_begin.len() - rest.len()];
    let ([3], rest) = take::<1>(rest)? else { return None };
    let (checksum, rest) = take::<8>(rest)?;
    let rest = rest.strip_prefix(TRAILER)?;
    (u64::from_le_bytes(checksum) == xxh3_64(hashed)).then_some(rest)
}

fn item(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = take::<1>(bytes)?;
    match tag {
        [2] => {
            let (_type_compression_table, rest) = take::<{ 1 + 1 + 8 }>(rest)?;
            let (key, rest) = take::<2>(rest)?;
            let (_value, rest) = take::<4>(rest)?;
            let (stored, rest) = take::<4>(rest)?;
            let rest = rest.get(usize::from(u16::from_le_bytes(key))..)?;
            rest.get(usize::try_from(u32::from_le_bytes(stored)).ok()?..)
        }
        [4] => take::<8>(rest).map(|(_table, rest)| rest),
        _ => None,
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}
