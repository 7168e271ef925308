//! The thread that writes: takes what is pending as one group, writes it, and tells whoever waits.
//!
//! Promises: a group begins as soon as the one before is written, so under load groups grow and their number does not; a group that cannot be written is
//! kept, what is put later taking the place of what it held, and tried again after waits that grow from [`FIRST_RETRY`] to [`LONGEST_RETRY`], for which
//! nobody waits; closing writes what is pending, once.

use super::{
    Desk, Progress, Sync,
    disk::{Disk, Write},
    lock, opened,
    record::{self, Name, Owner, Value},
};
use crate::failpoint;
use std::{
    collections::{HashMap, HashSet},
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::Instant;

/// The first wait of a store in trouble.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How often what was written is forced to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

type Records = HashMap<(Owner, Name), Option<Value>>;

struct Writer {
    desk: Arc<Desk>,
    /// None until the directory can be opened.
    disk: Option<Disk>,
    /// Taken and not written: empty unless in trouble.
    backlog: Records,
    /// How many groups of the desk are in what was taken so far.
    taken: u64,
    /// How often in a row writing failed.
    failed: u32,
    synced_at: Instant,
    /// What the directory took when that was last looked at, which is once a second.
    bytes: u64,
    /// Something was written since.
    unsynced: bool,
}

/// Starts the thread.
pub(super) fn start(desk: Arc<Desk>, disk: Option<Disk>) -> io::Result<JoinHandle<()>> {
    let bytes = disk.as_ref().map_or(0, Disk::bytes);
    let failed = u32::from(disk.is_none());
    if failed > 0 {
        let error = "it could not be opened when weir started; the log says why".to_owned();
        desk.metrics.trouble.set(1);
        desk.progress.send_modify(|now| now.trouble = Some((Instant::now(), error)));
    }
    let writer = Writer {
        desk,
        disk,
        backlog: Records::new(),
        taken: 0,
        failed,
        synced_at: Instant::now(),
        bytes,
        unsynced: false,
    };
    let desk = writer.desk.clone();
    thread::Builder::new().name("weir-state".to_owned()).spawn(move || {
        if panic::catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
            // Nobody may wait for a thread that has ended.
            let error = "the thread that writes it panicked; please report it with the lines logged before".to_owned();
            tracing::error!("the state directory is not written any more: {error}");
            desk.progress.send_modify(|now| (now.trouble, now.closed) = (Some((Instant::now(), error)), true));
        }
    })
}

impl Writer {
    fn run(mut self) {
        loop {
            let closing = self.gather();
            if !self.backlog.is_empty() || self.failed > 0 {
                self.attempt();
            }
            self.force(closing);
            if closing {
                // Whoever waits need not any more; what is left in trouble is lost with the process.
                if !self.backlog.is_empty() {
                    tracing::error!(
                        records = self.backlog.len(),
                        "closing the state directory without having written all of it"
                    );
                }
                self.desk.progress.send_modify(|now| now.closed = true);
                return;
            }
        }
    }

