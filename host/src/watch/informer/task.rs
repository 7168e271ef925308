//! The task of one informer: the async shell of [`Machine`].
//!
//! Promises: it carries out the machine's steps one at a time and serves the inbox meanwhile, also during waits; it puts what comes
//! into the cache before it tells the machine or anybody else; it lets others run while it takes in a long list.
//!
//! What the API sends as an object and is none (no name) is skipped, logged and counted: it cannot be told apart from any other.

use super::{
    Informer, Letter, OnDelta,
    act::{Came, Open, act},
    hold,
};
use crate::{
    kinds::ResolveError,
    watch::{
        cache::{Cache, Delta, SubscriptionId},
        machine::{Effect, Input, Machine, Step, Trouble},
        object::{Object, ObjectKey},
        wire::{Line, Refusal},
    },
};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};
use tokio::time::Instant;

/// After so many objects of a list the task lets others run.
const YIELD_EVERY: usize = 200;

/// Runs the informer until the process stops or nobody wants it any more.
pub(super) async fn run(informer: &Informer) {
    let machine = Machine::new(informer.world.streams(), rand::random());
    let task = Task {
        informer,
        machine,
        subscribers: Vec::new(),
        listed: HashSet::new(),
        open: Open::default(),
        forced: false,
        unheld_since: None,
    };
    task.run().await;
}

struct Task<'a> {
    informer: &'a Informer,
    machine: Machine,
    subscribers: Vec<(SubscriptionId, OnDelta)>,
    /// The keys of the list that runs.
    listed: HashSet<ObjectKey>,
    open: Open,
    /// The API went back: take what it says.
    forced: bool,
    /// Since when no source holds the informer.
    unheld_since: Option<Instant>,
}

