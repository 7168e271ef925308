//! Deletion: preconditions, finalizers, grace periods.
//!
//! An object goes at once unless something holds it: a finalizer, or for pods on a node the grace period, which nobody but
//! the clock ends here, as there is no kubelet. Owners' dependents stay, whatever `propagationPolicy` says.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    lifecycle,
    object::{Fields, Key, Stored, after, finalizers, metadata_mut, now},
    request::Request,
    resource::Resource,
    selector::Selectors,
    status::{Cause, Failure},
    store::{Grace, State, Store},
};

/// What a delete may carry, in its body or its query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Options {
    grace_period_seconds: Option<u64>,
    preconditions: Option<Preconditions>,
    dry_run: Vec<String>,
    propagation_policy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// What became of the object.
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Stored>),
    /// It will go when what holds it lets go; its state now.
    Held(Arc<Stored>),
}

/// The grace period of a pod that does not say (`terminationGracePeriodSeconds` is defaulted to this).
const DEFAULT_POD_GRACE: u64 = 30;

impl Options {
    /// Reads the options of a request.
    pub(crate) fn parse(request: &Request) -> Result<Options, Failure> {
        let mut options = Options::default();
        if !request.body.is_empty() {
            options = serde_json::from_value(Value::Object(request.object()?))
                .map_err(|error| Failure::bad_request(format!("the body cannot be read as DeleteOptions: {error}")))?;
        }
        if let Some(seconds) = request.params.number("gracePeriodSeconds")? {
            options.grace_period_seconds = Some(seconds);
        }
        if request.dry_run()? {
            options.dry_run = vec!["All".into()];
        }
        let policy = options.propagation_policy.as_deref().unwrap_or(request.params.get("propagationPolicy"));
        if !matches!(policy, "" | "Background" | "Foreground" | "Orphan") {
            let message = format!(
                "Unsupported value: \"{policy}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            );
            let cause = Cause { reason: "FieldValueNotSupported", message, field: "propagationPolicy".to_owned() };
            return Err(Failure::invalid_options("DeleteOptions", cause));
        }
        Ok(options)
    }

    fn check(&self, resource: &Resource, key: &Key, stored: &Stored) -> Result<(), Failure> {
        let Some(wanted) = &self.preconditions else { return Ok(()) };
        let refuse = |what: &str, wanted: &str, found: &str| {
            let happened = if what == "UID" { "deleted and then recreated" } else { "modified" };
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object \
                 might have been {happened}"
            );
            // This check alone names the kind where others name the resource.
            let named = Resource { plural: resource.kind.clone(), ..resource.clone() };
            Err(Failure::conflict(&named, key.name(), &why))
        };
        match (&wanted.uid, &wanted.resource_version) {
            (Some(uid), _) if uid != stored.uid() => refuse("UID", uid, stored.uid()),
            (_, Some(version)) if version != stored.version() => refuse("ResourceVersion", version, stored.version()),
            _ => Ok(()),
        }
    }
}

/// Deletes one object.
pub(crate) fn one(state: &mut State, resource: &Resource, key: &Key, options: &Options) -> Result<Deleted, Failure> {
    let stored = state.get(key).cloned().ok_or_else(|| Failure::not_found(resource, key.name()))?;
    options.check(resource, key, &stored)?;
    if resource.is("", "namespaces") && matches!(key.name(), "default" | "kube-system" | "kube-public") {
        return Err(Failure::forbidden(resource, key.name(), "this namespace may not be deleted"));
    }
    let grace = grace(resource, &stored, options.grace_period_seconds);
    let is_held = grace > 0 || !finalizers(&stored.fields).is_empty() || resource.is("", "namespaces");
    if !options.dry_run.is_empty() {
        return Ok(if is_held { Deleted::Held(stored) } else { Deleted::Gone(stored) });
    }
    if !is_held {
        if resource.is("", "pods") {
            // A pod's deletion is graceful even when nothing is left of its grace period: it is marked, and then gone.
            mark(state, resource, key, &stored, 0);
        }
        return Ok(Deleted::Gone(lifecycle::remove(state, key).unwrap_or(stored)));
    }
    Ok(Deleted::Held(mark(state, resource, key, &stored, grace)))
}

