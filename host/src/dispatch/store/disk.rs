//! The files of the state directory: bytes under keys, in four tables.
//!
//! Promises: what [`Disk::write`] wrote survives kill -9, a group whole or not at all.

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::{
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatch) enum Table {
    Entries,
    Watches,
    Letters,
    Handlers,
}
pub(in crate::dispatch) const ALL: [Table; 4] = [Table::Entries, Table::Watches, Table::Letters, Table::Handlers];
#[derive(Debug)]
pub(in crate::dispatch) struct Write {
    pub(in crate::dispatch) table: Table,
    pub(in crate::dispatch) key: Vec<u8>,
    pub(in crate::dispatch) value: Option<Vec<u8>>,
}
pub(in crate::dispatch) type Contents = Vec<(Table, Vec<u8>, Vec<u8>)>;
pub(in crate::dispatch) struct SetAside {
    pub(in crate::dispatch) at: PathBuf,
    pub(in crate::dispatch) why: String,
}
pub(in crate::dispatch) struct DiskSettings {
    pub(in crate::dispatch) memtable_bytes: u64,
}
pub(in crate::dispatch) struct Disk {
    db: Database,
    tables: Vec<Keyspace>,
}
/// Why the directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another.
    #[error("in use by {pid}")]
    InUse {
        /// Dir.
        dir: PathBuf,
        /// Pid.
        pid: String,
    },
    /// Io.
    #[error("{}", dir.display())]
    Directory {
        /// Dir.
        dir: PathBuf,
        /// Src.
        source: io::Error,
    },
}
impl Disk {
    pub(in crate::dispatch) fn open(
        dir: &Path,
        settings: &DiskSettings,
    ) -> Result<(Disk, Contents, Option<SetAside>), OpenError> {
        let e = |error: fjall::Error| OpenError::Directory { dir: dir.to_owned(), source: io::Error::other(error) };
        std::fs::create_dir_all(dir).map_err(|source| OpenError::Directory { dir: dir.to_owned(), source })?;
        let db = Database::builder(dir.join("ledger")).open().map_err(e)?;
        let mut contents = Contents::new();
        let mut tables = Vec::new();
        for table in ALL {
            let ks = db
                .keyspace(&format!("{table:?}"), || {
                    KeyspaceCreateOptions::default().max_memtable_size(settings.memtable_bytes)
                })
                .map_err(e)?;
            for item in ks.iter() {
                let (key, value) = item.into_inner().map_err(e)?;
                contents.push((table, key.to_vec(), value.to_vec()));
            }
            tables.push(ks);
        }
        Ok((Disk { db, tables }, contents, None))
    }
    pub(in crate::dispatch) fn write(&mut self, group: Vec<Write>, durable: bool) -> io::Result<()> {
        let mut batch = self.db.batch();
        for write in group {
            let table = &self.tables[write.table as usize];
            match write.value {
                Some(value) => batch.insert(table, write.key, value),
                None => batch.remove(table, write.key),
            }
        }
        batch
            .durability(Some(if durable { PersistMode::SyncData } else { PersistMode::Buffer }))
            .commit()
            .map_err(io::Error::other)
    }
    pub(in crate::dispatch) fn sync(&mut self) -> io::Result<()> {
        self.db.persist(PersistMode::SyncData).map_err(io::Error::other)
    }
    pub(in crate::dispatch) fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
    pub(in crate::dispatch) fn bytes(&self) -> u64 {
        self.db.disk_space().unwrap_or(0)
    }
}