impl Task<'_> {
    async fn run(mut self) {
        let informer = self.informer;
        loop {
            if !informer.world.streams() {
                self.machine.no_streaming();
            }
            if !self.machine.synced()
                && let Some(least) = hold(&informer.progress).least.clone()
            {
                self.machine.expect(least);
            }
            let step = self.machine.step();
            if !matches!(step, Step::Read(_)) {
                // Whatever comes next, this watch is over.
                self.open.lines = None;
            }
            let came = {
                let mut act = std::pin::pin!(act(informer, step, &mut self.open));
                loop {
                    let held = informer.holders.load(Ordering::Acquire) > 0;
                    self.unheld_since = if held { None } else { self.unheld_since.or(Some(Instant::now())) };
                    let end = self.unheld_since.unwrap_or_else(Instant::now) + informer.world.settings.grace;
                    tokio::select! {
                        biased;
                        () = informer.world.stop.cancelled() => return,
                        () = informer.knock.notified() => serve(informer, &mut self.subscribers),
                        () = tokio::time::sleep_until(end), if !held => {
                            if informer.world.retire(&informer.identity) {
                                return;
                            }
                            // Somebody came in time, and their letter knocks.
                        }
                        came = &mut act => break came,
                    }
                }
            };
            let input = self.take_in(came).await;
            let effects = self.machine.on(input, Instant::now(), rand::random());
            for effect in effects {
                self.carry_out(effect);
            }
            hold(&informer.progress).doing = self.machine.doing();
        }
    }

    /// Does with the data what is to be done, and tells the machine what it was.
    async fn take_in(&mut self, came: Came) -> Input {
        match came {
            Came::Waited { changed: true } => Input::DefinitionsChanged,
            Came::Waited { changed: false } => Input::Woke,
            Came::Resolved(Ok(resource), defined) => {
                let share = Arc::new(self.informer.world.metrics.share(&resource));
                let mut progress = hold(&self.informer.progress);
                if let Some(defined) = defined {
                    progress.defined = defined.then(|| resource.clone());
                }
                progress.resource = Some(resource);
                progress.share = Some(share);
                progress.missing_rule = None;
                Input::Served
            }
            Came::Resolved(Err(ResolveError::NotServed { .. }), defined) => {
                Input::NotServed { confirmed: defined == Some(false) }
            }
            Came::Resolved(Err(ResolveError::Api { source, .. }), _) => {
                self.refused(Refusal::from_kube(&source), false)
            }
            Came::Page(Err(refusal)) | Came::Opened(Err(refusal)) => self.refused(refusal, false),
            Came::Page(Ok(page)) => {
                if self.machine.accepts(&page.resource_version) {
                    for (at, item) in page.items().into_iter().enumerate() {
                        self.upsert(item);
                        if at % YIELD_EVERY == YIELD_EVERY - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
                self.heard();
                Input::Page { resource_version: page.resource_version, token: page.token }
            }
            Came::Opened(Ok(lines)) => {
                self.open.lines = Some(lines);
                hold(&self.informer.progress).missing_rule = None;
                Input::Opened
            }
            Came::Silence => Input::Silent,
            Came::Line(Ok(None)) => Input::Ended,
            Came::Line(Err(refusal)) => self.refused(refusal, false),
            Came::Line(Ok(Some(line))) => self.line(&line),
        }
    }

    fn line(&mut self, line: &[u8]) -> Input {
        let read = match Line::read(line) {
            Ok(read) => read,
            Err(refusal) => return self.refused(refusal, false),
        };
        self.heard();
        let resource_version = match read {
            Line::Upsert(object) => self.upsert(object),
            Line::Deleted(object) => self.delete(object),
            Line::Bookmark { resource_version, ends_list } => return Input::Bookmark { resource_version, ends_list },
            Line::Refused(refusal) => return self.refused(refusal, true),
            Line::Unknown => String::new(),
        };
        Input::Change { resource_version }
    }

    fn heard(&mut self) {
        let mut progress = hold(&self.informer.progress);
        progress.last_heard = Some(Instant::now());
        progress.last_error = None;
        progress.missing_rule = None;
    }

    fn refused(&mut self, refusal: Refusal, in_stream: bool) -> Input {
        let informer = self.informer;
        tracing::debug!(informer = %informer.identity, error = refusal.message, "an informer was refused");
        let mut progress = hold(&informer.progress);
        if refusal.trouble == Trouble::Forbidden {
            let rule = progress.resource.as_ref().map_or_else(
                || "get on discovery, which the role system:discovery gives".to_owned(),
                |resource| {
                    format!(
                        "get, list, watch on {resource} (rules: apiGroups [\"{}\"], resources [\"{}\"], verbs [get, list, watch])",
                        resource.group, resource.plural
                    )
                },
            );
            if progress.missing_rule.is_none() {
                tracing::warn!(informer = %informer.identity, needs = rule, "an informer lacks permission");
            }
            progress.missing_rule = Some(rule);
        }
        progress.last_error = Some(refusal.message);
        Input::Failed { trouble: refusal.trouble, in_stream, retry_after: refusal.retry_after }
    }

    fn carry_out(&mut self, effect: Effect) {
        let informer = self.informer;
        match effect {
            Effect::BeginList(reason) => {
                self.listed.clear();
                let mut progress = hold(&informer.progress);
                progress.relists += 1;
                progress.share.iter().for_each(|share| share.relist(reason));
            }
            Effect::Complete(version) => {
                let owed = self.owed();
                let deltas = informer.change(|cache| {
                    let deltas = cache.complete(&self.listed, &version, &owed, self.forced);
                    cache.advance(&version);
                    deltas
                });
                self.listed = HashSet::new();
                self.forced = false;
                let (births, objects) = {
                    let cache = informer.cache();
                    (cache.births(), cache.len())
                };
                {
                    let mut progress = hold(&informer.progress);
                    if !progress.synced {
                        tracing::info!(informer = %informer.identity, objects, "an informer has synced");
                    }
                    progress.first_births.get_or_insert(births);
                    progress.synced = true;
                }
                deltas.iter().for_each(|delta| self.tell(delta));
                informer.ticks.send_replace(());
            }
            Effect::Advance(version) => {
                informer.change(|cache| cache.advance(&version));
                informer.ticks.send_replace(());
            }
            Effect::KindGone => {
                let owed = self.owed();
                let deltas = informer.change(|cache| cache.complete(&HashSet::new(), "", &owed, true));
                let births = informer.cache().births();
                let first = {
                    let mut progress = hold(&informer.progress);
                    // If nothing was ever listed, it is now known that there is nothing.
                    progress.resource = progress.resource.take().or_else(|| progress.defined.clone());
                    progress.first_births.get_or_insert(births);
                    !std::mem::replace(&mut progress.synced, true)
                };
                // Asked again and again until the kind comes back, and said once.
                if first || !deltas.is_empty() {
                    tracing::warn!(informer = %informer.identity, objects = deltas.len(), "the definition of a watched kind is gone");
                }
                deltas.iter().for_each(|delta| self.tell(delta));
                informer.ticks.send_replace(());
            }
            Effect::ForgetKind => informer.world.kinds.forget(&informer.identity.api_version),
            Effect::NoStreaming => informer.world.no_streams(),
            Effect::WentBack => {
                tracing::warn!(informer = %informer.identity, "the API serves older states than before: taking them as they are");
                self.forced = true;
                informer.change(Cache::forget_order);
            }
            Effect::Restart => {
                let mut progress = hold(&informer.progress);
                progress.restarts += 1;
                progress.share.iter().for_each(|share| share.restart());
            }
        }
    }

    /// Takes in an object of a page or an event; its resourceVersion, empty if it is none.
    fn upsert(&mut self, json: &str) -> String {
        let Some(object) = self.parse(json) else { return String::new() };
        let version = object.resource_version().to_owned();
        self.listed.insert(object.key().clone());
        let owed = self.owed();
        if let Some(delta) = self.informer.change(|cache| cache.upsert(object, &owed, self.forced)) {
            self.tell(&delta);
        }
        version
    }

    fn delete(&mut self, json: &str) -> String {
        let Some(object) = self.parse(json) else { return String::new() };
        let version = object.resource_version().to_owned();
        self.listed.remove(object.key());
        let owed = self.owed();
        if let Some(delta) = self.informer.change(|cache| cache.remove(object, &owed)) {
            self.tell(&delta);
        }
        version
    }

    fn parse(&self, json: &str) -> Option<Object> {
        let progress = hold(&self.informer.progress);
        let read = Object::parse(json.as_bytes(), progress.resource.as_ref()?);
        read.inspect_err(|error| {
            progress.share.iter().for_each(|share| share.unreadable());
            tracing::warn!(error = error as &dyn std::error::Error, "skipped what the API sent as an object");
        })
        .ok()
    }

    fn owed(&self) -> Vec<SubscriptionId> {
        self.subscribers.iter().map(|(id, _)| *id).collect()
    }

    fn tell(&self, delta: &Delta) {
        self.subscribers.iter().for_each(|(_, on)| on(delta));
    }
}

/// Works off the inbox.
fn serve(informer: &Informer, subscribers: &mut Vec<(SubscriptionId, OnDelta)>) {
    loop {
        let Some(letter) = hold(&informer.inbox).letters.pop_front() else { break };
        match letter {
            Letter::Join { id, on, joined } => {
                let (there, gone, births) = informer
                    .change(|cache| (cache.objects().cloned().collect::<Vec<_>>(), cache.owe(id), cache.births()));
                // Set before anybody is told, because who is told asks.
                let _ = joined.set(hold(&informer.progress).synced.then_some(births));
                for now in there {
                    on(&Delta { key: now.key().clone(), before: None, now: Some(now) });
                }
                for last in gone {
                    on(&Delta { key: last.key().clone(), before: Some(last), now: None });
                }
                subscribers.push((id, on));
            }
            Letter::Leave(id) => {
                subscribers.retain(|(subscriber, _)| *subscriber != id);
                informer.change(|cache| cache.release_all(id));
            }
            Letter::Feed { object, done } => {
                let owed: Vec<SubscriptionId> = subscribers.iter().map(|(id, _)| *id).collect();
                if let Some(delta) = informer.change(|cache| cache.feed(object, &owed)) {
                    subscribers.iter().for_each(|(_, on)| on(&delta));
                }
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }
    informer.ticks.send_replace(());
}