/// Deletes whatever of a collection matches.
pub(crate) fn collection(
    state: &mut State,
    resource: &Resource,
    prefix: &str,
    selectors: &Selectors,
    options: &Options,
) -> Result<Vec<Arc<Stored>>, Failure> {
    let all = state.range(&resource.storage, prefix);
    let keys: Vec<Key> =
        all.filter(|(_, stored)| selectors.matches(&stored.fields)).map(|(key, _)| key.clone()).collect();
    let mut deleted = Vec::with_capacity(keys.len());
    for key in keys {
        match one(state, resource, &key, options)? {
            Deleted::Gone(stored) | Deleted::Held(stored) => deleted.push(stored),
        }
    }
    Ok(deleted)
}

/// Deletes for the server's own reasons; what cannot go yet is marked.
pub(crate) fn without_conditions(state: &mut State, resource: &Resource, key: &Key) {
    // It fails only for an object that is not there, which is what is wanted.
    let _ = one(state, resource, key, &Options::default());
}

/// Removes a pod when its grace period is over, if it still is the same and still to go.
pub(crate) async fn finish_later(store: Weak<Store>, grace: Grace) {
    tokio::time::sleep(grace.period).await;
    let Some(store) = store.upgrade() else { return };
    store.write(|state| {
        let Some(stored) = state.get(&grace.key).filter(|stored| stored.uid() == grace.uid).cloned() else { return };
        if finalizers(&stored.fields).is_empty() {
            lifecycle::remove(state, &grace.key);
        } else {
            let mut fields = stored.fields.clone();
            metadata_mut(&mut fields).insert("deletionGracePeriodSeconds".into(), json!(0));
            state.put(grace.key.clone(), fields);
        }
    });
}

/// Seconds before the object may go: only pods that run somewhere have any.
fn grace(resource: &Resource, stored: &Stored, asked: Option<u64>) -> u64 {
    if !resource.is("", "pods") {
        return 0;
    }
    let at = |part: &str, member: &str| stored.fields.get(part).and_then(|part| part.get(member));
    let node = at("spec", "nodeName").and_then(Value::as_str).unwrap_or_default();
    let phase = at("status", "phase").and_then(Value::as_str).unwrap_or_default();
    if node.is_empty() || matches!(phase, "Succeeded" | "Failed") {
        return 0;
    }
    let own = at("spec", "terminationGracePeriodSeconds").and_then(Value::as_u64);
    asked.or(own).unwrap_or(DEFAULT_POD_GRACE)
}

/// Marks an object as to be deleted. Doing so again changes nothing, except that a grace period may become shorter.
fn mark(state: &mut State, resource: &Resource, key: &Key, stored: &Arc<Stored>, grace: u64) -> Arc<Stored> {
    let known = stored.fields.get("metadata").and_then(|metadata| metadata.get("deletionGracePeriodSeconds"));
    let known = known.and_then(Value::as_u64).unwrap_or_default();
    if stored.is_terminating() && grace >= known {
        return stored.clone();
    }
    let mut fields: Fields = stored.fields.clone();
    match (resource.group.as_str(), resource.plural.as_str()) {
        // These two have a deletion of their own, which neither counts nor has a grace period.
        ("", "namespaces") => {
            metadata_mut(&mut fields).insert("deletionTimestamp".into(), json!(now()));
            fields.insert("status".into(), json!({ "phase": "Terminating" }));
        }
        ("apiextensions.k8s.io", _) => {
            metadata_mut(&mut fields).insert("deletionTimestamp".into(), json!(now()));
        }
        _ => set_terminating(&mut fields, stored, grace),
    }
    let marked = state.put(key.clone(), fields);
    if grace > 0 {
        let period = Duration::from_secs(grace);
        state.graceful.push(Grace { key: key.clone(), uid: stored.uid().to_owned(), period });
    }
    if resource.is("", "namespaces") {
        lifecycle::empty_namespace(state, key.name());
    }
    if key.resource == crate::crd::STORAGE {
        crate::crd::empty(state, key);
    }
    marked
}

/// Notes in the metadata that the object is to go, after this many seconds.
fn set_terminating(fields: &mut Fields, stored: &Stored, grace: u64) {
    let metadata = metadata_mut(fields);
    let at = if grace == 0 { now() } else { after(Duration::from_secs(grace)) };
    metadata.insert("deletionTimestamp".into(), json!(at));
    metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
    if !stored.is_terminating()
        && let Some(generation) = metadata.get("generation").and_then(Value::as_u64)
    {
        metadata.insert("generation".into(), json!(generation + 1));
    }
}
