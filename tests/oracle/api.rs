//! The API of a run, and the hand that makes history in it.
//!
//! Promises: what was written is known with the API's answer to it; the hand has a client of its own, which the weather does not touch; the API is on loopback and ends with
//! the run.

use crate::{
    history::{self, History, NAMESPACES, Step, Write},
    quiet::Live,
    seen::{seen, state},
};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use weir_devapi::{DevApi, Options};
use weir_tests::{
    genuine::Genuine,
    proxy::Proxy,
    world::{On, plain_client},
};

/// See the module.
pub(crate) struct Api {
    client: Client,
    /// What weir is to be told where the API is.
    pub(crate) flags: Vec<String>,
    pub(crate) embedded: Option<DevApi>,
    /// What weir reaches the API through.
    pub(crate) proxy: Proxy,
    server: Server,
}

enum Server {
    Embedded(JoinHandle<()>),
    Genuine(Box<Genuine>),
}

/// One write, as the API answered it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// RFC 3339 with microseconds, when it was sent.
    pub(crate) at: String,
    /// In which of weir's lives.
    pub(crate) life: u32,
    pub(crate) key: String,
    pub(crate) created: bool,
    /// Of the object as answered; none for a deletion that took it away.
    pub(crate) uid: Option<String>,
    pub(crate) version: u64,
    pub(crate) state: String,
    pub(crate) chosen: bool,
    /// For people.
    pub(crate) words: String,
}

impl Api {
    /// None, said loudly, where it is not to be had.
    pub(crate) async fn start(on: On) -> Option<Api> {
        let api = match on {
            On::Embedded => {
                let api = DevApi::new(Options::default());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let proxy = Proxy::start(address).await;
                let serving = api.clone();
                let server = tokio::spawn(async move { serving.serve(listener).await.unwrap() });
                let flags = vec![format!("--server=http://{}", proxy.address())];
                let client = plain_client(&format!("http://{address}"), "oracle");
                Api { client, flags, embedded: Some(api), proxy, server: Server::Embedded(server) }
            }
            On::Genuine => {
                let server = Genuine::start("oracle").await?;
                let proxy = Proxy::start(server.address()).await;
                let client = server.client().await;
                let flags = vec![format!("--kubeconfig={}", server.kubeconfig_through(&proxy).display())];
                Api { client, flags, embedded: None, proxy, server: Server::Genuine(Box::new(server)) }
            }
        };
        for name in NAMESPACES {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            api.send("POST", "/api/v1/namespaces", "application/json", &namespace).await;
        }
        Some(api)
    }

    /// Takes `count` steps of a history. `life` is which of weir's lives this is, as it changes.
    pub(crate) async fn play(
        &self,
        history: &mut History,
        random: &mut StdRng,
        count: usize,
        life: &AtomicU32,
    ) -> Vec<Written> {
        let mut written = Vec::with_capacity(count);
        for _ in 0..count {
            let step = history.next(random);
            written.push(self.take(&step, life.load(Ordering::Acquire)).await);
            if !step.pause.is_zero() {
                tokio::time::sleep(step.pause).await;
            }
        }
        written
    }

    async fn take(&self, step: &Step, life: u32) -> Written {
        let at = now();
        let (words, answer) = match &step.write {
            Write::Create(object) => {
                ("created", self.send("POST", &history::path(step.object, true), "application/json", object).await)
            }
            Write::Merge(patch) => {
                let path = history::path(step.object, false);
                ("patched", self.send("PATCH", &path, "application/merge-patch+json", patch).await)
            }
            Write::Delete => {
                let options = json!({ "gracePeriodSeconds": 0 });
                let path = history::path(step.object, false);
                ("deleted", self.send("DELETE", &path, "application/json", &options).await)
            }
        };
        // A deletion that takes the object away is answered with a Status.
        let object = Some(&answer).filter(|answer| answer["kind"] == "ConfigMap");
        let uid = object.and_then(|object| object["metadata"]["uid"].as_str()).map(str::to_owned);
        let words = match object {
            Some(object) => {
                format!("{words}: {} at {}: {}", uid.as_deref().unwrap_or("?"), version(object), seen(object))
            }
            None => words.to_owned(),
        };
        Written {
            at,
            life,
            key: history::key(step.object),
            created: matches!(step.write, Write::Create(_)),
            uid,
            version: version(&answer),
            state: state(&answer).to_owned(),
            chosen: is_chosen(&answer),
            words,
        }
    }

    /// The API is killed and comes back, with what it had, and without what it remembered of the past. Not the embedded one, which has nothing else.
    pub(crate) async fn restart(&mut self) {
        if let Server::Genuine(server) = &mut self.server {
            server.restart().await;
            // A connection of before is not there any more: that of the hand is found out here.
            while self.list(NAMESPACES[0]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn list(&self, namespace: &str) -> Result<Value, kube::Error> {
        let request = http::Request::get(format!("/api/v1/namespaces/{namespace}/configmaps"));
        self.client.request(request.body(Vec::new()).unwrap()).await
    }

    /// All that there is.
    pub(crate) async fn live(&self) -> Vec<Live> {
        let mut live = Vec::new();
        for namespace in NAMESPACES {
            let list = self.list(namespace).await.unwrap();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            live.extend(items.iter().map(|object| {
                let metadata = &object["metadata"];
                Live {
                    key: format!("{namespace}/{}", metadata["name"].as_str().unwrap_or_default()),
                    uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
                    state: state(object).to_owned(),
                    seen: seen(object),
                    chosen: is_chosen(object),
                }
            }));
        }
        live
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Value {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        let answer = self.client.request(request).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Server::Embedded(server) = &self.server {
            server.abort();
        }
    }
}

fn is_chosen(object: &Value) -> bool {
    object["metadata"]["labels"]["oracle"] == "in"
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// As weir's log writes times, so that both can be sorted together.
pub(crate) fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

/// Which of weir's lives this is; shared between the hand and whoever kills.
pub(crate) type Life = Arc<AtomicU32>;
