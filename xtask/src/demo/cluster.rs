//! The demo's cluster: nodes whose images change and pods that come and go, made and read by plain requests.

#![expect(clippy::disallowed_types, reason = "a tool for people measures real time; there is no clock to pause")]

use super::systems::lane;
use crate::stage::{Done, Failed};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often something awaited is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// How often images change while the handler is replaced.
const BEAT: Duration = Duration::from_millis(100);

const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A client with a memory of what it changed last.
#[derive(Clone)]
pub(super) struct Cluster {
    agent: ureq::Agent,
    url: String,
    turn: usize,
}

/// Images that change in the background.
pub(super) struct Changing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Done<usize>>,
}

impl Cluster {
    pub(super) fn new(url: &str) -> Cluster {
        Cluster { agent: ureq::Agent::new_with_defaults(), url: url.to_owned(), turn: 0 }
    }

    pub(super) fn nodes(&self) -> Vec<String> {
        NODES.map(str::to_owned).to_vec()
    }

    /// Until the API answers and weir is ready with all its handlers.
    pub(super) fn until_up(&self, admin: &str, handlers: usize, patience: Duration) -> Done {
        until(patience, "weir is ready and its handlers run", || {
            let status = self.read(&format!("{admin}/status")).ok()?;
            let running = status["files"].as_array()?.iter().filter(|file| file["state"] == "running").count();
            (running == handlers && self.read(&format!("{}/readyz", self.url)).is_ok()).then_some(())
        })
        .map(drop)
    }

    /// Looks at the cluster until something is found; what, and how long it took.
    pub(super) fn until<T>(
        &self,
        patience: Duration,
        what: &str,
        look: impl Fn(&Cluster) -> Option<T>,
    ) -> Done<(T, Duration)> {
        until(patience, what, || look(self))
    }

