//! From change to claim: a rate-limited workqueue.
//!
//! Guarantees:
//! - **One at a time.** A key is never claimed twice at once, however often it is added.
//! - **Nothing lost.** After `add(key)` returns, a claim of that key starts later, unless it is removed or the queue shut down.
//! - **Claims end themselves.** A [`Claim`] that is dropped unfinished, because its worker panicked or was cancelled, queues
//!   its key again.
//! - **Two priorities.** High overtakes low; of eight claims while both wait one is low, so neither starves.
//! - **Backoff is the key's own.** While a key backs off, adding it changes neither when it is due nor its count of failures.
//! - **Ends.** After [`Queue::shut_down`] every [`Queue::claim`] returns; [`Queue::drain`] returns by its deadline.
//!
//! Not guaranteed: a claim for every add (adds of one key are merged), an order between keys, or a bound on the number of
//! keys: the queue holds one small entry per distinct key, and the caller's cache bounds those.
//!
//! Semantics and metric names are those of client-go's `util/workqueue`; what differs is said where it does. Nothing of weir
//! is in here. What happens is decided in `state`, a pure function; this file only waits and wakes.

use std::{
    hash::Hash,
    ops::Deref,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

pub use bucket::Bucket;
pub use metrics::QueueMetrics;
use state::{Next, Sample, State};

mod backoff;
mod bucket;
mod delayed;
mod metrics;
mod ready;
mod state;

/// The longest delay there is: a year. Longer ones are cut to it.
pub const LONGEST_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Which of two waiting keys goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// For what can wait: initial lists, resyncs.
    Low,
    /// For what just changed.
    High,
}

/// How keys that failed are slowed. The defaults are client-go's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What a key waits after its first failure; doubled with each further one. Default 5 ms, at least 1 ms.
    pub base: Duration,
    /// The longest a key waits for its own failures. Default 1000 s, at least `base`.
    pub cap: Duration,
    /// How many retries a second all keys together get, once `burst` is used up. Default 10; zero or less allows none.
    pub rate: f64,
    /// How many retries all keys together get at once. Default 100; with zero each waits for the rate.
    pub burst: u32,
}

/// How many keys are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready with high priority.
    pub high: usize,
    /// Ready with low priority.
    pub low: usize,
    /// Timers and keys that back off. A key may have both, and may be ready or processing besides a timer.
    pub delayed: usize,
    /// Claimed.
    pub processing: usize,
}

/// How [`Queue::drain`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// All that was ready when the queue was shut down, or became ready since, was claimed and has ended.
    Complete,
    /// These keys were not worked off: by the deadline, or because the queue was paused.
    Left {
        /// Ready and never claimed, or queued again.
        queued: usize,
        /// Still claimed.
        processing: usize,
    },
}

/// A workqueue of keys. Clones are handles on the same queue.
#[derive(Debug)]
pub struct Queue<K: Clone + Eq + Hash> {
    shared: Arc<Shared<K>>,
}

/// A key that is being worked on; nobody else is given it meanwhile. May be kept, sent to another task, or both.
///
/// [`Claim::finish`] ends it. Dropping it without finishing means that the work was not done, and queues the key again, at
/// once, unless it backs off because of [`Queue::retry`] or was removed.
#[derive(Debug)]
#[must_use = "a claim that is dropped unfinished queues its key again at once"]
pub struct Claim<K: Clone + Eq + Hash> {
    shared: Arc<Shared<K>>,
    key: K,
    finished: bool,
}

#[derive(Debug)]
struct Shared<K> {
    /// Held for single calls of `State` only, never across an await.
    state: Mutex<State<K>>,
    /// Who waits in `claim`. Whenever a key becomes claimable one of them is woken; when several do, the next time comes
    /// nearer, or the queue ends, all of them are. So each of them sleeps at most until the next time something is due.
    claimers: Notify,
    /// Who waits in `drain`: woken once the state is drained.
    drainers: Notify,
    durations: metrics::Durations,
}

