//! Calls of real components, end to end: what goes in, what comes out, and how each ending is told.

mod guest;
mod instances;
mod limits;
mod loading;

use super::*;
use crate::{
    contract::{Change, Failure, LogLine, ObjectRef, ReadError},
    handler::manifest::{Grants, Instance, Limits, Manifest, Retry},
};
use guest::{DATA, Guest, LABEL, SET_STATUS};
use std::{
    sync::{LazyLock, Mutex},
    time::Duration,
};

/// One for all tests: an engine reserves much address space.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineSettings::default()).unwrap());

/// What every call in here is about.
const OBJECT: &str = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"1"},"n":[1.0,{"x/y":"ü"}]}"#;

fn manifest() -> Manifest {
    Manifest {
        name: "x".into(),
        description: String::new(),
        watches: Vec::new(),
        reads: Vec::new(),
        wants: Grants::default(),
        grants: Grants::default(),
        settings: serde_json::json!({ "percent": 80 }),
        workers: 2,
        retry: Retry::default(),
        limits: Limits::default(),
        instance: Instance::Warm,
        field_manager: "weir/x".into(),
        service_account: None,
        dry_run: false,
        sha256: None,
    }
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> Manifest {
    let mut manifest = manifest();
    change(&mut manifest.limits);
    manifest
}

fn invocation() -> Invocation {
    let event = Event {
        change: Change::Updated,
        watch: "nodes".into(),
        key: ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: "a".into() },
        uid: "1".into(),
        resource_version: "7".into(),
        object: OBJECT.into(),
        previous: Some("{}".into()),
        final_state_unknown: false,
        attempt: 3,
        extra: vec![("k".into(), "v".into())],
    };
    Invocation { event, subject: Bytes::from_static(OBJECT.as_bytes()) }
}

/// Knows one Pod, and refuses the rest.
fn reads() -> Reads {
    Reads {
        get: Arc::new(|key| match key.kind.as_str() {
            "Pod" => Ok((key.name == "p").then(|| format!("pod {}", key.namespace.as_deref().unwrap_or("-")))),
            _ => Err(ReadError::Denied(format!("add {} to grants.read", key.kind))),
        }),
        list: Arc::new(|_| Err(ReadError::Denied("add it to grants.read".into()))),
    }
}

struct Under {
    handler: Arc<Handler>,
    lines: Arc<Mutex<Vec<LogLine>>>,
}

impl Under {
    async fn of(guest: &Guest, name: &str, manifest: &Manifest) -> Under {
        let component = ENGINE.load(name, guest.build()).await.unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let sink: LogSink = Arc::new(move |line| sink.lock().unwrap().push(line.clone()));
        Under { handler: component.handler(name, manifest, reads(), sink), lines }
    }

    async fn call(&self) -> Result<Reply, CallFailure> {
        self.handler.invoke(invocation()).await
    }

    /// The number in the one `requeue-after-ms` that guests here answer with.
    async fn number(&self) -> u32 {
        match self.call().await.unwrap().actions[..] {
            [Action::RequeueAfter(number)] => number,
            ref other => panic!("{other:?}"),
        }
    }

    async fn failure(&self) -> CallFailure {
        self.call().await.unwrap_err()
    }

    fn messages(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|line| line.message.clone()).collect()
    }

    fn live(&self, name: &str) -> i64 {
        ENGINE.metrics().instances.get_or_create(&metrics::Of { handler: name.into() }).get()
    }
}

async fn handler(guest: &Guest) -> Under {
    Under::of(guest, "x", &manifest()).await
}

async fn limited(guest: &Guest, change: impl FnOnce(&mut Limits)) -> Under {
    Under::of(guest, "x", &with_limits(change)).await
}

/// Counts its calls, as far as its memory lives.
const COUNTING: &str = "(global $calls (mut i32) (i32.const 0))
    (func $count (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))";

const LOOP: &str = "(loop $again (br $again)) (unreachable)";

#[tokio::test]
async fn an_event_goes_in_and_actions_come_out() {
    // Two fields of the record, at their places: `object` and `attempt`.
    let echo = format!(
        "(call $reply_text (i32.const {SET_STATUS}) (i32.load offset=64 (local.get $event)) (i32.load offset=68 (local.get $event)))"
    );
    let reply = handler(&Guest::handling(&echo)).await.call().await.unwrap();
    assert_eq!(reply.actions, [Action::SetStatus(OBJECT.into())]);
    let attempt = Guest::handling("(call $reply_number (i32.load offset=88 (local.get $event)))");
    assert_eq!(handler(&attempt).await.number().await, 3);
}

