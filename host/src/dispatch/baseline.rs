//! Publishing a generation: what the ledger's entries mean under its watches.
//!
//! Promises (design §4, *Reload and manifest changes*): entries outside the new watches are forgotten without a call; an entry that fits is not
//! called for because of the reload; a new projection gives acknowledged entries a new fingerprint where the cache still has their state; what is new
//! to the handler is `initial`; open entries, changed objects and pending ends are queued. Between the old generation and the new no change of the
//! cache goes unheard: the watch is served before its cache is looked at.

use super::{
    book::Book,
    event::Reasons,
    key::LaneKey,
    lane::{Active, PublishError, Shared, Watched},
    ledger::{Entry, Standing, Text, WatchRecord, unix_ms},
};
use crate::{
    handler::manifest::Watch,
    queue::{LONGEST_DELAY, Priority},
    watch::{Object, View},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// How far a `resync` may be early or late, as a share of its period, so that a hundred thousand objects do not come round at once.
const JITTER: f64 = 0.1;

/// Swaps the generation, and brings every watch that has synced into line; the others follow as they sync.
pub(super) fn publish(shared: &Arc<Shared>, active: &Arc<Active>) -> Result<(), PublishError> {
    {
        let mut book = shared.book();
        if let Some(published) = book.generation.filter(|published| *published >= active.number) {
            return Err(PublishError::Old { number: active.number, published });
        }
        book.generation = Some(active.number);
        if book.turn(active.manifest.dry_run) {
            shared.queue.clear();
        }
        book.ready.clear();
        book.first_lists.clear();
        let dropped = book.dead.bound(active.manifest.limits.dead_letters, active.manifest.limits.dead_letter_bytes);
        shared.metrics.dead_letters_dropped.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        shared.count_letters(&book);
        // Letters of a watch that is no more stay, to be seen and to be told again should the watch come back.
        book.drive_again(&active.version);
        for name in book.ledger.watches() {
            let same_kind =
                |record: &WatchRecord| active.watches.get(&name).is_some_and(|new| record.same_kind(&new.record));
            if !book.ledger.watch(&name).is_some_and(same_kind) {
                forget_watch(shared, &mut book, &name);
            }
        }
        shared.generation.send_replace(Some(active.clone()));
    }
    shared.forgive();
    shared.log_rate.bound(&active.manifest.limits);
    shared.queue.set_backoff(active.manifest.retry.base, active.manifest.retry.cap);
    shared.metrics.workers.set(i64::try_from(active.manifest.workers).unwrap_or(i64::MAX));
    begin(shared, active);
    // What failed under the old component is tried with the new one at once.
    shared.queue.end_backoffs();
    Ok(())
}

/// Brings every watch that has synced into line; the others follow as they sync.
fn begin(shared: &Arc<Shared>, active: &Arc<Active>) {
    for watched in active.watches.values() {
        if watched.source.is_synced() {
            baseline(shared, active, watched);
        } else {
            follow(shared, active, &watched.name);
        }
    }
}

/// Forgets all that is known; a published generation begins anew.
pub(super) fn forget(shared: &Arc<Shared>) {
    let active = {
        let mut book = shared.book();
        book.clear();
        shared.count_letters(&book);
        shared.queue.clear();
        let active = shared.current();
        if let Some(active) = &active {
            // There is nothing left that it would have to try again.
            book.dead.tried_with(&active.version);
        }
        active
    };
    if let Some(active) = active {
        begin(shared, &active);
    }
}

/// Ends the generation; the book stays.
pub(super) fn remove(shared: &Shared) {
    let ended = {
        let mut book = shared.book();
        book.generation = None;
        book.ready.clear();
        book.first_lists.clear();
        // What the reasons were for is found again when the handler comes back: it is in the ledger and the cache.
        book.volatile.clear();
        shared.queue.clear();
        shared.generation.send_replace(None)
    };
    if let Some(active) = ended {
        active.ended.cancel();
    }
    shared.metrics.workers.set(0);
    shared.metrics.unhealthy.set(0);
}

/// When a watch's period next comes round; `chance` is between 0 and 1.
pub(super) fn jittered(period: Duration, chance: f64) -> Duration {
    period.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance)
}

