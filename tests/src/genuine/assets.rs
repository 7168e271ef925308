//! kube-apiserver and etcd as kubebuilder installs them, for machines that have them.
//!
//! Only the translation of the audit log is covered by tests of this repository: the programs themselves cannot be had
//! everywhere. Flags follow controller-runtime's envtest. Unlike our own server these do not notice when the test dies;
//! a normal end kills the API server, but etcd and its data are left behind.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::{Request, Server, client, end_of};

/// How long kube-apiserver may take to start.
const READY_WAIT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(100);

/// The admin's token. It guards a throw-away server on loopback.
const TOKEN: &str = "weir-test-admin";

/// Everything with its body, without the server's requests to itself.
const AUDIT_POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],
"rules":[{"level":"None","users":["system:apiserver"]},{"level":"Request"}]}"#;

/// A line of the audit log, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Audited {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    response_status: Option<Answer>,
    request_object: Option<serde_json::Value>,
    request_received_timestamp: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    code: u16,
}

/// Starts etcd; kube-apiserver waits by itself until it answers.
pub(super) fn etcd(folder: &Path, directory: &Path, log: PathBuf) -> Server {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(folder.join("etcd"));
    command
        .args(["--listen-peer-urls=http://127.0.0.1:0", "--unsafe-no-fsync=true", "--data-dir"])
        .arg(directory.join("data"))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"));
    spawn(command, log, url)
}

/// Starts kube-apiserver and waits for /readyz.
pub(super) async fn apiserver(
    folder: &Path,
    directory: &Path,
    etcd: &str,
    prefix: &str,
    flags: &[String],
    port: Option<u16>,
    log: PathBuf,
) -> Server {
    let port = port.unwrap_or_else(free_port);
    let url = format!("https://127.0.0.1:{port}");
    let write = |name: &str, content: &str| {
        let file = directory.join(name);
        fs::write(&file, content).expect("writing a file for kube-apiserver");
        file.display().to_string()
    };
    let tokens = write("tokens.csv", &format!("{TOKEN},admin,admin,system:masters\n"));
    let policy = write("audit-policy.json", AUDIT_POLICY);
    let key = directory.join("accounts.key");
    if !key.exists() {
        signing_key(&key);
    }
    write("kubeconfig", &kubeconfig(&url, &directory.join("apiserver.crt")));
    let (directory_name, key) = (directory.display(), key.display());

    let mut command = Command::new(folder.join("kube-apiserver"));
    command.args([
        format!("--etcd-servers={etcd}"),
        format!("--etcd-prefix={prefix}"),
        format!("--cert-dir={directory_name}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        "--endpoint-reconciler-type=none".into(),
        "--authorization-mode=RBAC".into(),
        "--disable-admission-plugins=ServiceAccount".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--allow-privileged=true".into(),
        format!("--service-account-issuer={url}/"),
        format!("--service-account-key-file={key}"),
        format!("--service-account-signing-key-file={key}"),
        format!("--token-auth-file={tokens}"),
        format!("--audit-policy-file={policy}"),
        format!("--audit-log-path={directory_name}/requests"),
    ]);
    command.args(flags);
    let server = spawn(command, log.clone(), url);
    let ready = async {
        while !ready(directory).await {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    if tokio::time::timeout(READY_WAIT, ready).await.is_err() {
        panic!("kube-apiserver was not ready within {READY_WAIT:?}; the end of its log:\n{}", end_of(&log));
    }
    server
}

/// One line of the audit log as a request. None for stages that are not an answer, and for lines of another shape.
pub(super) fn audited(line: &str) -> Option<Request> {
    let line: Audited = serde_json::from_str(line).ok()?;
    let (path, query) = line.uri.split_once('?').unwrap_or((&line.uri, ""));
    let started = line.stage == "ResponseStarted";
    if !started && line.stage != "ResponseComplete" {
        return None;
    }
    let method = match line.verb.as_str() {
        "create" => "POST".to_owned(),
        "list" | "watch" => "GET".to_owned(),
        "update" => "PUT".to_owned(),
        "deletecollection" => "DELETE".to_owned(),
        same => same.to_uppercase(),
    };
    Some(Request {
        time: line.request_received_timestamp,
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        user_agent: line.user_agent,
        user: line.user.username,
        impersonate: line.impersonated_user.map(|user| user.username).unwrap_or_default(),
        started,
        code: if started { 0 } else { line.response_status.map_or(0, |answer| answer.code) },
        body: line.request_object.map(|object| object.to_string()).unwrap_or_default(),
        ..Request::default()
    })
}

fn spawn(mut command: Command, log: PathBuf, url: String) -> Server {
    let to = File::create(log).expect("creating a server's log");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(to);
    let child = command.spawn().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    Server { child, _stdin: None, url }
}

/// The certificate appears in `directory` only when the server has made it.
async fn ready(directory: &Path) -> bool {
    if !directory.join("apiserver.crt").exists() {
        return false;
    }
    let request = http::Request::get("/readyz").body(Vec::new()).expect("a constant request");
    client(&directory.join("kubeconfig"), "scenario").await.request_text(request).await.is_ok()
}

fn kubeconfig(url: &str, ca: &Path) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "weir-test",
        "clusters": [{"name": "weir-test", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "weir-test", "context": {"cluster": "weir-test", "user": "admin", "namespace": "default"}}],
    })
    .to_string()
}

/// A key for service-account tokens, which kube-apiserver insists on.
fn signing_key(file: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(file);
    let made = openssl.status().is_ok_and(|status| status.success());
    assert!(made, "kube-apiserver needs a signing key: install openssl, or unset KUBEBUILDER_ASSETS");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binding to loopback");
    listener.local_addr().expect("a bound listener has an address").port()
}

#[cfg(test)]
mod tests {
    use super::audited;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","stage":"ResponseComplete",
        "requestURI":"/api/v1/nodes/n?fieldManager=weir%2Fx","verb":"patch","user":{"username":"admin"},"userAgent":"weir/0.1",
        "responseStatus":{"code":200},"requestObject":{"a":1},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}"#;

    #[test]
    fn an_audit_line_reads_as_the_request_it_tells_of() {
        let request = audited(LINE).expect("a complete request");
        assert_eq!((request.method.as_str(), request.path.as_str()), ("PATCH", "/api/v1/nodes/n"));
        assert_eq!((request.query.as_str(), request.body.as_str()), ("fieldManager=weir%2Fx", r#"{"a":1}"#));
        assert_eq!((request.code, request.started), (200, false));
    }

    #[test]
    fn the_start_of_a_watch_has_no_code_yet() {
        let started = LINE.replace("ResponseComplete", "ResponseStarted").replace("\"patch\"", "\"watch\"");
        let request = audited(&started).expect("a watch that was let in");
        assert_eq!((request.method.as_str(), request.code, request.started), ("GET", 0, true));
    }

    #[test]
    fn a_stage_that_is_no_answer_is_left_out() {
        assert!(audited(&LINE.replace("ResponseComplete", "Panic")).is_none());
    }
}