    pub(super) fn populate(&self) -> Done {
        for (at, node) in NODES.iter().enumerate() {
            let metadata = json!({ "name": node, "labels": { "kubernetes.io/hostname": node } });
            self.write("POST", "/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata }))?;
            self.set_images(node, &(0..=at).map(|n| image(n, 1)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Changes one node's images, and a pod; says what it did.
    pub(super) fn change(&mut self) -> Done<(String, String)> {
        let node = NODES[self.turn % NODES.len()];
        self.turn += 1;
        let mut images = self.images(node)?;
        let what = if images.len() > 4 {
            let gone = images.remove(0);
            format!("image {} removed", gone["names"][0])
        } else {
            let new = image(self.turn % 7, self.turn);
            let what = format!("image {} added", new["names"][0]);
            images.push(new);
            what
        };
        self.set_images(node, &images)?;
        let pod = format!("pod-{}", self.turn);
        let spec = json!({ "nodeName": node, "containers": [{ "name": "main", "image": "registry.example/app-0:1" }] });
        let pods = "/api/v1/namespaces/default/pods";
        self.write(
            "POST",
            pods,
            &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod }, "spec": spec }),
        )?;
        if self.turn > 2 {
            let grace = json!({ "gracePeriodSeconds": 0 });
            self.write("DELETE", &format!("{pods}/pod-{}", self.turn - 2), &grace)?;
        }
        Ok((node.to_owned(), what))
    }

    /// Goes on changing images until told to stop; then says how often it did.
    pub(super) fn keep_changing(&mut self) -> Changing {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut cluster, asked) = (self.clone(), stop.clone());
        // What this one changes the caller must not change again.
        self.turn += 1_000_000;
        let thread = thread::spawn(move || {
            let began = cluster.turn;
            while !asked.load(Ordering::Relaxed) {
                cluster.change()?;
                pause(BEAT);
            }
            Ok(cluster.turn - began)
        });
        Changing { stop, thread }
    }

    /// Until the node's annotations say what its status says; how long that took.
    pub(super) fn until_annotated(&self, node: &str, patience: Duration) -> Done<Duration> {
        until(patience, &format!("{node} is annotated with what it has"), || {
            let object = self.node(node).ok()?;
            let images = object["status"]["images"].as_array().cloned().unwrap_or_default();
            let total: u64 = images.iter().filter_map(|image| image["sizeBytes"].as_u64()).sum();
            let says = |key: &str| object["metadata"]["annotations"][format!("images.weir.dev/{key}")].clone();
            let (count, total) = (images.len().to_string(), total.to_string());
            (says("count").as_str() == Some(&count) && says("total-bytes").as_str() == Some(&total)).then_some(())
        })
        .map(|((), took)| took)
    }

    /// What the handler wrote, as one line.
    pub(super) fn annotation(&self, node: &str) -> Done<String> {
        let object = self.node(node)?;
        let says = |key: &str| {
            object["metadata"]["annotations"][format!("images.weir.dev/{key}")].as_str().unwrap_or("?").to_owned()
        };
        Ok(format!("count={} total-bytes={} changed-at={}", says("count"), says("total-bytes"), says("changed-at")))
    }

    /// The latest Event about a node whose message contains `words`.
    pub(super) fn until_event(&self, node: &str, words: &str, patience: Duration) -> Done<String> {
        let found = until(patience, &format!("there is an Event about {node}"), || {
            let events = self.events().ok()?;
            let about = events.iter().rev().find(|event| event["regarding"]["name"] == node && says(event, words));
            about.map(message)
        })?;
        Ok(found.0)
    }

    /// The first Event about any node whose message contains `words`, and how long it took.
    pub(super) fn until_any_event(&self, words: &str, patience: Duration) -> Done<(String, Duration)> {
        until(patience, &format!("there is an Event that says {words}"), || {
            self.events().ok()?.iter().find(|event| says(event, words)).map(message)
        })
    }

    /// How many of node-images' calls failed, as weir's status says.
    pub(super) fn failures(&self, admin: &str) -> Done<u64> {
        let status = self.read(&format!("{admin}/status"))?;
        lane(&status, "node-images")
            .and_then(|lane| lane["failures"].as_u64())
            .ok_or_else(|| Failed(format!("the status names no failures: {status}")))
    }

    fn events(&self) -> Done<Vec<Value>> {
        let list = self.get("/apis/events.k8s.io/v1/namespaces/default/events")?;
        let mut events = list["items"].as_array().cloned().unwrap_or_default();
        events.sort_by_key(|event| event["eventTime"].as_str().map(str::to_owned));
        Ok(events)
    }

    fn images(&self, node: &str) -> Done<Vec<Value>> {
        Ok(self.node(node)?["status"]["images"].as_array().cloned().unwrap_or_default())
    }

    fn set_images(&self, node: &str, images: &[Value]) -> Done {
        let status = json!({ "status": { "images": images, "capacity": { "ephemeral-storage": "10Gi" } } });
        self.write("PATCH", &format!("/api/v1/nodes/{node}/status"), &status)
    }

    fn node(&self, name: &str) -> Done<Value> {
        self.get(&format!("/api/v1/nodes/{name}"))
    }

    /// What is at a path of the API.
    pub(super) fn get(&self, path: &str) -> Done<Value> {
        self.read(&format!("{}{path}", self.url))
    }

    pub(super) fn read(&self, url: &str) -> Done<Value> {
        let failed = |error: ureq::Error| Failed(format!("GET {url}: {error}"));
        let text = self.agent.get(url).call().map_err(failed)?.body_mut().read_to_string().map_err(failed)?;
        // A probe's answer is no JSON, and nothing is read from it.
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    pub(super) fn write(&self, method: &str, path: &str, body: &Value) -> Done {
        let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let failed = |error: String| Failed(format!("{method} {path}: {error}"));
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", content_type)
            .body(body.to_string())
            .map_err(|error| failed(error.to_string()))?;
        let request = self.agent.configure_request(request).allow_non_standard_methods(true).build();
        self.agent.run(request).map(drop).map_err(|error| failed(error.to_string()))
    }
}

impl Changing {
    /// Stops, and says how many changes there were.
    pub(super) fn stop(self) -> Done<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failed("changing images in the background".into()))?
    }
}

fn image(number: usize, version: usize) -> Value {
    json!({ "names": [format!("registry.example/app-{number}:{version}")], "sizeBytes": 50_000_000 + 1_000_000 * number })
}

fn says(event: &Value, words: &str) -> bool {
    event["note"].as_str().is_some_and(|note| note.contains(words))
}

fn message(event: &Value) -> String {
    event["note"].as_str().unwrap_or_default().to_owned()
}

/// Looks until something is found; what, and how long it took.
fn until<T>(patience: Duration, what: &str, look: impl Fn() -> Option<T>) -> Done<(T, Duration)> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok((found, began.elapsed()));
        }
        if began.elapsed() > patience {
            return Err(Failed(format!("it was not seen within {} s that {what}", patience.as_secs())));
        }
        pause(LOOK);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a thread of its own, not a runtime's worker")]
fn pause(time: Duration) {
    thread::sleep(time);
}
