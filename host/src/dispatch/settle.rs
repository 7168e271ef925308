//! The end of a claim: what an outcome does to the ledger, the dead letters and the queue.
//!
//! Promises: every outcome of [`super::outcome`] is carried out here and nowhere else; an answer is written only to the entry it answers, so one
//! that comes after a reload forgot the entry, or after the name went to another object, changes nothing.

use super::{
    baseline::{projected, schedule},
    book::Book,
    budget::WRITE_BUDGET,
    dead::Letter,
    echo::{known_after, to_reach},
    event::{Handed, acknowledged},
    fights::Fight,
    health::{FAULTS_BEFORE_SLOW, Turn},
    key::LaneKey,
    lane::{Active, Shared, Watched},
    ledger::{Entry, Standing, Timer, unix_ms},
    look::Plan,
    outcome::{Attempt, Cause, Outcome, Pace, Retry, judge},
    world::Heard,
};
use crate::{
    action::{Applied, Class, Subject, Written},
    contract::{Note, Severity},
    handler::manifest::limit::Limit,
    queue::Priority,
    runtime::CallFailure,
    watch::Object,
};
use std::time::Duration;
use tokio::time::Instant;

/// The first wait of a key that the API refuses, doubled with each refusal up to the handler's cap.
pub(super) const FIRST_SLOW_WAIT: Duration = Duration::from_secs(1);

/// What is left to do with the claim.
#[derive(Debug)]
pub(super) struct After {
    /// Kubernetes Events of weir's own, about the object if they name none: one, and one for each fight that was found.
    pub(super) notes: Vec<(Subject, Note)>,
    /// Hold the key until the cache has caught up.
    pub(super) hold: Option<Hold>,
    /// The work was done, or is scheduled; else the key is queued again as soon as it is let go.
    pub(super) finished: bool,
    /// What the claim learnt of the world.
    pub(super) heard: Heard,
    /// The handler answered, and needs not be called for this any more.
    pub(super) acknowledged: bool,
}

impl After {
    /// Nothing but to let go of the key.
    pub(super) fn let_go(finished: bool, heard: Heard) -> After {
        After { notes: Vec::new(), hold: None, finished, heard, acknowledged: false }
    }
}

/// Until when a key is held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The cache is at this resourceVersion of the object or beyond.
    Reached(String),
    /// The cache has taken in one GET.
    Refreshed,
}

impl Shared {
    /// Settles a call that ended. `took` is from call to here.
    pub(super) fn settle(
        &self,
        active: &Active,
        watched: &Watched,
        key: &LaneKey,
        plan: &Plan,
        attempt: &Attempt,
        took: Duration,
    ) -> After {
        let change = plan.change();
        let outcome = judge(attempt, change.is_ending()).within(active.manifest.retry.limit, plan.failed_before);
        let applied = applied(attempt);
        let health = self.report(plan, &outcome, took);
        let mut book = self.book();
        if book.is_dry() != active.manifest.dry_run {
            // The ledger that this call was written into was put aside during the call: there it is open, and owed.
            return After::let_go(true, heard(attempt));
        }
        let now = Instant::now();
        let written = applied.filter(|_| !change.is_ending()).map_or(&[][..], |applied| &applied.written);
        let fights = self.fights(active, applied, now);
        let mut note = self.spend(&mut book, active, key, written, now);
        let mut hold = applied
            .filter(|_| !change.is_ending())
            .and_then(|applied| to_reach(&applied.own, plan.uid()))
            .map(|version| Hold::Reached(version.to_owned()));
        match &outcome {
            Outcome::Done => self.done(&mut book, watched, key, plan, applied, None),
            Outcome::Again(after) => self.done(&mut book, watched, key, plan, applied, Some(*after)),
            Outcome::Retry(retry) => {
                if let Pace::CaughtUp(at_least) = &retry.pace
                    && !change.is_ending()
                {
                    hold = at_least.clone().map(Hold::Reached).or(hold).or(Some(Hold::Refreshed));
                }
                self.again(&mut book, active, key, plan, retry);
                // The timer was cleared as the call began; the watch's period goes on.
                schedule(self, &mut book, key, &watched.config, now);
            }
            // Not the key's doing: it is queued again, and called as soon as the lane is open.
            Outcome::World { .. } => {}
            Outcome::Dead(cause) => {
                self.give_up(&mut book, active, watched, key, plan, cause);
                note = Some(self.warning(
                    "HandlerGaveUp",
                    format!("gave up on `{change}` after {} calls: {}", plan.event.attempt, cause.message),
                ));
            }
        }
        self.count_letters(&book);
        let notes = note.into_iter().chain(health).chain(fights).map(|note| (plan.subject.clone(), note)).collect();
        let acknowledged = matches!(outcome, Outcome::Done | Outcome::Again(_));
        let finished = !matches!(outcome, Outcome::World { .. });
        After { notes, hold, finished, heard: heard(attempt), acknowledged }
    }