    /// Waits for something to do, and takes what is pending; whether this was the last time.
    fn gather(&mut self) -> bool {
        let mut pending = lock(&self.desk.pending);
        let due = Instant::now() + self.patience();
        loop {
            let in_trouble = self.failed > 0;
            let left = due.saturating_duration_since(Instant::now());
            if pending.closing || (!in_trouble && !pending.records.is_empty()) || left.is_zero() {
                break;
            }
            let waited = self.desk.wake.wait_timeout(pending, left);
            pending = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !pending.records.is_empty() {
            let fresh = std::mem::take(&mut pending.records);
            // What is newer takes the place of what could not be written.
            if self.backlog.is_empty() {
                self.backlog = fresh
            } else {
                self.backlog.extend(fresh)
            }
            pending.taken += 1;
            self.taken = pending.taken;
        }
        pending.closing
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        if self.failed > 0 {
            let factor = 1_u32.checked_shl(self.failed - 1).unwrap_or(u32::MAX);
            return FIRST_RETRY.saturating_mul(factor).min(LONGEST_RETRY);
        }
        if self.unsynced { SYNC_EVERY.saturating_sub(self.synced_at.elapsed()) } else { SYNC_EVERY }
    }

    /// Writes the backlog, or what of it may be written.
    fn attempt(&mut self) {
        failpoint::reach("grouping");
        let before = self.failed;
        let ready = if before > 0 { self.mend() } else { Ok(()) };
        match ready.and_then(|()| self.write()) {
            Ok(()) => {
                self.failed = 0;
                failpoint::reach("grouped");
                if before > 0 {
                    tracing::info!("the state directory can be written again, and has been");
                }
                let (taken, bytes) = (self.taken, self.bytes);
                self.desk.metrics.trouble.set(0);
                self.desk.progress.send_modify(|now| {
                    *now = Progress { written: taken, bytes, trouble: None, closed: now.closed };
                });
            }
            Err(error) => self.trouble(&error),
        }
        self.desk.metrics.waiting.set(gauge(self.backlog.len() as u64));
    }

    /// Opens the directory, for the first time or again.
    fn mend(&mut self) -> io::Result<()> {
        match &mut self.disk {
            Some(disk) => disk.reopen()?,
            None => {
                let (disk, known, _) = opened(&self.desk.settings).map_err(io::Error::other)?;
                tracing::warn!(
                    records = known.len(),
                    "the state directory can be used now; what was in it is taken up when weir is started next"
                );
                self.disk = Some(disk);
            }
        }
        self.bytes = self.disk.as_ref().map_or(0, Disk::bytes);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Err(io::Error::other("the directory is not open")) };
        let (bytes, most) = (self.bytes, self.desk.settings.max_bytes);
        let full = bytes >= most;
        // Beyond its size nothing is put. Removals go through, but an entry's not while a letter of its handler waits: it may be the event's that the letter is
        // about, which must not be lost with both.
        let lettered: HashSet<Owner> = self
            .backlog
            .iter()
            .filter(|((_, name), value)| full && matches!(name, Name::Letter(_)) && value.is_some())
            .map(|((owner, _), _)| owner.clone())
            .collect();
        let goes = |(owner, name): &(Owner, Name), value: &Option<Value>| {
            !full || value.is_none() && !(matches!(name, Name::Entry(_)) && lettered.contains(owner))
        };
        let group: Vec<Write> = self
            .backlog
            .iter()
            .filter(|(key, value)| goes(key, value))
            .map(|((owner, name), value)| record::write(owner, name, value.as_ref()).map_err(io::Error::from))
            .collect::<io::Result<_>>()?;
        let records = group.len() as u64;
        if records > 0 {
            disk.write(group, self.desk.settings.sync == Sync::Always)?;
            self.unsynced = self.desk.settings.sync == Sync::EverySecond;
            self.desk.metrics.groups.inc();
            self.desk.metrics.records.inc_by(records);
        }
        self.backlog.retain(|key, value| !goes(key, value));
        if self.backlog.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "it takes {bytes} bytes, and may take {most}; raise --state-max-size, or `weir forget` handlers that are no more"
            ),
        ))
    }

    fn trouble(&mut self, error: &io::Error) {
        self.failed = self.failed.saturating_add(1);
        self.desk.metrics.failures.inc();
        self.desk.metrics.trouble.set(1);
        if self.failed == 1 {
            tracing::error!(
                dir = %self.desk.settings.dir.display(),
                "the state directory cannot be written: {error}; weir goes on and writes when it can; what happens until then does not survive the process"
            );
        }
        let bytes = self.bytes;
        self.desk.progress.send_modify(|now| {
            let since = now.trouble.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            (now.trouble, now.bytes) = (Some((since, error.to_string())), bytes);
        });
    }

    /// Forces what was written to the disk, if it is time.
    fn force(&mut self, closing: bool) {
        if self.failed > 0 || !(closing || self.synced_at.elapsed() >= SYNC_EVERY) {
            return;
        }
        self.synced_at = Instant::now();
        let Some(disk) = &mut self.disk else { return };
        self.bytes = disk.bytes();
        self.desk.metrics.bytes.set(gauge(self.bytes));
        self.desk.progress.send_modify(|now| now.bytes = self.bytes);
        if !self.unsynced {
            return;
        }
        match disk.sync() {
            Ok(()) => self.unsynced = false,
            // What was written before is with the operating system; the next write finds out whether that can still write.
            Err(error) => self.trouble(&error),
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
