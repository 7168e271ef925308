//! Tells when the images on a node change or fill its disk.
//!
//! Guarantees: the annotations say what the node reported when the handler last looked, and `changed-at` moves only when the
//! images did; a change is a Kubernetes Event with the names that came and went; a disk too full is a warning, repeated no more
//! often than the operator wants. Everything is decided by one pure function, [`verdict::decide`]; this file only asks and logs.
//!
//! Does not: see more images than the kubelet reports (its `nodeStatusMaxImages`, 50 by default), remove any, or tell the disk
//! of the images from the node's other ephemeral storage, which the Node object does not either.

mod node;
mod verdict;

use node::Node;
use std::time::Duration;
use verdict::{Record, Settings};
use weir_sdk::{Actions, Description, Error, Event, Fields, Handler, Verb, Wants, Watch, Write, export, host, log, serde_json::json};

struct NodeImages;

export!(NodeImages);

/// What the handler is called for a change of; its own annotations are not among it, so it never wakes itself.
const CHANGED: &[&str] = &["/status/images", "/status/capacity/ephemeral-storage"];

/// What it is handed.
const FIELDS: &[&str] = &[
    "/status/images",
    "/status/capacity/ephemeral-storage",
    "/metadata/annotations/images.weir.dev~1count",
    "/metadata/annotations/images.weir.dev~1total-bytes",
    "/metadata/annotations/images.weir.dev~1changed-at",
    "/metadata/annotations/images.weir.dev~1warned-at",
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
                },
            })),
            ..Description::default()
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
        Ok(verdict.actions)
    }
}
