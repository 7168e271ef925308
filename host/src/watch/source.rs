//! One subscription's hold on the informers of one watch, and everything that may be asked through it.
//!
//! Promises: it sees one cache, however many namespaces it is made of; dropping it ends the subscription; waiting for the watch to
//! catch up never ends by time alone. Nothing here blocks; only what is `async` asks the API.

use super::{
    cache::{SubscriptionId, Whereabouts},
    informer::{Informer, Joined, Letter, hold},
    object::{Object, ObjectKey},
    version,
    wire::{ANSWER_PATIENCE, accept, acting, no_answer, path},
};
use crate::kinds::Resource;
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// The longest time between two questions for one object whose watch is behind.
pub const LONGEST_CATCH_UP: Duration = Duration::from_secs(30);

/// What a GET answered.
#[derive(Debug, Clone)]
pub enum Presence {
    /// This is its state.
    Present(Object),
    /// There is no object of that name.
    Gone,
}

/// A subscription.
pub struct Source {
    id: SubscriptionId,
    /// At least one; one for each namespace named.
    parts: Vec<Part>,
}

pub(super) struct Part {
    informer: Arc<Informer>,
    pub(super) joined: Joined,
}

#[derive(Deserialize)]
struct Items<'a> {
    /// Genuine servers write an empty list of partial metadata as null.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

impl Source {
    pub(super) fn new(id: SubscriptionId, parts: Vec<Part>) -> Source {
        Source { id, parts }
    }

    /// What is watched, once discovery knew it.
    pub fn resource(&self) -> Option<Resource> {
        self.parts.iter().find_map(|part| part.informer.resource())
    }

    /// Whether the first lists are complete, and this subscription was told of everything in them. Never becomes false again.
    pub fn is_synced(&self) -> bool {
        self.parts.iter().all(Part::is_synced)
    }

    /// Waits until [`Source::is_synced`]; for ever, if a kind never comes or may not be listed.
    pub async fn synced(&self) {
        for part in &self.parts {
            let mut ticks = part.informer.ticks();
            // The informer lives as long as this source, so its ticks do not end.
            while !part.is_synced() && ticks.changed().await.is_ok() {}
        }
    }

    /// The object, if it is cached.
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.part(key)?.informer.cache().get(key).cloned()
    }

    /// All cached objects.
    pub fn objects(&self) -> Vec<Object> {
        self.parts.iter().flat_map(|part| part.informer.cache().objects().cloned().collect::<Vec<_>>()).collect()
    }

    /// Whether the object was there when this subscription began: in the first complete list of its informer or, if that had synced
    /// before, in what the subscription was first given.
    pub fn in_first_list(&self, key: &ObjectKey) -> bool {
        self.part(key).is_some_and(|part| {
            let first = || hold(&part.informer.progress).first_births.unwrap_or(u64::MAX);
            let births = part.joined.get().map_or(0, |joined| joined.unwrap_or_else(first));
            part.informer.cache().born_by(key, births)
        })
    }

    /// The last state of an object that is gone; none if nothing is known of it any more.
    pub fn last_known(&self, key: &ObjectKey, uid: &str) -> Option<Object> {
        self.part(key)?.informer.cache().last_known(key, uid)
    }

    /// This subscription has been told that the object is gone, or need not be. Call it for every key that was given without `now`.
    pub fn release(&self, key: &ObjectKey, uid: &str) {
        if let Some(part) = self.part(key) {
            part.informer.release(key, uid, self.id);
        }
    }

    /// Where an object went that is no longer cached. Without selectors it is deleted; with them the API is asked once, for all
    /// subscriptions.
    ///
    /// # Errors
    /// If the API could not be asked; the next call asks again.
    pub async fn whereabouts(&self, key: &ObjectKey, uid: &str) -> Result<Whereabouts, kube::Error> {
        let Some(part) = self.part(key).filter(|part| part.selects()) else { return Ok(Whereabouts::Deleted) };
        let ask = async || {
            let found = match part.list_by_name(key, false).await {
                // With the definition of its kind, the object is gone too.
                Err(kube::Error::Api(status)) if status.code == 404 && part.kind_is_gone().await => None,
                found => found?,
            };
            let lives = found.is_some_and(|object| object.uid() == uid);
            Ok(if lives { Whereabouts::Left } else { Whereabouts::Deleted })
        };
        let fate = part.informer.cache().fate(key, uid);
        match fate {
            Some(fate) => fate.get_or_try_init(ask).await.copied(),
            None => ask().await,
        }
    }

    /// Whether the informer has this state of the object or a later one: by the object, a list or a bookmark. Versions that are no
    /// numbers are only ever reached by being seen.
    pub fn reached(&self, key: &ObjectKey, resource_version: &str) -> bool {
        self.part(key).is_none_or(|part| part.informer.cache().reached(key, resource_version))
    }

    /// Whether the informer is surely behind this state of an object it does not have: then that it does not have it says nothing, and
    /// [`Source::refresh`] asks.
    pub fn is_behind(&self, key: &ObjectKey, uid: &str, resource_version: &str) -> bool {
        self.part(key).is_some_and(|part| part.informer.cache().is_behind(key, uid, resource_version))
    }

    /// What is watched, if its kind is known to come from a definition: to be remembered for [`Known::defined`](super::Known::defined).
    pub fn definition(&self) -> Option<Resource> {
        self.parts.iter().find_map(|part| hold(&part.informer.progress).defined.clone())
    }

    /// Waits until [`Source::reached`]. If the watch takes longer than [`WatchSettings::catch_up`](super::WatchSettings::catch_up), the
    /// object is asked for, and again after growing waits.
    pub async fn caught_up(&self, key: &ObjectKey, resource_version: &str) {
        let Some(part) = self.part(key) else { return };
        let mut ticks = part.informer.ticks();
        let mut wait = part.informer.world.settings.catch_up;
        let mut ask_at = Instant::now() + wait;
        while !self.reached(key, resource_version) {
            tokio::select! {
                ended = ticks.changed() => if ended.is_err() { return },
                () = tokio::time::sleep_until(ask_at) => {
                    if let Ok(Presence::Present(object)) = self.refresh(key).await
                        && !version::comparable(object.resource_version(), resource_version)
                    {
                        // Which is later cannot be told, but the answer was made after the write.
                        return;
                    }
                    wait = (wait * 2).min(LONGEST_CATCH_UP);
                    ask_at = Instant::now() + wait;
                }
            }
        }
    }

    /// Asks for one object, and feeds the cache with the answer if the object is selected. That it is gone is not fed: the watch
    /// will say so, in order.
    ///
    /// # Errors
    /// If the API could not be asked.
    pub async fn refresh(&self, key: &ObjectKey) -> Result<Presence, kube::Error> {
        let Some(part) = self.part(key) else { return Err(unresolved()) };
        if part.selects()
            && let Some(object) = part.list_by_name(key, true).await?
        {
            return Ok(Presence::Present(part.feed(object).await));
        }
        match part.get(key).await? {
            None => Ok(Presence::Gone),
            Some(object) if part.selects() => Ok(Presence::Present(object)),
            Some(object) => Ok(Presence::Present(part.feed(object).await)),
        }
    }

    fn part(&self, key: &ObjectKey) -> Option<&Part> {
        self.parts.iter().find(|part| match (&part.informer.identity.namespace, &key.namespace) {
            (Some(watched), Some(namespace)) => **watched == **namespace,
            // All namespaces; or an object of the cluster, which every part has, whatever namespace was named.
            (None, _) | (Some(_), None) => true,
        })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        for part in &self.parts {
            part.informer.holders.fetch_sub(1, Ordering::AcqRel);
            part.informer.send(Letter::Leave(self.id));
        }
    }
}

