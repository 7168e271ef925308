//! Watches: what changed, in order, each change once.
//!
//! A watch has no queue of its own: it remembers how far it has read, and reads on from the store's window when something
//! was written. So a slow reader costs nothing, and one that falls out of the window is told so by an in-stream 410, as
//! kube-apiserver tells it. What is ready to be sent is bounded by one batch.

use std::{collections::VecDeque, io, sync::Arc, time::Duration, vec};

use bytes::Bytes;
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::{sync::watch::Receiver, time::Instant};

use crate::{
    fault::WatchFaults,
    object::{Stored, typed},
    read, render,
    request::{Form, Request, Target},
    selector::Selectors,
    status::{Cause, Failure},
    store::{Change, Store, TooOld},
};

/// How many changes are taken from the store at a time.
const BATCH: usize = 256;

/// How long a watch lives if it does not say; the genuine server picks at random from 30 to 60 minutes.
const DEFAULT_LIFETIME: std::ops::Range<u64> = 1800..3600;

/// An open watch, to be asked for one line after the other.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Arc<Store>,
    faults: WatchFaults,
    target: Target,
    selectors: Selectors,
    form: Form,
    // Everything up to this resourceVersion has been sent or did not match.
    position: u64,
    latest: Receiver<u64>,
    initial: vec::IntoIter<Arc<Stored>>,
    // Whether the bookmark that ends the initial events is still to be sent.
    owes_initial_end: bool,
    ready: VecDeque<Bytes>,
    has_bookmarks: bool,
    bookmarked: u64,
    bookmark_every: Duration,
    next_bookmark: Instant,
    ends_at: Instant,
    // No more is read; what is ready is still sent.
    has_ended: bool,
    is_cut: bool,
}

/// Where a watch starts.
struct Start {
    has_initial: bool,
    owes_initial_end: bool,
    version: u64,
}

impl Watch {
    /// Checks the parameters and takes the first look; what it finds is sent by [`Watch::next`].
    pub(crate) async fn open(
        store: &Arc<Store>,
        faults: WatchFaults,
        request: &Request,
        target: Target,
        bookmark_every: Duration,
    ) -> Result<Watch, Failure> {
        let params = &request.params;
        let form = request.form()?;
        let has_bookmarks = params.flag("allowWatchBookmarks");
        let mut selectors = read::selectors(&target.resource, params)?;
        if let Some(name) = &target.name {
            selectors = selectors.and_name(name);
        }
        let start = start(request, has_bookmarks)?;
        if start.has_initial {
            read::wait_for(store, start.version).await?;
        }
        let lifetime = params.seconds("timeoutSeconds")?;
        let lifetime = lifetime.unwrap_or_else(|| Duration::from_secs(rand::rng().random_range(DEFAULT_LIFETIME)));
        let latest = store.latest();
        let (initial, position) = store.read(|state| {
            if !start.has_initial {
                return (Vec::new(), start.version);
            }
            let prefix = target.prefix();
            let all = state.range(&target.resource.storage, &prefix);
            let matching = all.filter(|(_, stored)| selectors.matches(&stored.fields));
            (matching.map(|(_, stored)| stored.clone()).collect(), state.revision())
        });
        let now = Instant::now();
        Ok(Watch {
            store: store.clone(),
            faults,
            target,
            selectors,
            form,
            position,
            latest,
            initial: initial.into_iter(),
            owes_initial_end: start.owes_initial_end,
            ready: VecDeque::new(),
            has_bookmarks,
            bookmarked: position,
            bookmark_every,
            next_bookmark: now + bookmark_every,
            ends_at: now + lifetime,
            has_ended: false,
            is_cut: false,
        })
    }

