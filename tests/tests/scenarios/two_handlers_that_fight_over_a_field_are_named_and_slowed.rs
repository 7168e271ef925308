//! Two handlers that set one annotation to different values are named, with the field, by an Event on the object and in `/status`; the API is spared, and a third
//! handler does its work as ever.

use weir_tests::world::{World, granted};

pub(crate) async fn run(mut world: World) {
    for (name, value) in [("red", "red"), ("blue", "blue")] {
        let wants = format!(
            r#"  settings: {{ modes: [patch], names: [fought], body: {{ metadata: {{ annotations: {{ "example.com/colour": {value} }} }} }} }}"#
        );
        world.install(name, "echo", &granted("fought", "patch, annotate", &wants));
    }
    world.install("third", "echo", &granted("other", "annotate", ""));
    world.run().await;
    world.create_text("fought", "one").await;
    let event = world
        .eventually("an Event on the object names them", async || {
            let events = world.list("/apis/events.k8s.io/v1/namespaces/default/events").await;
            events.into_iter().find(|event| event["reason"] == "HandlersFight")
        })
        .await;
    assert_eq!((&event["type"], &event["regarding"]["name"]), (&"Warning".into(), &"fought".into()), "{event:#}");
    let note = event["note"].as_str().unwrap();
    for named in ["red", "blue", "/metadata/annotations/example.com~1colour"] {
        assert!(note.contains(named), "no {named} in {note}");
    }
    let slowed = async || {
        let lanes = ["red", "blue"].map(|name| world.lane(name));
        lanes.iter().any(|lane| lane["overBudget"] == 1).then_some(lanes)
    };
    let lanes = world.eventually("one of them is slowed", slowed).await;
    let slowed = lanes.iter().find(|lane| lane["overBudget"] == 1).unwrap();
    assert_eq!(slowed["slowed"][0]["object"], "ConfigMap default/fought", "{slowed:#}");
    assert_eq!(slowed["slowed"][0]["fields"][0], "/metadata/annotations/example.com~1colour", "{slowed:#}");
    let fights = world.status()["fights"].clone();
    assert_eq!(fights[0]["handlers"], serde_json::json!(["blue", "red"]), "{fights:#}");
    assert_eq!(fights[0]["object"], "default/fought", "{fights:#}");
    assert!(world.metric("weir_fights_total") >= 1.0);

    world.create_text("other", "one").await;
    world.await_mark("other", "change", "added").await;
    let writes = |world: &World| {
        let requests = world.requests().into_iter();
        requests.filter(|it| it.method == "PATCH" && it.path.ends_with("/configmaps/fought")).count()
    };
    // Each may write its budget, and then ever more seldom: within the seconds that this takes, a handful.
    assert!(writes(&world) < 60, "{}", writes(&world));
    world.stop().await;
}
