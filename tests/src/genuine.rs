//! Kubernetes' own API machinery as a test server, with what a test asks of it.
//!
//! Promises: every [`Genuine`] is a server of its own with an empty API of its own, on loopback; the etcd behind them is
//! one per test process. Neither outlives the process, however it ends, because both end when the pipe to their standard
//! input breaks (not so with `KUBEBUILDER_ASSETS`, see `assets`). Where nothing is installed, [`Genuine::start`] returns
//! `None` and says so on stderr, so that a suite is skipped loudly and not by accident.
//!
//! What is not promised: the API is not a whole cluster. `tests/apiserver/README.md` lists what is missing.

mod assets;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::proxy::Proxy;

/// How long [`Genuine::await_request`] waits before it fails the test.
const REQUEST_WAIT: Duration = Duration::from_secs(30);
/// How often it looks at the log.
const REQUEST_POLL: Duration = Duration::from_millis(20);
/// How much of a server's log a failed start shows, in lines.
const SHOWN_LOG: usize = 20;

/// A running API server with an empty API. Dropping it kills the server and removes its files.
pub struct Genuine {
    directory: TempDir,
    install: &'static Install,
    etcd: &'static str,
    prefix: String,
    flags: Vec<String>,
    server: Server,
}

/// One request as the server received it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// When it arrived, RFC 3339.
    pub time: String,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path, decoded.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: String,
    /// The User-Agent header.
    pub user_agent: String,
    /// Who was authenticated: `admin`, or `system:anonymous`; not whom they impersonate.
    pub user: String,
    /// The user impersonated, or empty.
    pub impersonate: String,
    /// The Content-Type header; empty where the server is kube-apiserver, whose audit log has none.
    pub content_type: String,
    /// The Accept header; empty where the server is kube-apiserver.
    pub accept: String,
    /// True in the first of a watch's two lines: it was let in, and `code` is 0.
    pub started: bool,
    /// The status code of the answer.
    pub code: u16,
    /// The first 64 KiB of what was sent, if it was text.
    pub body: String,
    /// The length of what was sent, in bytes; 0 where the server is kube-apiserver.
    pub body_bytes: usize,
}

/// What is installed to run.
enum Install {
    /// The binary built from `tests/apiserver`.
    Ours(PathBuf),
    /// A folder with `etcd` and `kube-apiserver`.
    Assets(PathBuf),
}

/// A child that ends with us: by the pipe when this process dies, by [`Drop`] before that.
struct Server {
    child: Child,
    _stdin: Option<ChildStdin>,
    url: String,
}

/// The one line that `weir-test-apiserver` prints.
#[derive(Deserialize)]
struct Ready {
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed rather than asked: what must last is in etcd, and clients see their connections break, as in a crash.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Runs `weir-test-apiserver` and waits for the line it prints. What it logs goes to a file.
    ///
    /// # Panics
    /// If it ends before it is ready (it gives up by itself after a minute).
    async fn run(mut command: Command, log: PathBuf) -> Server {
        let to = File::create(&log).expect("creating a server's log");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(to)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut server = Server { child, _stdin: stdin, url: String::new() };
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            line
        })
        .await
        .expect("reading a line does not panic");
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            panic!("{command:?} did not get ready; the end of its log:\n{}", end_of(&log));
        };
        server.url = ready.url;
        server
    }
}

impl Genuine {
    /// Starts a server with an empty API. `name` shows in etcd's keys and need not be unique.
    ///
    /// `None` if nothing is installed: neither `WEIR_TEST_APISERVER`, the binary that `cargo xtask test` builds, nor
    /// `KUBEBUILDER_ASSETS`, a folder with `kube-apiserver` and `etcd`, is set. The latter is used where both are.
    ///
    /// # Panics
    /// If what is installed does not start: that is a failure and no reason to skip.
    pub async fn start(name: &str) -> Option<Genuine> {
        Self::start_with(name, &[]).await
    }