/// Waits for a watch to sync.
fn follow(shared: &Arc<Shared>, active: &Arc<Active>, name: &Arc<str>) {
    let (shared, active, name) = (shared.clone(), active.clone(), name.clone());
    shared.tasks.clone().spawn(async move {
        let Some(watched) = active.watches.get(&name) else { return };
        let mut generations = shared.generation.subscribe();
        let other = |now: &Option<Arc<Active>>| now.as_ref().is_none_or(|now| now.number != active.number);
        tokio::select! {
            () = watched.source.synced() => baseline(&shared, &active, watched),
            _ = generations.wait_for(other) => {}
            () = shared.closing.cancelled() => {}
        }
    });
}

fn forget_watch(shared: &Shared, book: &mut Book, name: &Arc<str>) {
    let keys = book.ledger.keys_of(name);
    tracing::info!(handler = %shared.name, watch = %name, entries = keys.len(), "forgot the entries of a watch that is no more");
    for key in keys {
        book.forget(&key);
        shared.queue.remove(&key);
    }
    book.ledger.record(name, None);
}

/// Brings the entries of one watch into line with what its source has.
fn baseline(shared: &Shared, active: &Active, watched: &Watched) {
    let mut book = shared.book();
    if book.generation != Some(active.number) {
        return;
    }
    // From here on changes are heard; so what the cache gets after the look below is queued by the listener.
    book.ready.insert(watched.name.clone());
    let before = book.ledger.watch(&watched.name).cloned();
    let same_scope = before.as_ref().is_some_and(|before| before.same_scope(&watched.record));
    let same_view = before.as_ref().is_some_and(|before| before.same_view(&watched.record));
    let worked_off = same_scope && before.is_some_and(|before| before.worked_off);

    let now = Instant::now();
    let objects: HashMap<LaneKey, Object> =
        watched.source.objects().into_iter().map(|object| (key_of(watched, &object), object)).collect();
    let mut first = HashSet::new();
    for (key, object) in &objects {
        let Some(entry) = book.ledger.get(key).cloned() else {
            if !worked_off && watched.source.in_first_list(&key.object) {
                first.insert(key.object.clone());
            }
            queue(shared, &mut book, key, Priority::Low);
            continue;
        };
        match fit(&entry, object, same_view, watched) {
            // What was kept on disk is a copy of its own until here.
            Fit::AsItIs if watched.config.fields.is_none() => {
                book.ledger.share(key, projected(&watched.view, &watched.config, object));
            }
            Fit::AsItIs => {}
            Fit::Anew(entry) => book.ledger.put(key, entry),
            Fit::Queue => {
                queue(shared, &mut book, key, Priority::High);
            }
        }
        book.rescope(key, false);
        schedule(shared, &mut book, key, &watched.config, now);
    }
    for key in book.ledger.keys_of(&watched.name) {
        if objects.contains_key(&key) {
            continue;
        }
        if !watched.record.covers(key.object.namespace.as_deref()) && key.object.namespace.is_some() {
            book.forget(&key);
            shared.queue.remove(&key);
            continue;
        }
        // With other selectors, whether it was deleted or is merely not selected any more has to be asked; it can wait.
        // One that was outside after an earlier change, and has not been asked about since, still is.
        let was = book.ledger.get(&key).is_some_and(|entry| entry.rescoped);
        let rescoped = was || (!same_scope && watched.record.has_selectors());
        book.rescope(&key, rescoped);
        queue(shared, &mut book, &key, if rescoped { Priority::Low } else { Priority::High });
    }
    // After the entries it says something about, so that a crash in between leaves the change of scope to be seen again.
    let definition = watched.source.definition();
    book.ledger.record(&watched.name, Some(WatchRecord { worked_off, definition, ..watched.record.clone() }));
    // Letters to tell, whoever has the name now; and keys known for nothing but a tombstone to release.
    let told = book.dead.iter().filter(|letter| letter.telling.is_some()).map(|letter| &letter.key);
    let noted = book.volatile.keys().filter(|key| !objects.contains_key(*key));
    let keys: Vec<LaneKey> = told.chain(noted).filter(|key| key.watch == watched.name).cloned().collect();
    for key in keys {
        queue(shared, &mut book, &key, Priority::High);
    }
    if first.is_empty() {
        book.worked_off(&watched.name);
    } else {
        book.first_lists.insert(watched.name.clone(), first);
    }
}