    /// The next line, or the end; an error if the watch was cut.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.is_cut {
                return None;
            }
            if self.faults.is_cut() {
                self.is_cut = true;
                return Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the watch was cut on demand")));
            }
            if self.faults.is_silent() {
                self.faults.changed().await;
                continue;
            }
            if let Some(line) = self.take_ready() {
                return Some(Ok(line));
            }
            if self.has_ended {
                return None;
            }
            self.read_on();
            if !self.ready.is_empty() || self.has_ended {
                continue;
            }
            let next_bookmark = if self.has_bookmarks { self.next_bookmark } else { self.ends_at };
            tokio::select! {
                biased;
                () = self.faults.changed() => {}
                // The sender lives in the store, which this holds.
                _ = self.latest.changed() => {}
                () = tokio::time::sleep_until(self.ends_at) => self.end(),
                () = tokio::time::sleep_until(next_bookmark) => self.bookmark(),
            }
        }
    }

    fn take_ready(&mut self) -> Option<Bytes> {
        if let Some(stored) = self.initial.next() {
            return Some(self.line("ADDED", &stored));
        }
        if std::mem::take(&mut self.owes_initial_end) {
            self.bookmarked = self.position;
            return Some(self.bookmark_line(true));
        }
        self.ready.pop_front()
    }

    /// Takes the next batch of changes from the store.
    fn read_on(&mut self) {
        self.latest.mark_unchanged();
        let store = self.store.clone();
        let (position, resource) = (self.position, &self.target.resource);
        let changes = store.read(|state| {
            state.registry.find(&resource.group, &resource.version, &resource.plural)?;
            // A position in the future has nothing to read yet.
            let position = position.min(state.revision());
            Some(state.changes_since(position).map(|changes| changes.take(BATCH).cloned().collect::<Vec<_>>()))
        });
        match changes {
            // The definition is gone, and with it the watch, once what happened before has been read.
            None => self.read_last(),
            Some(Err(TooOld(oldest))) => {
                let message = format!("too old resource version: {position} ({oldest})");
                self.ready.push_back(error_line(&Failure::expired(message)));
                self.has_ended = true;
            }
            Some(Ok(changes)) => {
                if !changes.is_empty() {
                    // Until the store has nothing more, the next wait must not block.
                    self.latest.mark_changed();
                }
                self.pass(&changes);
            }
        }
    }

    fn read_last(&mut self) {
        let store = self.store.clone();
        let position = self.position;
        let rest = store.read(|state| match state.changes_since(position.min(state.revision())) {
            Ok(changes) => changes.cloned().collect(),
            Err(TooOld(_)) => Vec::new(),
        });
        self.pass(&rest);
        self.has_ended = true;
    }

    fn pass(&mut self, changes: &[Arc<Change>]) {
        let prefix = self.target.prefix();
        for change in changes {
            // A watch that began in the future skips what comes before its position.
            if change.revision <= self.position {
                continue;
            }
            self.position = change.revision;
            if change.key.resource == self.target.resource.storage && change.key.path.starts_with(&prefix) {
                let line = self.seen_through_selectors(change);
                self.ready.extend(line);
            }
        }
    }

    /// What a change is for those who see only what matches: an object that stops matching is deleted for them, with its old
    /// state and the new resourceVersion, and one that starts matching is added.
    fn seen_through_selectors(&self, change: &Change) -> Option<Bytes> {
        let matched = change.before.as_ref().is_some_and(|before| self.selectors.matches(&before.fields));
        let matches = !change.is_deletion && self.selectors.matches(&change.after.fields);
        match (matched, matches) {
            (false, false) => None,
            (false, true) => Some(self.line("ADDED", &change.after)),
            (true, true) => Some(self.line("MODIFIED", &change.after)),
            (true, false) if change.is_deletion => Some(self.line("DELETED", &change.after)),
            (true, false) => {
                let mut fields = change.before.as_ref()?.fields.clone();
                let version = json!(change.revision.to_string());
                crate::object::metadata_mut(&mut fields).insert("resourceVersion".into(), version);
                Some(self.line("DELETED", &Stored::new(fields)))
            }
        }
    }

    fn bookmark(&mut self) {
        self.next_bookmark = Instant::now() + self.bookmark_every;
        // As the genuine server: only if there is something to tell.
        if self.has_bookmarks && self.position > self.bookmarked {
            self.bookmarked = self.position;
            let line = self.bookmark_line(false);
            self.ready.push_back(line);
        }
    }

    fn end(&mut self) {
        self.bookmark();
        self.has_ended = true;
    }

    fn line(&self, change: &str, stored: &Stored) -> Bytes {
        let object = render::object(self.form, &self.target.resource, stored);
        let mut line = format!("{{\"type\":\"{change}\",\"object\":").into_bytes();
        line.extend_from_slice(&object);
        line.extend_from_slice(b"}\n");
        line.into()
    }

    fn bookmark_line(&self, ends_initial: bool) -> Bytes {
        let mut metadata = json!({ "resourceVersion": self.position.to_string(), "creationTimestamp": null });
        if ends_initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = match self.form {
            Form::Table => render::table::<&Stored>(&[], metadata),
            Form::Partial => {
                json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata })
            }
            Form::Object | Form::Discovery => {
                let fields = [("metadata".to_owned(), metadata)].into_iter().collect();
                Value::Object(typed(&self.target.resource, &fields))
            }
        };
        // Written by hand because readers may rely on `type` coming first.
        format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n").into()
    }
}

/// One `ERROR` event.
pub(crate) fn error_line(failure: &Failure) -> Bytes {
    format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", failure.body).into()
}

/// The rules of apimachinery's `pkg/apis/meta/internalversion/validation` for watches.
fn start(request: &Request, has_bookmarks: bool) -> Result<Start, Failure> {
    let params = &request.params;
    let matching = params.get("resourceVersionMatch");
    let version = params.number("resourceVersion")?;
    if !params.has("sendInitialEvents") {
        if !matching.is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(Failure::invalid_options("ListOptions", Cause::forbidden("resourceVersionMatch", why)));
        }
        let version = version.unwrap_or(0);
        return Ok(Start { has_initial: version == 0, owes_initial_end: false, version });
    }
    if matching != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(Failure::invalid_options("ListOptions", Cause::forbidden("resourceVersionMatch", why)));
    }
    let has_initial = params.flag("sendInitialEvents");
    // Whoever wants no bookmarks is not told the end either.
    let owes_initial_end = has_initial && has_bookmarks;
    Ok(Start { has_initial, owes_initial_end, version: version.unwrap_or(0) })
}
