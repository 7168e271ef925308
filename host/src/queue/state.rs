//! What the queue is: a pure function of its state, a call and the time.
//!
//! Guarantees:
//! - a key is ready, waiting, or both processing and perhaps wanted again: never twice in processing, never ready while it
//!   is processing or backing off;
//! - an accepted `add` is followed by a claim of that key that starts after it, unless the key is removed or the queue is
//!   shut down;
//! - while a key backs off, an `add` neither shortens nor lengthens its wait, nor touches its count of failures;
//! - nothing here waits, locks, spawns or reads a clock.
//!
//! Not guaranteed: a bound on the number of keys. There is one small entry per distinct key, and distinct keys are bounded
//! by what the caller watches.
//!
//! The semantics are client-go's (`util/workqueue/queue.go`, `delaying_queue.go`): dirty and processing sets, delayed adds
//! that keep the earlier time, adds ignored once shut down while what is queued is still handed out.

use std::{collections::HashMap, hash::Hash, time::Duration};
use tokio::time::Instant;

use super::{
    Depth, LONGEST_DELAY, Priority, Settings,
    backoff::Backoff,
    bucket::Bucket,
    delayed::Delayed,
    ready::{Popped, Ready},
};

/// All that a queue remembers.
#[derive(Debug)]
pub(super) struct State<K> {
    backoff: Backoff<K>,
    bucket: Bucket,
    ready: Ready<K>,
    /// Keys to add at a time. Independent of all else: a key may be ready or processing and have a timer.
    timers: Delayed<K>,
    /// Keys that back off. Disjoint from `ready`; a key may be in `processing` too, until its claim ends.
    backing_off: Delayed<K>,
    /// Keys that are claimed; disjoint from `ready`. At most as many as there are claims alive.
    processing: HashMap<K, Held>,
    /// Keys that passed the check for duplicates; only grows.
    adds: u64,
    /// Delayed adds of any kind; only grows.
    retries: u64,
    gate: Gate,
    end: End,
}

/// What a worker gets when it asks for a key.
#[derive(Debug, PartialEq)]
pub(super) enum Next<K> {
    /// This key, which was ready for so long.
    Key(K, Duration),
    /// Nothing before that time, or before something is added.
    Wait(Option<Instant>),
    /// Nothing any more.
    End,
}

/// Numbers about the queue at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) depth: Depth,
    pub(super) adds: u64,
    pub(super) retries: u64,
    /// How long all claims together have been held.
    pub(super) unfinished: Duration,
    /// How long the oldest claim has been held.
    pub(super) longest: Duration,
}

/// A key somebody is working on.
#[derive(Debug)]
struct Held {
    priority: Priority,
    started: Instant,
    /// Added since: with which priority, and when first.
    again: Option<(Priority, Instant)>,
    /// Removed since: its claim ends without queueing it, however it ends.
    removed: bool,
}

/// Whether keys are handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gate {
    Open,
    /// None is.
    Paused,
    /// One is, then none.
    Probing,
}

/// How far shutting down has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Running,
    /// Nothing is accepted, what is ready is handed out.
    ShutDown,
    /// Nothing is handed out either.
    Closed,
}

