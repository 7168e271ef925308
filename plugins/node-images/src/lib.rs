//! Tells when the images on a node change or fill its disk.
//!
//! Guarantees: the annotations say what the node reported when the handler last looked, and `changed-at` moves only when the
//! images did; a change is a Kubernetes Event with the names that came and went; a disk too full is a warning, repeated no more
//! often than the operator wants; pods leave a full node only if the operator's selector names them, and a node is deleted only if
//! its annotation asks. Everything is decided by pure functions, [`verdict::decide`], [`prune::deletions`] and [`removal::actions`];
//! this file only asks and logs.
//!
//! Does not: see more images than the kubelet reports (its `nodeStatusMaxImages`, 50 by default), remove any, or tell the disk
//! of the images from the node's other ephemeral storage, which the Node object does not either.

mod node;
mod prune;
mod removal;
mod verdict;

use node::Node;
use std::time::Duration;
use verdict::{Record, Settings};
use weir_sdk::{
    Actions, Description, Error, Event, Fields, Handler, Read, ReadError, Verb, Wants, Watch, Write, cluster, export,
    host, log, serde_json::json,
};

struct NodeImages;

export!(NodeImages);

/// What the handler is called for a change of; its own annotations are not among it, so it never wakes itself.
const CHANGED: &[&str] =
    &["/status/images", "/status/capacity/ephemeral-storage", "/metadata/annotations/images.weir.dev~1delete"];

/// What it is handed.
const FIELDS: &[&str] = &[
    "/status/images",
    "/status/capacity/ephemeral-storage",
    "/metadata/annotations/images.weir.dev~1count",
    "/metadata/annotations/images.weir.dev~1total-bytes",
    "/metadata/annotations/images.weir.dev~1percent",
    "/metadata/annotations/images.weir.dev~1changed-at",
    "/metadata/annotations/images.weir.dev~1warned-at",
    "/metadata/annotations/images.weir.dev~1delete",
];

/// How often it looks at a node that did not change.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl Handler for NodeImages {
    fn describe() -> Description {
        Description {
            description: "Tells when the images on a node change or fill its disk",
            watches: vec![Watch {
                name: "nodes",
                api_version: "v1",
                kind: "Node",
                fields: Fields::Only(FIELDS),
                changed: CHANGED,
                previous: true,
                resync: Some(LOOK_AGAIN),
                ..Watch::default()
            }],
            reads: vec![
                Read { api_version: "v1", kind: "Node", ..Read::default() },
                Read { api_version: "v1", kind: "Pod", ..Read::default() },
            ],
            // Deletions are not among the wishes: who wants them says so in the manifest.
            wants: Wants {
                write: vec![Write {
                    api_version: "v1",
                    kind: "Node",
                    actions: &[Verb::Annotate, Verb::Emit],
                    ..Write::default()
                }],
                ..Wants::default()
            },
            settings_schema: Some(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "percent": { "type": "integer", "minimum": 1, "maximum": 100, "default": 80 },
                    "remindMinutes": { "type": "integer", "minimum": 1, "default": 60 },
                    "webhook": { "type": "string", "default": "" },
                    "prune": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "labelSelector": { "type": "string", "default": "" },
                            "namespaces": { "type": "array", "items": { "type": "string" }, "default": [] },
                            "gracePeriodSeconds": { "type": "integer", "minimum": 0, "maximum": 86400, "default": 30 },
                        },
                    },
                },
            })),
        }
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        let node: Node = event.object()?;
        let images = node.images();
        if event.is_ending() {
            log::info!(
                "node is gone",
                node = event.key.name,
                images = images.len(),
                total_bytes = node.total_bytes(),
                last_state_certain = !event.final_state_unknown
            );
            return Ok(Actions::new());
        }
        if removal::is_asked_for(&node) {
            let newest: Result<Vec<Node>, ReadError> = cluster::list(removal::query(&event.key.name)).collect();
            return Ok(removal::actions(&newest?, &event.uid));
        }
        let before: Option<Node> = event.previous()?;
        let settings: Settings = host::settings()?;
        let verdict = verdict::decide(&Record::of(&node), &node, before.as_ref(), &settings, host::now());
        if let Some(change) = &verdict.change {
            log::info!(
                "images changed",
                node = event.key.name,
                added = change.added.join(", "),
                removed = change.removed.join(", "),
                images = images.len()
            );
        }
        if !verdict.is_full {
            return Ok(verdict.actions(Actions::new()));
        }
        let queries = prune::queries(&settings.prune, &event.key.name);
        let pods: Result<Vec<prune::Pod>, ReadError> = queries.into_iter().flat_map(cluster::list).collect();
        Ok(match pods {
            Ok(pods) => verdict.actions(prune::deletions(&pods, &settings.prune)),
            // What does not need the pods is done all the same.
            Err(error) => verdict.actions(Actions::new()).fail(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_annotation_it_reads_is_handed_over_and_only_the_one_that_asks_wakes_it() {
        let pointer = |key: &str| format!("/metadata/annotations/{}", key.replace('/', "~1"));
        for key in [verdict::COUNT, verdict::TOTAL_BYTES, verdict::PERCENT, verdict::CHANGED_AT, verdict::WARNED_AT] {
            assert!(FIELDS.contains(&&*pointer(key)) && !CHANGED.contains(&&*pointer(key)), "{key}");
        }
        assert!(FIELDS.contains(&&*pointer(removal::DELETE)) && CHANGED.contains(&&*pointer(removal::DELETE)));
    }

    #[test]
    fn it_looks_again_every_thirty_seconds_and_wishes_for_no_deletion() {
        let said = NodeImages::describe();
        assert_eq!(said.watches[0].resync, Some(Duration::from_secs(30)));
        assert!(said.wants.write.iter().all(|wish| !wish.actions.contains(&Verb::Delete)), "{:?}", said.wants);
    }

    #[test]
    fn settings_are_read_as_the_schema_fills_them_in() {
        let filled = r#"{"percent":80,"remindMinutes":60,"webhook":"",
            "prune":{"labelSelector":"","namespaces":[],"gracePeriodSeconds":30}}"#;
        let settings: Settings = weir_sdk::serde_json::from_str(filled).expect("settings");
        assert_eq!(settings, Settings::default());
    }
}
