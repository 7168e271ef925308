//! Annotates each node with the number of its images.

use weir_sdk::{Actions, Description, Error, Event, Fields, Handler, Verb, Wants, Watch, Write};

struct FirstHandler;

impl Handler for FirstHandler {
    fn describe() -> Description {
        let images = Fields::Only(&["/status/images"]);
        let nodes = Watch { name: "nodes", api_version: "v1", kind: "Node", fields: images, ..Watch::default() };
        let annotate = Write { api_version: "v1", kind: "Node", actions: &[Verb::Annotate], ..Write::default() };
        Description {
            description: "Annotates each node with the number of its images",
            watches: vec![nodes],
            wants: Wants { write: vec![annotate], ..Wants::default() },
            ..Description::default()
        }
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        let node: serde_json::Value = event.object()?;
        let count = node["status"]["images"].as_array().map_or(0, Vec::len);
        Ok(Actions::new().annotate("example.com/images", count))
    }
}

weir_sdk::export!(FirstHandler);
