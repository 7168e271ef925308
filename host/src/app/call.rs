//! One call of a handler, outside of any cluster: `weir call`.
//!
//! Promises: the component is loaded, checked, given its settings and called as `weir run` would; what it reads are the objects given, under the same grants;
//! nothing is sent anywhere.

use super::reads::ReadSet;
use crate::{
    action::{self, Subject},
    contract::{Action, Change, Event, ObjectRef},
    handler::{self, manifest::Manifest},
    kinds::Resource,
    runtime::{CallFailure, Engine, EngineSettings, Invocation, Invoke, LogSink},
    watch::{Object, View},
};
use bytes::Bytes;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What to call with.
#[derive(Debug)]
pub struct Call<'a> {
    /// The file name without its ending: the handler's name unless the manifest gives another.
    pub stem: &'a str,
    /// The component.
    pub component: Bytes,
    /// Where compiled code is kept. None: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// The operator's document and where it is.
    pub manifest: Option<(&'a Path, &'a str)>,
    /// Grant it what it wants, as `weir dev` does.
    pub grant_wishes: bool,
    /// Why it is called.
    pub change: Change,
    /// The watch; none takes the one on the object's kind.
    pub watch: Option<&'a str>,
    /// The object, whole.
    pub object: Value,
    /// The state acknowledged last, whole; handed over as the watch projects it.
    pub previous: Option<Value>,
    /// What `cluster.get` and `cluster.list-page` find.
    pub read: Vec<Value>,
    /// 1 on the first call.
    pub attempt: u32,
}

/// How it went.
#[derive(Debug)]
pub struct Called {
    /// What it was handed.
    pub event: Event,
    /// The actions, or why there are none.
    pub reply: Result<Vec<Action>, CallFailure>,
    /// Why weir would not carry the actions out, with the lines to add if that is for a grant.
    pub refused: Option<String>,
}

impl Call<'_> {
    /// Calls once; log lines go to `lines`.
    ///
    /// # Errors
    /// For people: what could not be used, and what to do.
    pub async fn once(self, lines: LogSink) -> Result<Called, String> {
        let settings = EngineSettings { cache_dir: self.cache_dir.clone(), ..EngineSettings::default() };
        let engine = Engine::new(settings).map_err(|error| error.to_string())?;
        let component = engine.load(self.stem, self.component.clone()).await.map_err(|error| error.to_string())?;
        let described = component.describe().await.map_err(|error| error.to_string())?;
        let mut manifest =
            handler::merge(&described, self.manifest, self.stem, 1).map_err(|error| error.to_string())?;
        if self.grant_wishes {
            handler::grant_wishes(&mut manifest);
        }
        let (event, subject) = self.event(&manifest)?;
        let read = self.read.iter().map(given).collect::<Result<Vec<_>, String>>()?;
        let reads = Arc::new(ReadSet::given(&manifest, &read)).functions();
        let invoke = component.handler(&manifest.name, &manifest, reads, lines);
        let reply = invoke.invoke(Invocation { event: event.clone(), subject: subject.state.clone() }).await;
        let refused = reply.as_ref().ok().and_then(|reply| action::check(&reply.actions, &subject, &manifest).err());
        Ok(Called { event, reply: reply.map(|reply| reply.actions), refused })
    }

    fn event(&self, manifest: &Manifest) -> Result<(Event, Subject), String> {
        let (api_version, kind, object) = given(&self.object)?;
        let fits = |watch: &&handler::manifest::Watch| match self.watch {
            Some(name) => watch.name == name,
            None => watch.api_version == api_version && watch.kind == kind,
        };
        let watch = manifest.watches.iter().find(fits).ok_or_else(|| {
            let watches = manifest.watches.iter().map(|it| format!("{} ({} {})", it.name, it.api_version, it.kind));
            let watches = watches.collect::<Vec<_>>().join(", ");
            match self.watch {
                Some(name) => format!("{} has no watch `{name}`; it has {watches}", manifest.name),
                None => format!("{} does not watch {api_version} {kind}; it watches {watches}", manifest.name),
            }
        })?;
        if (&watch.api_version, &watch.kind) != (&api_version, &kind) {
            return Err(format!(
                "the object is a {api_version} {kind}, and watch {} is on {} {}; give one of that kind",
                watch.name, watch.api_version, watch.kind
            ));
        }
        let view = View::new(watch.fields.as_deref(), watch.changed.as_deref()).map_err(|error| error.to_string())?;
        let projected = |object: &Object| match watch.fields {
            None => String::from_utf8_lossy(object.json()).into_owned(),
            Some(_) => view.project(object),
        };
        let previous = self.previous.as_ref().map(given).transpose()?.map(|(_, _, previous)| projected(&previous));
        let key = ObjectRef {
            api_version: api_version.clone(),
            kind: kind.clone(),
            namespace: object.key().namespace.as_deref().map(str::to_owned),
            name: object.key().name.as_ref().to_owned(),
        };
        let event = Event {
            change: self.change,
            watch: watch.name.clone(),
            key: key.clone(),
            uid: object.uid().to_owned(),
            resource_version: object.resource_version().to_owned(),
            object: projected(&object),
            previous,
            final_state_unknown: false,
            attempt: self.attempt,
            extra: Vec::new(),
        };
        let subject = Subject {
            resource: resource(&api_version, &kind, key.namespace.is_some()),
            key,
            uid: event.uid.clone(),
            resource_version: event.resource_version.clone(),
            change: self.change,
            counter: 0,
            state: object.json().clone(),
        };
        Ok((event, subject))
    }
}

/// An object that was given, with its apiVersion and kind; what the API would have filled in is filled in.
fn given(document: &Value) -> Result<(String, String, Object), String> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let named = || text("/metadata/name").unwrap_or_default();
    let (Some(api_version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
        return Err(format!("the object `{}` has no apiVersion or kind; give a whole object", named()));
    };
    if named().is_empty() {
        return Err(format!("the {kind} has no metadata.name; give a whole object"));
    }
    let mut document = document.clone();
    for (field, value) in [("uid", "00000000-0000-4000-8000-000000000000"), ("resourceVersion", "1")] {
        if let Some(metadata) = document["metadata"].as_object_mut() {
            metadata.entry(field).or_insert_with(|| value.into());
        }
    }
    let namespaced = document.pointer("/metadata/namespace").is_some();
    let raw = document.to_string();
    let object = Object::parse(raw.as_bytes(), &resource(&api_version, &kind, namespaced))
        .map_err(|error| format!("{kind} {}: {}", named(), error.source))?;
    Ok((api_version, kind, object))
}

/// A kind as discovery would tell it, as far as a call without an API needs it.
fn resource(api_version: &str, kind: &str, namespaced: bool) -> Resource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let plural = format!("{}s", kind.to_lowercase());
    Resource { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned(), plural, namespaced }
}
