//! Every bound on a component, met by a guest of its own: what is said, and that it is counted under its name.

use super::*;
use crate::{
    handler::{
        self,
        manifest::limit::{Amount, Limit, Set},
    },
    runtime::{component::DESCRIPTION_BYTES, engine::STACK, state},
};

/// Calls a guest that is called after the bound it meets; how the call ended, and that the bound was counted once.
async fn meets(limit: Limit, guest: &Guest, change: impl FnOnce(&mut Limits)) -> Result<Reply, CallFailure> {
    let name = format!("meets-{}", limit.name());
    let under = Under::of(guest, &name, &with_limits(change)).await;
    let ended = under.call().await;
    assert_eq!(hits(&name, limit), 1, "{name}: {ended:?}");
    ended
}

fn hits(name: &str, limit: Limit) -> u64 {
    ENGINE.metrics().limits().of(name, limit)
}

fn said(ended: Result<Reply, CallFailure>) -> String {
    ended.unwrap_err().message
}

const ANSWERS: &str = "(call $reply_number (i32.const 1))";

#[tokio::test]
async fn each_bound_that_ends_a_call_is_counted_and_has_words_of_its_own() {
    let grow = "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable)))";
    let grow = Guest::handling(&format!("{grow} {ANSWERS}"));
    let mut words = vec![said(meets(Limit::Memory, &grow, |it| it.memory = 1 << 20).await)];
    let short = |it: &mut Limits| it.time = Duration::from_millis(20);
    words.push(said(meets(Limit::Time, &Guest::handling(LOOP), short).await));
    let many = Guest::handling("(call $reply (i32.const 8192) (i32.const 3))");
    words.push(said(meets(Limit::Actions, &many, |it| it.actions = 2).await));
    let large = format!("(call $reply_text (i32.const {SET_STATUS}) (i32.const {DATA}) (i32.const 100000))");
    words.push(said(meets(Limit::ReplyBytes, &Guest::handling(&large), |it| it.reply_bytes = 65536).await));
    let asks = Guest::handling("(loop $again (drop (call $now)) (br $again)) (unreachable)");
    words.push(said(meets(Limit::Imports, &asks, |_| ()).await));
    let reads =
        "(loop $again (call $subject_get (i32.const 0) (i32.const 0) (i32.const 16)) (br $again)) (unreachable)";
    words.push(said(meets(Limit::ReadBytes, &Guest::handling(reads), |it| it.read_bytes = 150).await));
    let deep = Guest::handling("(call $deep)").with("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))");
    words.push(said(meets(Limit::Stack, &deep, |_| ()).await));
    let table = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 99999)) (i32.const -1)) (then (unreachable)))";
    let table = Guest::handling(&format!("{table} {ANSWERS}")).with("(table $t 2 funcref)");
    words.push(said(meets(Limit::TableElements, &table, |_| ()).await));
    let hoards = wasi("(loop $again (drop (call $after (i64.const 1))) (br $again)) (unreachable)");
    words.push(said(meets(Limit::Handles, &hoards, |_| ()).await));
    for (said, part) in words.iter().zip([
        "it wanted more memory than limits.memory, 1048576 bytes",
        "it did not end within limits.time, 20ms",
        "the reply has 3 actions, limits.actions allows 2",
        "the reply is larger than limits.replyBytes, 65536 bytes",
        "it called host functions more than 1000 times: raise limits.imports",
        "it read more than 150 bytes: raise limits.readBytes",
        "it trapped: call stack exhausted, it has 524288 bytes",
        "it wanted larger tables than a handler may have, 100000 elements",
        "it held more than 1000 handles",
    ]) {
        assert!(said.starts_with(part), "{said:?} does not begin with {part:?}");
    }
}

#[tokio::test]
async fn bounds_that_a_call_survives_are_counted_too_once_a_call() {
    let info = |length: u32| format!("(call $info (i32.const 0) (i32.const {length}) (i32.const 0) (i32.const 0))");
    let flood = Guest::handling(&format!("{} {} {ANSWERS}", info(900), info(900)));
    meets(Limit::LogBytes, &flood, |it| it.log_bytes = 1000).await.unwrap();
    let long = Guest::handling(&format!("{} {} {ANSWERS}", info(9000), info(9000)));
    meets(Limit::LineBytes, &long, |_| ()).await.unwrap();
    // A thousand bytes nine times.
    let write = "(local $left i32) (local $to i32) (local.set $to (call $stderr)) (local.set $left (i32.const 9))
        (loop $again
          (call $write (local.get $to) (i32.const 1024) (i32.const 1000) (i32.const 64))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    meets(Limit::StderrBytes, &wasi(&format!("{write} {ANSWERS}")), |_| ()).await.unwrap();
    let copes = Guest::handling("(drop (memory.grow (i32.const 5000))) (call $reply_number (i32.const 1))");
    Under::of(&copes, "copes", &manifest()).await.call().await.unwrap();
    assert_eq!(hits("copes", Limit::Memory), 1);
    meets(Limit::CallsPerInstance, &Guest::handling(ANSWERS), |it| it.calls_per_instance = 1).await.unwrap();
}

#[tokio::test]
async fn memory_that_the_component_denied_itself_is_no_bound_of_the_hosts() {
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 9)) (i32.const -1)) (then (unreachable)))";
    let guest = Guest::handling(&format!("{grow} {ANSWERS}")).with("(table $t 2 4 funcref)");
    let under = Under::of(&guest, "modest", &manifest()).await;
    let failure = under.failure().await;
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.starts_with("it wanted more memory than it declared for itself"), "{}", failure.message);
    assert_eq!(hits("modest", Limit::Memory), 0);
}

