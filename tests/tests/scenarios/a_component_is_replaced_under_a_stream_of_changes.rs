//! Replacing a component while objects change: each object's latest state is handled, none twice for one state, and only the new
//! build is called once it was. Prints how long it took from the rename to the new build's first call.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use weir_tests::world::{World, component, config_map, granted};

const OBJECTS: usize = 10;

/// How far apart the rounds are: a handler that writes more than twenty times a minute to one object is slowed.
const ROUND: Duration = Duration::from_millis(300);

pub(crate) async fn run(mut world: World) {
    let settings = "  settings: { modes: [annotate, read-subject], pointer: /data/text }";
    world.install("h", "echo", &granted("", "annotate", settings));
    world.run().await;
    for number in 0..OBJECTS {
        world.create_text(&name(number), "0").await;
    }
    for number in 0..OBJECTS {
        world.await_mark(&name(number), "version", "one").await;
    }

    let replaced = AtomicBool::new(false);
    let stream = async {
        let mut round = 0;
        // Some rounds before, as many as it takes meanwhile, and one after.
        loop {
            let last = replaced.load(Ordering::SeqCst);
            round += 1;
            for number in 0..OBJECTS {
                world.change_text(&name(number), &round.to_string()).await;
            }
            if last {
                return round;
            }
            tokio::time::sleep(ROUND).await;
        }
    };
    let replace = async {
        // States may be skipped, so any of the stream's will do.
        let streamed = async || world.mark(&name(OBJECTS - 1), "subject").await.filter(|state| state != "\"0\"");
        world.eventually("the stream has reached the old build", streamed).await;
        world.put("h.wasm", &component("echo-two"));
        let renamed = Instant::now();
        while !calls(&world).iter().any(|(_, _, version)| version == "two") {
            assert!(renamed.elapsed() < weir_tests::world::PATIENCE, "the new build was not called: {:#}", world.status());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = renamed.elapsed();
        replaced.store(true, Ordering::SeqCst);
        took
    };
    let (rounds, took) = tokio::join!(stream, replace);
    for number in 0..OBJECTS {
        world.await_mark(&name(number), "subject", &format!("\"{rounds}\"")).await;
        world.await_mark(&name(number), "version", "two").await;
    }
    world.quiet().await;

    let calls = calls(&world);
    let states: BTreeSet<(&String, &String)> = calls.iter().map(|(object, state, _)| (object, state)).collect();
    assert_eq!(states.len(), calls.len(), "none was handled twice for one state: {calls:#?}");
    for number in 0..OBJECTS {
        let versions: Vec<&String> = calls.iter().filter(|call| call.0 == name(number)).map(|call| &call.2).collect();
        assert!(versions.is_sorted(), "the old build was called after the new one: {versions:?}");
    }
    let lane = world.lane("h");
    assert_eq!(lane["failures"], 0, "{lane:#}");
    assert_eq!(lane["calls"], calls.len(), "{lane:#}");
    let file = world.status()["files"][0].clone();
    eprintln!(
        "{:?}: {took:?} from the rename to the first call of the new build; compiling and checking {} ms, swapping {} ms; {} calls in {rounds} rounds",
        world.on, file["checkMs"], file["swapMs"], calls.len()
    );
    world.stop().await;
}

fn name(number: usize) -> String {
    format!("object-{number}")
}

/// Every call as the request it led to: the object, the state it was called for, and the build.
fn calls(world: &World) -> Vec<(String, String, String)> {
    let mark = |body: &Value, mark: &str| {
        let value = &body["metadata"]["annotations"][format!("test.weir.dev/{mark}")];
        value.as_str().unwrap_or_default().to_owned()
    };
    let of = |number: usize| {
        world.writes(&config_map(&name(number))).into_iter().map(move |request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            (name(number), mark(&body, "subject"), mark(&body, "version"))
        })
    };
    (0..OBJECTS).flat_map(of).collect()
}