impl Part {
    pub(super) fn new(informer: Arc<Informer>) -> Part {
        Part { informer, joined: Joined::default() }
    }

    fn is_synced(&self) -> bool {
        self.joined.get().is_some() && hold(&self.informer.progress).synced
    }

    fn selects(&self) -> bool {
        !self.informer.identity.label_selector.is_empty() || !self.informer.identity.field_selector.is_empty()
    }

    /// The object with its state, if the cache may have it, when the task has taken it in.
    async fn feed(&self, object: Object) -> Object {
        let (done, fed) = oneshot::channel();
        self.informer.send(Letter::Feed { object: object.clone(), done });
        // An error means that the informer has ended, and nothing is waited for.
        let _ = fed.await;
        object
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, kube::Error> {
        let resource = self.informer.resource().ok_or_else(unresolved)?;
        let path = resource.object_path(key.namespace.as_deref(), &key.name);
        let accept = accept(self.informer.identity.metadata_only, "");
        match self.ask(path, &accept).await {
            Ok(text) => Object::parse(text.as_bytes(), &resource).map(Some).map_err(|error| unreadable(error.source)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object, found by a list by name: of those that are selected, or of all and only its metadata.
    async fn list_by_name(&self, key: &ObjectKey, selected: bool) -> Result<Option<Object>, kube::Error> {
        let resource = self.informer.resource().ok_or_else(unresolved)?;
        let identity = &self.informer.identity;
        let mut fields = format!("metadata.name={}", key.name);
        let mut query = Vec::new();
        if selected {
            if !identity.field_selector.is_empty() {
                fields = format!("{},{fields}", identity.field_selector);
            }
            if !identity.label_selector.is_empty() {
                query.push(("labelSelector", identity.label_selector.clone()));
            }
        }
        query.push(("fieldSelector", fields));
        let path = path(&resource.collection_path(key.namespace.as_deref()), &query);
        let text = self.ask(path, &accept(identity.metadata_only || !selected, "List")).await?;
        let items: Items<'_> = serde_json::from_str(&text).map_err(unreadable)?;
        let parse = |item: &RawValue| Object::parse(item.get().as_bytes(), &resource);
        let found = items
            .items
            .into_iter()
            .flatten()
            .map(parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| unreadable(e.source))?;
        Ok(found.into_iter().find(|object| object.key() == key))
    }

    async fn kind_is_gone(&self) -> bool {
        let defined = hold(&self.informer.progress).defined.clone();
        match defined {
            Some(resource) => self.informer.world.definitions.has(&resource).await == Some(false),
            None => false,
        }
    }

    async fn ask(&self, path: String, accept: &str) -> Result<String, kube::Error> {
        let request = acting(http::Request::get(path), self.informer.identity.as_user.as_deref());
        let request = request.header(header::ACCEPT, accept).body(Vec::new());
        let answer = self.informer.world.client.request_text(request.map_err(kube::Error::HttpError)?);
        let silent = |_| kube::Error::Service(no_answer().into());
        tokio::time::timeout(ANSWER_PATIENCE, answer).await.map_err(silent)?
    }
}

fn unreadable(source: serde_json::Error) -> kube::Error {
    kube::Error::SerdeError(source)
}

fn unresolved() -> kube::Error {
    kube::Error::Service("asking for an object of a kind that the API does not serve yet".into())
}
