//! The files of the state directory: bytes under keys, in four tables.
//!
//! Promises: what [`Disk::write`] wrote survives kill -9 of the process without an fsync, a group whole or not at all; what is written `durable`, or before a
//! [`Disk::sync`], survives a power cut too; one process at a time; nothing that was there is overwritten or deleted because it cannot be used: it is moved
//! aside (`place`), or, if only the newest of it is damaged, copied aside and cut to what is whole (`journal`). A disk that is full, read-only or out of reach
//! is not a damaged state: that is an error, for whoever tries again.
//!
//! Bounds: one thread flushes and compacts; [`CACHE_BYTES`] of memory for blocks, and for each table about twice [`DiskSettings::memtable_bytes`]; journals are
//! some 64 MB each, and what is older than [`JOURNAL_BYTES`] in all is flushed so that it can go.
//!
//! Not here: what the records mean. Nothing outside this file and its folder knows fjall.

mod journal;
mod place;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode};
use place::Lock;
use std::{
    any::Any,
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

/// What blocks read from tables may take of memory, in bytes. They are read once, at the start, so this is small.
const CACHE_BYTES: u64 = 2 << 20;
/// Tables whose files may be open at once.
const MAX_OPEN_FILES: usize = 64;
/// What all journals may take before their tables are flushed, in bytes; fjall allows no less.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Threads that flush and compact. With one, a table is never sealed faster than flushed; with more, a thread that ends because the disk is full could leave
/// a write waiting for it for ever.
const WORKERS: usize = 1;
/// The longest key, in bytes; fjall writes its length in 16 bits.
const MAX_KEY_BYTES: usize = u16::MAX as usize;

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dispatch) enum Table {
    /// Objects handed over.
    Entries,
    /// Watches worked off.
    Watches,
    /// Events given up.
    Letters,
    /// Ledgers as a whole.
    Handlers,
}

/// All tables, each at its own number.
pub(in crate::dispatch) const ALL: [Table; 4] = [Table::Entries, Table::Watches, Table::Letters, Table::Handlers];

/// One change of a group.
#[derive(Debug)]
pub(in crate::dispatch) struct Write {
    pub(in crate::dispatch) table: Table,
    /// At most [`MAX_KEY_BYTES`].
    pub(in crate::dispatch) key: Vec<u8>,
    /// None removes.
    pub(in crate::dispatch) value: Option<Vec<u8>>,
}

/// All records, by table and key.
pub(in crate::dispatch) type Contents = Vec<(Table, Vec<u8>, Vec<u8>)>;

/// What was there and could not be used.
#[derive(Debug)]
pub(in crate::dispatch) struct SetAside {
    /// Where it is now.
    pub(in crate::dispatch) at: PathBuf,
    /// What was wrong with it.
    pub(in crate::dispatch) why: String,
    /// Nothing of it is in use; else all but its newest groups is.
    pub(in crate::dispatch) begun_anew: bool,
}

/// How much memory it takes.
#[derive(Debug, Clone)]
pub(in crate::dispatch) struct DiskSettings {
    /// What one table keeps in memory before it goes to a file of its own, in bytes. A directory keeps what it was made with.
    pub(in crate::dispatch) memtable_bytes: u64,
}

/// A state directory in use by this process, until it is dropped.
pub(in crate::dispatch) struct Disk {
    /// None while a reopening has not succeeded.
    opened: Option<Opened>,
    dir: PathBuf,
    settings: DiskSettings,
    /// Dropped last: whoever takes it next finds everything closed.
    _lock: Lock,
}

