//! The same words, the same answers: each language's handler under `tests/handlers` is asked what `tests/cases/words.json` says, and
//! one instance answers all of it. A kit that means something else than it says, or an instance that does not survive its calls,
//! fails here.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use weir::{
    contract::{Change, Event, LogLine, ObjectRef, Page},
    handler,
    runtime::{
        CallFailure, Engine, EngineSettings, FailureKind, Handler, Invocation, Invoke as _, LogSink, Reads, Reply,
    },
};
use weir_tests::world::{compile, compiled, component, guests, manifest};

/// Calls of one instance. An unmodified Go component with the usual adapter traps after some 170.
const CALLS: u32 = 20_000;

/// A handler that may read Pods, of which there are five; none, loudly, where it is not built. Compiled code is kept between runs.
async fn handler_in(language: &str, lines: LogSink) -> Option<Arc<Handler>> {
    let name = format!("cases-{language}");
    if !guests().is_some_and(|guests| guests.join(format!("{name}.wasm")).is_file()) {
        eprintln!("SKIPPED: {name} is not built; run `cargo xtask test`, which builds it and says what it needs");
        return None;
    }
    compile(&name).await;
    let engine = Engine::new(EngineSettings { cache_dir: compiled(), ..EngineSettings::default() }).unwrap();
    let component = engine.load(&name, component(&name).into()).await.unwrap();
    let described = component.describe().await.unwrap();
    let operator = manifest("  limits: { callsPerInstance: 1000000 }");
    let manifest = handler::merge(&described, Some((Path::new("operator.yaml"), &operator)), &name, 1).unwrap();
    let reads = Reads {
        get: Arc::new(|_| Ok(None)),
        list: Arc::new(|query| {
            let from = query.continue_token.as_deref().map_or(0, |token| token.parse().unwrap());
            let until = 5.min(from + query.limit);
            let items = (from..until).map(|n| json!({ "metadata": { "name": n } }).to_string()).collect();
            Ok(Page { items, continue_token: (until < 5).then(|| until.to_string()) })
        }),
    };
    Some(component.handler(&name, &manifest, reads, lines))
}

fn event(words: &str, data: &Value) -> Invocation {
    let metadata =
        json!({ "name": "thing", "namespace": "default", "uid": "u-1", "annotations": { "test.weir.dev/do": words } });
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }).to_string();
    let key = ObjectRef {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some("default".into()),
        name: "thing".into(),
    };
    let event = Event {
        change: Change::Updated,
        watch: "objects".into(),
        key,
        uid: "u-1".into(),
        resource_version: "7".into(),
        object: object.clone(),
        previous: None,
        final_state_unknown: false,
        attempt: 1,
        extra: Vec::new(),
    };
    Invocation { event, subject: object.into() }
}

/// A log line, as the table writes it.
fn text_of(line: &LogLine) -> String {
    let fields = line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
    format!("{} {}{fields}", serde_json::to_value(line.level).unwrap().as_str().unwrap(), line.message)
}

/// What was answered, as the table writes it.
fn answer(reply: Result<Reply, CallFailure>) -> Value {
    match reply {
        Ok(reply) => json!({ "actions": reply.actions }),
        Err(CallFailure { kind: FailureKind::Answered(failure), .. }) => json!({ "failure": failure }),
        Err(broken) => json!({ "broken": broken.to_string() }),
    }
}

