//! What an informer does next, as a pure function of what happened.
//!
//! Promises:
//! - a failure is always followed by a wait that grows, and only data that came makes it start over ([`Backoff`]);
//! - both forms of "too old" (HTTP 410, and an ERROR event that says so) lead to a new list;
//! - a watch that closes at once without news is a failure, so nothing here can become a hot loop;
//! - a page that failed is asked for again, not the whole list; if its token has expired, one list without pages follows. (The token for an inconsistent
//!   rest that a server may offer is not used: nothing may be deleted from such a list, and the version it began at can no longer be watched
//!   from, so a whole list has to follow anyway.)
//! - a streaming list that is refused, ignored or cut short falls back to pages; a refusal is remembered;
//! - a list older than what is known, also to who follows from an earlier process, is not taken in; only if the API insists ([`STALE_LISTS`] times) it
//!   must have gone back itself.
//!
//! No clock, no randomness and no request in here: `now` and `chance` come in, [`Step`]s and [`Effect`]s go out.

use super::{backoff::Backoff, version::older};
use std::time::Duration;
use tokio::time::Instant;

pub(super) use words::{Effect, Input, Relist, Step, Trouble};

mod words;

/// A watch that lived shorter than this and brought nothing new counts as failed.
pub const SHORT_WATCH: Duration = Duration::from_secs(1);
/// How long a streaming list may take at least.
pub const STREAMING_AT_LEAST: Duration = Duration::from_secs(30);
/// How long a streaming list may be silent.
pub const STREAMING_SILENCE: Duration = Duration::from_secs(10);
/// How many times in a row a streaming list may fail before pages are tried.
pub const STREAMING_TRIES: u32 = 3;
/// How much longer than its own time a watch is waited for.
pub const WATCH_GRACE: Duration = Duration::from_secs(5);
/// The shortest wait after a 403; up to half as much again is added.
pub const FORBIDDEN_WAIT: Duration = Duration::from_secs(30);
/// The longest time between two questions whether a missing kind is there now.
pub const ABSENT_WAIT: Duration = Duration::from_secs(30);
/// So many lists in a row that are older than what is known mean that the API went back, as after a restored backup.
pub const STALE_LISTS: u32 = 5;

#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// The phase to go on with after a pause.
    pause: Option<Duration>,
    backoff: Backoff,
    /// What to watch from: set by the first complete list.
    head: Option<String>,
    /// The least version of the first list: something of that version was told before this informer began.
    least: Option<String>,
    streaming: bool,
    /// Streaming lists that failed in a row.
    streams_failed: u32,
    stale_lists: u32,
    /// How many times in a row discovery did not know the kind.
    absences: u32,
    /// How long the next watch lasts, drawn when the one before ended.
    timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Resolving,
    Absent,
    Listing {
        token: Option<String>,
        limited: bool,
    },
    /// A streaming list: before it is accepted, and while it runs.
    OpeningStream,
    Streaming {
        since: Instant,
        last: Instant,
    },
    Opening,
    Watching {
        since: Instant,
        last: Instant,
        news: bool,
    },
}

impl Machine {
    /// Begins by resolving the kind. `chance` is drawn from 0 to 1.
    pub(super) fn new(streaming: bool, chance: f64) -> Machine {
        Machine {
            phase: Phase::Resolving,
            pause: None,
            backoff: Backoff::default(),
            head: None,
            least: None,
            streaming,
            streams_failed: 0,
            stale_lists: 0,
            absences: 0,
            timeout: watch_timeout(chance),
        }
    }

    /// Another informer found out that the server does not do streaming lists.
    pub(super) fn no_streaming(&mut self) {
        self.streaming = false;
    }

    /// A first list that is older than this says nothing about what is missing from it.
    pub(super) fn expect(&mut self, least: String) {
        self.least = Some(least);
    }

    /// Whether a first list is complete.
    pub(super) fn synced(&self) -> bool {
        self.head.is_some()
    }

