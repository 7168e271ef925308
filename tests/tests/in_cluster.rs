//! weir as it runs in a pod, with what `deploy/` gives it: its service account's files and variables, and that account's rights and no others.
//!
//! A pod's files are at a fixed path, so weir is started in a mount namespace of its own, where they are. Where that cannot be had (it takes root and
//! `unshare`), and where the API or the guests are not built, this is skipped, loudly.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use weir_tests::{
    genuine::Genuine,
    program::program,
    world::{component, guests, plugin_manifest},
};

const USER: &str = "system:serviceaccount:weir:weir";
/// kube reads a token's file anew after at most a minute; until then the API refuses the old one.
const PATIENCE: Duration = Duration::from_secs(120);

/// weir in a pod; ends with the test.
struct Pod(Child);

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Runs kubectl as an admin; what it printed.
fn kubectl(api: &Genuine, arguments: &[&str]) -> String {
    let done = Command::new("kubectl").arg("--kubeconfig").arg(api.kubeconfig()).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "kubectl {arguments:?}: {err}{out}");
    out.into_owned()
}

fn has(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
}

/// Starts weir with the account's directory where a pod has it.
#[expect(clippy::disallowed_methods, reason = "what the shell needs to find its programs")]
fn start(account: &Path, plugins: &Path, port: u16, log: &Path) -> Pod {
    let script = r#"mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount &&
        mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@""#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--kill-child", "sh", "-c", script, "sh"])
        .arg(account)
        .arg(program())
        .args(["run", "--listen", "127.0.0.1:0", "--plugins"])
        .arg(plugins)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(log).unwrap())
        .stderr(std::fs::File::create(log.with_extension("err")).unwrap());
    Pod(command.spawn().unwrap())
}

/// Creates a node with images, and waits until it is annotated with their number.
async fn is_handled(client: &Client, name: &str, log: &Path) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    nodes.create(&Default::default(), &node).await.unwrap();
    let status = json!({ "status": { "images": [{ "names": ["a"], "sizeBytes": 5 }] } });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let annotated = async {
        loop {
            let node = nodes.get(name).await.unwrap();
            if node.metadata.annotations.is_some_and(|all| all.get("images.weir.dev/count").is_some_and(|it| it == "1"))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, annotated).await.is_err() {
        panic!("{name} was not handled; weir says:\n{}", std::fs::read_to_string(log).unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_weir_does_its_work_with_its_accounts_rights_and_goes_on_when_the_token_is_renewed() {
    let unshares = has("unshare", &["--mount", "--kill-child", "true"]);
    if guests().is_none() || !unshares || !has("kubectl", &["version", "--client"]) {
        eprintln!("SKIPPED in_cluster: it takes built guests (cargo xtask test), kubectl, and root with unshare");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (tokens, account, plugins) =
        (home.path().join("tokens"), home.path().join("account"), home.path().join("plugins"));
    std::fs::create_dir(&account).unwrap();
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(&tokens, format!("first,{USER}\n")).unwrap();
    let Some(api) = Genuine::start_with("in-cluster", &["--tokens", tokens.to_str().unwrap()]).await else { return };
    let client = api.client().await;

    // What is in deploy/ is accepted as it stands, and the account, its rights and its namespace are made of it.
    kubectl(&api, &["apply", "-f", deploy().join("namespace.yaml").to_str().unwrap()]);
    kubectl(&api, &["apply", "--dry-run=server", "-f", deploy().to_str().unwrap()]);
    for file in ["account.yaml", "rbac.yaml"] {
        kubectl(&api, &["apply", "-f", deploy().join(file).to_str().unwrap()]);
    }

    let config = kube::config::Kubeconfig::read_from(api.kubeconfig()).unwrap();
    let authority = config.clusters[0].cluster.as_ref().unwrap().certificate_authority_data.clone().unwrap();
    std::fs::write(home.path().join("authority"), authority).unwrap();
    assert!(has("sh", &["-c", &format!("base64 -d < {0}/authority > {0}/account/ca.crt", home.path().display())]));
    std::fs::write(account.join("namespace"), "weir").unwrap();
    std::fs::write(account.join("token"), "first").unwrap();
    std::fs::write(plugins.join("node-images.yaml"), plugin_manifest("node-images")).unwrap();
    std::fs::write(plugins.join("node-images.wasm"), component("node-images")).unwrap();

    let log = home.path().join("log");
    let _pod = start(&account, &plugins, api.address().port(), &log);
    is_handled(&client, "before", &log).await;

    // The kubelet renews the token; the old one is worth nothing from now on.
    std::fs::write(account.join("token.new"), "second").unwrap();
    std::fs::rename(account.join("token.new"), account.join("token")).unwrap();
    std::fs::write(&tokens, format!("second,{USER}\n")).unwrap();
    is_handled(&client, "after", &log).await;

    let sent = api.requests().into_iter().filter(|request| request.user_agent.starts_with("weir/"));
    let sent: Vec<_> = sent.collect();
    assert!(sent.iter().any(|request| request.method == "PATCH" && request.user == USER && request.code == 200));
    let refused: Vec<_> = sent.iter().filter(|request| request.code == 403).collect();
    assert!(refused.is_empty(), "its rules lack what it needs: {refused:#?}");
    assert!(sent.iter().all(|request| request.user == USER || request.code == 401), "{sent:#?}");
}

/// The steps of `deploy/Dockerfile`'s last stage: the program and what it is linked to, and nothing else; not root, and nothing that can be written.
#[test]
fn the_program_starts_as_nobody_in_a_root_that_has_nothing_but_its_libraries() {
    if guests().is_none() || !has("chroot", &["/", "true"]) || !has("ldd", &["--version"]) {
        eprintln!("SKIPPED in_cluster: it takes built guests (cargo xtask test), root with chroot, and ldd");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &str| {
        let to = root.path().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    let linked = Command::new("ldd").arg(program()).output().unwrap();
    for file in String::from_utf8_lossy(&linked.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        copy(Path::new(file), file);
    }
    copy(&program(), "/usr/local/bin/weir");
    copy(&guests().unwrap().join("first-handler.wasm"), "/plugins/first-handler.wasm");
    assert!(has("chmod", &["-R", "a=rX", root.path().to_str().unwrap()]));
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.args(["--userspec=65532:65532", root.path().to_str().unwrap(), "/usr/local/bin/weir"]);
        let done = command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert!(inside(&["--version"]).starts_with("weir "));
    assert!(inside(&["check", "/plugins/first-handler.wasm"]).contains("a handler, and sound"));
}
