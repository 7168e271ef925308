//! What people get wrong, and what weir says: one message that tells what to do, an exit code, and never a panic.
//!
//! Each test runs the program itself, with an environment of its own. What is no reason to end (a kind that is not served yet, a
//! missing permission) is looked for in the status of an app in this process.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use std::{fs, path::Path, process::Command, time::Duration};
use tempfile::TempDir;
use weir::app::{App, Settings};
use weir_devapi::{DevApi, Effect, Fault, Options};

#[expect(dead_code, reason = "the tests of `runtime`, whose file it is, need more of it")]
#[path = "../src/runtime/tests/guest.rs"]
mod guest;

use guest::{DATA, Guest};

/// Nobody listens on this port, which only root may take.
const NOBODY: &str = "http://127.0.0.1:1";

/// A description that is sound.
const NODES: &str = "watches: [{ name: nodes, apiVersion: v1, kind: Node }]";

/// Runs weir in `dir`; its exit code and what it wrote to stderr.
fn weir(dir: &Path, line: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.args(line).current_dir(dir).env_clear().env("HOME", dir).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "weir {line:?}: {text}");
    (output.status.code().unwrap(), text)
}

/// That weir ends with `code`, and with one error, which says all of `parts`.
#[track_caller]
fn refused(dir: &Path, line: &[&str], code: i32, parts: &[&str]) {
    let (ended, text) = weir(dir, line);
    assert_eq!(ended, code, "weir {line:?}: {text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("error: ")).count(), 1, "weir {line:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "weir {line:?} does not say {part:?}: {text}");
    }
}

/// A directory with an empty directory `plugins`.
fn desk() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("plugins")).unwrap();
    dir
}

fn describing(text: &str) -> Guest {
    Guest {
        describe: format!("(call $ok_text (i32.const {DATA}) (i32.const {}))", text.len()),
        more: format!("(data (i32.const {DATA}) \"{text}\")"),
        ..Guest::default()
    }
}

#[test]
fn orders_that_name_nothing_are_refused() {
    let dir = desk();
    refused(dir.path(), &["dead", "list", "--address", "127.0.0.1:1"], 1, &["127.0.0.1:1", "is weir running"]);
    // The address wins over a directory, which WEIR_STATE_DIR may name for other commands.
    refused(dir.path(), &["dead", "list", "--address", "127.0.0.1:1", "--state-dir", "s"], 1, &["127.0.0.1:1"]);
    refused(dir.path(), &["dead", "retry", "--state-dir", "s"], 2, &["HANDLER[/NUMBER]"]);
    refused(dir.path(), &["dead", "drop", "a/1", "--all", "--state-dir", "s"], 2, &["cannot be used with"]);
    refused(dir.path(), &["dead", "drop", "a/b", "--state-dir", "s"], 2, &["a/b: give HANDLER or HANDLER/NUMBER"]);
    refused(dir.path(), &["dead", "show", "a", "--state-dir", "s"], 2, &["a: give HANDLER/NUMBER, as `list` names it"]);
    refused(dir.path(), &["dead", "list", "--state-dir", "s"], 1, &["there is no state directory s"]);
    assert!(!dir.path().join("s").exists(), "looking makes nothing");
    std::fs::create_dir(dir.path().join("s")).unwrap();
    refused(dir.path(), &["forget", "a", "--state-dir", "s"], 1, &["nothing is known of a handler `a`; there is none"]);
}

