//! Server-side apply.
//!
//! The applier says what it wants of an object, and owns exactly that. What it wanted before and does not want any more is
//! removed, unless somebody else owns it too. What somebody else owns and it wants to be different is a conflict, with nothing
//! written, unless it forces. An apply that changes neither the object nor who owns it leaves no trace.
//!
//! Not there: defaulting of built-in kinds before fields are compared, and the schemas of built-in kinds, so that an unknown
//! field is kept where the genuine server refuses it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    fields::{self, Difference, FieldSet},
    managed::{self, Entry},
    object::{Fields, Key, Stored, metadata_mut, text},
    patch,
    request::{Request, Target},
    status::{Cause, Failure},
    store::State,
    write::{self, Writer},
};

/// Applies the request's configuration; says whether that created the object.
pub(crate) fn apply(
    state: &mut State,
    request: &Request,
    target: &Target,
    name: &str,
    writer: &Writer,
) -> Result<(bool, Arc<Stored>), Failure> {
    let mut wanted = configuration(request, target, name)?;
    let key = Key::new(&target.resource, target.namespace.as_deref(), name);
    let mut own = Entry::new(target, &writer.manager, "Apply");
    own.set = owned(target, &wanted);
    let Some(current) = state.get(&key).cloned() else {
        return create(state, target, name, wanted, own, writer).map(|stored| (true, stored));
    };
    if target.subresource.is_some() {
        // Only the status is meant; the rest of a status configuration says which object it is.
        wanted.retain(|member, _| matches!(member.as_str(), "status" | "metadata"));
    } else if target.resource.has_status {
        wanted.shift_remove("status");
    }
    let new = merged(target, &current, &wanted, &own)?;
    // Conflicts are told before anything else that may be wrong with the result, as the genuine server does.
    let mut all = other_owners(request, target, &current, &new, &own)?;
    let mut new = write::prepare_update(target, &current, new)?;
    let before = managed::entries(&current.fields);
    let is_same_object = managed::without(&new) == managed::without(&current.fields);
    if is_same_object {
        // Who only comes to own what is there already leaves the time as it was, or none.
        own.time = before.iter().find(|entry| entry.is_same(&own)).map(|known| known.time.clone()).unwrap_or_default();
    }
    all.push(own);
    let is_same_owners = all.iter().filter(|entry| !entry.set.is_empty()).count() == before.len()
        && all
            .iter()
            .all(|entry| entry.set.is_empty() || before.iter().any(|b| b.is_same(entry) && b.set == entry.set));
    if is_same_owners && is_same_object {
        return Ok((false, current));
    }
    managed::write(&mut new, all);
    write::store_update(state, target, &current, new, writer).map(|stored| (false, stored))
}

/// The body, checked for what an applied configuration must and must not have.
fn configuration(request: &Request, target: &Target, name: &str) -> Result<Fields, Failure> {
    if !request.params.has("fieldManager") {
        let message = "Required value: is required for apply patch".to_owned();
        let cause = Cause { reason: "FieldValueRequired", message, field: "fieldManager".to_owned() };
        return Err(Failure::invalid_options("PatchOptions", cause));
    }
    let body = request.object()?;
    for member in ["apiVersion", "kind"] {
        if body.get(member).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Failure::bad_request(format!("an applied configuration needs {member}")));
        }
    }
    let mut wanted = patch::split(&target.resource, Value::Object(body))?;
    let metadata = metadata_mut(&mut wanted);
    if metadata.get("managedFields").is_some_and(|managed| !managed.is_null()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    metadata.entry("name").or_insert_with(|| json!(name));
    if text(&wanted, "name") != name {
        let given = text(&wanted, "name");
        let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Failure::bad_request(message));
    }
    Ok(wanted)
}

/// What the configuration makes its applier own: all it sets, but for what this path cannot write.
fn owned(target: &Target, wanted: &Fields) -> FieldSet {
    let mut wanted = wanted.clone();
    match target.subresource {
        // A custom resource's /status writes nothing else; a built-in one's writes metadata too (see `write::status_of`).
        Some(_) if target.resource.custom => wanted.retain(|member, _| member == "status"),
        Some(_) => wanted.retain(|member, _| matches!(member.as_str(), "status" | "metadata")),
        None if target.resource.has_status => {
            wanted.shift_remove("status");
        }
        None => {}
    }
    let shape = managed::shape(&target.resource);
    let mut set = FieldSet::of(&Value::Object(wanted.clone()), shape);
    if target.resource.custom {
        // Where no schema says what a map is, the map itself is owned too.
        wanted.shift_remove("metadata");
        set.mark_containers(&Value::Object(wanted), shape);
    }
    managed::disown(&mut set);
    set
}

