//! Small guests, written as core WebAssembly text and made into components in the test: no toolchain, and each does exactly
//! the one thing that its test is about.
//!
//! A guest is its `handle` and `describe`, as function bodies that leave a pointer to the result on the stack. Results lie in
//! memory as the canonical ABI has them: a `result` is its case at 0 and its payload at 4; a list or string is pointer and
//! length; an `action` is its case at 0, its payload at 4, and 80 bytes long (a `patch` is the longest).

use bytes::Bytes;
use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The cases of `action` that guests here use.
pub(super) const LABEL: u32 = 1;
/// See [`LABEL`].
pub(super) const SET_STATUS: u32 = 2;
/// See [`LABEL`].
pub(super) const REQUEUE: u32 = 10;

/// Where a guest's own data begins; results are written below it.
pub(super) const DATA: u32 = 1024;

/// A guest to be built. Bodies may use `$info`, `$subject_get`, `$cluster_get`, `$settings`, `$now`, and write at
/// addresses below [`DATA`].
#[derive(Clone)]
pub(super) struct Guest {
    /// The body of `handle`, given `$event`, a pointer to the record.
    pub(super) handle: String,
    /// The body of `describe`.
    pub(super) describe: String,
    /// More of the module: globals, data, functions, a start section.
    pub(super) more: String,
    /// The memory's size at start, in pages of 64 KiB.
    pub(super) pages: u32,
    /// Whether it imports `$stderr`, `$stdout`, `$write`, `$exit`, `$random`, `$wall_now`, `$after` and `$wait` of WASI.
    pub(super) wasi: bool,
    /// The version of the contract that it says it was made for.
    pub(super) version: &'static str,
    /// What `cabi_realloc` does first, given `$size`.
    pub(super) realloc: String,
    /// What each post-return does first.
    pub(super) post_return: String,
    /// More of its world, more packages of the contract's file, and the imports of the module that go with them.
    pub(super) world: [&'static str; 3],
}

/// As much of WASI as guests here use: the names and types are what the linker compares.
const WASI: &str = r#"
package wasi:io@0.2.0 {
    interface poll { resource pollable { block: func(); } }
    interface error { resource error; }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
    }
}
package wasi:cli@0.2.0 {
    interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
    interface exit { exit: func(status: result); }
    interface environment { get-environment: func() -> list<tuple<string, string>>; }
}
package wasi:random@0.2.0 { interface random { get-random-u64: func() -> u64; } }
package wasi:clocks@0.2.0 {
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        subscribe-duration: func(when: u64) -> pollable;
    }
}
"#;

const WASI_WORLD: &str = "world plugin {
    import wasi:cli/stdout@0.2.0;
    import wasi:cli/stderr@0.2.0;
    import wasi:cli/exit@0.2.0;
    import wasi:cli/environment@0.2.0;
    import wasi:random/random@0.2.0;
    import wasi:clocks/wall-clock@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;";

const WASI_IMPORTS: &str = r#"
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall_now (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $wait (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))"#;

impl Default for Guest {
    fn default() -> Self {
        Guest {
            handle: "(call $reply (i32.const 0) (i32.const 0))".into(),
            describe: format!("(call $ok_text (i32.const {DATA}) (i32.const 11))"),
            more: format!("(data (i32.const {DATA}) \"watches: []\")"),
            pages: 2,
            wasi: false,
            version: "0.1.0",
            realloc: String::new(),
            post_return: String::new(),
            world: [""; 3],
        }
    }
}

impl Guest {
    /// A guest with this `handle`.
    pub(super) fn handling(body: &str) -> Guest {
        Guest { handle: body.into(), ..Guest::default() }
    }

    /// The same with more in its module.
    pub(super) fn with(self, more: &str) -> Guest {
        Guest { more: format!("{}\n{more}", self.more), ..self }
    }

    /// The core module, as text.
    fn text(&self) -> String {
        let Guest { handle, describe, more, pages, realloc, post_return, world: [_, _, imports], .. } = self;
        let wasi = if self.wasi { WASI_IMPORTS } else { "" };
        format!(
            r#"(module
  (import "weir:api/log@0.1.0" "info" (func $info (param i32 i32 i32 i32)))
  (import "weir:api/subject@0.1.0" "get" (func $subject_get (param i32 i32 i32)))
  (import "weir:api/cluster@0.1.0" "get" (func $cluster_get (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "weir:api/host@0.1.0" "settings" (func $settings (param i32)))
  (import "weir:api/host@0.1.0" "now-ms" (func $now (result f64)))
  {wasi}
  {imports}
  (memory (export "memory") {pages})
  (global $next (mut i32) (i32.const 65536))
  ;; A bump allocator, reset after each call: an event fits, and nothing is freed.
  (func (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    {realloc}
    (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $reset (param i32) {post_return} (global.set $next (i32.const 65536)))
  (export "cabi_post_weir:api/handler@0.1.0#handle" (func $reset))
  (export "cabi_post_weir:api/handler@0.1.0#describe" (func $reset))
  ;; `ok` with a list of so many actions at this address.
  (func $reply (param $list i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 0) (i32.const 0))
    (i32.store (i32.const 4) (local.get $list))
    (i32.store (i32.const 8) (local.get $length))
    (i32.const 0))
  ;; `ok` with a text.
  (func $ok_text (param $at i32) (param $length i32) (result i32)
    (call $reply (local.get $at) (local.get $length)))
  ;; `ok` with the one action that is this case with this text.
  (func $reply_text (param $case i32) (param $at i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 16) (local.get $case))
    (i32.store (i32.const 20) (local.get $at))
    (i32.store (i32.const 24) (local.get $length))
    (call $reply (i32.const 16) (i32.const 1)))
  ;; `ok` with one `requeue-after-ms`.
  (func $reply_number (param $number i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const {REQUEUE}))
    (i32.store (i32.const 20) (local.get $number))
    (call $reply (i32.const 16) (i32.const 1)))
  ;; `err` with the failure that is this case with this text.
  (func $fail (param $case i32) (param $at i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 0) (i32.const 1))
    (i32.store8 (i32.const 4) (local.get $case))
    (i32.store (i32.const 8) (local.get $at))
    (i32.store (i32.const 12) (local.get $length))
    (i32.const 0))
  {more}
  (func $handle (export "weir:api/handler@0.1.0#handle") (param $event i32) (result i32) {handle})
  (func $describe (export "weir:api/handler@0.1.0#describe") (result i32) {describe})
)"#
        )
    }

    /// The component.
    pub(super) fn build(&self) -> Bytes {
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v0.1/weir.wit");
        let mut contract = std::fs::read_to_string(contract).expect("the contract is there");
        if self.wasi {
            contract = contract.replace("world plugin {", WASI_WORLD) + WASI;
        }
        let [world, packages, _] = self.world;
        contract = contract.replace("world plugin {", &format!("world plugin {{ {world}")) + packages;
        let versioned = |text: String| text.replace("weir:api@0.1.0", &format!("weir:api@{}", self.version));
        let mut resolve = Resolve::default();
        let package = resolve.push_str("weir.wit", &versioned(contract)).expect("the contract parses");
        let world = resolve.select_world(&[package], None).expect("the contract has one world");
        // In the module the names are `weir:api/log@0.1.0` and so on.
        let text = self.text().replace("@0.1.0", &format!("@{}", self.version));
        let mut module = wat::parse_str(text).expect("the guest parses");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("the world embeds");
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).module(&module).expect("the module fits").encode().expect("the component encodes").into()
    }
}
