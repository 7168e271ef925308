//! What a handler knows after its own writes to the event's object, so that it is not woken by them.
//!
//! Promises: a state counts as known only if nothing in it can have come from somebody else: the answer to a write that was guarded by the
//! resourceVersion of a known state, or an answer that looks exactly like a known state with the written keys changed. After the
//! first answer of which neither holds, no later one does. When in doubt the handler is called once more; it is never left uncalled.

use crate::{
    action::{Echo, OwnWrite},
    kinds::Resource,
    watch::{Object, View},
};

/// The state that counts as acknowledged: of what was handed over and the answers to the own writes, the last that holds.
pub(super) fn known_after(handed: &Object, own: &[OwnWrite], view: &View, resource: &Resource) -> Object {
    let mut known = handed.clone();
    for write in own {
        let Some(answer) = answer(write, resource).filter(|answer| answer.uid() == handed.uid()) else { break };
        let holds = match &write.echo {
            Echo::Guarded => true,
            Echo::Merged(patch) => merged(&known, patch, resource)
                .is_some_and(|expected| view.fingerprint(&expected) == view.fingerprint(&answer)),
            Echo::None => false,
        };
        if !holds {
            break;
        }
        known = answer;
    }
    known
}

/// The resourceVersion the cache has to reach before the object may be looked at again.
pub(super) fn to_reach<'a>(own: &'a [OwnWrite], uid: &str) -> Option<&'a str> {
    let versions = own.iter().rev().filter(|write| write.uid == uid).map(|write| write.resource_version.as_str());
    versions.into_iter().find(|version| !version.is_empty())
}

fn answer(write: &OwnWrite, resource: &Resource) -> Option<Object> {
    Object::parse(write.object.as_ref()?, resource).ok()
}

fn merged(known: &Object, patch: &serde_json::Value, resource: &Resource) -> Option<Object> {
    let mut document = serde_json::from_slice(known.json()).ok()?;
    json_patch::merge(&mut document, patch);
    // An object without annotations looks to the view like one whose last annotation was removed only if the server writes it so; it
    // does, and a difference here costs one more call.
    Object::parse(&serde_json::to_vec(&document).ok()?, resource).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nodes() -> Resource {
        Resource {
            group: String::new(),
            version: "v1".into(),
            kind: "Node".into(),
            plural: "nodes".into(),
            namespaced: false,
        }
    }

    fn node(version: u32, annotations: serde_json::Value, images: u32) -> serde_json::Value {
        json!({"apiVersion": "v1", "kind": "Node", "status": {"images": images},
            "metadata": {"name": "a", "uid": "u", "resourceVersion": version.to_string(), "annotations": annotations}})
    }

    fn object(value: &serde_json::Value) -> Object {
        Object::parse(value.to_string().as_bytes(), &nodes()).unwrap()
    }

    fn write(value: &serde_json::Value, echo: Echo) -> OwnWrite {
        let at = |pointer| value.pointer(pointer).and_then(|v| v.as_str()).unwrap().to_owned();
        OwnWrite {
            uid: at("/metadata/uid"),
            resource_version: at("/metadata/resourceVersion"),
            object: Some(value.to_string().into()),
            echo,
        }
    }

    fn known(own: &[OwnWrite]) -> String {
        let view = View::new(None, None).unwrap();
        known_after(&object(&node(1, json!({"x": "0"}), 5)), own, &view, &nodes()).resource_version().to_owned()
    }

    fn annotated() -> Echo {
        Echo::Merged(json!({"metadata": {"annotations": {"y": "1"}}}))
    }

    #[test]
    fn an_annotation_nobody_interfered_with_is_known() {
        assert_eq!(known(&[write(&node(2, json!({"x": "0", "y": "1"}), 5), annotated())]), "2");
    }

    #[test]
    fn an_answer_that_shows_somebody_elses_change_too_is_not_known() {
        assert_eq!(known(&[write(&node(3, json!({"x": "0", "y": "1"}), 6), annotated())]), "1");
    }

    #[test]
    fn a_guarded_write_is_known_and_an_apply_is_not() {
        let after = node(2, json!({"x": "0"}), 9);
        assert_eq!(known(&[write(&after, Echo::Guarded)]), "2");
        assert_eq!(known(&[write(&after, Echo::None)]), "1");
        assert_eq!(known(&[OwnWrite { object: None, ..write(&after, Echo::Guarded) }]), "1", "a Status is no echo");
    }

    #[test]
    fn nothing_is_known_after_the_first_answer_in_doubt() {
        // The second write is guarded by the answer to the first, which already had somebody else's change in it.
        let doubtful = write(&node(3, json!({"x": "0", "y": "1"}), 6), annotated());
        let guarded = write(&node(4, json!({"x": "0", "y": "1"}), 7), Echo::Guarded);
        assert_eq!(known(&[doubtful, guarded.clone()]), "1");
        let good = write(&node(2, json!({"x": "0", "y": "1"}), 5), annotated());
        assert_eq!(known(&[good, guarded]), "4");
    }

    #[test]
    fn a_change_outside_the_view_does_not_spoil_an_echo() {
        let view = View::new(Some(&["/metadata/annotations".to_owned()]), None).unwrap();
        let own = [write(&node(3, json!({"x": "0", "y": "1"}), 6), annotated())];
        let known = known_after(&object(&node(1, json!({"x": "0"}), 5)), &own, &view, &nodes());
        assert_eq!(known.resource_version(), "3");
    }

    #[test]
    fn the_cache_has_to_reach_the_last_answer_of_this_uid() {
        let (two, three) = (node(2, json!({}), 5), node(3, json!({}), 5));
        let own = [write(&two, annotated()), write(&three, Echo::None)];
        assert_eq!(to_reach(&own, "u"), Some("3"));
        assert_eq!(to_reach(&own, "another"), None);
    }
}
