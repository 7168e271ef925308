//! Create and update: what every write goes through, whatever verb it came by.
//!
//! The rules are those of apiserver's `pkg/registry/rest` (`create.go`, `update.go`) and of the kinds' strategies as far as they
//! concern all kinds: what the server sets, what cannot change, which part a subresource may write, when the generation
//! grows, and that a write that changes nothing leaves no trace. The `spec` of built-in kinds is not validated or defaulted.

use std::sync::Arc;

use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use crate::{
    lifecycle, managed, metadata,
    object::{Fields, Key, Stored, finalizers, metadata_mut, now, text},
    request::Target,
    resource::Resource,
    status::{Cause, Failure},
    store::State,
};

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// The field manager.
    pub(crate) manager: String,
    /// Everything is done but stored.
    pub(crate) is_dry_run: bool,
}

/// How `generateName` ends: apimachinery `pkg/util/rand` and apiserver `pkg/storage/names`.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// The longest generated name.
const NAME_LENGTH: usize = 63;
/// How often a name is made up again if it is taken.
const NAME_TRIES: usize = 8;

/// Creates an object; `fields` has no `apiVersion` and `kind` any more.
pub(crate) fn create(
    state: &mut State,
    target: &Target,
    fields: Fields,
    writer: &Writer,
) -> Result<Arc<Stored>, Failure> {
    let record = |fields: &mut Fields| managed::record_update(target, &Fields::new(), fields, writer);
    create_with(state, target, fields, writer, record)
}

/// The same with another way of noting who owns what.
pub(crate) fn create_with(
    state: &mut State,
    target: &Target,
    mut fields: Fields,
    writer: &Writer,
    record_owner: impl FnOnce(&mut Fields),
) -> Result<Arc<Stored>, Failure> {
    let resource = &target.resource;
    if resource.is_closing {
        let message = "create not allowed while custom resource definition is terminating";
        return Err(Failure::forbidden(resource, text(&fields, "name"), message));
    }
    if !text(&fields, "resourceVersion").is_empty() {
        // A 500 without a reason, as the genuine server has it.
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Failure::new(500, "", message, Value::Null));
    }
    name(state, target, &mut fields)?;
    let name = text(&fields, "name").to_owned();
    if let Some(namespace) = &target.namespace {
        place(target, &mut fields)?;
        lifecycle::check_namespace(state, resource, namespace, &name)?;
    }
    let key = Key::new(resource, target.namespace.as_deref(), &name);
    let metadata = metadata_mut(&mut fields);
    for set_by_server in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"]
    {
        metadata.shift_remove(set_by_server);
    }
    metadata.insert("uid".into(), json!(uuid::Uuid::new_v4().to_string()));
    metadata.insert("creationTimestamp".into(), json!(now()));
    if resource.has_generation {
        metadata.insert("generation".into(), json!(1));
    }
    if resource.has_status && !resource.is("", "nodes") {
        // Nodes register with their status (k8s.io/kubernetes `pkg/registry/core/node/strategy.go`); no other kind does.
        fields.shift_remove("status");
    }
    if resource.has_status && !resource.custom {
        // The kinds' types have a status even when nothing is in it.
        fields.entry("status").or_insert_with(|| json!({}));
    }
    lifecycle::prepare_create(resource, &mut fields)?;
    tidy(resource, &mut fields);
    metadata::check(resource, &fields)?;
    // Only what could be created at all is told that it is there already.
    if state.get(&key).is_some() {
        return Err(Failure::already_exists(resource, &name));
    }
    record_owner(&mut fields);
    if writer.is_dry_run {
        return Ok(Arc::new(Stored::new(fields)));
    }
    let stored = state.put(key.clone(), fields);
    lifecycle::after_create(state, resource, &key);
    Ok(stored)
}

/// Replaces `current` by `new`, which has no `apiVersion` and `kind` any more; the result is `current` itself if nothing
/// changed. Ownership of what changed goes to the writer.
pub(crate) fn update(
    state: &mut State,
    target: &Target,
    current: &Arc<Stored>,
    new: Fields,
    writer: &Writer,
) -> Result<Arc<Stored>, Failure> {
    let mut new = prepare_update(target, current, new)?;
    if managed::without(&new) == managed::without(&current.fields) {
        return Ok(current.clone());
    }
    managed::record_update(target, &current.fields, &mut new, writer);
    store_update(state, target, current, new, writer)
}

