//! Files that are no handlers, and what is said about each.

use super::{ENGINE, Guest, guest::DATA, manifest, reads};
use crate::runtime::{Component, Engine, EngineSettings, FailureKind, Invoke, LoadError};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

async fn load(bytes: impl Into<Bytes>) -> Result<Component, LoadError> {
    ENGINE.load("x", bytes.into()).await
}

async fn refusal(bytes: impl Into<Bytes>) -> String {
    load(bytes).await.err().expect("it is refused").to_string()
}

async fn component(text: &str) -> String {
    refusal(wat::parse_str(text).unwrap()).await
}

#[tokio::test]
async fn what_is_not_a_component_is_refused_by_what_it_is() {
    assert!(refusal("").await.starts_with("the file is empty"));
    assert!(refusal("hello").await.contains("does not begin like one"));
    assert!(refusal("  (module)").await.contains("as text; make it binary"));
    assert!(refusal(wat::parse_str("(module)").unwrap()).await.contains("core WebAssembly module, not a component"));
    assert!(refusal(&b"\0asm\x0d"[..]).await.contains("header is cut off"));
    let whole = Guest::default().build();
    let precompiled = ENGINE.0.wasmtime.precompile_component(&whole).unwrap();
    assert!(refusal(precompiled).await.contains("precompiled machine code"));
    let cut_off = refusal(whole.slice(..whole.len() - 1)).await;
    assert!(cut_off.starts_with("the component cannot be compiled: "), "{cut_off}");
}

#[tokio::test]
async fn a_file_beyond_the_limit_of_size_is_refused() {
    let small = EngineSettings { pooling: false, max_component_bytes: 100, ..EngineSettings::default() };
    let error = Engine::new(small).unwrap().load("x", Guest::default().build()).await.err().unwrap();
    assert!(matches!(error, LoadError::TooLarge { limit: 100, .. }), "{error}");
}

#[tokio::test]
async fn imports_and_exports_are_checked_by_name_and_version() {
    let handler = r#"(instance $i) (export "weir:api/handler@0.1.0" (instance $i))"#;
    let unknown = component(&format!(r#"(component (import "acme:db/store@1.0.0" (instance)) {handler})"#)).await;
    assert!(unknown.starts_with("the component imports acme:db/store@1.0.0, which weir does not have"), "{unknown}");
    assert!(
        unknown.contains("weir:api/{cluster, host, log, subject, types} and, granting nothing, wasi:{cli,"),
        "{unknown}"
    );
    for wrong in [
        component(&format!(r#"(component (import "weir:api/log@0.2.0" (instance)) {handler})"#)).await,
        component(r#"(component (instance $i) (export "weir:api/handler@0.2.0" (instance $i)))"#).await,
    ] {
        assert!(wrong.contains("@0.2.0; this weir serves weir:api@0.1:"), "{wrong}");
    }
    let wasi = component(&format!(r#"(component (import "wasi:io/poll@0.3.0" (instance)) {handler})"#)).await;
    assert!(wasi.contains("was made for wasi:io/poll@0.3.0; this weir serves wasi@0.2:"), "{wasi}");
    let command = component(r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#).await;
    assert!(
        command.contains("does not export weir:api/handler@0.1, so it is no handler; it exports wasi:cli/run@0.2.0"),
        "{command}"
    );
    let hollow = component(&format!("(component {handler})")).await;
    assert!(hollow.starts_with("the component does not fit the contract: "), "{hollow}");
}

#[tokio::test]
async fn any_patch_of_the_contracts_version_is_served() {
    for version in ["0.1.0", "0.1.7"] {
        let component = load(Guest { version, ..Guest::default() }.build()).await.unwrap();
        assert_eq!(component.contract_version(), version);
        assert_eq!(component.describe().await.unwrap(), "watches: []");
    }
}

#[tokio::test]
async fn the_same_bytes_have_the_same_digest() {
    let bytes = Guest::default().build();
    let (one, two) = (load(bytes.clone()).await.unwrap(), load(bytes).await.unwrap());
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.digest().len(), 64);
    let other = load(Guest { pages: 3, ..Guest::default() }.build()).await.unwrap();
    assert_ne!(one.digest(), other.digest());
}

#[tokio::test]
async fn compiled_code_is_found_again_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let cached =
        EngineSettings { pooling: false, cache_dir: Some(dir.path().join("cache")), ..EngineSettings::default() };
    let bytes = Guest::default().build();
    let mut hits = Vec::new();
    for _ in 0..2 {
        let engine = Engine::new(cached.clone()).unwrap();
        engine.load("x", bytes.clone()).await.unwrap();
        hits.push(engine.cache_hits().unwrap());
    }
    assert_eq!(hits, [0, 1]);
}

async fn description(body: &str) -> Result<String, LoadError> {
    let hasty =
        EngineSettings { pooling: false, describe_time: Duration::from_millis(20), ..EngineSettings::default() };
    let guest = Guest { describe: body.into(), ..Guest::default() };
    Engine::new(hasty).unwrap().load("x", guest.build()).await.unwrap().describe().await
}

#[tokio::test]
async fn a_describe_that_loops_traps_or_refuses_is_told_as_that() {
    let told = async |body: &str| description(body).await.unwrap_err().to_string();
    assert_eq!(told("(loop $again (br $again)) (unreachable)").await, "`describe` failed: it did not end within 20ms");
    assert!(told("(unreachable)").await.starts_with("`describe` failed: it trapped: "));
    let refusing = format!(
        "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const {DATA}))
         (i32.store (i32.const 8) (i32.const 7)) (i32.const 0)"
    );
    assert_eq!(told(&refusing).await, "`describe` failed: it answered: watches");
}

#[tokio::test]
async fn what_an_instance_holds_is_measured_at_its_start_and_after_describe() {
    let described = "(drop (memory.grow (i32.const 3))) (call $ok_text (i32.const 0) (i32.const 0))";
    let guest = |describe: &str| Guest { describe: describe.into(), pages: 2, ..Guest::default() };
    let (_, grown) = load(guest(described).build()).await.unwrap().measure().await.unwrap();
    assert!(grown.started >= 2 << 16, "{grown:?}");
    assert_eq!(grown.described - grown.started, 3 << 16);
    let (_, same) = load(guest(&Guest::default().describe).build()).await.unwrap().measure().await.unwrap();
    assert_eq!((same.started, same.described), (grown.started, grown.started));
}

#[tokio::test]
async fn describe_can_read_nothing() {
    // Asks for the whole object; what comes back is the text of a refusal.
    let body = "(call $subject_get (i32.const 0) (i32.const 0) (i32.const 32))
        (call $ok_text (i32.load (i32.const 40)) (i32.load (i32.const 44)))";
    assert_eq!(description(body).await.unwrap(), "there is no event to read from");
    let body = "(call $cluster_get (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32))
        (call $ok_text (i32.load (i32.const 40)) (i32.load (i32.const 44)))";
    assert_eq!(description(body).await.unwrap(), "nothing can be read in `describe`");
}

#[tokio::test]
async fn a_component_that_cannot_start_is_known_before_it_is_called() {
    let guest = Guest::default().with("(func $fall (unreachable)) (start $fall)");
    let component = load(guest.build()).await.unwrap();
    let handler = component.handler("x", &manifest(), reads(), Arc::new(|_| ()));
    let failure = handler.warm().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert!(failure.message.starts_with("it trapped while starting: "), "{}", failure.message);
    assert_eq!(handler.invoke(super::invocation()).await.unwrap_err().kind, FailureKind::Trapped);
}