/// Why the directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another weir (pid {pid}) uses the state directory {}; stop it, or name another with --state-dir", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Of the process; `unknown` if it has not written that yet.
        pid: String,
    },
    /// Everybody may write there.
    #[error("the state directory {} may be written to by everybody (mode {mode:03o}), and what it holds decides what handlers are told; chmod o-w it, or name a directory in it, which weir makes for itself", dir.display())]
    OpenToAll {
        /// The directory.
        dir: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It cannot be made, read or written.
    #[error("the state directory {} cannot be used; see that it can be written and is not full, or name another with --state-dir", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Why a ledger does not open.
enum Refusal {
    /// It may well open another time.
    Environment(io::Error),
    /// It is not, or not whole, what weir writes.
    Unusable(String),
}

struct Opened {
    /// In the order of [`ALL`].
    tables: Vec<Keyspace>,
    database: Database,
}

impl Disk {
    /// Opens the directory, or makes it, and reads all there is. What cannot be used is set aside and something new begun.
    ///
    /// # Errors
    /// [`OpenError::InUse`]; [`OpenError::OpenToAll`]; [`OpenError::Directory`] for everything else that is not the content's fault.
    pub(in crate::dispatch) fn open(
        dir: &Path,
        settings: &DiskSettings,
    ) -> Result<(Disk, Contents, Option<SetAside>), OpenError> {
        let failed = |source| OpenError::Directory { dir: dir.to_owned(), source };
        let lock = place::claim(dir)?;
        let mut aside = None;
        let mut found = place::check(dir).and_then(|()| Opened::open(dir, settings, &mut aside));
        if let Err(Refusal::Unusable(why)) = found {
            // The format goes with the ledger: what is set aside tells what it is.
            let at = place::set_aside(dir, &[place::LEDGER, place::FORMAT]).map_err(failed)?;
            aside = Some(SetAside { at, why, begun_anew: true });
            found = place::check(dir).and_then(|()| Opened::open(dir, settings, &mut None));
        }
        match found {
            Ok((opened, contents)) => {
                let (dir, settings) = (dir.to_owned(), settings.clone());
                Ok((Disk { opened: Some(opened), dir, settings, _lock: lock }, contents, aside))
            }
            Err(refusal) => Err(failed(refusal.into())),
        }
    }

    /// Writes a group. When this returns it survives the process, and with `durable` a power cut.
    ///
    /// # Errors
    /// Nothing of the group is there, or all of it; only [`Disk::reopen`] makes the next write possible.
    pub(in crate::dispatch) fn write(&mut self, group: Vec<Write>, durable: bool) -> io::Result<()> {
        let opened = self.opened()?;
        let mut batch = opened.database.batch();
        for write in group {
            if write.key.is_empty() || write.key.len() > MAX_KEY_BYTES {
                let words = format!("a key of {} bytes cannot be written; 1 to {MAX_KEY_BYTES} can", write.key.len());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
            }
            let table = &opened.tables[write.table as usize];
            match write.value {
                Some(value) => batch.insert(table, write.key, value),
                None => batch.remove(table, write.key),
            }
        }
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let batch = batch.durability(Some(mode));
        caught(|| batch.commit().map_err(Refusal::from)).map_err(io::Error::from)
    }

    /// Forces to the disk what was written.
    ///
    /// # Errors
    /// As [`Disk::write`].
    pub(in crate::dispatch) fn sync(&mut self) -> io::Result<()> {
        self.opened()?.database.persist(PersistMode::SyncData).map_err(|error| Refusal::from(error).into())
    }

    /// Closes the files and opens them again, with every group that was acknowledged and the torn end of a failed one cut off. The lock is kept.
    ///
    /// # Errors
    /// Whatever is still wrong; then nothing can be written until another attempt succeeds.
    pub(in crate::dispatch) fn reopen(&mut self) -> io::Result<()> {
        self.opened = None;
        let mut aside = None;
        let opened = place::check(&self.dir)
            .and_then(|()| caught(|| Opened::recover(&self.dir, &self.settings, &mut aside)))
            .map_err(io::Error::from)?;
        if let Some(aside) = aside {
            tracing::error!(at = %aside.at.display(), "part of the state was damaged, and is kept: {}", aside.why);
        }
        self.opened = Some(opened);
        Ok(())
    }

    /// What it takes on the disk, in bytes, journals included and what was set aside not.
    pub(in crate::dispatch) fn bytes(&self) -> u64 {
        place::bytes(&self.dir.join(place::LEDGER))
    }

    fn opened(&self) -> io::Result<&Opened> {
        self.opened.as_ref().ok_or_else(|| io::Error::other("the state directory is not open"))
    }
}

impl Opened {
    /// Opens the ledger and reads it.
    fn open(dir: &Path, settings: &DiskSettings, aside: &mut Option<SetAside>) -> Result<(Opened, Contents), Refusal> {
        caught(|| {
            let opened = Opened::recover(dir, settings, aside)?;
            let contents = opened.read()?;
            Ok((opened, contents))
        })
    }

    fn recover(dir: &Path, settings: &DiskSettings, aside: &mut Option<SetAside>) -> Result<Opened, Refusal> {
        let ledger = dir.join(place::LEDGER);
        if !ledger.try_exists()? {
            // Made under another name, so that what has the name is whole: fjall does not open what it was killed making.
            let draft = dir.join(place::DRAFT);
            if draft.try_exists()? {
                fs::remove_dir_all(&draft)?;
            }
            place::make_private(&draft)?;
            drop(Opened::files(&draft, settings)?);
            place::rename(&draft, &ledger)?;
        }
        place::shape(&ledger)?;
        if let Some(damage) = journal::mend(&ledger)? {
            let at = place::copy_aside(dir, &damage.journal)?;
            damage.cut()?;
            *aside = Some(SetAside { at, why: damage.to_string(), begun_anew: false });
        }
        Opened::files(&ledger, settings)
    }

    fn files(path: &Path, settings: &DiskSettings) -> Result<Opened, Refusal> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(MAX_OPEN_FILES))
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(settings.memtable_bytes);
        let tables = ALL.iter().map(|table| database.keyspace(name(*table), options)).collect::<Result<_, _>>()?;
        Ok(Opened { tables, database })
    }

    fn read(&self) -> Result<Contents, Refusal> {
        let mut contents = Contents::new();
        for (table, records) in ALL.iter().zip(&self.tables) {
            for record in records.iter() {
                let (key, value) = record.into_inner()?;
                contents.push((*table, key.to_vec(), value.to_vec()));
            }
        }
        Ok(contents)
    }
}

