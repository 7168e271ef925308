//! Code that does not behave: in every function that the host calls, with every thing that it can take.

use crate::{
    attack::Attack,
    guest::{DATA, Guest},
    reply::{Entries, Number, action, annotate, answers, requeue, text},
};

const LOOP: &str = "(loop $again (br $again)) (unreachable)";
const TRAP: &str = "(unreachable)";
/// An answer without actions.
const NOTHING: &str = "(call $reply (i32.const 0) (i32.const 0))";
const LATE: &[&str] = &["it did not end within limits.time, 100ms"];
const LATE_DESCRIBE: &[&str] = &["`describe` failed: it did not end within 2s"];
const BRIEF: &str = "time: 100ms";

fn handling(body: &str) -> Guest {
    Guest::handling(body)
}

fn describing(body: &str) -> Guest {
    Guest { describe: body.into(), ..Guest::default() }
}

/// Its start function does this.
fn starting(body: &str) -> Guest {
    Guest::default().with(&format!("(func $begin {body}) (start $begin)"))
}

/// Its allocator does this, but for the few bytes that a component needs to start.
fn allocating(body: &str) -> Guest {
    Guest { realloc: body.into(), ..Guest::default() }
}

/// Its post-return of `handle` and `describe` does this, once it was called for an event, which lies behind the allocator's beginning.
fn returning(body: &str) -> Guest {
    Guest {
        post_return: format!("(if (i32.ne (global.get $next) (i32.const 65536)) (then {body}))"),
        ..Guest::default()
    }
}

fn wasi(body: &str) -> Guest {
    Guest { wasi: true, ..handling(body) }
}

/// Does `body` for ever.
fn again(body: &str) -> String {
    format!("(loop $again {body} (br $again)) (unreachable)")
}

/// Does `body` ten thousand times, then answers.
fn often(body: &str) -> String {
    format!(
        "(local $left i32) (local.set $left (i32.const 10000))
        (loop $again {body} (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))) {NOTHING}"
    )
}

const LINE: &str = "(call $info (i32.const 1024) (i32.const 900) (i32.const 0) (i32.const 0))";

/// Behaves for ten calls of an instance, and then does not.
fn turncoat() -> Guest {
    handling(&format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 10)) (then (loop $again (br $again)))) {NOTHING}"
    ))
    .with("(global $calls (mut i32) (i32.const 0))")
}

/// Sets an annotation to one value and to another, in turn, a dozen times a call. What stands between keeps them from becoming one.
fn fighter() -> Guest {
    let line = || action(8, vec![Number(2), text("mine"), Entries(Vec::new())]);
    let set = |value: u32| annotate("hostile/fight", value.to_string());
    answers((0..12).flat_map(|turn| [set(turn % 2), line()]).collect())
}

/// Its description differs each time, by the digit of a millisecond.
fn fickle() -> Guest {
    describing(&format!(
        "(i32.store8 (i32.const {}) (i32.add (i32.const 48) (i32.rem_u (i32.trunc_sat_f64_u (f64.div (call $now) (f64.const 1000))) (i32.const 10))))
        (call $ok_text (i32.const {}) (i32.const 16))",
        DATA + 15, DATA
    ))
    .with(&format!("(data (i32.const {DATA}) \"description: is 0\")"))
}

/// Asks for a Secret, and says what it was told.
fn reader(namespace: &str) -> Guest {
    let texts = format!("v1Secret{namespace}bait");
    let length = namespace.len();
    let bait = 2056 + length;
    handling(&format!(
        "(call $cluster_get (i32.const 2048) (i32.const 2) (i32.const 2050) (i32.const 6) (i32.const 1) (i32.const 2056) (i32.const {length})
            (i32.const {bait}) (i32.const 4) (i32.const 16))
        (call $fail (i32.const 2) (i32.load (i32.const 24)) (i32.load (i32.const 28)))"
    ))
    .with(&format!("(data (i32.const 2048) \"{texts}\")"))
}

