//! Files that are no handlers, manifests that are none, and descriptions that are none.

use crate::{attack::Attack, guest::Guest, reply::describes};
use weir_tests::world::manifest;

const WATCH: &str = "  watches: [{ name: objects, apiVersion: v1, kind: ConfigMap, namespaces: [default] }]";

/// A component that is no handler, of so many instances of one module.
fn parts(module: &str, times: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $m))".repeat(times);
    wat::parse_str(format!("(component (core module $m {module}) {instances})")).unwrap()
}

fn whole() -> Vec<u8> {
    Guest::default().build().into()
}

fn half() -> Vec<u8> {
    let whole = whole();
    whole[..whole.len() - 100].to_vec()
}

/// What wasmtime's machine code begins with: an ELF file of its own system and kind.
fn precompiled() -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 200]);
    // Relocatable, for x86-64, version 1; then the flags that say it is a component, and the sizes of headers.
    (elf[16], elf[18], elf[20], elf[48], elf[52], elf[58]) = (1, 62, 1, 2, 64, 64);
    elf
}

fn stranger() -> Guest {
    let import = "(import \"evil:os/exec@1.0.0\" \"run\" (func $run))";
    let package = "package evil:os@1.0.0 { interface exec { run: func(); } }";
    Guest { world: ["import evil:os/exec@1.0.0;", package, import], ..Guest::handling("(call $run) (unreachable)") }
}

fn generous() -> Guest {
    Guest { world: ["export more: func();", "", ""], ..Guest::default() }.with("(func (export \"more\"))")
}

/// Asks WASI for what nobody should have: the network.
fn networker() -> Guest {
    let import = "(import \"wasi:sockets/instance-network@0.2.0\" \"instance-network\" (func $net (result i32)))";
    let package = "package wasi:sockets@0.2.0 { interface network { resource network; }
        interface instance-network { use network.{network}; instance-network: func() -> network; } }";
    let world = ["import wasi:sockets/instance-network@0.2.0;", package, import];
    Guest { world, ..Guest::handling("(drop (call $net)) (call $reply (i32.const 0) (i32.const 0))") }
}

/// A handler with a million instructions that nobody needs; in each process other ones, so that they are not found compiled.
fn laborious() -> Guest {
    let process = std::process::id();
    let step = format!(
        "(local.set $a (i64.mul (i64.add (local.get $a) (i64.const {process})) (i64.xor (local.get $a) (i64.const 3))))"
    );
    let body = format!("(loop $l {} (br_if $l (i64.eqz (local.get $a)))) (local.get $a)", step.repeat(500));
    let functions = format!("(func (param $a i64) (result i64) {body})").repeat(350);
    Guest::default().with(&functions)
}

fn described(description: impl AsRef<[u8]>, words: &'static [&'static str]) -> Attack {
    Attack::refused(describes(description).build(), words).under(manifest("  workers: 1"))
}

fn under(lines: &str, words: &'static [&'static str]) -> Attack {
    Attack::refused(whole(), words).under(manifest(&format!("{WATCH}\n{lines}")))
}

fn selector(length: usize) -> String {
    format!("watches: [{{ name: a, apiVersion: v1, kind: ConfigMap, labelSelector: \"{}\" }}]", "a".repeat(length))
}

