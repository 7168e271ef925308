//! The workers of a lane: claim, look, call, carry out, settle.
//!
//! Promises: a worker that panics inside a call counts that as the call's failure and goes on; a key is let go only once the cache shows the
//! handler's own writes; while the world is away one probe at a time is let through, also after one that ended without a word.

use super::{
    key::LaneKey,
    lane::{Active, Shared},
    look::{Look, Plan},
    outcome::Attempt,
    settle::{After, Hold},
    world::{Do, Heard, Ticket, absence},
};
use crate::{
    failpoint,
    queue::Claim,
    runtime::{CallFailure, FailureKind, Invocation},
    watch::Source,
};
use futures::FutureExt;
use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

/// How long a key waits that made weir panic outside of a call.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Sees to it that workers 0 to `wanted` run; those beyond end by themselves.
pub(super) fn ensure(shared: &Arc<Shared>, wanted: usize) {
    let mut running = shared.workers();
    if running.len() < wanted {
        running.resize(wanted, false);
    }
    for (index, runs) in running.iter_mut().enumerate().take(wanted) {
        if !std::mem::replace(runs, true) {
            shared.tasks.spawn(run(shared.clone(), index));
        }
    }
}

async fn run(shared: Arc<Shared>, index: usize) {
    let mut generations = shared.generation.subscribe();
    while stays(&shared, index) {
        generations.mark_unchanged();
        let wait = shared.tally().fault_wait();
        let claim = tokio::select! {
            // A reload may have ended the faults, or this worker.
            _ = generations.changed() => continue,
            claim = async {
                if !wait.is_zero() {
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = shared.recovered.notified() => {}
                    }
                }
                shared.queue.claim().await
            } => claim,
        };
        let Some(claim) = claim else { break };
        let (key, span) = ((*claim).clone(), span(&shared, &claim));
        let worked = AssertUnwindSafe(work(&shared, claim).instrument(span)).catch_unwind().await;
        if worked.is_err() {
            // The claim was dropped unfinished, so its key is queued; not at once, lest this goes round hot.
            tracing::error!(handler = %shared.name, %key, "weir itself panicked over a key; please report it with the lines logged before");
            shared.queue.retry_after(key, AFTER_PANIC);
        }
    }
    if let Some(runs) = shared.workers().get_mut(index) {
        *runs = false;
    }
}

/// Whether the published generation wants a worker of this index. Under the lock that `ensure` starts workers under, so a worker never
/// ends while it is counted on.
fn stays(shared: &Shared, index: usize) -> bool {
    let mut running = shared.workers();
    let stays = shared.current().is_some_and(|active| index < active.manifest.workers);
    if let Some(runs) = running.get_mut(index).filter(|_| !stays) {
        *runs = false;
    }
    stays
}

fn span(shared: &Shared, key: &LaneKey) -> tracing::Span {
    tracing::info_span!("claim", handler = %shared.name, %key, attempt = tracing::field::Empty)
}

async fn work(shared: &Arc<Shared>, claim: Claim<LaneKey>) {
    let listening = Listening::begin(shared);
    let Some(active) = shared.current() else { return claim.finish() };
    let Some(watched) = active.watches.get(&claim.watch) else { return claim.finish() };
    let after = match shared.look(&active, watched, &claim).await {
        Look::Nothing => After::let_go(true, Heard::Nothing),
        Look::Stale => After::let_go(false, Heard::Nothing),
        Look::Unknown(heard @ Heard::Silence { .. }) => After::let_go(false, heard),
        Look::Unknown(heard) => {
            // The key's backoff, not counted: it says nothing about the handler.
            shared.queue.retry((*claim).clone());
            After::let_go(true, heard)
        }
        Look::Call(plan) => {
            tracing::Span::current().record("attempt", plan.event.attempt);
            // Before the call, so that whoever was handed an object is owed its end, whatever happens now.
            shared.kept().await;
            failpoint::reach("opened");
            let began = Instant::now();
            shared.metrics.active.inc();
            let attempt = call(&active, &plan).await;
            shared.metrics.active.dec();
            match attempt {
                Some(attempt) => {
                    failpoint::reach("replied");
                    let after = shared.settle(&active, watched, &claim, &plan, &attempt, began.elapsed());
                    failpoint::reach("settled");
                    // Before the key is let go, so that the next call for it begins with this one's end on disk.
                    shared.kept().await;
                    if after.acknowledged {
                        tracing::debug!(change = %plan.change(), uid = plan.uid(), "handled an event");
                    }
                    after
                }
                // Cut off: the entry is open, and the key is queued, or was cleared with its lane.
                None => After::let_go(false, Heard::Nothing),
            }
        }
    };
    listening.end(&claim, after.heard);
    let_go(shared, &active, claim, after).await;
}