impl Default for Settings {
    fn default() -> Self {
        Self { base: Duration::from_millis(5), cap: Duration::from_secs(1000), rate: 10.0, burst: 100 }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue, which nothing measures until it is handed to [`QueueMetrics::observe`].
    pub fn new(settings: Settings) -> Self {
        let shared = Shared {
            state: Mutex::new(State::new(settings)),
            claimers: Notify::new(),
            drainers: Notify::new(),
            durations: metrics::Durations::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks for `key` to be claimed. Merged with what is asked for already, the higher priority wins; if the key is
    /// claimed, it is queued again when that ends; if it backs off, the claim at the end of that is the answer. Ignored
    /// once the queue is shut down.
    pub fn add(&self, key: K, priority: Priority) {
        self.shared.with(|state, now| state.add(key, priority, now));
    }

    /// Adds `key` after a while (at once if zero; at most [`LONGEST_DELAY`]). A key has one timer: setting another keeps
    /// the earlier time. A timer is nothing but an add to come: adding or claiming the key meanwhile leaves it alone, and
    /// if the key backs off when it fires, it waits on.
    pub fn add_after(&self, key: K, after: Duration, priority: Priority) {
        self.shared.with(|state, now| state.add_after(key, after, priority, now));
    }

    /// Drops the timer of `key`, if it has one. A backoff is no timer.
    pub fn cancel_timer(&self, key: &K) {
        self.shared.with(|state, now| state.cancel_timer(key, now));
    }

    /// Counts a failure of `key` and lets it back off; to be called while it is claimed. The delay, which is returned, is
    /// the longer of the key's own backoff and what the bucket shared by all keys says. The key keeps its priority.
    pub fn retry(&self, key: K) -> Duration {
        self.shared.with(|state, now| state.retry(key, now))
    }

    /// Lets `key` back off for a given time (at most [`LONGEST_DELAY`]), without counting a failure or using the bucket.
    /// If it backs off already, the later time is kept.
    pub fn retry_after(&self, key: K, after: Duration) {
        self.shared.with(|state, now| state.retry_after(key, after, now));
    }

    /// Forgets the failures of `key`: its next backoff starts at the base. One that runs goes on.
    pub fn forget(&self, key: &K) {
        self.shared.with(|state, _| state.forget(key));
    }

    /// How often [`Queue::retry`] was called for `key` since it was last forgotten.
    pub fn failures(&self, key: &K) -> u32 {
        self.shared.lock().failures(key)
    }

    /// Changes how long keys back off from their next failure on: as in [`Settings`].
    pub fn set_backoff(&self, base: Duration, cap: Duration) {
        self.shared.with(|state, _| state.set_backoff(base, cap));
    }

    /// Forgets all failures and makes every key that backs off ready: for when their cause is gone, as after a reload.
    pub fn end_backoffs(&self) {
        self.shared.with(|state, now| state.end_backoffs(now));
    }

    /// The next key, as soon as there is one; `None` once the queue is shut down and has none to hand out. Dropping the
    /// future loses nothing.
    ///
    /// As in client-go, a key that is queued again after every worker has seen `None` stays queued; [`Queue::drain`] says so.
    pub async fn claim(&self) -> Option<Claim<K>> {
        loop {
            // Listening begins before looking, so that what is added in between is heard.
            let mut woken = pin!(self.shared.claimers.notified());
            woken.as_mut().enable();
            match self.shared.with(State::claim) {
                Next::Key(key, waited) => {
                    self.shared.durations.queued(waited);
                    return Some(Claim { shared: self.shared.clone(), key, finished: false });
                }
                Next::End => return None,
                Next::Wait(None) => woken.await,
                Next::Wait(Some(due)) => {
                    // Either way the next look decides.
                    let _ = timeout_at(due, woken).await;
                }
            }
        }
    }

    /// Hands out no keys until [`Queue::resume`]. Adds, timers and backoffs go on, and so do claims that exist.
    pub fn pause(&self) {
        self.shared.with(|state, _| state.pause());
    }

    /// Hands out keys again.
    pub fn resume(&self) {
        self.shared.with(|state, _| state.resume());
    }

    /// While paused, lets exactly one key through: the one that was queued longest ago, whatever its priority, or the next
    /// to become ready. A probed key that is queued again is the youngest, so successive probes go around all keys. Probes
    /// nobody took do not add up. Without effect unless paused.
    pub fn probe_one(&self) {
        self.shared.with(|state, _| state.probe_one());
    }

    /// Forgets all about `key`: queued, timer, backoff, failures. If it is claimed, that claim ends without queueing it.
    pub fn remove(&self, key: &K) {
        self.shared.with(|state, _| state.remove(key));
    }

    /// Removes every key.
    pub fn clear(&self) {
        self.shared.with(|state, _| state.clear());
    }

    /// Accepts nothing any more and drops timers and backoffs. What is ready is still handed out, and so is what is added
    /// already to keys now claimed; then [`Queue::claim`] returns `None`, as it does at once if the queue is paused.
    pub fn shut_down(&self) {
        self.shared.with(State::shut_down);
    }

    /// Shuts down, and waits until all keys are claimed and all claims have ended, at most for `deadline`. After that
    /// nothing is handed out, whatever is left. A paused queue waits for the claims only.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let until = Instant::now() + deadline.min(LONGEST_DELAY);
        self.shut_down();
        loop {
            let mut settled = pin!(self.shared.drainers.notified());
            settled.as_mut().enable();
            // Looks without `with`, which would wake this very waiter.
            if self.shared.lock().is_drained() || timeout_at(until, settled).await.is_err() {
                break;
            }
        }
        self.shared.with(State::close);
        match self.depth() {
            Depth { high: 0, low: 0, processing: 0, .. } => Drained::Complete,
            Depth { high, low, processing, .. } => Drained::Left { queued: high + low, processing },
        }
    }

    /// How many keys are where, now.
    pub fn depth(&self) -> Depth {
        self.shared.sample().depth
    }
}

impl<K: Clone + Eq + Hash> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K: Clone + Eq + Hash> Claim<K> {
    /// Says that the work is done. If the key was added meanwhile it is queued again; if it backs off it waits for that.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl<K: Clone + Eq + Hash> Deref for Claim<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.key
    }
}

impl<K: Clone + Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        let worked = self.shared.with(|state, now| state.done(&self.key, self.finished, now));
        self.shared.durations.worked(worked);
    }
}

impl<K: Clone + Eq + Hash> Shared<K> {
    /// Lets `act` change the state, and wakes whom the change concerns. Everything that changes it goes through here.
    fn with<R>(&self, act: impl FnOnce(&mut State<K>, Instant) -> R) -> R {
        let mut state = self.lock();
        // Read under the lock, so that the state never sees time go backwards.
        let now = Instant::now();
        let (claimable, due) = (state.claimable(), state.next_due());
        let result = act(&mut state, now);
        let more = state.claimable().saturating_sub(claimable);
        let sooner = state.next_due().is_some_and(|next| due.is_none_or(|due| next < due));
        let (ending, drained) = (state.is_shut_down(), state.is_shut_down() && state.is_drained());
        drop(state);
        if more > 1 || sooner || ending {
            self.claimers.notify_waiters();
        } else if more == 1 {
            self.claimers.notify_one();
        }
        if drained {
            self.drainers.notify_waiters();
        }
        result
    }

    fn sample(&self) -> Sample {
        self.with(State::sample)
    }

    /// The state holds no user code that could leave it half changed but `K`'s own `Eq`, `Hash` and `Clone`, so a panic
    /// elsewhere under the lock is no reason to panic here too.
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