    /// Like [`Genuine::start`], with further flags of kube-apiserver, as `--feature-gates=WatchList=false`.
    ///
    /// # Panics
    /// As [`Genuine::start`].
    pub async fn start_with(name: &str, flags: &[&str]) -> Option<Genuine> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let install = installed()?;
        let directory = tempfile::Builder::new().prefix("weir-genuine-").tempdir().expect("making a directory");
        let etcd = shared_etcd(install).await;
        let prefix = format!("/weir/{}-{name}", STARTED.fetch_add(1, Ordering::Relaxed));
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let server = run_server(install, directory.path(), etcd, &prefix, &flags, None).await;
        Some(Genuine { directory, install, etcd, prefix, flags, server })
    }

    /// The server's address, as `https://127.0.0.1:40002`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// The server's socket, for a [`Proxy`] in front of it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address_of(&self.server.url)
    }

    /// The address of the etcd behind, whose JSON gateway can be asked to compact.
    #[must_use]
    pub fn etcd(&self) -> &str {
        self.etcd
    }

    /// An admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// An admin's kubeconfig that leads through a proxy.
    #[must_use]
    pub fn kubeconfig_through(&self, proxy: &Proxy) -> PathBuf {
        let whole = fs::read_to_string(self.kubeconfig()).expect("reading the kubeconfig");
        let file = self.directory.path().join(format!("kubeconfig-{}", proxy.address().port()));
        let through = format!("https://{}", proxy.address());
        fs::write(&file, whole.replace(self.url(), &through)).expect("writing a kubeconfig");
        file
    }

    /// An admin's client, with kube's defaults.
    pub async fn client(&self) -> kube::Client {
        client(&self.kubeconfig(), "scenario").await
    }

    /// weir's client, an admin's, which leads through a proxy. As in production it does not retry by itself.
    pub async fn client_through(&self, proxy: &Proxy) -> kube::Client {
        client(&self.kubeconfig_through(proxy), "weir/test").await
    }

    /// As [`Genuine::client_through`], as whom this token shows.
    pub async fn client_as(&self, proxy: &Proxy, token: &str) -> kube::Client {
        let mut config = Kubeconfig::read_from(self.kubeconfig_through(proxy)).expect("reading the kubeconfig");
        let user = kube::config::AuthInfo { token: Some(token.to_owned().into()), ..Default::default() };
        config.auth_infos.iter_mut().for_each(|info| info.auth_info = Some(user.clone()));
        client_of(config, "weir/test").await
    }

    /// What the server received so far, oldest first; a request is in it when its answer is complete, which can be a
    /// moment after the client has it. The server's requests to itself are not in it.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let log = fs::read_to_string(self.directory.path().join("requests")).unwrap_or_default();
        // The last line may still be half written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        match self.install {
            Install::Ours(_) => {
                whole.lines().map(|line| serde_json::from_str(line).expect("a line of the request log")).collect()
            }
            Install::Assets(_) => whole.lines().filter_map(assets::audited).collect(),
        }
    }

    /// Waits until a request like this was received, and returns the first.
    ///
    /// # Panics
    /// After 30 seconds without one.
    pub async fn await_request(&self, wanted: impl Fn(&Request) -> bool) -> Request {
        let found = async {
            loop {
                if let Some(request) = self.requests().into_iter().find(&wanted) {
                    return request;
                }
                tokio::time::sleep(REQUEST_POLL).await;
            }
        };
        let Ok(request) = tokio::time::timeout(REQUEST_WAIT, found).await else {
            panic!("the server received no such request; it received {:#?}", self.requests());
        };
        request
    }

    /// Kills the server and starts it again: same data, port, certificate and users; the watch cache is empty, so a watch
    /// from an older resourceVersion is answered with 410.
    ///
    /// # Panics
    /// If it does not start, as when another process has taken the port meanwhile.
    pub async fn restart(&mut self) {
        let address = self.address();
        self.down();
        self.server =
            run_server(self.install, self.directory.path(), self.etcd, &self.prefix, &self.flags, Some(address.port()))
                .await;
    }

    /// Kills the server and leaves it down; [`Genuine::restart`] brings it back.
    pub fn down(&mut self) {
        let _ = self.server.child.kill();
        let _ = self.server.child.wait();
    }

    /// Ends the server and removes its files, as dropping does.
    pub fn stop(self) {}
}

/// What is installed, looked up once; what is missing is said once.
fn installed() -> Option<&'static Install> {
    static SAID: Once = Once::new();
    static FOUND: std::sync::OnceLock<Option<Install>> = std::sync::OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let folder = environment("KUBEBUILDER_ASSETS").map(PathBuf::from);
        if let Some(folder) =
            folder.filter(|folder| folder.join("kube-apiserver").is_file() && folder.join("etcd").is_file())
        {
            return Some(Install::Assets(folder));
        }
        environment("WEIR_TEST_APISERVER").map(|binary| Install::Ours(binary.into()))
    });
    if found.is_none() {
        SAID.call_once(|| {
            eprintln!(
                "SKIPPED: the genuine-API suite needs Go 1.25 or newer (`cargo xtask test` then builds the server and sets \
                 WEIR_TEST_APISERVER), or KUBEBUILDER_ASSETS naming a folder with kube-apiserver and etcd"
            );
        });
    }
    found.as_ref()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness is told by xtask, through the environment, what is installed"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The etcd of this process. It is in a static and so never dropped: it ends when the process does, with the pipe.
async fn shared_etcd(install: &'static Install) -> &'static str {
    static ETCD: OnceCell<Server> = OnceCell::const_new();
    let etcd = ETCD.get_or_init(async || {
        let directory = tempfile::Builder::new().prefix("weir-etcd-").tempdir().expect("making a directory").keep();
        let log = directory.join("log");
        match install {
            Install::Assets(folder) => assets::etcd(folder, &directory, log),
            Install::Ours(binary) => {
                let mut command = Command::new(binary);
                command.args(["etcd", "--discard", "--data-dir"]).arg(&directory);
                Server::run(command, log).await
            }
        }
    });
    &etcd.await.url
}

async fn run_server(
    install: &Install,
    directory: &Path,
    etcd: &str,
    prefix: &str,
    flags: &[String],
    port: Option<u16>,
) -> Server {
    let log = directory.join("log");
    match install {
        Install::Assets(folder) => assets::apiserver(folder, directory, etcd, prefix, flags, port, log).await,
        Install::Ours(binary) => {
            let mut command = Command::new(binary);
            command
                .args(["serve", "--etcd", etcd, "--etcd-prefix", prefix])
                .arg("--kubeconfig-out")
                .arg(directory.join("kubeconfig"))
                .arg("--request-log")
                .arg(directory.join("requests"))
                .arg(format!("--port={}", port.unwrap_or(0)))
                .args(flags);
            Server::run(command, log).await
        }
    }
}

async fn client(kubeconfig: &Path, user_agent: &'static str) -> kube::Client {
    client_of(Kubeconfig::read_from(kubeconfig).expect("reading the kubeconfig"), user_agent).await
}

async fn client_of(kubeconfig: Kubeconfig, user_agent: &'static str) -> kube::Client {
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a kubeconfig just written");
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(user_agent)));
    kube::Client::try_from(config).expect("making a client")
}

fn address_of(url: &str) -> SocketAddr {
    url.rsplit('/').next().and_then(|host| host.parse().ok()).unwrap_or_else(|| panic!("{url} is no loopback address"))
}

fn end_of(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LOG)..].join("\n")
}