/// Sets the key's one timer to whatever comes first: what the handler asked for, or the watch's period.
pub(super) fn schedule(shared: &Shared, book: &mut Book, key: &LaneKey, watch: &Watch, now: Instant) {
    let timer = book.ledger.get(key).map(|entry| entry.timer);
    shared.queue.cancel_timer(key);
    // Without an entry there is nothing to come back for.
    let Some(timer) = timer else { return };
    let volatile = book.volatile.entry(key.clone()).or_default();
    match timer {
        // Told by the wall clock, because whoever set it is gone or let go of it.
        Some(timer) => {
            volatile.requeue.get_or_insert_with(|| now + timer.remaining(unix_ms()).min(LONGEST_DELAY));
        }
        None => volatile.requeue = None,
    }
    match watch.resync {
        Some(period) => {
            volatile.resync.get_or_insert_with(|| now + jittered(period, rand::random()));
        }
        None => volatile.resync = None,
    }
    if let Some((at, asked_for)) = book.next_due(key) {
        let priority = if asked_for { Priority::High } else { Priority::Low };
        shared.queue.add_after(key.clone(), at.saturating_duration_since(now), priority);
    }
}

enum Fit {
    /// The handler knows this state.
    AsItIs,
    /// It does, and under the new view it looks like this.
    Anew(Entry),
    /// It has to be looked at.
    Queue,
}

fn fit(entry: &Entry, object: &Object, same_view: bool, watched: &Watched) -> Fit {
    match entry.outcome {
        Standing::Acked if entry.uid == object.uid() && entry.resource_version == object.resource_version() => {
            if same_view {
                Fit::AsItIs
            } else {
                Fit::Anew(seen_anew(entry, object, watched))
            }
        }
        Standing::Acked | Standing::Open | Standing::GaveUp => Fit::Queue,
    }
}

fn seen_anew(entry: &Entry, object: &Object, watched: &Watched) -> Entry {
    let projection = projected(&watched.view, &watched.config, object);
    Entry {
        fingerprint: watched.view.fingerprint(object),
        acknowledged: watched.config.previous.then(|| projection.clone()),
        projection,
        ..entry.clone()
    }
}

/// What is handed over of an object; the whole of it is shared with the cache.
pub(super) fn projected(view: &View, watch: &Watch, object: &Object) -> Text {
    match watch.fields {
        None => Text::new(object.json().clone()),
        Some(_) => Text::from(view.project(object)),
    }
}

fn key_of(watched: &Watched, object: &Object) -> LaneKey {
    LaneKey { watch: watched.name.clone(), object: object.key().clone() }
}

fn queue(shared: &Shared, book: &mut Book, key: &LaneKey, priority: Priority) {
    book.because(key, Reasons::CHANGED);
    shared.queue.add(key.clone(), priority);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resync_is_at_most_a_tenth_early_or_late() {
        let period = Duration::from_secs(100);
        assert_eq!(jittered(period, 0.0), Duration::from_secs(90));
        assert_eq!(jittered(period, 0.5), period);
        assert_eq!(jittered(period, 1.0).as_secs_f64().round(), 110.0);
    }
}