async fn answers_the_table(language: &str) {
    let said = Arc::new(Mutex::new(Vec::<String>::new()));
    let sink: LogSink = {
        let said = said.clone();
        Arc::new(move |line| said.lock().unwrap().push(text_of(line)))
    };
    let Some(handler) = handler_in(language, sink).await else { return };
    let table = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/words.json");
    let table: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    // What only some languages can do, as a panic, says so.
    let asked = |case: &&Value| case["only"].as_array().is_none_or(|only| only.contains(&language.into()));
    let table: Vec<&Value> = table.iter().filter(asked).collect();
    for case in &table {
        said.lock().unwrap().clear();
        let words = case["do"].as_str().unwrap();
        let given = answer(handler.invoke(event(words, &case["data"])).await);
        let expected: Value =
            ["actions", "failure"].iter().filter_map(|it| Some(((*it).to_owned(), case.get(it)?.clone()))).collect();
        assert_eq!(given, expected, "{language} asked for {words:?}");
        let said = said.lock().unwrap();
        let lines: Vec<&str> = case["logs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(said.len(), lines.len(), "{language} asked for {words:?}: {said:?}");
        for (said, start) in said.iter().zip(lines) {
            assert!(said.starts_with(start), "{language} asked for {words:?}: {said}");
        }
    }
    let reply = handler.invoke(event("calls", &Value::Null)).await;
    let calls = json!({ "actions": [{ "annotate": [["calls", (table.len() + 1).to_string()]] }] });
    assert_eq!(answer(reply), calls, "one instance of {language} answered all of it, its panic included");
}

async fn survives_its_calls(language: &str) {
    let Some(handler) = handler_in(language, Arc::new(|_| ())).await else { return };
    let call = event("count garbage text", &json!({ "text": "x".repeat(4000) }));
    for at in 0..CALLS {
        if let Err(failure) = handler.invoke(call.clone()).await {
            panic!("call {at} of {language}: {failure}\n{}", failure.stderr);
        }
    }
    let last = answer(handler.invoke(event("calls", &Value::Null)).await);
    assert_eq!(last, json!({ "actions": [{ "annotate": [["calls", (CALLS + 1).to_string()]] }] }));
}

#[tokio::test]
async fn rust_answers_the_table() {
    answers_the_table("rust").await;
}

#[tokio::test]
async fn an_instance_in_rust_survives_its_calls() {
    survives_its_calls("rust").await;
}

#[tokio::test]
async fn go_answers_the_table() {
    answers_the_table("go").await;
}

#[tokio::test]
async fn python_answers_the_table() {
    answers_the_table("python").await;
}

#[tokio::test]
async fn javascript_answers_the_table() {
    answers_the_table("js").await;
}

#[tokio::test]
async fn typescript_answers_the_table() {
    answers_the_table("ts").await;
}

#[tokio::test]
async fn an_error_that_nobody_meant_has_its_stack_in_javascript() {
    for language in ["js", "ts"] {
        let Some(handler) = handler_in(language, Arc::new(|_| ())).await else { return };
        let failure = handler.invoke(event("retry", &Value::Null)).await.unwrap_err();
        let stack = failure.stderr.to_string();
        assert!(stack.starts_with("Error: as any error\n    at act ("), "{language}: {stack}");
        assert!(stack.contains(if language == "js" { "/app.js:" } else { "/.weir/bundle.js:" }), "{language}: {stack}");
        // What was meant needs none.
        let failure = handler.invoke(event("permanent", &Value::Null)).await.unwrap_err();
        assert_eq!(failure.stderr.to_string(), "", "{language}");
    }
}

#[tokio::test]
async fn an_instance_in_javascript_survives_its_calls() {
    survives_its_calls("js").await;
}

#[tokio::test]
async fn c_answers_the_table() {
    answers_the_table("c").await;
}

#[tokio::test]
async fn an_exception_in_python_is_a_failure_with_its_traceback_and_the_instance_goes_on() {
    let Some(handler) = handler_in("python", Arc::new(|_| ())).await else { return };
    // What the failure says, and what its stderr holds: the author's file, and the exception.
    for (word, said, traceback) in [
        ("crash", "KeyError: 'missing' (app.py, line ", "KeyError: 'missing'"),
        ("exit", "SystemExit: on purpose (app.py, line ", "SystemExit: on purpose"),
        // So much would exhaust the stack, which ends an instance without a word of Python's.
        ("deep", "the JSON is nested deeper than 500 levels", ""),
    ] {
        let failure = handler.invoke(event(word, &Value::Null)).await.unwrap_err();
        let FailureKind::Answered(answered) = &failure.kind else { panic!("{word}: {failure}") };
        assert!(answered.reason().starts_with(said), "{word}: {failure}");
        assert_eq!(failure.stderr.is_empty(), traceback.is_empty(), "{word}: {}", failure.stderr);
        if !traceback.is_empty() {
            assert!(failure.stderr.starts_with("Traceback (most recent call last):"), "{word}: {}", failure.stderr);
            assert!(
                failure.stderr.contains("app.py") && failure.stderr.ends_with(traceback),
                "{word}: {}",
                failure.stderr
            );
        }
    }
    let reply = handler.invoke(event("calls", &Value::Null)).await;
    assert_eq!(answer(reply), json!({ "actions": [{ "annotate": [["calls", "4"]] }] }));
}

#[tokio::test]
async fn an_instance_in_go_survives_its_calls() {
    survives_its_calls("go").await;
}

#[tokio::test]
async fn an_instance_in_c_survives_its_calls() {
    // Each leaves more than 100 kB in the kit's arena: all of them together would not fit.
    survives_its_calls("c").await;
}

#[tokio::test]
async fn an_assertion_that_fails_in_c_is_said_and_the_next_call_is_answered() {
    let said = Arc::new(Mutex::new(Vec::<String>::new()));
    let sink: LogSink = {
        let said = said.clone();
        Arc::new(move |line| said.lock().unwrap().push(text_of(line)))
    };
    let Some(handler) = handler_in("c", sink).await else { return };
    let failed = answer(handler.invoke(event("assert", &Value::Null)).await);
    assert!(failed["broken"].is_string(), "{failed}");
    let said = said.lock().unwrap().clone();
    assert!(
        said.len() == 1 && said[0].starts_with("error assertion failed: ") && said[0].contains("handler.c"),
        "{said:?}"
    );
    let next = answer(handler.invoke(event("calls", &Value::Null)).await);
    assert_eq!(next, json!({ "actions": [{ "annotate": [["calls", "1"]] }] }), "in a new instance");
}