#[tokio::test]
async fn a_label_without_a_value_is_a_removal() {
    // Two entries of 20 bytes: a string, and an option of a string.
    let more = format!(
        r#"(data (i32.const 512) "keygone\00")
        (data (i32.const 600) "\00\02\00\00\03\00\00\00\01\00\00\00\00\02\00\00\03\00\00\00")
        (data (i32.const 620) "\03\02\00\00\04\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
        (global $label i32 (i32.const {LABEL}))"#
    );
    let guest = Guest::handling("(call $reply_text (global.get $label) (i32.const 600) (i32.const 2))").with(&more);
    let reply = handler(&guest).await.call().await.unwrap();
    assert_eq!(reply.actions, [Action::Label(vec![("key".into(), Some("key".into())), ("gone".into(), None)])]);
}

#[tokio::test]
async fn a_failure_the_handler_answers_is_told_as_its_own_and_keeps_the_instance() {
    // `retry-later` is a number and a text, so its text lies one word further on.
    let body = "(i32.store (i32.const 12) (i32.const 512)) (i32.store (i32.const 16) (i32.const 4))
        (if (result i32) (i32.eq (call $count) (i32.const 3))
          (then (i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 1))
                (i32.store (i32.const 8) (i32.const 250)) (i32.const 0))
          (else (call $fail (i32.mul (i32.sub (global.get $calls) (i32.const 1)) (i32.const 2))
                            (i32.const 512) (i32.const 4))))";
    let guest = Guest::handling(body).with(COUNTING).with("(data (i32.const 512) \"busy\")");
    let under = handler(&guest).await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let failure = under.failure().await;
        assert_eq!(failure.message, "the handler answered: busy");
        kinds.push(failure.kind);
    }
    assert_eq!(
        kinds,
        [
            FailureKind::Answered(Failure::Retry("busy".into())),
            FailureKind::Answered(Failure::Permanent("busy".into())),
            FailureKind::Answered(Failure::RetryLater { after_ms: 250, reason: "busy".into() }),
        ]
    );
}

#[tokio::test]
async fn a_trap_is_told_with_its_kind_and_place() {
    let failure = handler(&Guest::handling("(unreachable)")).await.failure().await;
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert_eq!(failure.message, "it trapped: wasm `unreachable` instruction executed (in handle)");
    let recursing =
        Guest::handling("(call $deep)").with("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))");
    let failure = handler(&recursing).await.failure().await;
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert!(failure.message.contains("call stack exhausted"), "{}", failure.message);
}

#[tokio::test]
async fn a_loop_ends_by_its_deadline_even_if_the_clock_of_the_host_stands_still() {
    let short = |limits: &mut Limits| limits.time = Duration::from_millis(20);
    let starting = Guest::default().with("(func $spin (loop $again (br $again))) (start $spin)");
    let (looping, starting) = (limited(&Guest::handling(LOOP), short).await, limited(&starting, short).await);
    // What ends the guest is the engine's own thread.
    tokio::time::pause();
    let failure = looping.failure().await;
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert_eq!(failure.message, "it did not end within limits.time, 20ms (in handle)");
    let failure = starting.failure().await;
    assert_eq!(failure.kind, FailureKind::TimedOut);
}

#[tokio::test]
async fn a_guest_that_sleeps_ends_by_its_deadline_too() {
    let guest = wasi("(call $wait (call $after (i64.const 3600000000000))) (call $reply_number (i32.const 1))");
    let patient = limited(&guest, |limits| limits.time = Duration::from_secs(7200)).await;
    let guest = handler(&guest).await;
    // The clock advances by itself once everybody waits for it: what ends the guest is the clock.
    tokio::time::pause();
    let failure = guest.failure().await;
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert_eq!(failure.message, "it did not end within limits.time, 2s");
    assert_eq!(patient.number().await, 1);
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_the_trap_it_leads_to_is_told_as_that() {
    let one_mib = |limits: &mut Limits| limits.memory = 1 << 20;
    let grow = "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable)))
        (call $reply_number (i32.const 1))";
    let failure = limited(&Guest::handling(grow), one_mib).await.failure().await;
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert_eq!(failure.message, "it wanted more memory than limits.memory, 1048576 bytes (in handle)");
    let copes = Guest::handling("(call $reply_number (memory.grow (i32.const 100)))");
    assert_eq!(limited(&copes, one_mib).await.number().await, u32::MAX);
    let failure = limited(&Guest { pages: 17, ..Guest::default() }, one_mib).await.failure().await;
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.contains("while starting"), "{}", failure.message);
}