/// What a table is called on the disk.
fn name(table: Table) -> &'static str {
    match table {
        Table::Entries => "entries",
        Table::Watches => "watches",
        Table::Letters => "letters",
        Table::Handlers => "handlers",
    }
}

/// fjall panics on some of what it does not expect in a file.
fn caught<T>(attempt: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let words = |panic: Box<dyn Any + Send>| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    };
    panic::catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| Err(Refusal::Unusable(words(panic))))
}

impl From<fjall::Error> for Refusal {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.into(),
            fjall::Error::Locked => Refusal::Environment(io::Error::other("its files are still in use")),
            fjall::Error::Poisoned => {
                let words = "what was written before could not be put in order, as on a disk that is full or broken";
                Refusal::Environment(io::Error::other(words))
            }
            fjall::Error::Storage(error) => Refusal::Unusable(format!("its tables are damaged: {error:?}")),
            error => Refusal::Unusable(format!("{error:?}")),
        }
    }
}

impl From<io::Error> for Refusal {
    /// What the operating system refuses is its own; what is missing, in the way or too short is the content's.
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound};
        let content = [AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound].contains(&error.kind());
        if error.raw_os_error().is_none() || content {
            return Refusal::Unusable(error.to_string());
        }
        Refusal::Environment(error)
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Environment(error) => error,
            Refusal::Unusable(why) => io::Error::new(io::ErrorKind::InvalidData, why),
        }
    }
}

#[cfg(test)]
mod tests;
