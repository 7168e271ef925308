//! Annotates each node with the number of its images.

use weir_sdk::{Actions, Description, Error, Event, Fields, Handler, Verb, Wants, Watch, Write};

struct ImageCount;

impl Handler for ImageCount {
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

weir_sdk::export!(ImageCount);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted() {
        let node = r#"{"status":{"images":[{"names":["a"]},{"names":["b"]}]}}"#;
        let event = Event { object_json: node.into(), ..Event::default() };
        assert_eq!(ImageCount::handle(event), Ok(Actions::new().annotate("example.com/images", 2)));
    }
}