#[tokio::test]
async fn a_reply_beyond_its_limits_in_bytes_or_actions_is_refused() {
    let large = format!("(call $reply_text (i32.const {SET_STATUS}) (i32.const {DATA}) (i32.const 100000))");
    let failure = limited(&Guest::handling(&large), |limits| limits.reply_bytes = 65536).await.failure().await;
    assert_eq!(failure.kind, FailureKind::ReplyTooLarge);
    assert_eq!(failure.message, "the reply is larger than limits.replyBytes, 65536 bytes in the host's memory");
    // Zeroed memory is a list of annotations of nothing.
    let many = Guest::handling("(call $reply (i32.const 8192) (i32.const 3))");
    let failure = limited(&many, |limits| limits.actions = 2).await.failure().await;
    assert_eq!(failure.kind, FailureKind::ReplyTooLarge);
    assert_eq!(failure.message, "the reply has 3 actions, limits.actions allows 2");
    assert_eq!(limited(&many, |limits| limits.actions = 3).await.call().await.unwrap().actions.len(), 3);
}

#[tokio::test]
async fn a_call_that_asks_too_often_or_reads_too_much_ends() {
    let asks = Guest::handling("(loop $again (drop (call $now)) (br $again)) (unreachable)");
    let failure = limited(&asks, |limits| limits.imports = 5).await.failure().await;
    assert_eq!(failure.kind, FailureKind::TooManyReads);
    assert!(failure.message.contains("more than 5 times: raise limits.imports"), "{}", failure.message);
    // The empty pointer is the whole object.
    let reads = Guest::handling(
        "(loop $again (call $subject_get (i32.const 0) (i32.const 0) (i32.const 16)) (br $again)) (unreachable)",
    );
    let failure = limited(&reads, |limits| limits.read_bytes = 150).await.failure().await;
    assert_eq!(failure.kind, FailureKind::TooManyReads);
    assert!(failure.message.contains("more than 150 bytes: raise limits.readBytes"), "{}", failure.message);
}

#[tokio::test]
async fn a_log_flood_is_dropped_and_hurts_nobody() {
    let flood = "(local $left i32) (local.set $left (i32.const 20000))
        (loop $again
          (call $info (i32.const 1024) (i32.const 11) (i32.const 0) (i32.const 0))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $reply_number (i32.const 9))";
    let manifest = with_limits(|limits| limits.log_bytes = 1000);
    let under = Under::of(&Guest::handling(flood), "floods", &manifest).await;
    assert_eq!(under.number().await, 9);
    let said = under.messages();
    assert_eq!(said[0], "watches: []");
    assert!(said.len() < 20 && said.last().unwrap().contains("were dropped"), "{said:?}");
    let dropped = ENGINE.metrics().log_bytes_dropped.get_or_create(&metrics::Of { handler: "floods".into() }).get();
    assert!(dropped > 0);
    let long =
        Guest::handling("(call $info (i32.const 0) (i32.const 100000) (i32.const 0) (i32.const 0)) (unreachable)");
    let failure = limited(&long, |limits| limits.reply_bytes = 65536).await.failure().await;
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert!(failure.message.contains("gave a host function more than limits.replyBytes"), "{}", failure.message);
}

/// Asks for a pointer, and answers with what it got: the text as status, nothing as the number 0, an error as its own.
fn asking(pointer: &str) -> Guest {
    let ask = format!("(call $subject_get (i32.const 512) (i32.const {}) (i32.const 32))", pointer.len());
    Guest::handling(&format!("{ask} {ANSWER}")).with(&format!("(data (i32.const 512) \"{pointer}\")"))
}

/// Answers with the `result<option<string>, read-error>` at 32.
const ANSWER: &str = "(if (result i32) (i32.load8_u (i32.const 32))
      (then (call $fail (i32.const 2) (i32.load (i32.const 40)) (i32.load (i32.const 44))))
      (else (if (result i32) (i32.load8_u (i32.const 36))
        (then (call $reply_text (i32.const 2) (i32.load (i32.const 40)) (i32.load (i32.const 44))))
        (else (call $reply_number (i32.const 0))))))";

