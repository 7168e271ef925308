//! Which pods leave a node that is too full: a pure function of the pods that match the operator's selector there.
//!
//! Guarantees: a pod is deleted by its uid, so never a later one of the same name; one that is on its way out is left alone; no reply
//! has more than [`MOST`] deletions; an empty selector selects nothing.

use serde::Deserialize;
use weir_sdk::{Actions, Deletion, Note, ObjectKey, cluster::Query};

/// The most pods of one reply. The rest is deleted at the next look. A reply may have 64 actions (`limits.actions`), and has at most ten others.
const MOST: usize = 50;

/// The most names that the Event's message lists.
const NAMED: usize = 3;

/// What the operator may set about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prune {
    /// Which pods, in Kubernetes' syntax. Empty: none, and nothing is read.
    pub label_selector: String,
    /// Where; empty: everywhere, which a grant for some namespaces does not allow.
    pub namespaces: Vec<String>,
    /// Seconds that a pod has to end.
    pub grace_period_seconds: u32,
}

impl Default for Prune {
    fn default() -> Self {
        Prune { label_selector: String::new(), namespaces: Vec::new(), grace_period_seconds: 30 }
    }
}

/// A Pod, cut down to its names.
#[derive(Debug, Clone, Deserialize)]
pub struct Pod {
    metadata: Metadata,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: String,
    name: String,
    uid: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// The questions to the cache that find the pods on a node: one for each namespace, or one for all.
pub fn queries(prune: &Prune, node: &str) -> Vec<Query> {
    if prune.label_selector.trim().is_empty() {
        return Vec::new();
    }
    let query = |namespace: Option<String>| Query {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace,
        label_selector: prune.label_selector.clone(),
        field_selector: format!("spec.nodeName={node}"),
        ..Query::default()
    };
    if prune.namespaces.is_empty() {
        return vec![query(None)];
    }
    prune.namespaces.iter().map(|namespace| query(Some(namespace.clone()))).collect()
}

/// What to do about these pods: an Event about the node, and the deletions.
pub fn deletions(pods: &[Pod], prune: &Prune) -> Actions {
    let staying = pods.iter().map(|pod| &pod.metadata).filter(|pod| pod.deletion_timestamp.is_none());
    let leaving: Vec<&Metadata> = staying.take(MOST).collect();
    if leaving.is_empty() {
        return Actions::new();
    }
    let names: Vec<String> = leaving.iter().take(NAMED).map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    let more = if leaving.len() > NAMED { ", …" } else { "" };
    let message =
        format!("deleting {} pods that match {}: {}{more}", leaving.len(), prune.label_selector, names.join(", "));
    let told = Actions::new().emit(Note::normal("PodsPruned", message));
    leaving.into_iter().fold(told, |actions, pod| {
        let target = ObjectKey::namespaced("v1", "Pod", &pod.namespace, &pod.name);
        let uid = Some(pod.uid.clone());
        let grace_period_seconds = Some(prune.grace_period_seconds);
        actions.delete(Deletion { uid, grace_period_seconds, ..Deletion::of(target) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_sdk::{Action, serde_json};

    fn prune() -> Prune {
        Prune { label_selector: "app=batch".into(), grace_period_seconds: 7, ..Prune::default() }
    }

    fn pods(names: &[&str]) -> Vec<Pod> {
        let pod = |name: &&str| {
            let json = format!(r#"{{"metadata":{{"namespace":"web","name":"{name}","uid":"uid-{name}"}}}}"#);
            serde_json::from_str(&json).expect("a pod")
        };
        names.iter().map(pod).collect()
    }

    fn message(actions: &Actions) -> &str {
        let Some(Action::Emit(note)) = actions.as_slice().first() else { panic!("the Event comes first: {actions:?}") };
        &note.message
    }

    #[test]
    fn each_pod_is_deleted_by_its_uid_and_with_the_grace_period_after_an_event_that_names_it() {
        let actions = deletions(&pods(&["a"]), &prune());
        assert_eq!(message(&actions), "deleting 1 pods that match app=batch: web/a");
        let expected = Deletion {
            target: Some(ObjectKey::namespaced("v1", "Pod", "web", "a")),
            uid: Some("uid-a".into()),
            grace_period_seconds: Some(7),
            propagation: None,
        };
        assert_eq!(actions.as_slice()[1..], [Action::Delete(expected)]);
    }

    #[test]
    fn a_pod_on_its_way_out_is_left_alone_and_without_others_nothing_is_said() {
        let mut all = pods(&["a", "b"]);
        all[0].metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
        assert_eq!(message(&deletions(&all, &prune())), "deleting 1 pods that match app=batch: web/b");
        assert_eq!(deletions(&all[..1], &prune()), Actions::new());
    }

    #[test]
    fn a_reply_has_at_most_fifty_deletions_and_names_three() {
        let names: Vec<String> = (100..160).map(|n| n.to_string()).collect();
        let actions = deletions(&pods(&names.iter().map(String::as_str).collect::<Vec<_>>()), &prune());
        assert_eq!(actions.as_slice().len(), 51);
        assert_eq!(message(&actions), "deleting 50 pods that match app=batch: web/100, web/101, web/102, …");
    }

    #[test]
    fn pods_are_asked_for_by_node_and_selector_in_each_namespace_or_in_all() {
        let asked = queries(&prune(), "n1");
        assert_eq!((asked.len(), &asked[0].namespace), (1, &None));
        assert_eq!((&*asked[0].label_selector, &*asked[0].field_selector), ("app=batch", "spec.nodeName=n1"));
        let some = Prune { namespaces: vec!["web".into(), "db".into()], ..prune() };
        let namespaces: Vec<_> = queries(&some, "n1").into_iter().map(|query| query.namespace).collect();
        assert_eq!(namespaces, [Some("web".to_owned()), Some("db".to_owned())]);
    }

    #[test]
    fn an_empty_selector_asks_for_nothing() {
        for selector in ["", "  "] {
            assert_eq!(queries(&Prune { label_selector: selector.into(), ..prune() }, "n1"), []);
        }
    }
}