/// What a PUT must satisfy beyond any update: a foreign uid is a precondition that fails, and some kinds insist on a
/// resourceVersion (`AllowUnconditionalUpdate` in their strategies).
pub(crate) fn check_replacement(resource: &Resource, current: &Stored, new: &Fields) -> Result<(), Failure> {
    let name = text(&current.fields, "name");
    let uid = text(new, "uid");
    if !uid.is_empty() && uid != current.uid() {
        let found = current.uid();
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
        return Err(Failure::conflict(resource, name, &why));
    }
    let insists = resource.custom || matches!(resource.plural.as_str(), "leases" | "customresourcedefinitions");
    if insists && text(new, "resourceVersion").is_empty() {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let field = "metadata.resourceVersion".to_owned();
        // This check alone names the resource where others name the kind.
        let named = Resource { kind: resource.plural.clone(), ..resource.clone() };
        return Err(Failure::invalid(&named, name, vec![Cause { reason: "FieldValueInvalid", message, field }]));
    }
    Ok(())
}

/// Checks what cannot change, and takes over from `current` what this subresource may not write.
pub(crate) fn prepare_update(target: &Target, current: &Stored, mut new: Fields) -> Result<Fields, Failure> {
    let resource = &target.resource;
    let name = text(&current.fields, "name").to_owned();
    let version = text(&new, "resourceVersion");
    if !version.is_empty() && version != current.version() {
        return Err(Failure::modified(resource, &name));
    }
    if !text(&new, "name").is_empty() && text(&new, "name") != name {
        let given = text(&new, "name");
        let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Failure::bad_request(message));
    }
    if target.namespace.is_some() {
        place(target, &mut new)?;
    }
    let uid = text(&new, "uid");
    if !uid.is_empty() && uid != current.uid() {
        return Err(Failure::invalid(resource, &name, vec![immutable("metadata.uid", uid)]));
    }
    let deleted_at = text(&new, "deletionTimestamp");
    if !deleted_at.is_empty() && deleted_at != text(&current.fields, "deletionTimestamp") {
        return Err(Failure::invalid(resource, &name, vec![immutable("metadata.deletionTimestamp", deleted_at)]));
    }
    let mut new = if target.subresource.as_deref() == Some("status") {
        status_of(resource, &current.fields, new)
    } else {
        keep(&mut new, &current.fields, "status", resource.has_status);
        new
    };
    let old_metadata = current.fields.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let metadata = metadata_mut(&mut new);
    for member in [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    ] {
        match old_metadata.get(member) {
            Some(value) => metadata.insert(member.to_owned(), value.clone()),
            None => metadata.shift_remove(member),
        };
    }
    tidy(resource, &mut new);
    metadata::check(resource, &new)?;
    if current.is_terminating() {
        let before = finalizers(&current.fields);
        if let Some(added) = finalizers(&new).iter().find(|finalizer| !before.contains(finalizer)) {
            let message = format!(
                "Forbidden: no new finalizers can be added if the object is being deleted, found new \
                                   finalizers []string{{\"{added}\"}}"
            );
            let field = "metadata.finalizers".to_owned();
            return Err(Failure::invalid(
                resource,
                &name,
                vec![Cause { reason: "FieldValueForbidden", message, field }],
            ));
        }
    }
    lifecycle::prepare_update(resource, &mut new)?;
    if changes_generation(resource, &current.fields, &new) {
        let generation = old_metadata.get("generation").and_then(Value::as_u64).unwrap_or_default();
        metadata_mut(&mut new).insert("generation".into(), json!(generation + 1));
    }
    Ok(new)
}

/// Stores an update, or removes the object if this took the last thing away that held it.
pub(crate) fn store_update(
    state: &mut State,
    target: &Target,
    current: &Stored,
    new: Fields,
    writer: &Writer,
) -> Result<Arc<Stored>, Failure> {
    let key = Key::new(&target.resource, target.namespace.as_deref(), text(&current.fields, "name"));
    if writer.is_dry_run {
        return Ok(Arc::new(Stored::new(new)));
    }
    if lifecycle::is_released(&target.resource, &new) && current.is_terminating() {
        // As the genuine server: the write that takes the last finalizer away is itself not stored. A watch sees the
        // deletion, with the state before this write; the writer sees what it wrote, with the resourceVersion before.
        lifecycle::remove(state, &key);
        return Ok(Arc::new(Stored::new(new)));
    }
    let stored = state.put(key.clone(), new);
    lifecycle::after_update(state, &target.resource, &key);
    Ok(stored)
}