/// Ten aliases of ten aliases, and so on.
fn aliases() -> String {
    let mut text = String::from("  settings:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("    a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    text
}

corpus! {
    an_empty_file => Attack::refused([], &["the file is empty"]);
    a_script => Attack::refused("#!/bin/sh\nrm -rf /\n", &["the file is not a WebAssembly component"]);
    a_component_as_text => Attack::refused("(component)", &["it is WebAssembly as text"]);
    a_core_module => Attack::refused(wat::parse_str("(module)").unwrap(), &["the file is a core WebAssembly module"]);
    half_a_component => Attack::refused(half(), &["the component cannot be compiled"]);
    machine_code => Attack::refused(precompiled(), &["the file is precompiled machine code"]);
    a_component_of_another_contract => Attack::refused(
        Guest { version: "0.9.0", ..Guest::default() }.build(), &["the component was made for weir:api/handler@0.9.0; this weir serves weir:api@0.1"],
    );
    a_component_without_exports => Attack::refused(wat::parse_str("(component)").unwrap(), &["the component does not export weir:api/handler@0.1"]);
    a_component_that_imports_what_is_not_there => Attack::refused(stranger().build(), &["the component imports evil:os/exec@1.0.0, which weir does not have"]);
    a_component_that_exports_more => Attack::contained(&generous());
    a_component_that_wants_the_network => Attack::contained(&networker());
    a_file_of_two_hundred_megabytes => Attack::refused(whole(), &["200000000 bytes"]).followed_by(200_000_000);
    a_file_with_a_long_tail_of_nothing => Attack::refused(whole(), &["the component cannot be compiled"]).followed_by(30_000_000);
    a_component_that_takes_long_to_compile => Attack::contained(&laborious()).meanwhile();
    a_link_to_a_file_of_the_systems => Attack::linked("/etc/passwd", &["it is a symbolic link to /etc/passwd, outside its directory"]);
    a_link_to_a_device_without_end => Attack::linked("/dev/zero", &["a-link-to-a-device-without-end.wasm"]);
    a_link_to_a_directory => Attack::linked(".", &["a-link-to-a-directory.wasm"]);
    a_link_to_itself => Attack::linked("a-link-to-itself.wasm", &["a-link-to-itself.wasm"]);
    a_handler_with_the_neighbours_name => Attack::refused(whole(), &["already has the handler name \"neighbour\""]).under(format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Handler\nmetadata: {{ name: neighbour }}\nspec:\n{WATCH}\n"
    ));
    a_component_of_many_memories => Attack::refused(parts("(memory 1)", 9), &["the component has 9 memories, and may have 8"]).hits("memories");
    a_component_of_many_tables => Attack::refused(parts("(table 1 funcref)", 65), &["the component has 65 tables, and may have 64"]).hits("tables");
    a_component_of_many_instances => Attack::refused(parts("", 129), &["the component has 129 core instances, and may have 128"]).hits("coreInstances");
    a_component_of_a_large_memory => Attack::refused(parts("(memory 5000)", 1), &["a memory of 327680000 bytes to begin with"]).hits("memory");
    a_component_of_a_large_table => Attack::refused(parts("(table 1000000 funcref)", 1), &["1000000 elements in a table"]).hits("tableElements");
    a_description_that_is_too_long => described(vec![b' '; 300_000], &["it answered more than 262144 bytes"]);
    a_description_that_is_no_text => described([0xff; 100], &["`describe` failed", "utf-8"]);
    a_description_nested_too_deep => described("[".repeat(100_000), &["describe"]);
    a_description_with_a_huge_selector => described(selector(200_000), &["labelSelector"]);
    a_description_that_grants_itself_all => described(
        "watches: [{ name: a, apiVersion: v1, kind: ConfigMap }]\ngrants: { write: [{ apiVersion: v1, kind: Secret, actions: [delete] }] }", &["grants"],
    );
    a_manifest_without_limits => under("  limits: { memory: 0 }", &["limits.memory must be more than 0; there is no way to switch a limit off"]);
    a_manifest_with_a_huge_limit => under("  limits: { memory: 64Gi }", &["limits.memory `64Gi` is more than the host allows, 256Mi"]);
    a_manifest_that_is_too_long => under(&format!("  description: \"{}\"", "x".repeat(300_000)), &["yaml", "bytes"]);
    a_manifest_of_a_billion_nodes => under(&aliases(), &["yaml"]);
    a_manifest_for_another_component => under(&format!("  sha256: {}", "0".repeat(64)), &["its digest is", "put the named component back"]);
}
