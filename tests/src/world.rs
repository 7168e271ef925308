//! One scenario's world: an API, a directory of handlers, and weir between them.
//!
//! Promises: the same scenario runs on the embedded API and on Kubernetes' own machinery; each world has an API of its own, on
//! loopback, and everything in it ends with the scenario; what is asserted is what the API holds and which requests it received,
//! never weir's logs. Waits end at what is waited for; a wait that does not end fails after [`PATIENCE`] with what was missing
//! and weir's status.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

mod account;
mod compiled;
mod flags;
mod nodes;
mod objects;
mod pods;
mod recording;
mod state;

use account::Holder;
pub use account::{ACCOUNT, flags_definition};
pub use compiled::{compile, compiled};
pub use flags::{FLAGS_DEFINITION, flag, flags};
pub use nodes::{node_images, node_path};
pub use objects::{CONFIG_MAPS, WIDGETS, config_map, granted};
pub use pods::{PODS, pod};
pub use recording::{WATCHED, config_map_path};

use crate::{
    genuine::{self, Genuine},
    proxy::Proxy,
};
use kube::Client;
use serde_json::{Value, json};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use weir::{
    action::Secrets,
    app::{App, Settings, StateSettings},
};
use weir_devapi::{DevApi, Options};

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `${env:HOOK_SECRET}` stands for in grants of `http`.
pub const SECRET: &str = "5ecre7-t0ken";

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Which API a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// weir's embedded API.
    Embedded,
    /// Kubernetes' own machinery.
    Genuine,
}

/// See the module.
pub struct World {
    /// The scenario's own client, which faults do not touch.
    pub client: Client,
    /// Which API this is.
    pub on: On,
    api: Api,
    plugins: TempDir,
    /// Where weir keeps its state, if it does.
    state: Option<TempDir>,
    weir: Option<App>,
    /// Where weir is no admin.
    account: Option<Holder>,
}

enum Api {
    Embedded { api: DevApi, proxy: Proxy, server: JoinHandle<()> },
    Genuine { server: Box<Genuine>, proxy: Proxy },
}

/// One request that the API received, whichever API it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// Who asked.
    pub user_agent: String,
    /// As which user, if not as itself; else empty.
    pub impersonate: String,
    /// Empty if none.
    pub content_type: String,
    /// In which form the answer was wanted.
    pub accept: String,
    /// The body of a write; empty if it was none.
    pub body: String,
    /// The answer's code; 0 if there was none.
    pub status: u16,
}

impl World {
    /// A world without handlers; weir does not run yet. None, said loudly, where the API is not to be had.
    pub async fn start(name: &str, on: On) -> Option<World> {
        if guests().is_none() {
            eprintln!("SKIPPED {name}: the guests are not built; run `cargo xtask test`, which builds them");
            return None;
        }
        let (api, client) = match on {
            On::Embedded => {
                let api = DevApi::new(Options::default());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let serving = api.clone();
                let server = tokio::spawn(async move {
                    if let Err(error) = serving.serve(listener).await {
                        eprintln!("the embedded API ended: {error}");
                    }
                });
                let client = plain_client(&format!("http://{address}"), "scenario");
                (Api::Embedded { api, proxy: Proxy::start(address).await, server }, client)
            }
            On::Genuine => {
                let server = Genuine::start(name).await?;
                let proxy = Proxy::start(server.address()).await;
                let client = server.client().await;
                (Api::Genuine { server: Box::new(server), proxy }, client)
            }
        };
        Some(World { client, on, api, plugins: TempDir::new().unwrap(), state: None, weir: None, account: None })
    }

    /// The directory of handlers.
    pub fn plugins(&self) -> &Path {
        self.plugins.path()
    }

    /// Puts a guest there as `NAME.wasm`, with its manifest if there is one, as a careful operator would: written beside and
    /// renamed into place, the manifest first.
    pub fn install(&self, name: &str, guest: &str, manifest: &str) {
        if !manifest.is_empty() {
            self.put(&format!("{name}.yaml"), manifest.as_bytes());
        }
        self.put(&format!("{name}.wasm"), &component(guest));
    }

