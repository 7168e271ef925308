//! Custom resource definitions: what makes the API grow.
//!
//! A definition is served as soon as it is created, and says so in its conditions, one write later, as a cluster would. Its
//! objects are neither pruned, defaulted nor validated by its schema; the schema decides only how lists are owned and merged by
//! server-side apply. Deleting it deletes its objects first, and it stays until the last of them has gone.

use serde_json::{Value, json};

use crate::{
    delete,
    object::{Fields, Key, finalizers, metadata_mut, now, text},
    resource::Resource,
    status::{Cause, Failure},
    store::State,
};

/// Where definitions are kept.
pub(crate) const STORAGE: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// What holds a definition while there are objects of it.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Completes a definition that is about to be created.
pub(crate) fn prepare(resource: &Resource, fields: &mut Fields) -> Result<(), Failure> {
    check(resource, fields)?;
    let kind = string(fields, "/spec/names/kind");
    let names = fields["spec"]["names"].as_object_mut().expect("the check found the kind in the names");
    names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
    names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    let spec = fields["spec"].as_object_mut().expect("the check found the names in the spec");
    spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
    let stored = versions(fields).find(|version| version["storage"] == true).map(|version| version["name"].clone());
    let accepted = json!({ "kind": "", "plural": "" });
    let status = json!({ "conditions": [], "acceptedNames": accepted, "storedVersions": [stored] });
    fields.insert("status".into(), status);
    Ok(())
}

/// Refuses a definition that could not be served.
pub(crate) fn check(resource: &Resource, fields: &Fields) -> Result<(), Failure> {
    let mut causes = Vec::new();
    let mut wants = |field: &str, is_good: bool, message: String| {
        if !is_good {
            causes.push(Cause { reason: "FieldValueInvalid", message, field: field.to_owned() });
        }
    };
    let required = "Required value".to_owned();
    let (group, plural) = (string(fields, "/spec/group"), string(fields, "/spec/names/plural"));
    wants("spec.group", !group.is_empty(), required.clone());
    wants("spec.names.plural", !plural.is_empty(), required.clone());
    wants("spec.names.kind", !string(fields, "/spec/names/kind").is_empty(), required);
    let scope = string(fields, "/spec/scope");
    let supported = format!("Unsupported value: \"{scope}\": supported values: \"Cluster\", \"Namespaced\"");
    wants("spec.scope", matches!(scope.as_str(), "Cluster" | "Namespaced"), supported);
    let stored = versions(fields).filter(|version| version["storage"] == true).count();
    wants(
        "spec.versions",
        stored == 1,
        "Invalid value: must have exactly one version marked as storage version".into(),
    );
    let has_schemas = versions(fields).all(|version| version["schema"]["openAPIV3Schema"].is_object());
    wants("spec.versions", has_schemas, "Required value: schemas are required".into());
    let name = text(fields, "name");
    let must = format!("Invalid value: \"{name}\": must be spec.names.plural+\".\"+spec.group");
    wants("metadata.name", name == format!("{plural}.{group}"), must);
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(resource, name, causes)) }
}

/// Serves a definition that was just created, and says that it does.
pub(crate) fn establish(state: &mut State, key: &Key) {
    serve(state, key);
    let Some(stored) = state.get(key) else { return };
    let mut fields = stored.fields.clone();
    metadata_mut(&mut fields).insert("finalizers".into(), json!([FINALIZER]));
    fields["status"]["acceptedNames"] = fields["spec"]["names"].clone();
    fields["status"]["conditions"] = json!([
        condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
    ]);
    state.put(key.clone(), fields);
}

/// Brings what is served in line with a definition.
pub(crate) fn serve(state: &mut State, key: &Key) {
    let Some(stored) = state.get(key).cloned() else { return };
    let resources = resources(&stored.fields, stored.is_terminating());
    if let Some(storage) = storage(&stored.fields) {
        state.registry.define(&storage, resources);
    }
}