#[tokio::test]
async fn a_component_of_too_many_parts_is_refused_with_a_number_and_counted() {
    let of = |parts: String| wat::parse_str(format!("(component {parts})")).unwrap();
    let instances = |module: &str, times: usize| {
        of(format!("(core module $m {module}) {}", "(core instance (instantiate $m))".repeat(times)))
    };
    for (limit, bytes, words) in [
        (Limit::Memories, instances("(memory 1)", 9), "the component has 9 memories, and may have 8"),
        (Limit::Tables, instances("(table 1 funcref)", 65), "the component has 65 tables, and may have 64"),
        (Limit::CoreInstances, instances("", 129), "the component has 129 core instances, and may have 128"),
        (
            Limit::Memory,
            instances("(memory 5000)", 1),
            "the component has a memory of 327680000 bytes to begin with, and limits.memory may be 268435456",
        ),
        (
            Limit::TableElements,
            instances("(table 100001 funcref)", 1),
            "the component has 100001 elements in a table, and may have 100000",
        ),
        (
            Limit::Tables,
            instances(&"(table 1 funcref)".repeat(5), 1),
            "the component has 5 tables in one module, and may have 4 there",
        ),
    ] {
        let name = format!("parts-{words}");
        let error = ENGINE.load(&name, bytes.into()).await.err().expect("it is refused");
        assert_eq!(error.to_string(), words);
        assert_eq!(hits(&name, limit), 1);
    }
    // Without a pool it shows when the first instance starts.
    let engine = Engine::new(EngineSettings { pooling: false, ..EngineSettings::default() }).unwrap();
    // One more is that through which its imports are called.
    let guest = Guest::default().with(&"(table 1 funcref)".repeat(65));
    let error = engine.load("tabular", guest.build()).await.unwrap().describe().await.unwrap_err();
    assert_eq!(error.to_string(), "`describe` failed: it has 66 tables, and may have 64");
    assert_eq!(engine.metrics().limits().of("tabular", Limit::Tables), 1);
}

#[tokio::test]
async fn bounds_of_loading_are_counted_under_the_files_name() {
    let hasty = EngineSettings {
        pooling: false,
        describe_time: Duration::from_millis(20),
        max_component_bytes: 100_000,
        ..EngineSettings::default()
    };
    let engine = Engine::new(hasty).unwrap();
    let of = |limit: Limit| engine.metrics().limits().of("slow", limit);
    let slow = Guest { describe: LOOP.into(), ..Guest::default() };
    engine.load("slow", slow.build()).await.unwrap().describe().await.unwrap_err();
    assert_eq!((of(Limit::DescribeTime), of(Limit::Time)), (1, 0));
    let wordy =
        Guest { pages: 10, describe: "(call $ok_text (i32.const 0) (i32.const 300000))".into(), ..Guest::default() };
    let error = engine.load("slow", wordy.build()).await.unwrap().describe().await.unwrap_err();
    assert_eq!(error.to_string(), "`describe` failed: it answered more than 262144 bytes");
    assert_eq!(of(Limit::ManifestBytes), 1);
    engine.load("slow", vec![0; 100_001].into()).await.err().unwrap();
    assert_eq!(of(Limit::ComponentBytes), 1);
}

#[test]
fn what_the_host_sets_is_what_the_documentation_says() {
    let engine = EngineSettings::default();
    let size = |bytes: usize| Amount::Bytes(bytes as u64);
    let number = |number: usize| Amount::Number(number as u64);
    for (limit, amount) in [
        (Limit::Stack, size(STACK)),
        (Limit::Memories, number(state::MEMORIES)),
        (Limit::Tables, number(state::TABLES)),
        (Limit::TableElements, number(state::TABLE_ELEMENTS)),
        (Limit::CoreInstances, number(state::CORE_INSTANCES)),
        (Limit::Handles, number(state::HANDLES)),
        (Limit::LineBytes, size(LINE_BYTES)),
        (Limit::StderrBytes, size(STDERR_BYTES)),
        (Limit::ComponentBytes, size(engine.max_component_bytes)),
        (Limit::ComponentBytes, Amount::Bytes(handler::directory::Limits::default().component_bytes)),
        (Limit::CompileTime, Amount::Time(engine.compile_time)),
        (Limit::DescribeTime, Amount::Time(engine.describe_time)),
        (Limit::ManifestBytes, size(handler::MAX_MANIFEST)),
        (Limit::ManifestBytes, size(DESCRIPTION_BYTES)),
        (Limit::Instances, Amount::Number(engine.instances.into())),
    ] {
        assert_eq!(limit.bound().set.default(), amount, "{}", limit.name());
    }
    let Set::Manifest { most, .. } = &Limit::Memory.bound().set else { panic!("the manifest sets it") };
    assert_eq!(*most, size(MAX_MEMORY));
}
