//! One watch of the small API.

use super::{Api, Fault, Past, as_of, line, selected, status_body};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

pub(super) struct Watch {
    pub(super) api: Api,
    pub(super) query: HashMap<String, String>,
    pub(super) lines: mpsc::Sender<Bytes>,
    pub(super) from: u64,
    pub(super) fault: Option<Fault>,
}

type Ticks = (watch::Receiver<()>, watch::Receiver<()>, watch::Receiver<()>);

impl Watch {
    /// Runs until the client goes, the time is over or the watch is cut; none is how any of these shows.
    pub(super) async fn run(
        &mut self,
        initial: bool,
        streaming: bool,
        (mut changed, mut cut, mut bookmark): Ticks,
    ) -> Option<()> {
        match self.fault {
            Some(Fault::Close) => return None,
            Some(Fault::InStream { code, reason }) => {
                self.send(&json!({"type": "ERROR", "object": status_body(code, reason, None)})).await?;
                return None;
            }
            Some(Fault::Silence) => {
                self.lines.closed().await;
                return None;
            }
            Some(Fault::Bookmarks(seconds)) => {
                for _ in 0..seconds {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let version = self.api.version();
                    self.bookmark(version, false).await?;
                }
                return None;
            }
            _ => {}
        }
        if initial {
            let (objects, version) = {
                let state = self.api.lock();
                (as_of(&state, state.version), state.version)
            };
            self.from = version;
            for object in objects.into_values() {
                if selected(&object, &self.query) {
                    self.event("ADDED", object).await?;
                }
            }
            if streaming {
                self.bookmark(version, true).await?;
            }
        } else if !self.api.serves(self.from) {
            self.send(&json!({"type": "ERROR", "object": status_body(410, "Expired", None)})).await?;
            return None;
        }
        let seconds = self.query.get("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).unwrap_or(300);
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            self.news().await?;
            tokio::select! {
                biased;
                _ = cut.changed() => return None,
                () = self.lines.closed() => return None,
                _ = changed.changed() => {}
                _ = bookmark.changed() => {
                    let version = self.api.version();
                    self.news().await?;
                    self.bookmark(version, false).await?;
                }
                () = tokio::time::sleep_until(end) => return None,
            }
        }
    }

    async fn news(&mut self) -> Option<()> {
        let past: Vec<Past> = self.api.lock().past.iter().filter(|past| past.version > self.from).cloned().collect();
        for Past { version, before, now } in past {
            self.from = version;
            let before = before.filter(|object| selected(object, &self.query));
            let now = now.filter(|object| selected(object, &self.query));
            match (before, now) {
                (None, Some(now)) => self.event("ADDED", now).await?,
                (Some(_), Some(now)) => self.event("MODIFIED", now).await?,
                (Some(mut before), None) => {
                    before["metadata"]["resourceVersion"] = version.to_string().into();
                    self.event("DELETED", before).await?;
                }
                (None, None) => {}
            }
        }
        Some(())
    }

    async fn event(&mut self, kind: &str, mut object: Value) -> Option<()> {
        object["apiVersion"] = "v1".into();
        object["kind"] = "Pod".into();
        let event = json!({"type": kind, "object": object});
        if let Some(Fault::CutMidLine) = self.fault {
            let whole = line(&event);
            self.lines.send(whole.slice(..whole.len() / 2)).await.ok()?;
            return None;
        }
        if let Some(Fault::Twice) = self.fault {
            self.send(&event).await?;
        }
        self.send(&event).await
    }

    async fn bookmark(&mut self, version: u64, ends_list: bool) -> Option<()> {
        let annotations = if ends_list { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
        self.send(&json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"resourceVersion": version.to_string(), "annotations": annotations}}}))
            .await
    }

    async fn send(&mut self, event: &Value) -> Option<()> {
        self.lines.send(line(event)).await.ok()
    }
}
