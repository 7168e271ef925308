//! Objects from YAML text, put into the store.
//!
//! Each document is created, or replaces what has its name. Unlike a request it may set a status along with the rest, so
//! that a file can describe a cluster as it is found. Documents before the one at fault stay loaded.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    object::{Fields, Key, metadata_mut, text},
    patch,
    request::{Target, read_yaml},
    resource::Resource,
    status::Failure,
    store::{State, Store},
    write::{self, Writer},
};

/// Why a document could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load document {document}, which begins at line {line}: {why}")]
pub struct LoadError {
    /// Which document, counted from one.
    pub document: usize,
    /// The line of the text at which the document begins, or where known the one at fault; counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// The field manager of what was loaded.
const MANAGER: &str = "weir-load";

/// Loads every document; the result names the objects as `kind/name` or `kind/namespace/name`.
pub(crate) fn load(store: &Store, text: &str) -> Result<Vec<String>, LoadError> {
    let mut loaded = Vec::new();
    for (position, (line, document)) in documents(text).into_iter().enumerate() {
        let document_number = position + 1;
        let fail = |line: usize, why: String| LoadError { document: document_number, line, why };
        let value: Value = read_yaml(&document).map_err(|error| {
            let offset = error.location().and_then(|location| usize::try_from(location.line()).ok()).unwrap_or(1);
            fail(line + offset.saturating_sub(1), error.to_string())
        })?;
        let items = match value.get("items").and_then(Value::as_array) {
            Some(items) if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.clone(),
            _ => vec![value],
        };
        for item in items {
            loaded.push(store.write(|state| load_one(state, item)).map_err(|why| fail(line, why))?);
        }
    }
    Ok(loaded)
}

fn load_one(state: &mut State, value: Value) -> Result<String, String> {
    let member = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let missing = |name: &str| format!("it has no {name}");
    let api_version = member("apiVersion").ok_or_else(|| missing("apiVersion"))?;
    let kind = member("kind").ok_or_else(|| missing("kind"))?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = state.registry.find_kind(group, version, &kind).ok_or_else(|| {
        format!("{api_version} {kind} is not served; a definition for it has to be loaded before its objects")
    })?;
    let said = |failure: Failure| failure.message().to_owned();
    let mut fields = patch::split(&resource, value).map_err(said)?;
    for of_another_server in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
        metadata_mut(&mut fields).shift_remove(of_another_server);
    }
    let namespace = text(&fields, "namespace");
    let namespace = if namespace.is_empty() { "default" } else { namespace }.to_owned();
    if !resource.namespaced {
        metadata_mut(&mut fields).shift_remove("namespace");
    }
    let namespace = resource.namespaced.then_some(namespace);
    let name = text(&fields, "name").to_owned();
    let target = Target { resource: resource.clone(), namespace, name: Some(name.clone()), subresource: None };
    write_both(state, &target, &name, fields).map_err(said)?;
    let place = target.namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    Ok(format!("{}/{place}{name}", resource.singular))
}

/// Writes the object and then, where that is a write of its own, its status.
fn write_both(state: &mut State, target: &Target, name: &str, fields: Fields) -> Result<(), Failure> {
    let writer = Writer { manager: MANAGER.into(), is_dry_run: false };
    let key = Key::new(&target.resource, target.namespace.as_deref(), name);
    let status = fields.get("status").cloned();
    match state.get(&key).cloned() {
        Some(current) => write::update(state, target, &current, fields, &writer)?,
        None => write::create(state, target, fields, &writer)?,
    };
    let (Some(status), true) = (status, has_own_status(&target.resource)) else { return Ok(()) };
    let Some(current) = state.get(&key).map(Arc::clone) else { return Ok(()) };
    let target = Target { subresource: Some("status".into()), ..target.clone() };
    let mut fields = current.fields.clone();
    fields.insert("status".into(), status);
    write::update(state, &target, &current, fields, &writer).map(|_| ())
}

/// A definition's status is the server's alone: what a file says of it was true elsewhere.
fn has_own_status(resource: &Resource) -> bool {
    resource.has_status && resource.group != "apiextensions.k8s.io"
}

/// The documents that are not empty, each with the line at which it begins.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(1, String::new())];
    for (position, line) in text.lines().enumerate() {
        let is_separator = line == "---" || line.starts_with("--- ");
        if is_separator {
            documents.push((position + 2, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let is_empty = |document: &str| document.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    documents.retain(|(_, document)| !is_empty(document));
    documents
}

/// The namespaces that every cluster has.
pub(crate) fn first_namespaces(store: &Store) {
    store.write(|state| {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            // The store is empty and the names are good; there is nothing that could refuse them.
            let _ = load_one(state, namespace);
        }
    });
}