corpus! {
    loops_in_handle => Attack::given_up(&handling(LOOP), LATE).limits(BRIEF).hits("time");
    loops_in_describe => Attack::refused(describing(LOOP).build(), LATE_DESCRIBE).hits("describeTime");
    loops_in_realloc => Attack::given_up(&allocating("(loop $again (br $again))"), LATE).limits(BRIEF).hits("time");
    loops_in_start => Attack::refused(starting("(loop $again (br $again))").build(), LATE_DESCRIBE).hits("describeTime");
    loops_in_post_return => Attack::given_up(&returning("(loop $again (br $again))"), LATE).limits(BRIEF).hits("time");
    traps_in_handle => Attack::given_up(&handling(TRAP), &["it trapped: wasm `unreachable` instruction executed"]);
    traps_in_describe => Attack::refused(describing(TRAP).build(), &["`describe` failed: it trapped"]);
    traps_in_realloc => Attack::given_up(&allocating(TRAP), &["it trapped: wasm `unreachable` instruction executed"]);
    traps_in_start => Attack::refused(starting(TRAP).build(), &["it trapped while starting"]);
    traps_in_post_return => Attack::given_up(&returning(TRAP), &["it trapped: wasm `unreachable` instruction executed"]);
    divides_by_zero => Attack::given_up(&handling("(i32.div_u (i32.const 1) (i32.const 0))"), &["it trapped: integer divide by zero"]);
    reads_beyond_its_memory => Attack::given_up(&handling("(i32.load (i32.const -8))"), &["it trapped: out of bounds memory access"]);
    calls_what_is_no_function => Attack::given_up(
        &handling("(call_indirect (result i32) (i32.const 1))").with("(table 2 funcref)"),
        &["it trapped: "],
    );
    recurses_without_end => Attack::given_up(
        &handling("(call $deep)").with("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))"),
        &["call stack exhausted, it has 524288 bytes"],
    ).hits("stack");
    takes_all_memory => Attack::given_up(
        &handling("(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)"),
        &["it wanted more memory than limits.memory, 16777216 bytes"],
    ).hits("memory");
    fills_its_memory_again_and_again => Attack::given_up(
        &handling(&format!(
            "(drop (memory.grow (i32.const 1000))) {}", again("(memory.fill (i32.const 65536) (i32.const 7) (i32.const 60000000))")
        )),
        LATE,
    ).limits("time: 100ms, memory: 64Mi").hits("time");
    takes_all_tables => Attack::given_up(
        &handling("(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)")
            .with("(table $t 2 funcref)"),
        &["it wanted larger tables than a handler may have, 100000 elements"],
    ).hits("tableElements");
    hoards_handles => Attack::given_up(&wasi(&again("(drop (call $after (i64.const 1)))")), &["it held more than 1000 handles"]).hits("handles");
    sleeps_in_an_import => Attack::given_up(
        &wasi("(call $wait (call $after (i64.const 3600000000000))) (unreachable)"), LATE,
    ).limits(BRIEF).hits("time");
    asks_for_the_time_without_end => Attack::given_up(
        &handling(&again("(drop (call $now))")), &["it called host functions more than 1000 times"],
    ).hits("imports");
    reads_without_end => Attack::given_up(
        &handling(&again("(call $subject_get (i32.const 0) (i32.const 0) (i32.const 16))")), &["it read more than 2048 bytes"],
    ).limits("readBytes: 2Ki").hits("readBytes");
    asks_where_no_pointer_leads => Attack::given_up(
        &handling(&again("(global.set $next (i32.const 65536)) (call $subject_get (i32.const 1024) (i32.const 60000) (i32.const 16))")),
        &["it called host functions more than 1000 times"],
    ).hits("imports");
    reads_a_secret => Attack::given_up(&reader("default"), &["the handler answered: reading v1 Secret is not declared"]);
    reads_what_is_in_no_namespace => Attack::given_up(&reader("../../default"), &["the handler answered: "]);
    floods_the_log => Attack::contained(&handling(&often(LINE))).hits("logBytes");
    floods_the_log_without_end => Attack::given_up(&handling(&again(LINE)), LATE).limits(BRIEF).hits("time");
    floods_stdout => Attack::contained(&wasi(
        &format!("(local $to i32) (local.set $to (call $stdout)) {}", often("(call $write (local.get $to) (i32.const 1024) (i32.const 900) (i32.const 64))"))
            .replace("(local $left i32)", "").replacen("(local $to i32)", "(local $to i32) (local $left i32)", 1),
    )).hits("logBytes");
    floods_stderr => Attack::given_up(&wasi(
        &format!("(local $to i32) (local.set $to (call $stderr)) {}", again("(call $write (local.get $to) (i32.const 1024) (i32.const 900) (i32.const 64))")),
    ), LATE).limits(BRIEF);
    logs_what_is_no_text => Attack::given_up(
        &handling(&format!("(call $info (i32.const 2048) (i32.const 2) (i32.const 0) (i32.const 0)) {NOTHING}")).with("(data (i32.const 2048) \"\\ff\\fe\")"),
        &["it broke: invalid utf-8 sequence of 1 bytes from index 0 (in handle)"],
    );
    logs_from_beyond_its_memory => Attack::given_up(
        &handling(&format!("(call $info (i32.const -16) (i32.const 1000) (i32.const 0) (i32.const 0)) {NOTHING}")),
        &["it broke: string pointer/length out of bounds of memory (in handle)"],
    );
    gives_an_import_too_much => Attack::given_up(
        &Guest { pages: 40, ..handling(&format!("(call $info (i32.const 0) (i32.const 2000000) (i32.const 0) (i32.const 0)) {NOTHING}")) },
        &["it gave a host function more than limits.replyBytes"],
    ).hits("replyBytes");
    exits => Attack::given_up(&wasi("(call $exit (i32.const 0)) (unreachable)"), &["it called exit(0)"]);
    fails_with_a_long_text => Attack::given_up(
        &Guest { pages: 10, ..handling("(call $fail (i32.const 2) (i32.const 131072) (i32.const 300000))") }, &["the handler answered: "],
    );
    forges_a_line_of_the_hosts => Attack::given_up(
        &handling("(call $fail (i32.const 2) (i32.const 2048) (i32.const 30))").with("(data (i32.const 2048) \"done\\0a2026 ERROR weir: all is lost\\1b[2J\")"),
        &["the handler answered: done"],
    );
    behaves_for_ten_calls_and_then_turns => Attack::contained(&turncoat()).limits(BRIEF).hits("time").changes(16);
    fights_itself => Attack::contained(&fighter())
        .changes(4).called(100).counts("weir_write_budget_exceeded_total{handler=\"NAME\"");
    asks_to_be_called_again_at_once => Attack::contained(&answers(vec![requeue(0)]));
    asks_to_be_called_again_in_the_far_future => Attack::contained(&answers(vec![requeue(u32::MAX)]));
    describes_itself_otherwise_each_time => Attack::contained(&fickle());
}