    /// The handler answered.
    fn done(
        &self,
        book: &mut Book,
        watched: &Watched,
        key: &LaneKey,
        plan: &Plan,
        applied: Option<&Applied>,
        after: Option<Duration>,
    ) {
        self.queue.forget(key);
        book.dead.drop_for(key, plan.uid());
        if plan.telling {
            // Now for what the ledger has to say about this key.
            self.queue.add(key.clone(), Priority::High);
            return;
        }
        if !still_open(book, key, plan) {
            return;
        }
        match &plan.object {
            None => self.ended(book, watched, key),
            Some(object) => {
                let own = applied.map_or(&[][..], |applied| &applied.own);
                let known = known_after(object, own, &watched.view, &plan.subject.resource);
                self.acknowledge(book, key, watched, &known, after);
            }
        }
        self.settled(book, watched, key);
    }

    fn acknowledge(&self, book: &mut Book, key: &LaneKey, watched: &Watched, known: &Object, after: Option<Duration>) {
        let Some(open) = book.ledger.get(key).cloned() else { return };
        // A generation published during the call may see the same state differently; what is written is what it will compare with.
        let current = self.current();
        let seen_by = current.as_ref().and_then(|active| active.watches.get(&key.watch)).unwrap_or(watched);
        let state = Handed {
            uid: known.uid().to_owned(),
            resource_version: known.resource_version().to_owned(),
            fingerprint: seen_by.view.fingerprint(known),
            projection: projected(&seen_by.view, &seen_by.config, known),
        };
        let timer = after.map(Timer::starting);
        book.ledger.put(key, Entry { timer, ..acknowledged(&open, state, seen_by.config.previous) });
        book.volatile.entry(key.clone()).or_default().requeue = after.map(|after| Instant::now() + after);
    }

    /// The handler is to be called again for the same change.
    fn again(&self, book: &mut Book, active: &Active, key: &LaneKey, plan: &Plan, retry: &Retry) {
        let policy = &active.manifest.retry;
        if retry.counted {
            count(book, key, plan);
        }
        match &retry.pace {
            Pace::Backoff | Pace::CaughtUp(_) => {
                self.queue.retry(key.clone());
            }
            Pace::Slow => {
                let factor = 1_u32.checked_shl(plan.failed_before).unwrap_or(u32::MAX);
                let wait = FIRST_SLOW_WAIT.saturating_mul(factor).min(policy.cap.max(FIRST_SLOW_WAIT));
                self.queue.retry_after(key.clone(), wait);
            }
            Pace::After(after) => self.queue.retry_after(key.clone(), (*after).max(policy.base)),
        }
    }

    /// The event becomes a dead letter.
    fn give_up(&self, book: &mut Book, active: &Active, watched: &Watched, key: &LaneKey, plan: &Plan, cause: &Cause) {
        self.queue.forget(key);
        let dropped = book.dead.put(Letter {
            key: key.clone(),
            event: plan.event.clone(),
            error: cause.message.clone(),
            stderr: cause.stderr.clone(),
            attempts: plan.event.attempt,
            at_ms: unix_ms(),
            digest: active.digest.clone(),
            counter: plan.subject.counter,
            telling: None,
        });
        self.metrics.dead_letters_dropped.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        if dropped > 0 {
            let too_many = book.dead.len() + dropped > book.dead.max_letters();
            self.metrics.hit(if too_many { Limit::DeadLetters } else { Limit::DeadLetterBytes });
        }
        self.metrics.terminal_errors.inc();
        if self.log_rate.take(cause.message.len()) {
            tracing::error!(change = %plan.change(), error = cause.message, "gave up on an event: it is a dead letter now");
        }
        if plan.telling {
            self.queue.add(key.clone(), Priority::High);
            return;
        }
        if !still_open(book, key, plan) {
            return;
        }
        if plan.object.is_none() {
            self.ended(book, watched, key);
        } else if let Some(open) = book.ledger.get(key).cloned() {
            book.ledger.put(key, Entry { outcome: Standing::GaveUp, attempts: 0, ..open });
        }
        self.settled(book, watched, key);
    }

    /// Counts writes against the budgets of what was written to, and slows the key beyond; the first time with a warning.
    fn spend(
        &self,
        book: &mut Book,
        active: &Active,
        key: &LaneKey,
        written: &[Written],
        now: Instant,
    ) -> Option<Note> {
        let over = book.budgets.spend(written, now, active.manifest.retry.cap)?;
        self.metrics.over_budget.inc();
        self.queue.retry_after(key.clone(), over.wait);
        if !over.first {
            return None;
        }
        let (target, fields) = (&over.target, over.fields.join(", "));
        tracing::warn!(
            budget = WRITE_BUDGET, %target, fields,
            "a handler writes to one object more often than its budget a minute: slowed"
        );
        let message = format!(
            "wrote to {target} more than {WRITE_BUDGET} times in a minute, most often {fields}, and is slowed: it may be fighting with itself or with somebody else"
        );
        Some(Note { regarding: Some(over.target), ..self.warning("HandlerWritesTooOften", message) })
    }

