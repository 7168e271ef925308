//! Events have two faces over one storage: `v1` and `events.k8s.io/v1`.
//!
//! They are stored as `v1` has them, and the members that `events.k8s.io/v1` renamed are renamed on the way in and out, so
//! that what a recorder of either kind writes is seen through both (k8s.io/kubernetes `pkg/apis/events/v1/conversion.go`).

use crate::{object::Fields, resource::Resource};

/// The name of an Event's group that is not the stored one.
const GROUP: &str = "events.k8s.io";

/// What `events.k8s.io/v1` calls the members, and what `v1` does.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// The stored members in the version asked for; `None` if they are the same.
pub(crate) fn in_version(resource: &Resource, fields: &Fields) -> Option<Fields> {
    (resource.group == GROUP).then(|| rename(fields, |name| NAMES.iter().find(|(_, v1)| *v1 == name).map(|n| n.0)))
}

/// Members as a client sent them, as they are stored.
pub(crate) fn to_storage(resource: &Resource, fields: Fields) -> Fields {
    if resource.group != GROUP {
        return fields;
    }
    rename(&fields, |name| NAMES.iter().find(|(new, _)| *new == name).map(|names| names.1))
}

fn rename(fields: &Fields, new_name: impl Fn(&str) -> Option<&'static str>) -> Fields {
    fields.iter().map(|(name, value)| (new_name(name).unwrap_or(name).to_owned(), value.clone())).collect()
}
