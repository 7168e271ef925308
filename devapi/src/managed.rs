//! Who owns which field: `metadata.managedFields`.
//!
//! Every write leaves its owner: an applied configuration as an `Apply` entry, anything else as an `Update` entry, one per
//! manager, version and subresource. A writer takes what it changes from everyone else; what an object loses, everyone loses.
//! At most [`MAX_UPDATERS`] `Update` entries are kept, the oldest become one.

use serde_json::{Value, json};

use crate::{
    fields::{Difference, FieldSet},
    object::{Fields, metadata_mut, now},
    request::Target,
    resource::Resource,
    shape::Shape,
    write::Writer,
};

/// One owner and what it owns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    /// `Apply` or `Update`.
    pub(crate) operation: String,
    pub(crate) api_version: String,
    /// Empty for the main resource.
    pub(crate) subresource: String,
    /// When it last changed the object; empty if it never did.
    pub(crate) time: String,
    pub(crate) set: FieldSet,
}

/// How many `Update` entries an object has at most (apimachinery `pkg/util/managedfields`, `DefaultMaxUpdateManagers`).
const MAX_UPDATERS: usize = 10;

/// Who owns what the oldest of too many updaters owned.
const ANCIENT: &str = "ancient-changes";

/// What nobody owns: the server sets it, or it says which object this is.
const UNOWNED: [&[&str]; 11] = [
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:resourceVersion"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
];

impl Entry {
    /// A new owner of nothing, through this path.
    pub(crate) fn new(target: &Target, manager: &str, operation: &str) -> Entry {
        Entry {
            manager: manager.to_owned(),
            operation: operation.to_owned(),
            api_version: target.resource.api_version(),
            subresource: target.subresource.clone().unwrap_or_default(),
            time: now(),
            set: FieldSet::default(),
        }
    }

    /// Whether it is the entry of the same owner through the same path. An applier's is whatever version it applied.
    pub(crate) fn is_same(&self, other: &Entry) -> bool {
        let by = |entry: &Entry| (entry.manager.clone(), entry.operation.clone(), entry.subresource.clone());
        by(self) == by(other) && (self.operation == "Apply" || self.api_version == other.api_version)
    }
}

/// The shape of a resource's objects.
pub(crate) fn shape(resource: &Resource) -> Shape<'_> {
    Shape::root(resource.custom, resource.schema.as_ref())
}

/// Notes that a writer other than server-side apply made `new` of `old`.
pub(crate) fn record_update(target: &Target, old: &Fields, new: &mut Fields, writer: &Writer) {
    let (before, after) = (Value::Object(without(old)), Value::Object(without(new)));
    let mut difference = Difference::between(&before, &after, shape(&target.resource));
    disown(&mut difference.written);
    disown(&mut difference.removed);
    if target.subresource.is_none() && target.resource.has_status && !target.resource.is("", "nodes") {
        // What the server sets there, it sets for itself.
        difference.written.cut(&["f:status"]);
    }
    if target.resource.is("", "namespaces") {
        difference.written.cut(&["f:spec"]);
    }
    let mut own = Entry::new(target, &writer.manager, "Update");
    let (same, others): (Vec<Entry>, Vec<Entry>) = entries(old).into_iter().partition(|entry| entry.is_same(&own));
    let known = same.into_iter().fold(FieldSet::default(), |set, entry| set.union(&entry.set));
    own.set = known.minus(&difference.removed).union(&difference.written);
    let mut all = after_difference(others, &difference);
    all.push(own);
    write(new, all);
}

/// The other owners once somebody has written: what was written or removed is no longer theirs.
pub(crate) fn after_difference(others: Vec<Entry>, difference: &Difference) -> Vec<Entry> {
    let lose = |mut entry: Entry| {
        entry.set = entry.set.minus(&difference.written).minus(&difference.removed);
        entry
    };
    others.into_iter().map(lose).collect()
}

/// Takes out what nobody owns.
pub(crate) fn disown(set: &mut FieldSet) {
    for path in UNOWNED {
        set.cut(path);
    }
}

/// The owners of an object.
pub(crate) fn entries(fields: &Fields) -> Vec<Entry> {
    let list = fields.get("metadata").and_then(|metadata| metadata.get("managedFields")).and_then(Value::as_array);
    let entry = |value: &Value| {
        let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
        Entry {
            manager: text("manager"),
            operation: text("operation"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            set: FieldSet::from_json(&value["fieldsV1"]),
        }
    };
    list.map(|list| list.iter().map(entry).collect()).unwrap_or_default()
}

/// Writes the owners of an object, those of nothing left out: appliers first, then by time and name.
pub(crate) fn write(fields: &mut Fields, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.set.is_empty());
    entries.sort_by(|a, b| (&a.operation, &a.time, &a.manager).cmp(&(&b.operation, &b.time, &b.manager)));
    merge_oldest(&mut entries);
    let rendered: Vec<Value> = entries.iter().map(render).collect();
    let metadata = metadata_mut(fields);
    if rendered.is_empty() {
        metadata.shift_remove("managedFields");
    } else {
        metadata.insert("managedFields".into(), Value::Array(rendered));
    }
}

/// The object without what a write that changes nothing may still change: its ownership and its resourceVersion.
pub(crate) fn without(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("resourceVersion");
    }
    fields
}

/// Makes one entry of the oldest updaters, if there are too many.
fn merge_oldest(entries: &mut Vec<Entry>) {
    let updaters = entries.iter().filter(|entry| entry.operation == "Update").count();
    let Some(first) = entries.iter().position(|entry| entry.operation == "Update") else { return };
    if updaters <= MAX_UPDATERS {
        return;
    }
    // One more than the surplus, because their union takes a place itself.
    let oldest: Vec<Entry> = entries.drain(first..=first + updaters - MAX_UPDATERS).collect();
    let Some(mut merged) = oldest.first().cloned() else { return };
    merged.manager = ANCIENT.to_owned();
    merged.subresource = String::new();
    merged.set = oldest.iter().fold(FieldSet::default(), |set, entry| set.union(&entry.set));
    entries.insert(first, merged);
}

fn render(entry: &Entry) -> Value {
    let mut rendered = json!({
        "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1", "fieldsV1": entry.set.to_json(),
    });
    if !entry.time.is_empty() {
        rendered["time"] = json!(entry.time);
    }
    if !entry.subresource.is_empty() {
        rendered["subresource"] = json!(entry.subresource);
    }
    rendered
}
