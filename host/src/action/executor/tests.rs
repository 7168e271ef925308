use super::*;
use crate::{
    action::testing::*,
    contract::{Failure, Level},
    handler::manifest::Limits,
};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test]
async fn a_refusal_sends_nothing_at_all() {
    let mut denied = manifest();
    denied.grants.write.retain(|grant| grant.kind != "ConfigMap");
    let script = Script::default();
    let failed = script.executor(denied).carry_out(&node(), vec![annotate("1"), create()]).await.unwrap_err();
    assert_eq!((failed.class, script.requests().len()), (Class::Permanent, 0));
    assert!(failed.message.contains("- apiVersion: v1\n  kind: ConfigMap\n  actions: [create]\n  namespaces: [x]"));
}

#[tokio::test(start_paused = true)]
async fn every_write_waits_for_its_token() {
    let script = Script::new([annotated("6", "1"), (201, json!({}))]);
    let begin = Instant::now();
    let executor = script.paced(manifest(), Duration::from_secs(3));
    executor.carry_out(&node(), vec![annotate("1"), create()]).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_its_tokens_is_counted_and_keeps_no_other_waiting() {
    let (slow, quick) = (Script::new([(201, json!({}))]), Script::new([(201, json!({}))]));
    let begin = Instant::now();
    let (waiting, neighbour) = (slow.paced(manifest(), Duration::from_secs(3600)), quick.executor(manifest()));
    let ended = async |executor: &Executor| {
        executor.carry_out(&node(), vec![create()]).await.unwrap();
        begin.elapsed().as_secs()
    };
    assert_eq!(tokio::join!(ended(&waiting), ended(&neighbour)), (3600, 0));
    let waited = |script: &Script| script.metrics.limits().of("h", Limit::WritesPerSecond);
    assert_eq!((waited(&slow), waited(&quick)), (1, 0));
}

#[tokio::test]
async fn bounds_of_a_reply_are_counted() {
    let script = Script::default();
    carry_out(&script, vec![Action::RequeueAfter(5)]).await.unwrap();
    carry_out(&script, vec![Action::RequeueAfter(5000)]).await.unwrap();
    let many = vec![Action::RequeueAfter(5000); Limits::default().actions + 1];
    assert_eq!(carry_out(&script, many).await.unwrap_err().class, Class::Permanent);
    let met = |limit| script.metrics.limits().of("h", limit);
    assert_eq!((met(Limit::RequeueFloor), met(Limit::Actions)), (1, 1));
}

#[tokio::test]
async fn the_hosts_own_events_need_no_grant() {
    let script = Script::new([(201, json!({}))]);
    let mut denied = manifest();
    denied.grants.write.clear();
    script.executor(denied).note(&node(), note("x")).await.unwrap();
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn log_requeue_and_fail_send_nothing() {
    let script = Script::default();
    let line = LogLine { level: Level::Warn, message: "hello".into(), fields: Vec::new() };
    let fail = Failure::RetryLater { after_ms: 5, reason: "later".into() };
    let actions = vec![Action::Log(line.clone()), Action::Fail(fail.clone()), Action::RequeueAfter(5000)];
    let applied = carry_out(&script, actions).await.unwrap();
    assert_eq!((applied.requeue_after_ms, applied.fail), (Some(5000), Some(fail)));
    assert_eq!(*script.lines.lock().unwrap(), [line]);
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn every_action_is_counted_with_its_outcome() {
    let mut registry = prometheus_client::registry::Registry::default();
    let mut script = Script::new([annotated("6", "1"), refusal(500, "InternalError", Value::Null)]);
    script.metrics = ActionMetrics::register(&mut registry);
    let label = Action::Label(vec![("l".into(), Some("1".into()))]);
    carry_out(&script, vec![annotate("1"), label, create()]).await.unwrap_err();
    carry_out(&script, vec![Action::Extension("x".into(), String::new())]).await.unwrap_err();
    carry_out(&script, vec![Action::Annotate(Vec::new())]).await.unwrap();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for (action, outcome) in [
        ("annotate", "done"),
        ("label", "done"),
        ("create", "key"),
        ("extension", "refused"),
        ("annotate", "unchanged"),
    ] {
        let line = format!("weir_actions_total{{handler=\"h\",action=\"{action}\",outcome=\"{outcome}\"}} 1");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}