/// One call and its actions; none if the handler was removed meanwhile. Actions that were begun are carried out.
async fn call(active: &Active, plan: &Plan) -> Option<Attempt> {
    let call = Invocation { event: plan.event.clone(), subject: plan.subject.state.clone() };
    let attempt = async {
        let reply = tokio::select! {
            biased;
            () = active.ended.cancelled() => return None,
            reply = active.invoke.invoke(call) => reply,
        };
        Some(match reply {
            Err(failure) => Attempt::NoReply(failure),
            Ok(reply) => {
                failpoint::reach("called");
                Attempt::Acted(active.executor.carry_out(&plan.subject, reply.actions).await)
            }
        })
    };
    AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
        let message = "weir itself panicked in this call; please report it with the lines logged before".to_owned();
        Some(Attempt::NoReply(CallFailure { kind: FailureKind::Broken, message, stderr: String::new() }))
    })
}

/// Ends the claim, at once or when the cache has caught up; weir's own Events about it go out first.
async fn let_go(shared: &Arc<Shared>, active: &Arc<Active>, claim: Claim<LaneKey>, after: After) {
    let After { notes, hold, finished, heard: _, acknowledged: _ } = after;
    let end = move |claim: Claim<LaneKey>| if finished { claim.finish() } else { drop(claim) };
    let behind = hold.filter(|hold| match (hold, active.watches.get(&claim.watch)) {
        (Hold::Reached(version), Some(watched)) => !watched.source.reached(&claim.object, version),
        _ => true,
    });
    if notes.is_empty() && behind.is_none() {
        return end(claim);
    }
    // Held beyond the worker, so that the lane goes on with other keys; when there are too many, the worker waits for one to be let go.
    let Ok(permit) = shared.holds.clone().acquire_owned().await else { return end(claim) };
    let (closing, active) = (shared.closing.clone(), active.clone());
    let wait = async move {
        let wait = async {
            for (subject, note) in notes {
                if let Err(error) = active.executor.note(&subject, note).await {
                    tracing::debug!(error = &error as &dyn Error, "could not record an Event");
                }
            }
            if let (Some(hold), Some(watched)) = (behind, active.watches.get(&claim.watch)) {
                catch_up(&watched.source, &claim, hold).await;
            }
        };
        tokio::select! {
            () = wait => {}
            () = active.ended.cancelled() => {}
            () = closing.cancelled() => {}
        }
        drop(permit);
        end(claim);
    };
    shared.tasks.spawn(wait.in_current_span());
}

async fn catch_up(source: &Source, key: &LaneKey, hold: Hold) {
    match hold {
        Hold::Reached(version) => source.caught_up(&key.object, &version).await,
        Hold::Refreshed => {
            if let Err(error) = source.refresh(&key.object).await {
                // Then the event is computed from what there is, after the key's backoff.
                tracing::debug!(
                    error = &error as &dyn Error,
                    "could not ask for an object that the cache is behind on"
                );
            }
        }
    }
}

/// A claim's part in finding out whether the world is there. Dropped without a word, because the claim came to nothing or panicked, it lets the
/// next probe through if it was one.
struct Listening<'a> {
    shared: &'a Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Listening<'_> {
    fn begin(shared: &Arc<Shared>) -> Listening<'_> {
        let ticket = Some(shared.world().begin());
        Listening { shared, ticket }
    }

    /// To be called while the claim lasts, so that its key is queued again only when the lane is shut.
    fn end(mut self, key: &LaneKey, heard: Heard) {
        let Some(ticket) = self.ticket.take() else { return };
        let act = self.shared.world().heard(heard, ticket);
        if let Do::Pause(_) = act {
            self.shut_by(key);
        }
        obey(self.shared, act);
    }

    /// The first time that a key shuts the lane it is like any other, and back with all others. If it does so again before it was answered, it
    /// may be that the world is away for this key alone: it waits of itself, longer each time.
    fn shut_by(&self, key: &LaneKey) {
        let mut book = self.shared.book();
        let shuts = &mut book.volatile.entry(key.clone()).or_default().shuts;
        let before = std::mem::replace(shuts, shuts.saturating_add(1));
        drop(book);
        if let Some(waits) = before.checked_sub(1) {
            self.shared.queue.retry_after(key.clone(), absence(waits));
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let act = self.shared.world().heard(Heard::Nothing, ticket);
            obey(self.shared, act);
        }
    }
}

/// Does what the state of the world asks for.
fn obey(shared: &Arc<Shared>, act: Do) {
    match act {
        Do::Nothing => {}
        Do::Pause(wait) => {
            shared.queue.pause();
            shared.metrics.world_away.set(1);
            tracing::warn!(
                wait_ms = wait.as_millis(),
                "the API does not answer: the lane waits, and probes it with one key at a time"
            );
            probe_after(shared, wait);
        }
        Do::Probe(wait) => probe_after(shared, wait),
        Do::Resume => {
            shared.queue.resume();
            shared.metrics.world_away.set(0);
            tracing::info!("the API answers again: the lane goes on");
        }
    }
}

fn probe_after(shared: &Arc<Shared>, wait: Duration) {
    let shared = shared.clone();
    shared.tasks.clone().spawn(async move {
        tokio::select! {
            () = sleep(wait) => {
                shared.world().let_probe();
                shared.queue.probe_one();
            }
            () = shared.closing.cancelled() => {}
        }
    });
}
