//! What `cluster.get` and `cluster.list-page` answer: the caches of the kinds a handler declared and was granted.
//!
//! Promises: an answer comes from memory, at once; a kind that was not declared, or not granted, is denied with the lines to
//! add; a page never holds more than [`MAX_PAGE`] objects or, but for its first, [`MAX_PAGE_BYTES`]; paging by key neither repeats nor skips an object that stays.

use crate::{
    contract::{ObjectRef, Page, Query, ReadError},
    handler::manifest::{Account, Manifest, Read},
    runtime::Reads,
    selector::{FieldSelector, LabelSelector},
    watch::{Informers, Mode, Object, ObjectKey, Source, View, WatchSpec},
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

/// Objects in one page unless the query says fewer.
const MAX_PAGE: usize = 500;

/// Bytes of one page, about: the object that reaches it is the page's last. A quarter of the default `limits.readBytes`.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// One declared and granted kind.
struct Readable {
    api_version: String,
    kind: String,
    /// Empty: all.
    namespaces: Vec<String>,
    objects: Objects,
}

/// Where a kind's objects come from.
enum Objects {
    /// An informer's cache.
    Cached(Source),
    /// They were given: `weir call --read`.
    Given(Vec<Object>),
}

/// What may be read, held open as long as this lives.
pub(super) struct ReadSet {
    readable: Vec<Readable>,
    declared: Vec<Read>,
    handler: String,
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    metadata: Labels,
}

#[derive(Deserialize, Default)]
struct Labels {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl ReadSet {
    /// Follows what `manifest` declares and was granted.
    pub(super) fn follow(manifest: &Manifest, informers: &Informers) -> ReadSet {
        ReadSet::of(manifest, |read| {
            let spec = WatchSpec {
                api_version: read.api_version.clone(),
                kind: read.kind.clone(),
                namespaces: read.namespaces.clone(),
                label_selector: String::new(),
                field_selector: String::new(),
                mode: Mode::Whole,
                as_user: manifest.service_account.as_ref().map(Account::user),
            };
            Objects::Cached(informers.follow(&spec, Arc::new(|_| ())))
        })
    }

    /// What `manifest` declares and was granted, of these objects, each with its apiVersion and kind.
    pub(super) fn given(manifest: &Manifest, objects: &[(String, String, Object)]) -> ReadSet {
        ReadSet::of(manifest, |read| {
            let same = |it: &&(String, String, Object)| it.0 == read.api_version && it.1 == read.kind;
            Objects::Given(objects.iter().filter(same).map(|(_, _, object)| object.clone()).collect())
        })
    }

    fn of(manifest: &Manifest, objects: impl Fn(&Read) -> Objects) -> ReadSet {
        let readable = manifest
            .readable()
            .into_iter()
            .map(|read| {
                let objects = objects(&read);
                Readable { api_version: read.api_version, kind: read.kind, objects, namespaces: read.namespaces }
            })
            .collect();
        ReadSet { readable, declared: manifest.reads.clone(), handler: manifest.name.clone() }
    }

    /// Until every cache is complete.
    pub(super) async fn synced(&self) {
        for readable in &self.readable {
            if let Objects::Cached(source) = &readable.objects {
                source.synced().await;
            }
        }
    }

    /// The functions that a component's imports call.
    pub(super) fn functions(self: Arc<Self>) -> Reads {
        let again = Arc::clone(&self);
        Reads { get: Arc::new(move |key| self.get(key)), list: Arc::new(move |query| again.list(query)) }
    }

    fn get(&self, key: &ObjectRef) -> Result<Option<String>, ReadError> {
        let readable = self.readable(&key.api_version, &key.kind, key.namespace.as_deref())?;
        let key = ObjectKey { namespace: key.namespace.as_deref().map(Arc::from), name: Arc::from(key.name.as_str()) };
        readable.objects.get(&key).map(|object| text(&object)).transpose()
    }

    fn list(&self, query: &Query) -> Result<Page, ReadError> {
        let readable = self.readable(&query.api_version, &query.kind, query.namespace.as_deref())?;
        let labels =
            LabelSelector::parse(&query.label_selector).map_err(|error| ReadError::Invalid(error.to_string()))?;
        let fields =
            FieldSelector::parse(&query.field_selector).map_err(|error| ReadError::Invalid(error.to_string()))?;
        let limit = match query.limit {
            0 => MAX_PAGE,
            limit => usize::try_from(limit).map_or(MAX_PAGE, |limit| limit.min(MAX_PAGE)),
        };
        let mut objects: Vec<Object> = readable
            .objects
            .all()
            .into_iter()
            .filter(|object| {
                query.namespace.is_none() || object.key().namespace.as_deref() == query.namespace.as_deref()
            })
            // The token is the last key handed out: keys sort the same in every page, whatever came or went.
            .filter(|object| query.continue_token.as_ref().is_none_or(|last| object.key().to_string() > *last))
            .filter(|object| labels_match(&labels, object) && fields_match(&fields, object))
            .collect();
        objects.sort_by_cached_key(|object| object.key().to_string());
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
        let mut rest = objects.iter();
        for object in rest.by_ref() {
            bytes += object.json().len();
            items.push(text(object)?);
            last = Some(object.key());
            if items.len() == limit || bytes >= MAX_PAGE_BYTES {
                break;
            }
        }
        let continue_token = if rest.next().is_some() { last.map(ToString::to_string) } else { None };
        Ok(Page { items, continue_token })
    }

    fn readable(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Result<&Readable, ReadError> {
        let same = |(a, k): (&str, &str)| a == api_version && k == kind;
        let Some(readable) = self.readable.iter().find(|one| same((&one.api_version, &one.kind))) else {
            let declared = self.declared.iter().any(|read| same((&read.api_version, &read.kind)));
            let list = if declared { "grants:\n    read" } else { "reads" };
            return Err(ReadError::Denied(format!(
                "reading {api_version} {kind} is not {}; add to the manifest of {}:\n  {list}: [{{ apiVersion: {api_version}, kind: {kind} }}]",
                if declared { "granted" } else { "declared" },
                self.handler,
            )));
        };
        let allowed = readable.namespaces.is_empty()
            || namespace.is_some_and(|namespace| readable.namespaces.iter().any(|allowed| allowed == namespace));
        if !allowed {
            return Err(ReadError::Denied(format!(
                "reading {kind} is granted only in namespaces {}; ask for one of them",
                readable.namespaces.join(", ")
            )));
        }
        if !readable.objects.is_complete() {
            return Err(ReadError::Unavailable(format!("the cache of {api_version} {kind} is not complete yet")));
        }
        Ok(readable)
    }
}

impl Objects {
    fn get(&self, key: &ObjectKey) -> Option<Object> {
        match self {
            Objects::Cached(source) => source.get(key),
            Objects::Given(objects) => objects.iter().find(|object| object.key() == key).cloned(),
        }
    }

    fn all(&self) -> Vec<Object> {
        match self {
            Objects::Cached(source) => source.objects(),
            Objects::Given(objects) => objects.clone(),
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            Objects::Cached(source) => source.is_synced(),
            Objects::Given(_) => true,
        }
    }
}

fn text(object: &Object) -> Result<String, ReadError> {
    String::from_utf8(object.json().to_vec())
        .map_err(|_| ReadError::Unavailable(format!("{} is not UTF-8", object.key())))
}

fn labels_match(selector: &LabelSelector, object: &Object) -> bool {
    selector.is_empty()
        || serde_json::from_slice::<Labelled>(object.json()).is_ok_and(|it| selector.matches(&it.metadata.labels))
}

fn fields_match(selector: &FieldSelector, object: &Object) -> bool {
    selector.matches(|path| {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = View::pointer(object.json(), &pointer).ok().flatten()?;
        // A selector compares text: strings without their quotes, other scalars as JSON prints them.
        Some(serde_json::from_str::<String>(&value).unwrap_or(value))
    })
}
