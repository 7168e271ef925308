//! Who owns which field: `metadata.managedFields`.

use serde_json::Value;

use crate::{object::Fields, request::Target, write::Writer};

/// Notes that a writer other than server-side apply made `new` of `old`.
pub(crate) fn record_update(_target: &Target, _old: &Fields, _new: &mut Fields, _writer: &Writer) {}

/// The object without what a write that changes nothing may still change: its ownership and its resourceVersion.
pub(crate) fn without(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("resourceVersion");
    }
    fields
}