fn create(
    state: &mut State,
    target: &Target,
    name: &str,
    mut wanted: Fields,
    own: Entry,
    writer: &Writer,
) -> Result<Arc<Stored>, Failure> {
    if target.subresource.is_some() {
        return Err(Failure::not_found(&target.resource, name));
    }
    let uid = text(&wanted, "uid");
    if !uid.is_empty() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Failure::conflict(&target.resource, name, &why));
    }
    for of_no_use in ["generateName", "resourceVersion"] {
        metadata_mut(&mut wanted).shift_remove(of_no_use);
    }
    write::create_with(state, target, wanted, writer, |fields| managed::write(fields, vec![own]))
}

/// The current object with what is wanted, and without what its applier no longer wants and nobody else owns.
fn merged(target: &Target, current: &Stored, wanted: &Fields, own: &Entry) -> Result<Fields, Failure> {
    let shape = managed::shape(&target.resource);
    let live = Value::Object(current.fields.clone());
    let mut merged = fields::merge(&live, &Value::Object(wanted.clone()), shape);
    let (same, others): (Vec<Entry>, Vec<Entry>) =
        managed::entries(&current.fields).into_iter().partition(|entry| entry.is_same(own));
    let union = |entries: Vec<Entry>| entries.iter().fold(FieldSet::default(), |set, entry| set.union(&entry.set));
    let others = union(others);
    let dropped = union(same).minus(&own.set).minus(&others);
    let kept = others.union(&own.set);
    fields::remove(&mut merged, &dropped, &kept, shape, &[]);
    match merged {
        Value::Object(fields) => Ok(fields),
        // Both sides are objects, and so is what becomes of them.
        _ => Err(Failure::bad_request("an applied configuration must be an object")),
    }
}

/// What the others own afterwards; a conflict if what changes is somebody else's and force was not asked for.
fn other_owners(
    request: &Request,
    target: &Target,
    current: &Stored,
    new: &Fields,
    own: &Entry,
) -> Result<Vec<Entry>, Failure> {
    let (before, after) = (managed::without(&current.fields), managed::without(new));
    let mut difference =
        Difference::between(&Value::Object(before), &Value::Object(after), managed::shape(&target.resource));
    managed::disown(&mut difference.written);
    // What the server makes of a write, such as the label with a namespace's name, is not the applier's to fight about.
    difference.written = difference.written.intersection(&own.set);
    let mut others = managed::entries(&current.fields);
    others.retain(|entry| !entry.is_same(own));
    if !request.params.flag("force") {
        check_conflicts(&others, &difference.written)?;
    }
    Ok(managed::after_difference(others, &difference))
}

/// The wording is apimachinery's (`pkg/util/managedfields/internal/conflict.go`); clients find the owners in the causes.
fn check_conflicts(others: &[Entry], written: &FieldSet) -> Result<(), Failure> {
    let mut causes = Vec::new();
    let mut said = Vec::new();
    for entry in others {
        let mut who = format!("\"{}\"", entry.manager);
        if !entry.subresource.is_empty() {
            who.push_str(&format!(" with subresource \"{}\"", entry.subresource));
        }
        if entry.operation == "Update" {
            who.push_str(&format!(" using {}", entry.api_version));
        }
        let fields = entry.set.intersection(written).paths();
        if !fields.is_empty() {
            said.push((who.clone(), fields.clone()));
        }
        let cause = |field| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {who}"), "field": field });
        causes.extend(fields.into_iter().map(cause));
    }
    let message = match (causes.len(), said.first()) {
        (0, _) | (_, None) => return Ok(()),
        (1, Some((who, fields))) => format!("Apply failed with 1 conflict: conflict with {who}: {}", fields.concat()),
        (several, _) => {
            let lists = said.iter().map(|(who, fields)| format!("conflicts with {who}:\n- {}", fields.join("\n- ")));
            format!("Apply failed with {several} conflicts: {}", lists.collect::<Vec<_>>().join("\n"))
        }
    };
    Err(Failure::new(409, "Conflict", message, json!({ "causes": causes })))
}
