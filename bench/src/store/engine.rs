//! The engines, each as weir would use it.
//!
//! Promises: a group is one transaction; fjall is set up as `host/src/dispatch/store/disk.rs` does, redb with its defaults but for [`CACHE_BYTES`].

use super::{Done, Record};
use fjall::{KeyspaceCreateOptions, PersistMode};
use redb::{Durability, ReadableDatabase as _, TableDefinition};
use std::path::Path;

/// Memory for what is read from disk, in bytes, for either library.
const CACHE_BYTES: u32 = 2 << 20;
/// As `DEFAULT_MEMTABLE_BYTES` in `host/src/dispatch/store.rs`.
const MEMTABLE_BYTES: u64 = 8 << 20;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

/// A library, and how it is told to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Every commit is forced to the disk.
    RedbImmediate,
    /// None is; the next `Immediate` one would.
    RedbNone,
    /// Every group is handed to the operating system: `--state-sync second`.
    FjallBuffer,
    /// Every group is forced to the disk: `--state-sync always`.
    FjallSync,
}

/// The baseline first.
pub(super) const ALL: [Engine; 4] = [Engine::RedbImmediate, Engine::RedbNone, Engine::FjallBuffer, Engine::FjallSync];

/// One that is open.
pub(super) enum Open {
    Redb(redb::Database, Durability),
    Fjall(fjall::Database, fjall::Keyspace, PersistMode),
}

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::RedbImmediate => "redb, Durability::Immediate",
            Engine::RedbNone => "redb, Durability::None",
            Engine::FjallBuffer => "fjall, PersistMode::Buffer (weir)",
            Engine::FjallSync => "fjall, SyncData (weir, always)",
        }
    }
}

impl Open {
    /// Opens what is in a directory, or makes it.
    pub(super) fn new(engine: Engine, dir: &Path) -> Done<Open> {
        let redb = |durability| -> Done<Open> {
            let database = redb::Database::builder().set_cache_size(CACHE_BYTES as usize).create(dir.join("redb"))?;
            let made = database.begin_write()?;
            made.open_table(TABLE)?;
            made.commit()?;
            Ok(Open::Redb(database, durability))
        };
        let fjall = |mode| -> Done<Open> {
            let database = fjall::Database::builder(dir.join("fjall"))
                .cache_size(CACHE_BYTES.into())
                .max_cached_files(Some(64))
                .max_journaling_size(64 << 20)
                .worker_threads(1)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            let table = database.keyspace("entries", options)?;
            Ok(Open::Fjall(database, table, mode))
        };
        match engine {
            Engine::RedbImmediate => redb(Durability::Immediate),
            Engine::RedbNone => redb(Durability::None),
            Engine::FjallBuffer => fjall(PersistMode::Buffer),
            Engine::FjallSync => fjall(PersistMode::SyncData),
        }
    }

    /// Writes a group.
    pub(super) fn write(&mut self, group: &[Record]) -> Done {
        match self {
            Open::Redb(database, durability) => {
                let mut transaction = database.begin_write()?;
                transaction.set_durability(*durability)?;
                {
                    let mut table = transaction.open_table(TABLE)?;
                    for record in group {
                        table.insert(&record.key[..], &record.value[..])?;
                    }
                }
                transaction.commit()?;
            }
            Open::Fjall(database, table, mode) => {
                let mut batch = database.batch().durability(Some(*mode));
                for record in group {
                    batch.insert(table, &record.key[..], &record.value[..]);
                }
                batch.commit()?;
            }
        }
        Ok(())
    }

    /// What is kept under a key.
    pub(super) fn read(&self, key: &[u8]) -> Done<Option<Vec<u8>>> {
        match self {
            Open::Redb(database, _) => {
                let table = database.begin_read()?.open_table(TABLE)?;
                Ok(table.get(key)?.map(|value| value.value().to_vec()))
            }
            Open::Fjall(_, table, _) => Ok(table.get(key)?.map(|value| value.to_vec())),
        }
    }
}
