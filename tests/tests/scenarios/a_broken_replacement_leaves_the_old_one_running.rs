//! A file that cannot be used changes nothing for the events: the last good build goes on, and `/status` and a metric say what is
//! wrong until a good one comes.

use weir_tests::world::{World, component, granted};

pub(crate) async fn run(mut world: World) {
    world.install("h", "echo", &granted("", "annotate", ""));
    world.run().await;
    world.create_text("before", "one").await;
    world.await_mark("before", "version", "one").await;

    let not_one: &[u8] = b"#!/bin/sh\n";
    for (name, bytes, words) in
        [("trapping", component("broken").as_slice(), "`describe` failed: it trapped"), ("garbage", not_one, "not a")]
    {
        world.put("h.wasm", bytes);
        let file = world
            .eventually(format!("the {name} file is refused with {words:?}"), async || {
                let file = world.status()["files"][0].clone();
                file["error"].as_str().is_some_and(|error| error.contains(words)).then_some(file)
            })
            .await;
        assert_eq!(file["state"], "refused", "{file:#}");
        assert_eq!(file["keepsRunning"], "h", "{file:#}");
        assert!(file["error"].as_str().unwrap().contains("h.wasm"), "{file:#}");
        assert_eq!(world.metric(r#"weir_handler_refused{handler="h"}"#), 1.0);
        world.create_text(name, "one").await;
        world.await_mark(name, "version", "one").await;
    }

    world.put("h.wasm", &component("echo-two"));
    world.eventually("the good one runs", async || (world.status()["files"][0]["state"] == "running").then_some(())).await;
    world.create_text("after", "one").await;
    world.await_mark("after", "version", "two").await;
    assert_eq!(world.metric(r#"weir_handler_refused{handler="h"}"#), 0.0);
    world.stop().await;
}
