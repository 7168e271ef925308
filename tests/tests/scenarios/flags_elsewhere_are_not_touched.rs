//! flag-watch looks at flags in the namespaces that its operator chose: of others nothing is asked, and nothing is written there.

use serde_json::json;
use weir_tests::world::{World, flag, flags};

pub(crate) async fn run(mut world: World) {
    if !world.install_flag_watch(&[]).await {
        return;
    }
    world.namespace("elsewhere").await;
    world.define_flags().await;
    let spec = json!({ "flags": { "colour": flag("blue") } });
    world.flags("elsewhere", "before", &spec).await;
    world.run().await;
    world.flags("elsewhere", "after", &spec).await;
    world.flags("default", "chosen", &json!({ "flags": {} })).await;
    world.await_verdict("chosen", ("True", "FlagsValid", "0 flags, 0 enabled")).await;
    world.quiet().await;

    for name in ["before", "after"] {
        let set = world.get(&flags("elsewhere", name)).await.unwrap();
        assert_eq!(set.get("status"), None, "{set:#}");
    }
    let requests = world.requests();
    let own = || requests.iter().filter(|it| it.user_agent.starts_with("weir/"));
    let touched: Vec<_> = own().filter(|it| it.path.contains("/namespaces/elsewhere")).collect();
    assert!(touched.is_empty(), "{touched:#?}");
    let flags_asked: Vec<_> = own().filter(|it| it.path.ends_with("/featureflagconfigurations")).collect();
    assert!(!flags_asked.is_empty(), "flags are listed");
    for it in flags_asked {
        assert_eq!(format!("{}/", it.path), flags("default", ""), "{it:#?}");
    }
    // A review of one's own rights is a POST that writes nothing.
    let reviews = "/apis/authorization.k8s.io/";
    let written: Vec<_> = own()
        .filter(|it| !it.path.starts_with(reviews))
        .filter(|it| it.method != "GET" && it.status < 400)
        .map(|it| it.path.as_str())
        .collect();
    assert!(
        written.iter().all(|path| path.starts_with("/api/v1/namespaces/default/configmaps/chosen-flags")
            || *path == format!("{}/status", flags("default", "chosen"))),
        "{written:#?}"
    );
    world.stop().await;
}