/// A cause for a field that must stay as it is.
pub(crate) fn immutable(field: &str, value: &str) -> Cause {
    let message = format!("Invalid value: \"{value}\": field is immutable");
    Cause { reason: "FieldValueInvalid", message, field: field.to_owned() }
}

/// Sets or checks the name of an object to be created.
fn name(state: &State, target: &Target, fields: &mut Fields) -> Result<(), Failure> {
    let resource = &target.resource;
    let metadata = metadata_mut(fields);
    let member = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, prefix) = (member("name"), member("generateName"));
    if name.is_empty() && !prefix.is_empty() {
        let base: String = prefix.chars().take(NAME_LENGTH - SUFFIX_LENGTH).collect();
        let mut made = String::new();
        for _ in 0..NAME_TRIES {
            let mut rng = rand::rng();
            let suffix =
                (0..SUFFIX_LENGTH).filter_map(|_| SUFFIX_ALPHABET.choose(&mut rng).map(|&letter| letter as char));
            made = base.chars().chain(suffix).collect();
            if state.get(&Key::new(resource, target.namespace.as_deref(), &made)).is_none() {
                break;
            }
        }
        metadata.insert("name".into(), json!(made));
        return Ok(());
    }
    if name.is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        let field = "metadata.name".to_owned();
        return Err(Failure::invalid(resource, "", vec![Cause { reason: "FieldValueRequired", message, field }]));
    }
    if !is_good_name(resource, &name) {
        let message = format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.', and must start and end with an alphanumeric character"
        );
        let field = "metadata.name".to_owned();
        return Err(Failure::invalid(resource, &name, vec![Cause { reason: "FieldValueInvalid", message, field }]));
    }
    Ok(())
}

/// Names are DNS subdomains, for namespaces labels, and for roles and bindings anything that fits a path.
fn is_good_name(resource: &Resource, name: &str) -> bool {
    if resource.group == "rbac.authorization.k8s.io" {
        return !matches!(name, "." | "..") && !name.contains(['/', '%']);
    }
    if resource.is("", "namespaces") || resource.is("", "services") {
        return metadata::is_dns_label(name);
    }
    metadata::is_subdomain(name)
}

/// Sets the namespace from the path, or refuses another one.
fn place(target: &Target, fields: &mut Fields) -> Result<(), Failure> {
    let Some(namespace) = &target.namespace else { return Ok(()) };
    let given = text(fields, "namespace");
    if !given.is_empty() && given != namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    metadata_mut(fields).insert("namespace".into(), json!(namespace));
    Ok(())
}

/// What a write to `/status` makes of an object: a custom resource's status alone, a built-in one's status and metadata.
fn status_of(resource: &Resource, current: &Fields, mut new: Fields) -> Fields {
    let mut result = current.clone();
    match new.shift_remove("status") {
        Some(status) => result.insert("status".into(), status),
        None => result.shift_remove("status"),
    };
    if !resource.custom
        && let Some(metadata) = new.shift_remove("metadata")
    {
        result.insert("metadata".into(), metadata);
    }
    result
}

/// Leaves out what is empty, as the genuine server's types do: members of the metadata, and data of built-in kinds.
fn tidy(resource: &Resource, fields: &mut Fields) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    metadata_mut(fields).retain(|_, value| !is_empty(value));
    if !resource.custom {
        fields
            .retain(|name, value| !(matches!(name.as_str(), "data" | "binaryData" | "stringData") && is_empty(value)));
    }
}

/// Takes a member over from the current object, if it is not this write's to change.
fn keep(new: &mut Fields, current: &Fields, member: &str, is_kept: bool) {
    if !is_kept {
        return;
    }
    match current.get(member) {
        Some(value) => new.insert(member.to_owned(), value.clone()),
        None => new.shift_remove(member),
    };
}

/// Whether anything but the metadata and a separate status differs.
fn changes_generation(resource: &Resource, old: &Fields, new: &Fields) -> bool {
    let counts = |name: &str| name != "metadata" && !(name == "status" && resource.has_status);
    let differs = |a: &Fields, b: &Fields| a.iter().any(|(name, value)| counts(name) && b.get(name) != Some(value));
    resource.has_generation && (differs(old, new) || differs(new, old))
}
