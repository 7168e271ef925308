//! `weir check` on a real component: what it takes is measured, and told to programs too.

use serde_json::{Value, json};
use std::process::Command;
use weir_tests::{program::program, world::guests};

#[test]
fn what_a_component_is_and_takes_is_told_as_json() {
    let Some(guests) = guests() else {
        eprintln!("SKIPPED: the guests are not built; run `cargo xtask test`, which builds them");
        return;
    };
    let file = guests.join("first-handler.wasm");
    let check = |more: &[&str]| {
        let ended = Command::new(program()).arg("check").arg(&file).args(more).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    let told: Value = serde_json::from_str(&check(&["-o", "json"])).unwrap();
    assert_eq!((&told["name"], &told["contract"]), (&json!("first-handler"), &json!("0.1.0")));
    assert_eq!(told["watches"], json!([{ "apiVersion": "v1", "kind": "Node" }]));
    assert_eq!(told["size"], json!(std::fs::metadata(&file).unwrap().len()));
    let memory = |what: &str| told["memory"][what].as_u64().unwrap();
    // One page at least, and what `describe` adds; the limit is the manifest's, here the default.
    assert!(memory("started") >= 64 << 10 && memory("described") >= memory("started"), "{told}");
    assert_eq!(memory("limit"), 64 << 20);
    assert!(told["compileMs"].is_u64(), "{told}");
    let text = check(&[]);
    let held = format!("memory:    {} KiB an instance", memory("started") >> 10);
    assert!(text.contains(&held), "{text}");
}