impl<K: Clone + Eq + Hash> State<K> {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            backoff: Backoff::new(settings.base, settings.cap),
            bucket: Bucket::new(settings.rate, settings.burst),
            ready: Ready::new(),
            timers: Delayed::new(),
            backing_off: Delayed::new(),
            processing: HashMap::new(),
            adds: 0,
            retries: 0,
            gate: Gate::Open,
            end: End::Running,
        }
    }

    pub(super) fn add(&mut self, key: K, priority: Priority, now: Instant) {
        self.advance(now);
        if !self.is_shut_down() {
            self.admit(key, priority, now);
        }
    }

    pub(super) fn add_after(&mut self, key: K, after: Duration, priority: Priority, now: Instant) {
        self.advance(now);
        if self.is_shut_down() {
            return;
        }
        self.retries += 1;
        self.timers.put(key, due(now, after), priority);
        self.advance(now);
    }

    pub(super) fn cancel_timer(&mut self, key: &K, now: Instant) {
        self.advance(now);
        self.timers.remove(key);
    }

    /// Counts a failure of `key` and lets it back off, as long as its own backoff and the bucket say.
    pub(super) fn retry(&mut self, key: K, now: Instant) -> Duration {
        let delay = self.backoff.fail(&key).max(self.bucket.reserve(now)).min(LONGEST_DELAY);
        self.retry_after(key, delay, now);
        delay
    }

    /// Lets `key` back off for a given time, or until it was going to anyway if that is later: who has a reason to wait waits, whatever other reasons
    /// there are.
    pub(super) fn retry_after(&mut self, key: K, after: Duration, now: Instant) {
        self.advance(now);
        if self.is_shut_down() {
            return;
        }
        self.retries += 1;
        // What was asked for meanwhile is answered by the claim after the backoff, which starts later than the asking.
        let queued = self.ready.remove(&key);
        let held = self.processing.get_mut(&key);
        let held = held.map(|held| held.again.take().map_or(held.priority, |(again, _)| again.max(held.priority)));
        let priority = queued.max(held).unwrap_or(Priority::High);
        self.backing_off.hold_back(key, due(now, after), priority);
        self.advance(now);
    }

    pub(super) fn forget(&mut self, key: &K) {
        self.backoff.forget(key);
    }

    pub(super) fn failures(&self, key: &K) -> u32 {
        self.backoff.failures(key)
    }

    pub(super) fn set_backoff(&mut self, base: Duration, cap: Duration) {
        self.backoff.set(base, cap);
    }

    /// Ends every backoff: all failures are forgotten, and who waited because of them is ready.
    pub(super) fn end_backoffs(&mut self, now: Instant) {
        self.advance(now);
        self.backoff.forget_all();
        for (key, priority) in self.backing_off.take_all() {
            self.admit(key, priority, now);
        }
    }

    pub(super) fn claim(&mut self, now: Instant) -> Next<K> {
        self.advance(now);
        let popped = match (self.end, self.gate) {
            (End::Closed, _) | (_, Gate::Paused) => None,
            (_, Gate::Open) => self.ready.pop(),
            (_, Gate::Probing) => self.ready.pop_oldest(),
        };
        let Some(Popped { key, priority, since }) = popped else {
            return if self.is_shut_down() { Next::End } else { Next::Wait(self.next_due()) };
        };
        if self.gate == Gate::Probing {
            self.gate = Gate::Paused;
        }
        self.processing.insert(key.clone(), Held { priority, started: now, again: None, removed: false });
        Next::Key(key, now.saturating_duration_since(since))
    }

    /// Ends the claim of `key`, and says how long it was held. An unfinished one queues the key again.
    pub(super) fn done(&mut self, key: &K, finished: bool, now: Instant) -> Duration {
        self.advance(now);
        let Some(mut held) = self.processing.remove(key) else { return Duration::ZERO };
        if !finished && !held.removed && held.again.is_none() {
            held.again = Some((held.priority, now));
            self.adds += 1;
        }
        if let Some((again, since)) = held.again
            && !self.backing_off.raise(key, again)
        {
            let priority = if finished { again } else { again.max(held.priority) };
            self.ready.push(key.clone(), priority, since);
        }
        now.saturating_duration_since(held.started)
    }

    /// Forgets all about `key`. If it is claimed its claim goes on, and ends without queueing it.
    pub(super) fn remove(&mut self, key: &K) {
        self.ready.remove(key);
        self.timers.remove(key);
        self.backing_off.remove(key);
        self.backoff.forget(key);
        if let Some(held) = self.processing.get_mut(key) {
            held.again = None;
            held.removed = true;
        }
    }

    /// Removes every key.
    pub(super) fn clear(&mut self) {
        self.ready = Ready::new();
        self.timers = Delayed::new();
        self.backing_off = Delayed::new();
        self.backoff.forget_all();
        for held in self.processing.values_mut() {
            held.again = None;
            held.removed = true;
        }
    }

    /// Hands out nothing from now on. A probe that was allowed and not yet taken stays allowed.
    pub(super) fn pause(&mut self) {
        if self.gate == Gate::Open {
            self.gate = Gate::Paused;
        }
    }

    pub(super) fn resume(&mut self) {
        self.gate = Gate::Open;
    }

    /// Lets one key through while paused; probes not taken do not add up.
    pub(super) fn probe_one(&mut self) {
        if self.gate == Gate::Paused {
            self.gate = Gate::Probing;
        }
    }

    /// Accepts nothing any more, and drops what still waits for a time. What is ready is handed out.
    pub(super) fn shut_down(&mut self, now: Instant) {
        self.advance(now);
        if self.end == End::Running {
            self.end = End::ShutDown;
            self.timers = Delayed::new();
            self.backing_off = Delayed::new();
        }
    }

    /// Hands out nothing any more, whatever is left.
    pub(super) fn close(&mut self, now: Instant) {
        self.shut_down(now);
        self.end = End::Closed;
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.end != End::Running
    }

    /// Whether nothing more will happen of itself: nobody is working, and nothing is left that would be handed out.
    pub(super) fn is_drained(&self) -> bool {
        self.processing.is_empty() && self.claimable() == 0
    }

    /// How many keys could be claimed right now.
    pub(super) fn claimable(&self) -> usize {
        let ready = self.ready.len(Priority::High) + self.ready.len(Priority::Low);
        match (self.end, self.gate) {
            (End::Closed, _) | (_, Gate::Paused) => 0,
            (_, Gate::Open) => ready,
            (_, Gate::Probing) => ready.min(1),
        }
    }

    /// When the next key comes due by time alone.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let (timer, backoff) = (self.timers.next_due(), self.backing_off.next_due());
        timer.min(backoff).or(timer).or(backoff)
    }

    pub(super) fn sample(&mut self, now: Instant) -> Sample {
        self.advance(now);
        let held = |held: &Held| now.saturating_duration_since(held.started);
        Sample {
            depth: Depth {
                high: self.ready.len(Priority::High),
                low: self.ready.len(Priority::Low),
                delayed: self.timers.len() + self.backing_off.len(),
                processing: self.processing.len(),
            },
            adds: self.adds,
            retries: self.retries,
            unfinished: self.processing.values().map(held).sum(),
            longest: self.processing.values().map(held).max().unwrap_or_default(),
        }
    }

    /// Lets everything that is due by `now` happen, in the order it came due. Every call begins with this, so the state
    /// never depends on when somebody last looked.
    fn advance(&mut self, now: Instant) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            // Of two that are due at once the backoff goes first, so that the timer finds a key that no longer waits.
            let popped = self.backing_off.pop_due(due).or_else(|| self.timers.pop_due(due));
            if let Some((key, due, priority)) = popped {
                self.admit(key, priority, due);
            }
        }
    }

    /// Makes sure that a claim of `key` starts after this: it is ready, is wanted again, or backs off.
    fn admit(&mut self, key: K, priority: Priority, since: Instant) {
        if self.backing_off.raise(&key, priority) {
            return;
        }
        let Some(held) = self.processing.get_mut(&key) else {
            self.adds += u64::from(self.ready.push(key, priority, since));
            return;
        };
        held.again = match held.again {
            Some((before, first)) => Some((before.max(priority), first)),
            None => {
                self.adds += 1;
                Some((priority, since))
            }
        };
    }
}

/// The time `after` from now; no further than the longest delay, which no clock overflows on.
fn due(now: Instant, after: Duration) -> Instant {
    now + after.min(LONGEST_DELAY)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