#[tokio::test]
async fn the_events_object_can_be_asked_by_pointer() {
    for (pointer, json) in [("/metadata/name", r#""a""#), ("/n/0", "1.0"), ("/n/1/x~1y", r#""ü""#)] {
        let reply = handler(&asking(pointer)).await.call().await.unwrap();
        assert_eq!(reply.actions, [Action::SetStatus(json.into())], "{pointer}");
    }
    assert_eq!(handler(&asking("/metadata/missing")).await.number().await, 0);
    let failure = handler(&asking("metadata")).await.failure().await;
    assert!(failure.message.contains("is not a JSON pointer"), "{}", failure.message);
}

#[tokio::test]
async fn other_objects_are_answered_by_what_the_host_was_given_and_its_refusals_reach_the_guest() {
    let ask = |kind: &str, name: &str| {
        let call = format!(
            "(call $cluster_get (i32.const 512) (i32.const 2) (i32.const 520) (i32.const {}) (i32.const 1) (i32.const 530)
              (i32.const 2) (i32.const 540) (i32.const {}) (i32.const 32))",
            kind.len(),
            name.len()
        );
        Guest::handling(&format!("{call} {ANSWER}")).with(&format!(
            "(data (i32.const 512) \"v1\") (data (i32.const 520) \"{kind}\") (data (i32.const 530) \"ns\") (data (i32.const 540) \"{name}\")"
        ))
    };
    let reply = handler(&ask("Pod", "p")).await.call().await.unwrap();
    assert_eq!(reply.actions, [Action::SetStatus("pod ns".into())]);
    assert_eq!(handler(&ask("Pod", "q")).await.number().await, 0);
    let failure = handler(&ask("Secret", "s")).await.failure().await;
    assert_eq!(failure.kind, FailureKind::Answered(Failure::Permanent("add Secret to grants.read".into())));
}

#[tokio::test]
async fn settings_are_the_manifests_and_the_clock_is_the_hosts() {
    let body = format!(
        "(call $settings (i32.const 32))
         (call $reply_text (i32.const {SET_STATUS}) (i32.load (i32.const 32)) (i32.load (i32.const 36)))"
    );
    let reply = handler(&Guest::handling(&body)).await.call().await.unwrap();
    assert_eq!(reply.actions, [Action::SetStatus(r#"{"percent":80}"#.into())]);
    // A whole number of milliseconds after 2020, which one of seconds or microseconds is not.
    let clock = "(call $reply_number (i32.and (i32.and
          (f64.gt (call $now) (f64.const 1577836800000)) (f64.lt (call $now) (f64.const 4102444800000)))
          (f64.eq (f64.floor (call $now)) (f64.trunc (call $now)))))";
    assert_eq!(handler(&Guest::handling(clock)).await.number().await, 1);
}

const SAY: &str = r#"(data (i32.const 512) "Traceback: boom\0a")
    (func $say (param $stream i32) (call $write (local.get $stream) (i32.const 512) (i32.const 16) (i32.const 32)))"#;

fn wasi(body: &str) -> Guest {
    Guest { wasi: true, ..Guest::handling(body) }.with(SAY)
}

#[tokio::test]
async fn what_a_failing_call_wrote_to_stderr_goes_with_the_failure() {
    let under = handler(&wasi("(call $say (call $stderr)) (unreachable)")).await;
    let failure = under.failure().await;
    assert_eq!((failure.kind, failure.stderr.as_str()), (FailureKind::Trapped, "Traceback: boom"));
    assert!(under.messages().is_empty());
    let under =
        handler(&wasi("(call $say (call $stdout)) (call $say (call $stderr)) (call $reply_number (i32.const 1))"))
            .await;
    assert_eq!(under.number().await, 1);
    assert_eq!(under.messages(), ["Traceback: boom", "Traceback: boom"]);
    let levels: Vec<_> = under.lines.lock().unwrap().iter().map(|line| line.level).collect();
    assert_eq!(levels, [contract::Level::Info, contract::Level::Warn]);
}

#[tokio::test]
async fn wasi_is_there_and_grants_nothing() {
    let environment = "(call $environment (i32.const 32)) (call $reply_number (i32.load (i32.const 36)))";
    assert_eq!(handler(&wasi(environment)).await.number().await, 0);
    let failure = handler(&wasi("(call $exit (i32.const 1)) (unreachable)")).await.failure().await;
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert_eq!(failure.message, "it called exit(1) instead of answering (in handle)");
    // Seconds since 1970, as the guest's own runtime sees them.
    let clock = "(call $wall_now (i32.const 32)) (call $reply_number (i32.wrap_i64 (i64.load (i32.const 32))))";
    assert!(handler(&wasi(clock)).await.number().await > 1_577_836_800);
    let random = Guest::handling("(call $reply_number (i32.wrap_i64 (call $random)))");
    let under = handler(&Guest { wasi: true, ..random }).await;
    assert_ne!((under.number().await, under.number().await), (under.number().await, under.number().await));
}