    /// A word for people on what goes on.
    pub(super) fn doing(&self) -> &'static str {
        match (&self.phase, self.pause, self.synced()) {
            (Phase::Absent, _, _) => "waiting for kind",
            (_, Some(_), _) => "retrying",
            (Phase::Opening | Phase::Watching { .. }, None, true) => "synced",
            (Phase::Resolving, None, _) => "resolving",
            _ => "listing",
        }
    }

    /// Whether a list of this version may be taken in: not if more is known already.
    pub(super) fn accepts(&self, resource_version: &str) -> bool {
        let known = self.head.as_deref().or(self.least.as_deref());
        self.stale_lists >= STALE_LISTS || !known.is_some_and(|known| older(resource_version, known))
    }

    /// What to do next.
    pub(super) fn step(&self) -> Step {
        if let Some(wait) = self.pause {
            return Step::Pause(wait);
        }
        match &self.phase {
            Phase::Resolving => Step::Resolve,
            // 1, 2, 4, … seconds; a definition that changes ends the wait at once.
            Phase::Absent => {
                Step::AwaitKind(Duration::from_secs(1 << self.absences.saturating_sub(1).min(5)).min(ABSENT_WAIT))
            }
            Phase::Listing { token, limited } => Step::Page { token: token.clone(), limited: *limited },
            Phase::OpeningStream => Step::Open { from: None, timeout: self.timeout },
            Phase::Streaming { since, last } => {
                Step::Read((*since + STREAMING_AT_LEAST).max(*last + STREAMING_SILENCE))
            }
            Phase::Opening => Step::Open { from: self.head.clone(), timeout: self.timeout },
            Phase::Watching { last, .. } => Step::Read(*last + self.timeout + WATCH_GRACE),
        }
    }

    /// Takes in what happened.
    pub(super) fn on(&mut self, input: Input, now: Instant, chance: f64) -> Vec<Effect> {
        match input {
            Input::Woke => {
                // After a pause the phase goes on as it is; a kind that was waited for is asked for again.
                if self.pause.take().is_none() && self.phase == Phase::Absent {
                    self.phase = Phase::Resolving;
                }
                Vec::new()
            }
            Input::DefinitionsChanged => {
                self.absences = 0;
                self.on(Input::Woke, now, chance)
            }
            Input::Served => {
                self.absences = 0;
                self.list(if self.synced() { Relist::Kind } else { Relist::First })
            }
            Input::NotServed { confirmed } => {
                self.phase = Phase::Absent;
                self.absences = self.absences.saturating_add(1);
                if confirmed { vec![Effect::KindGone] } else { Vec::new() }
            }
            Input::Page { resource_version, token } => self.page(resource_version, token, now, chance),
            Input::Opened => {
                self.phase = match self.phase {
                    Phase::OpeningStream => Phase::Streaming { since: now, last: now },
                    _ => Phase::Watching { since: now, last: now, news: false },
                };
                Vec::new()
            }
            Input::Change { resource_version } => self.change(resource_version, now),
            Input::Bookmark { resource_version, ends_list } => self.bookmark(resource_version, ends_list, now, chance),
            Input::Ended => self.ended(now, chance),
            Input::Silent => match self.phase {
                Phase::Streaming { .. } => self.fall_back(true),
                _ => self.reopen(chance),
            },
            Input::Failed { trouble, in_stream, retry_after } => {
                self.failed(trouble, in_stream, retry_after.unwrap_or_default(), now, chance)
            }
        }
    }

    fn page(&mut self, version: String, token: Option<String>, now: Instant, chance: f64) -> Vec<Effect> {
        if !self.accepts(&version) {
            return self.stale(now, chance);
        }
        self.backoff.data();
        match (token, &mut self.phase) {
            // Also if everything was asked for at once: what is missing would be taken for gone.
            (Some(next), Phase::Listing { token, .. }) => {
                *token = Some(next);
                Vec::new()
            }
            _ => self.complete(version, Phase::Opening),
        }
    }

    fn change(&mut self, version: String, now: Instant) -> Vec<Effect> {
        self.backoff.data();
        match &mut self.phase {
            // What a streaming list brings is in the order of names, and says nothing about where the list is.
            Phase::Streaming { last, .. } => {
                *last = now;
                Vec::new()
            }
            Phase::Watching { last, news, .. } => {
                *last = now;
                *news |= self.head.as_deref() != Some(version.as_str())
                    && !self.head.as_deref().is_some_and(|head| older(&version, head));
                self.advance(version)
            }
            _ => Vec::new(),
        }
    }

    fn bookmark(&mut self, version: String, ends_list: bool, now: Instant, chance: f64) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Streaming { since, .. } if ends_list => {
                let since = *since;
                if !self.accepts(&version) {
                    return self.stale(now, chance);
                }
                self.backoff.data();
                self.complete(version, Phase::Watching { since, last: now, news: true })
            }
            Phase::Streaming { last, .. } => {
                *last = now;
                Vec::new()
            }
            Phase::Watching { last, .. } => {
                *last = now;
                self.advance(version)
            }
            _ => Vec::new(),
        }
    }

    /// The head never goes back: a replayed event does not make the next watch begin before what is known.
    fn advance(&mut self, version: String) -> Vec<Effect> {
        if version.is_empty() || self.head.as_deref().is_some_and(|head| older(&version, head)) {
            return Vec::new();
        }
        self.head = Some(version.clone());
        vec![Effect::Advance(version)]
    }

    fn complete(&mut self, version: String, next: Phase) -> Vec<Effect> {
        self.phase = next;
        self.head = Some(version.clone());
        self.streams_failed = 0;
        self.stale_lists = 0;
        vec![Effect::Complete(version)]
    }

    fn stale(&mut self, now: Instant, chance: f64) -> Vec<Effect> {
        self.stale_lists += 1;
        self.pause = Some(self.backoff.failed(now, chance));
        self.phase = Phase::Listing { token: None, limited: true };
        let mut effects = vec![Effect::BeginList(Relist::Stale)];
        if self.stale_lists == STALE_LISTS {
            effects.push(Effect::WentBack);
        }
        effects
    }

    fn ended(&mut self, now: Instant, chance: f64) -> Vec<Effect> {
        match self.phase {
            Phase::Streaming { .. } => self.stream_failed(Duration::ZERO, now, chance),
            Phase::Watching { since, news, .. } => {
                if !news && now.duration_since(since) < SHORT_WATCH {
                    self.pause = Some(self.backoff.failed(now, chance));
                }
                self.reopen(chance)
            }
            _ => Vec::new(),
        }
    }

    fn reopen(&mut self, chance: f64) -> Vec<Effect> {
        self.phase = Phase::Opening;
        self.timeout = watch_timeout(chance);
        vec![Effect::Restart]
    }

    fn list(&mut self, reason: Relist) -> Vec<Effect> {
        let streamed = self.streaming && self.streams_failed < STREAMING_TRIES;
        self.phase = if streamed { Phase::OpeningStream } else { Phase::Listing { token: None, limited: true } };
        vec![Effect::BeginList(reason)]
    }

    /// From a streaming list to pages; `for_good` if the server showed that it does not know streaming lists.
    fn fall_back(&mut self, for_good: bool) -> Vec<Effect> {
        self.phase = Phase::Listing { token: None, limited: true };
        let mut effects = vec![Effect::BeginList(Relist::Fallback)];
        if for_good {
            self.streaming = false;
            effects.push(Effect::NoStreaming);
        }
        effects
    }

    fn stream_failed(&mut self, at_least: Duration, now: Instant, chance: f64) -> Vec<Effect> {
        self.streams_failed += 1;
        self.pause = Some(self.backoff.failed(now, chance).max(at_least));
        if self.streams_failed >= STREAMING_TRIES {
            return self.fall_back(false);
        }
        self.phase = Phase::OpeningStream;
        self.timeout = watch_timeout(chance);
        // What came so far may be gone by the next time.
        vec![Effect::BeginList(Relist::Retry)]
    }

    fn failed(
        &mut self,
        trouble: Trouble,
        in_stream: bool,
        at_least: Duration,
        now: Instant,
        chance: f64,
    ) -> Vec<Effect> {
        let streaming = matches!(self.phase, Phase::OpeningStream | Phase::Streaming { .. });
        match trouble {
            Trouble::Forbidden => {
                self.pause = Some(FORBIDDEN_WAIT.mul_f64(1.0 + chance / 2.0).max(at_least));
                match self.phase {
                    Phase::Streaming { .. } => self.phase = Phase::OpeningStream,
                    Phase::Watching { .. } => self.phase = Phase::Opening,
                    _ => {}
                }
                Vec::new()
            }
            Trouble::Missing if !matches!(self.phase, Phase::Resolving) => {
                self.pause = Some(self.backoff.failed(now, chance).max(at_least));
                self.phase = Phase::Resolving;
                vec![Effect::ForgetKind]
            }
            Trouble::Refused | Trouble::Gone if streaming => self.fall_back(true),
            _ if streaming && in_stream => self.fall_back(true),
            _ if streaming => self.stream_failed(at_least, now, chance),
            Trouble::Gone if matches!(self.phase, Phase::Listing { token: Some(_), .. }) => {
                if !matches!(self.phase, Phase::Listing { limited: true, .. }) {
                    self.pause = Some(self.backoff.failed(now, chance).max(at_least));
                }
                self.phase = Phase::Listing { token: None, limited: false };
                vec![Effect::BeginList(Relist::Expired)]
            }
            Trouble::Gone | Trouble::Refused if matches!(self.phase, Phase::Opening | Phase::Watching { .. }) => {
                self.pause = Some(self.backoff.failed(now, chance).max(at_least));
                self.list(if trouble == Trouble::Gone { Relist::Gone } else { Relist::Refused })
            }
            _ => {
                self.pause = Some(self.backoff.failed(now, chance).max(at_least));
                if matches!(self.phase, Phase::Watching { .. }) { self.reopen(chance) } else { Vec::new() }
            }
        }
    }
}

/// Between 240 and 290 s, so that informers that began together do not come back together.
fn watch_timeout(chance: f64) -> Duration {
    Duration::from_secs(240 + (50.0 * chance.clamp(0.0, 1.0)) as u64)
}

#[cfg(test)]
mod tests;