#[test]
fn a_token_that_is_none_or_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = desk();
    let line = ["run", "--plugins", "plugins", "--server", NOBODY, "--admin-token-file", "token"];
    refused(dir.path(), &line, 2, &["the token file token", "No such file"]);
    let write = |text: &str, mode: u32| {
        fs::write(dir.path().join("token"), text).unwrap();
        fs::set_permissions(dir.path().join("token"), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("0123456789abcdef", 0o644);
    refused(dir.path(), &line, 2, &["others may read it (mode 644); run chmod 600"]);
    for text in ["", "short", "0123456789 abcdef"] {
        write(text, 0o600);
        refused(dir.path(), &line, 2, &["it holds no token", "16 printable"]);
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_names_the_flag() {
    let dir = desk();
    let run = ["run", "--plugins", "plugins", "--server", NOBODY];
    for (more, part) in [
        (["--no-such-flag", "x"], "unexpected argument '--no-such-flag' found"),
        (["--listen", "somewhere"], "invalid value 'somewhere' for '--listen <ADDR:PORT>'"),
        (["--grace", "5parsecs"], "`5parsecs` is no duration such as 30s, 5ms or 1h30m"),
        (["--workers", "0"], "0 is not in 1..=64"),
        (["--log", "==="], "give a level such as `debug`"),
    ] {
        refused(dir.path(), &[&run[..], &more].concat(), 2, &[part]);
    }
    refused(dir.path(), &["run"], 2, &["--plugins <DIR>"]);
    // Said before the cluster is asked, so the server that is not there does not matter.
    let missing = "error: --plugins nowhere: there is no such directory; create it, or name another\n";
    refused(dir.path(), &["run", "--plugins", "nowhere", "--server", NOBODY], 2, &[missing]);
    refused(dir.path(), &["dev", "--plugins", "nowhere"], 2, &[missing]);
}

#[test]
fn a_cluster_that_cannot_be_had_is_named_with_what_to_do() {
    let dir = desk();
    fs::write(dir.path().join("bad"), "clusters: secret\n").unwrap();
    let run = ["run", "--plugins", "plugins"];
    let with = |more: &[&'static str], parts: &[&str]| refused(dir.path(), &[&run[..], more].concat(), 1, parts);
    with(&[], &["no cluster to talk to", ".kube/config does not exist", "or try `weir dev`"]);
    with(
        &["--kubeconfig", "bad"],
        &["error: bad: failed to parse kubeconfig", "check the file with `kubectl --kubeconfig bad"],
    );
    with(&["--kubeconfig", "nowhere"], &["error: nowhere: ", "No such file"]);
    with(&["--in-cluster"], &["--in-cluster: ", "only in a pod with a service account token"]);
    with(
        &["--server", NOBODY],
        &["talking to http://127.0.0.1:1/ (chosen by --server)", "Connection refused", "check the address"],
    );
    with(&["--server", "http://["], &["--server http://[: ", "give a URL such as https://127.0.0.1:6443"]);
    with(&["--server", "localhost"], &["`localhost` is not complete; give a URL such as https://127.0.0.1:6443"]);
    // A kubeconfig holds secrets, so what is wrong with it is said without an excerpt.
    assert!(!weir(dir.path(), &[&run[..], &["--kubeconfig", "bad"]].concat()).1.contains("secret"));
}

#[test]
fn a_port_in_use_is_named() {
    let dir = desk();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (listen, port) = (address.to_string(), address.port().to_string());
    let choose = format!(
        "error: listening on {listen}: Address already in use (os error 98); choose another address with --listen\n"
    );
    refused(dir.path(), &["dev", "--plugins", "plugins", "--listen", &listen], 1, &[&choose]);
    refused(
        dir.path(),
        &["dev", "--plugins", "plugins", "--port", &port],
        1,
        &[&format!("--port {port}: "), "choose another"],
    );
    let asked = ["status", "--address", "127.0.0.1:1"];
    refused(dir.path(), &asked, 1, &["asking 127.0.0.1:1: Connection refused (os error 111); is weir running"]);
}

#[test]
fn a_file_that_is_no_handler_is_told_by_what_it_is() {
    let dir = desk();
    let parse = |text: &str| wat::parse_str(text).unwrap();
    let files: [(&str, Vec<u8>, &str); 7] = [
        ("text", b"hello".to_vec(), "not a WebAssembly component: it does not begin like one (`\\0asm`); build one"),
        ("empty", Vec::new(), "the file is empty"),
        (
            "module",
            parse("(module)"),
            "a core WebAssembly module, not a component; make it one with `wasm-tools component new`",
        ),
        (
            "import",
            parse(
                r#"(component (import "acme:db/store@1.0.0" (instance)) (instance $i) (export "weir:api/handler@0.1.0" (instance $i)))"#,
            ),
            "the component imports acme:db/store@1.0.0, which weir does not have; it has weir:api/{",
        ),
        (
            "version",
            Guest { version: "0.2.0", ..Guest::default() }.build().to_vec(),
            "@0.2.0; this weir serves weir:api@0.1: rebuild it with a matching SDK",
        ),
        (
            "export",
            parse("(component)"),
            "does not export weir:api/handler@0.1, so it is no handler; it exports nothing",
        ),
        // An ELF file for the machine code that wasmtime marks in its header: flag 1 of OS ABI 200 says component.
        ("code", elf(), "precompiled machine code, which weir does not run; give it the .wasm file it was made from"),
    ];
    for (name, bytes, part) in files {
        let file = format!("{name}.wasm");
        fs::write(dir.path().join(&file), bytes).unwrap();
        refused(dir.path(), &["check", &file], 1, &[&format!("error: {file}: "), part]);
    }
    // Sparse: it takes no room, and is refused before it is read.
    fs::File::create(dir.path().join("large.wasm")).unwrap().set_len((64 << 20) + 1).unwrap();
    refused(
        dir.path(),
        &["check", "large.wasm"],
        1,
        &["it has 67108865 bytes, more than the 67108864 it may have; strip"],
    );
    refused(
        dir.path(),
        &["check", "nowhere.wasm"],
        1,
        &["nowhere.wasm: it cannot be read (No such file", "give the path of a .wasm file"],
    );
    refused(dir.path(), &["check", "plugins"], 1, &["plugins: it cannot be read (it is no regular file)"]);
}

/// The header by which wasmtime knows a component that it compiled (`wasmtime::Engine::detect_precompiled`).
fn elf() -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 200]);
    // e_version, e_flags, e_ehsize, e_shentsize.
    (header[20], header[48], header[52], header[58]) = (1, 2, 64, 64);
    header
}

#[test]
fn a_manifest_that_is_wrong_is_told_with_its_line_and_the_fix() {
    let dir = desk();
    fs::write(dir.path().join("x.wasm"), describing(NODES).build()).unwrap();
    assert_eq!(weir(dir.path(), &["check", "x.wasm"]), (0, String::new()));
    let head = "apiVersion: weir.dev/v1alpha1\nkind: Handler\nmetadata: { name: x }\nspec:\n";
    for (spec, parts) in [
        ("  setings: {}\n", ["error: x.yaml:5: unknown key `setings`, did you mean `settings`?", ""]),
        (
            "  watches: [{ name: a, apiVersion: v1, kind: Node, labelSelector: \"a in (\" }]\n",
            ["error: x.yaml:5: ", "selector `a in (`: "],
        ),
    ] {
        fs::write(dir.path().join("x.yaml"), format!("{head}{spec}")).unwrap();
        refused(dir.path(), &["check", "x.wasm"], 1, &parts);
    }
}

/// Runs a handler with this description on `api` until its status says `part`.
async fn shows(api: &DevApi, description: &str, part: &str) {
    let dir = desk();
    let plugins = dir.path().join("plugins");
    fs::write(plugins.join("x.wasm"), describing(description).build()).unwrap();
    let settings = Settings {
        plugins,
        namespaces: Vec::new(),
        workers: 1,
        listen: "127.0.0.1:0".parse().unwrap(),
        grace: Duration::from_secs(5),
        cache_dir: None,
        state: None,
        admin_token: None,
        grant_wishes: false,
        require_digest: false,
        instance: "test".into(),
        secrets: weir::action::Secrets::default(),
    };
    let client = kube::Client::new(api.service(), "default");
    let app = App::start(settings, client, "a test's".into()).await.unwrap();
    let shown = async {
        // Ready, because no file just written was overlooked and weir cannot help what it waits for.
        while !app.admin().is_ready() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        app.admin().status().to_string()
    };
    let status = tokio::time::timeout(Duration::from_secs(30), shown).await.expect("it becomes ready");
    assert!(status.contains(part), "{status}");
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_kind_is_waited_for_visibly() {
    let api = DevApi::new(Options::default());
    let description = "watches: [{ name: a, apiVersion: example.org/v1, kind: Gadget }]";
    shows(&api, description, r#""state":"waiting for kind""#).await;
}

#[tokio::test]
async fn a_missing_permission_is_shown_with_the_rule_to_add() {
    let api = DevApi::new(Options::default());
    api.faults().inject(Fault {
        method: None,
        path_contains: "/api/v1/nodes".into(),
        watch: None,
        times: u32::MAX,
        effect: Effect::Status {
            code: 403,
            reason: "Forbidden".into(),
            message: "nodes is forbidden".into(),
            retry_after: None,
        },
    });
    shows(&api, NODES, "forbidden: needs ").await;
}
