//! What the tests of this room share.

use super::object::Object;
use crate::kinds::Resource;

/// The resource of pods.
pub(super) fn pods() -> Resource {
    Resource { group: String::new(), version: "v1".into(), kind: "Pod".into(), plural: "pods".into(), namespaced: true }
}

/// A pod in namespace `n`.
pub(super) fn pod(name: &str, uid: &str, version: u64) -> Object {
    Object::parse(pod_json(name, uid, version).as_bytes(), &pods()).unwrap()
}

/// The same as the API writes it.
pub(super) fn pod_json(name: &str, uid: &str, version: u64) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"n","uid":"{uid}","resourceVersion":"{version}"}}}}"#
    )
}