/// Begins to delete the objects of a definition that was asked to go.
pub(crate) fn empty(state: &mut State, key: &Key) {
    serve(state, key);
    let Some(stored) = state.get(key).cloned() else { return };
    let Some(storage) = storage(&stored.fields) else { return };
    if let Some(resource) = state.registry.find_storage(&storage) {
        let keys: Vec<Key> = state.range(&storage, "").map(|(key, _)| key.clone()).collect();
        for key in keys {
            delete::without_conditions(state, &resource, &key);
        }
    }
    finish(state, key);
}

/// Ends what a removed definition served.
pub(crate) fn close(state: &mut State, key: &Key) {
    if let Some((plural, group)) = key.name().split_once('.') {
        state.registry.define(&format!("{group}/{plural}"), Vec::new());
    }
}

/// Lets a definition go if the object that was just removed was the last that held it.
pub(crate) fn after_instance_removed(state: &mut State, storage: &str) {
    if let Some((group, plural)) = storage.split_once('/') {
        finish(state, &Key { resource: STORAGE.into(), path: format!("{plural}.{group}") });
    }
}

fn finish(state: &mut State, key: &Key) {
    let Some(stored) = state.get(key).filter(|stored| stored.is_terminating()).cloned() else { return };
    let Some(storage) = storage(&stored.fields) else { return };
    if state.range(&storage, "").next().is_some() {
        return;
    }
    let rest: Vec<&str> = finalizers(&stored.fields).into_iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    if rest.is_empty() {
        state.remove(key);
        close(state, key);
    } else if rest.len() < finalizers(&stored.fields).len() {
        let mut fields = stored.fields.clone();
        metadata_mut(&mut fields).insert("finalizers".into(), json!(rest));
        state.put(key.clone(), fields);
    }
}

/// One resource per served version.
fn resources(fields: &Fields, is_closing: bool) -> Vec<Resource> {
    let names = |member: &str| -> Vec<String> {
        let list = fields["spec"]["names"][member].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let of_version = |version: &Value| {
        let selectable = version["selectableFields"].as_array().into_iter().flatten();
        let selectable = selectable.filter_map(|field| field["jsonPath"].as_str());
        Resource {
            group: string(fields, "/spec/group"),
            version: version["name"].as_str().unwrap_or_default().to_owned(),
            kind: string(fields, "/spec/names/kind"),
            plural: string(fields, "/spec/names/plural"),
            singular: string(fields, "/spec/names/singular"),
            short_names: names("shortNames"),
            categories: names("categories"),
            namespaced: string(fields, "/spec/scope") == "Namespaced",
            has_status: version.pointer("/subresources/status").is_some(),
            has_scale: false,
            has_generation: true,
            custom: true,
            is_closing,
            storage: storage(fields).unwrap_or_default(),
            selectable: selectable.map(|path| path.trim_start_matches('.').to_owned()).collect(),
            schema: version.pointer("/schema/openAPIV3Schema").cloned(),
        }
    };
    versions(fields).filter(|version| version["served"] == true).map(of_version).collect()
}

fn storage(fields: &Fields) -> Option<String> {
    let (group, plural) = (string(fields, "/spec/group"), string(fields, "/spec/names/plural"));
    (!group.is_empty() && !plural.is_empty()).then(|| format!("{group}/{plural}"))
}

fn versions(fields: &Fields) -> impl Iterator<Item = &Value> {
    fields.get("spec").and_then(|spec| spec["versions"].as_array()).into_iter().flatten()
}

/// A string at a pointer; empty if there is none.
fn string(fields: &Fields, pointer: &str) -> String {
    let mut steps = pointer.trim_start_matches('/').split('/');
    let first = steps.next().and_then(|step| fields.get(step));
    let value = steps.fold(first, |value, step| value.and_then(|value| value.get(step)));
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now() })
}
