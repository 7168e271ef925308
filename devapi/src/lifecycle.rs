//! What becomes of objects besides being written: namespaces that fill and empty, definitions that open and close their
//! resource, and the moment when nothing holds a deleted object any more.
//!
//! In a cluster controllers do this a moment later; here it is done within the write that causes it, in the same order and
//! with a resourceVersion for each step, so that a watch sees what it would see there. There is no garbage collector: objects
//! whose owner goes stay.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    crd, delete,
    object::{Fields, Key, Stored, finalizers, metadata_mut, text},
    resource::Resource,
    status::Failure,
    store::State,
};

/// The key of a namespace.
fn namespace_key(name: &str) -> Key {
    Key { resource: "/namespaces".into(), path: name.to_owned() }
}

/// Whether something may be created in a namespace.
pub(crate) fn check_namespace(state: &State, resource: &Resource, namespace: &str, name: &str) -> Result<(), Failure> {
    let Some(stored) = state.get(&namespace_key(namespace)) else {
        let namespaces = state.registry.find("", "v1", "namespaces").unwrap_or_default();
        return Err(Failure::not_found(&namespaces, namespace));
    };
    if !stored.is_terminating() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut failure = Failure::forbidden(resource, name, &why);
    failure.body["details"]["causes"] = json!([{
        "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    }]);
    Err(failure)
}

/// What the server adds to a new object of some kinds.
pub(crate) fn prepare_create(resource: &Resource, fields: &mut Fields) -> Result<(), Failure> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => {
            fields.insert("spec".into(), json!({ "finalizers": ["kubernetes"] }));
            fields.insert("status".into(), json!({ "phase": "Active" }));
            label_with_name(fields);
        }
        ("", "pods") => {
            fields.insert("status".into(), json!({ "phase": "Pending" }));
        }
        ("apiextensions.k8s.io", _) => crd::prepare(resource, fields)?,
        _ => {}
    }
    Ok(())
}

/// What the server insists on when an object of some kinds is written again.
pub(crate) fn prepare_update(resource: &Resource, fields: &mut Fields) -> Result<(), Failure> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => label_with_name(fields),
        ("apiextensions.k8s.io", _) => crd::check(resource, fields)?,
        _ => {}
    }
    Ok(())
}

/// What follows a create.
pub(crate) fn after_create(state: &mut State, resource: &Resource, key: &Key) {
    if resource.group == "apiextensions.k8s.io" {
        crd::establish(state, key);
    }
}

/// What follows an update.
pub(crate) fn after_update(state: &mut State, resource: &Resource, key: &Key) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", _) => crd::serve(state, key),
        ("", "namespaces") => finish_namespace(state, key.name()),
        _ => {}
    }
}

/// Whether nothing holds a terminating object any more.
pub(crate) fn is_released(resource: &Resource, fields: &Fields) -> bool {
    let grace = fields.get("metadata").and_then(|metadata| metadata.get("deletionGracePeriodSeconds"));
    finalizers(fields).is_empty()
        && grace.and_then(Value::as_u64).unwrap_or(0) == 0
        // A namespace is held by its content; it goes when that does.
        && !resource.is("", "namespaces")
}

/// Removes an object for good.
pub(crate) fn remove(state: &mut State, key: &Key) -> Option<Arc<Stored>> {
    let removed = state.remove(key)?;
    after_removal(state, key);
    Some(removed)
}

/// Begins to empty a namespace that was asked to go, and removes it if it is empty.
pub(crate) fn empty_namespace(state: &mut State, name: &str) {
    let prefix = format!("{name}/");
    let resources: Vec<Arc<Resource>> = state.registry.all().filter(|resource| resource.namespaced).cloned().collect();
    let mut emptied: Vec<&str> = Vec::new();
    for resource in &resources {
        // One storage may be served in several versions.
        if emptied.contains(&resource.storage.as_str()) {
            continue;
        }
        emptied.push(&resource.storage);
        let keys: Vec<Key> = state.range(&resource.storage, &prefix).map(|(key, _)| key.clone()).collect();
        for key in keys {
            delete::without_conditions(state, resource, &key);
        }
    }
    finish_namespace(state, name);
}

fn after_removal(state: &mut State, key: &Key) {
    if key.resource == crd::STORAGE {
        crd::close(state, key);
        return;
    }
    crd::after_instance_removed(state, &key.resource);
    if let Some(namespace) = key.namespace() {
        finish_namespace(state, namespace);
    }
}

/// Removes a terminating namespace once nothing is in it and nothing holds it.
fn finish_namespace(state: &mut State, name: &str) {
    let key = namespace_key(name);
    let Some(stored) = state.get(&key) else { return };
    if !stored.is_terminating() || !finalizers(&stored.fields).is_empty() {
        return;
    }
    let prefix = format!("{name}/");
    let namespaced = state.registry.all().filter(|resource| resource.namespaced);
    if namespaced.into_iter().all(|resource| state.range(&resource.storage, &prefix).next().is_none()) {
        state.remove(&key);
    }
}

/// Every namespace carries its name as a label, so that selectors can name it.
fn label_with_name(fields: &mut Fields) {
    let name = text(fields, "name").to_owned();
    let labels = metadata_mut(fields).entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".into(), json!(name));
    }
}