    /// Puts bytes into the directory of handlers, by renaming.
    pub fn put(&self, file: &str, bytes: &[u8]) {
        let fresh = self.plugins().join(format!(".{file}.new"));
        std::fs::write(&fresh, bytes).unwrap();
        std::fs::rename(fresh, self.plugins().join(file)).unwrap();
    }

    /// Takes a file out of it.
    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.plugins().join(file)).unwrap();
    }

    /// Starts weir on the directory, and waits until it is ready.
    pub async fn run(&mut self) {
        self.run_in(&[]).await;
    }

    /// Starts weir confined to `namespaces`, and waits until it is ready.
    pub async fn run_in(&mut self, namespaces: &[&str]) {
        self.begin(namespaces).await;
        self.await_ready().await;
    }

    /// Starts weir and does not wait.
    pub async fn begin(&mut self, namespaces: &[&str]) {
        self.allow_least().await;
        let client = match &self.api {
            Api::Embedded { proxy, .. } => plain_client(&format!("http://{}", proxy.address()), "weir/test"),
            Api::Genuine { server, proxy } => match &self.account {
                Some(holder) => server.client_as(proxy, holder.token()).await,
                None => server.client_through(proxy).await,
            },
        };
        let settings = Settings {
            plugins: self.plugins().to_owned(),
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            workers: 2,
            listen: "127.0.0.1:0".parse().unwrap(),
            grace: Duration::from_secs(10),
            cache_dir: compiled(),
            state: self.state.as_ref().map(|dir| StateSettings::new(dir.path())),
            admin_token: None,
            grant_wishes: false,
            instance: "weir-test".to_owned(),
            require_digest: false,
            secrets: Secrets::new([("HOOK_SECRET".to_owned(), SECRET.to_owned())]),
        };
        self.weir = Some(App::start(settings, client, "a scenario's".to_owned()).await.unwrap());
    }

    /// Until `/readyz` says so, and every file of the directory was loaded or refused: one that was just written is taken a
    /// moment later.
    pub async fn await_ready(&self) {
        let app = self.weir();
        let entries = std::fs::read_dir(self.plugins()).unwrap();
        let files = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|it| it == "wasm")).count();
        let settled = |status: &Value| {
            let known = status["files"].as_array().map_or(0, Vec::len);
            let loading = status["files"].as_array().into_iter().flatten().any(|file| file["state"] == "loading");
            known >= files && !loading
        };
        self.eventually("weir is ready", async || {
            (app.admin().is_ready() && settled(&app.admin().status())).then_some(())
        })
        .await;
    }

    /// Stops weir in order; the API goes on.
    pub async fn stop(&mut self) {
        self.weir.take().expect("weir runs").stop().await;
        self.least_was_enough();
    }

    /// The running weir.
    pub fn weir(&self) -> &App {
        self.weir.as_ref().expect("weir runs")
    }

    /// What `/status` says.
    pub fn status(&self) -> Value {
        self.weir().admin().status()
    }

    /// The status of one handler's lane.
    pub fn lane(&self, handler: &str) -> Value {
        let status = self.status();
        let lanes = status["handlers"].as_array().cloned().unwrap_or_default();
        lanes.into_iter().find(|lane| lane["handler"] == handler).unwrap_or(Value::Null)
    }

    /// The value of a metric line that starts with `series`, 0 if there is none.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.weir().admin().metrics();
        let line = text.lines().find(|line| line.starts_with(series) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// Waits until `look` finds something.
    pub async fn eventually<T>(&self, what: impl Display, look: impl AsyncFn() -> Option<T>) -> T {
        match timeout(PATIENCE, until(look)).await {
            Ok(found) => found,
            Err(_) => {
                let status = self.weir.as_ref().map(|app| app.admin().status()).unwrap_or_default();
                panic!("it did not come to pass that {what}; weir's status: {status:#}")
            }
        }
    }

    /// Waits until no lane has anything to do now or being done; keys with timers do not count.
    pub async fn quiet(&self) {
        let busy =
            |lane: &Value| ["high", "low", "claimed"].iter().any(|count| lane["queue"][count].as_u64() != Some(0));
        let mut still = 0;
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            let status = self.status();
            let idle = !status["handlers"].as_array().into_iter().flatten().any(busy);
            // What was just written has to come back by the watch, too.
            still = if idle { still + 1 } else { 0 };
            if still == 15 {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("weir does not come to rest: {:#}", self.status());
    }

    /// Cuts every connection of weir's that is open, watches and all. New ones are served.
    pub fn cut(&self) {
        self.proxy().cut();
    }

    /// Cuts every connection of weir's, and refuses new ones until [`World::reconnect`]. The scenario's own client goes on.
    pub fn disconnect(&self) {
        self.proxy().refuse(true);
        self.proxy().cut();
    }

    /// Ends [`World::disconnect`].
    pub fn reconnect(&self) {
        self.proxy().refuse(false);
    }

    /// What weir reaches the API through.
    fn proxy(&self) -> &Proxy {
        match &self.api {
            Api::Embedded { proxy, .. } | Api::Genuine { proxy, .. } => proxy,
        }
    }

    /// Every request received so far, whose answer has ended; a watch, as soon as it was let in.
    pub fn requests(&self) -> Vec<Request> {
        match &self.api {
            Api::Embedded { api, .. } => api.requests().iter().map(Request::from_embedded).collect(),
            Api::Genuine { server, .. } => {
                // A watch that was let in has two lines: when it began and when it ended.
                let ended = |it: &genuine::Request| it.query.contains("watch=") && !it.started && it.code == 200;
                server.requests().iter().filter(|request| !ended(request)).map(Request::from_genuine).collect()
            }
        }
    }

    /// The embedded API, for scenarios about faults that only it can commit.
    pub fn embedded(&self) -> Option<&DevApi> {
        match &self.api {
            Api::Embedded { api, .. } => Some(api),
            Api::Genuine { .. } => None,
        }
    }

    /// Creates an object at a collection's path.
    pub async fn create(&self, path: &str, object: Value) -> Value {
        self.send("POST", path, "application/json", &object)
            .await
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Merges into the object at a path.
    pub async fn merge(&self, path: &str, patch: Value) -> Value {
        let sent = self.send("PATCH", path, "application/merge-patch+json", &patch).await;
        sent.unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    /// Deletes the object at a path, without grace.
    pub async fn delete(&self, path: &str) {
        let options = json!({ "gracePeriodSeconds": 0 });
        self.send("DELETE", path, "application/json", &options)
            .await
            .unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
    }

    /// The object or list at a path, or none.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client.request(request).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// The items of the list at a path.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Sends one request with a body.
    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Result<Value, kube::Error> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        self.client.request(request).await
    }
}

/// Looks again and again until something is found.
async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    loop {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Api::Embedded { server, .. } = &self.api {
            server.abort();
        }
    }
}

impl Request {
    fn from_embedded(received: &weir_devapi::Received) -> Request {
        let header = |name: &str| {
            let value = received.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Request {
            method: received.method.to_string(),
            path: received.path.clone(),
            query: received.query.clone(),
            user_agent: header("user-agent"),
            impersonate: header("impersonate-user"),
            content_type: header("content-type"),
            accept: header("accept"),
            body: String::from_utf8_lossy(&received.body).into_owned(),
            status: received.status.unwrap_or(0),
        }
    }

    fn from_genuine(request: &genuine::Request) -> Request {
        Request {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            user_agent: request.user_agent.clone(),
            impersonate: request.impersonate.clone(),
            content_type: request.content_type.clone(),
            accept: request.accept.clone(),
            body: request.body.clone(),
            status: if request.started { 200 } else { request.code },
        }
    }
}

/// A client for plain http on loopback.
pub fn plain_client(url: &str, user_agent: &str) -> Client {
    weir::ops::cluster::plain(url, user_agent).unwrap()
}

/// Where the guests' components are.
#[expect(clippy::disallowed_methods, reason = "xtask says so by the environment")]
pub fn guests() -> Option<PathBuf> {
    std::env::var("WEIR_TEST_GUESTS").ok().map(PathBuf::from)
}

/// A guest's bytes.
pub fn component(guest: &str) -> Vec<u8> {
    let file = guests().expect("the guests are built").join(format!("{guest}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A manifest with these lines under `spec`.
pub fn manifest(spec: &str) -> String {
    format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec:\n{spec}\n")
}

/// The manifest that a plugin of this repository brings.
pub fn plugin_manifest(plugin: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(plugin).join(format!("{plugin}.yaml"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