    /// Tells of fights with other handlers over a field, each once a window, on the object they fight over.
    fn fights(&self, active: &Active, applied: Option<&Applied>, now: Instant) -> Vec<Note> {
        // A dry run wrote nothing, whatever the API answered.
        let Some(applied) = applied.filter(|_| !active.manifest.dry_run) else { return Vec::new() };
        let fights = self.fights.wrote(&self.name, &applied.written, now).into_iter();
        let notes = fights.map(|Fight { other, target, field }| {
            self.metrics.fought(&other);
            tracing::warn!(other = &*other, target = %target, field, "two handlers set one field to different values in turn");
            let message = format!("and handler {other} fight over {field}: each sets it to another value again and again");
            Note { regarding: Some(target), ..self.warning("HandlersFight", message) }
        });
        notes.collect()
    }

    fn warning(&self, reason: &str, message: String) -> Note {
        let message = format!("handler {} {message}", self.name);
        Note { regarding: None, severity: Severity::Warning, reason: reason.to_owned(), message }
    }

    /// Metrics and the log; if the handler's health took a turn, what to tell of it.
    fn report(&self, plan: &Plan, outcome: &Outcome, took: Duration) -> Option<Note> {
        self.metrics.ended(outcome.result(), took);
        let Some(cause) = outcome.cause() else { return self.turned(self.count(None), "") };
        let turn = self.count(Some((&cause.message, cause.class.is_fault())));
        if outcome.result() == "error" {
            self.metrics.errors.inc();
        }
        match cause.class {
            super::outcome::CauseClass::Trapped => _ = self.metrics.panics.inc(),
            super::outcome::CauseClass::TimedOut => _ = self.metrics.timeouts.inc(),
            _ => {}
        }
        if self.log_rate.take(cause.message.len() + cause.stderr.len()) {
            tracing::warn!(change = %plan.change(), error = cause.message, stderr = cause.stderr, "a call failed");
        }
        self.turned(turn, &cause.message)
    }

    /// An Event about the handler's health, if it took a turn.
    fn turned(&self, turn: Turn, cause: &str) -> Option<Note> {
        match turn {
            Turn::Same => None,
            Turn::Worse => Some(self.warning(
                "HandlerUnhealthy",
                format!("trapped or did not end in time {FAULTS_BEFORE_SLOW} times in a row, and is called slowly until a call ends well: {cause}"),
            )),
            Turn::Better => {
                let note = self.warning("HandlerRecovered", "is healthy again".to_owned());
                Some(Note { severity: Severity::Normal, ..note })
            }
        }
    }
}

/// Whether the ledger still waits for this call's answer.
fn still_open(book: &Book, key: &LaneKey, plan: &Plan) -> bool {
    book.ledger.get(key).is_some_and(|entry| entry.uid == plan.uid() && entry.outcome == Standing::Open)
}

fn count(book: &mut Book, key: &LaneKey, plan: &Plan) {
    if plan.telling {
        book.dead.told_in_vain(key, plan.uid());
    } else if still_open(book, key, plan)
        && let Some(open) = book.ledger.get(key).cloned()
    {
        book.ledger.put(key, Entry { attempts: plan.failed_before.saturating_add(1), ..open });
    }
}

/// What was carried out, whether or not all of it was.
fn applied(attempt: &Attempt) -> Option<&Applied> {
    match attempt {
        Attempt::NoReply(CallFailure { .. }) => None,
        Attempt::Acted(Ok(applied)) => Some(applied),
        Attempt::Acted(Err(error)) => Some(&error.before),
    }
}

/// Whether the API answered, as far as can be told: an error that is neither the world's nor a refusal before sending is an answer, whether or
/// not it was the last that the retry limit allows.
fn heard(attempt: &Attempt) -> Heard {
    let class = match attempt {
        Attempt::Acted(Err(error)) => Some(&error.class),
        _ => None,
    };
    // Whether or not it counts, because a request went outside before.
    if let Some(Class::World { retry_after }) = class {
        return Heard::Silence { at_least: retry_after.map(|seconds| Duration::from_secs(seconds.into())) };
    }
    let wrote = applied(attempt).is_some_and(|applied| applied.writes > 0 || applied.own_deleted);
    let refused = class.is_some_and(|class| !matches!(class, Class::Permanent | Class::Outside { .. }));
    if wrote || refused { Heard::Answer } else { Heard::Nothing }
}
