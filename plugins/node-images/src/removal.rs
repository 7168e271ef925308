//! Whether a Node is to be deleted because its annotation asks for it.
//!
//! Guarantees: only the one value asks; the node is deleted only if the newest state that weir knows still is the same node, still
//! asks, and is not on its way out. Does not: drain the node; whoever asks for its deletion has done so.

use crate::node::Node;
use weir_sdk::{Actions, Deletion, Note, cluster::Query};

/// The annotation that asks, with the value `true`.
pub const DELETE: &str = "images.weir.dev/delete";

/// Seconds.
const GRACE: u32 = 10;

/// Whether the node asks to be deleted.
pub fn is_asked_for(node: &Node) -> bool {
    node.metadata.annotations.get(DELETE).is_some_and(|value| value == "true")
}

/// The question to the cache for the newest state of the node.
pub fn query(name: &str) -> Query {
    Query {
        api_version: "v1".into(),
        kind: "Node".into(),
        field_selector: format!("metadata.name={name}"),
        ..Query::default()
    }
}

/// What to do about the node of this uid, of which `newest` was found.
pub fn actions(newest: &[Node], uid: &str) -> Actions {
    let goes =
        |node: &Node| node.metadata.uid == uid && is_asked_for(node) && node.metadata.deletion_timestamp.is_none();
    if !newest.iter().any(goes) {
        return Actions::new();
    }
    let message = format!("deleting the node, as its annotation {DELETE} asks for");
    let told = Actions::new().emit(Note::normal("NodeDeleting", message));
    told.delete(Deletion { grace_period_seconds: Some(GRACE), ..Deletion::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_sdk::Action;

    fn asking(value: &str) -> Node {
        let mut node = Node::default();
        node.metadata.uid = "u".into();
        node.metadata.annotations.insert(DELETE.into(), value.into());
        node
    }

    #[test]
    fn only_true_asks() {
        assert!(is_asked_for(&asking("true")));
        for value in ["", "false", "True", "1"] {
            assert!(!is_asked_for(&asking(value)), "{value}");
        }
        assert!(!is_asked_for(&Node::default()));
    }

    #[test]
    fn a_node_that_still_asks_is_deleted_with_ten_seconds_after_an_event() {
        let actions = actions(&[asking("true")], "u");
        let [Action::Emit(note), Action::Delete(deletion)] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(note.reason, "NodeDeleting");
        // No target is the event's own object, which weir binds to what the handler was shown.
        assert_eq!(*deletion, Deletion { grace_period_seconds: Some(10), ..Deletion::default() });
    }

    #[test]
    fn another_node_one_that_asks_no_more_and_one_on_its_way_out_stay() {
        let mut going = asking("true");
        going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
        assert_eq!(actions(&[], "u"), Actions::new());
        assert_eq!(actions(&[asking("true")], "other"), Actions::new());
        assert_eq!(actions(&[asking("false")], "u"), Actions::new());
        assert_eq!(actions(&[going], "u"), Actions::new());
    }

    #[test]
    fn the_node_is_asked_for_by_its_name() {
        assert_eq!(query("n1").field_selector, "metadata.name=n1");
    }
}
