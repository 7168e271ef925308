//! Kinds that come and go: the definitions of custom resources.
//!
//! Promises: there is at most one watch on definitions in the process, and none until a kind is missing; who waits is woken by any change
//! of a definition, and by time alone where definitions may not be watched; whether a definition exists is asked for by name, because discovery
//! lags after restarts.
//!
//! A kind is gone only if it had a definition and has none any more. Others are served by the API itself or by a server behind it, and are merely away.
//!
//! Low volume, so kube-runtime's watcher serves; its backoff does not grow while lists fail, so it is not polled during ours.

use super::{
    backoff::Backoff,
    wire::{ANSWER_PATIENCE, accept},
};
use crate::kinds::Resource;
use futures::TryStreamExt;
use http::header;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::watcher::{Config, watcher},
};
use serde::de::IgnoredAny;
use std::{pin::pin, time::Duration};
use tokio::{
    sync::{OnceCell, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

pub(super) struct Definitions {
    client: Client,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Ticks at every change of a definition; there once somebody waits.
    changes: OnceCell<watch::Receiver<()>>,
}

impl Definitions {
    pub(super) fn new(client: Client, tasks: TaskTracker, stop: CancellationToken) -> Definitions {
        Definitions { client, tasks, stop, changes: OnceCell::new() }
    }

    /// Waits until a definition changes that was not `seen`, at most so long. Whether one did.
    pub(super) async fn changed(&self, seen: &mut Option<watch::Receiver<()>>, patience: Duration) -> bool {
        let changes = self.changes.get_or_init(async || {
            let (tick, changes) = watch::channel(());
            self.tasks.spawn(follow(self.client.clone(), self.stop.clone(), tick));
            changes
        });
        let changes = changes.await;
        let seen = seen.get_or_insert_with(|| changes.clone());
        match tokio::time::timeout(patience, seen.changed()).await {
            Ok(Ok(())) => true,
            // The watch on definitions has ended with the process: wait, as one does without it.
            Ok(Err(_)) => {
                tokio::time::sleep(patience).await;
                false
            }
            Err(_) => false,
        }
    }

    /// Whether a definition of this resource exists; none if the API does not tell.
    pub(super) async fn has(&self, resource: &Resource) -> Option<bool> {
        // The group of a definition has a dot, so that of most built-in kinds need not be asked for.
        if !resource.group.contains('.') {
            return Some(false);
        }
        let name = format!("{}.{}", resource.plural, resource.group);
        // Its metadata is enough: a definition may be long.
        let request = http::Request::get(format!("{PATH}/{name}")).header(header::ACCEPT, accept(true, ""));
        let request = request.body(Vec::new()).ok()?;
        match tokio::time::timeout(ANSWER_PATIENCE, self.client.request::<IgnoredAny>(request)).await.ok()? {
            Ok(_) => Some(true),
            // The details tell a definition that is not there from an API that has no definitions.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                status.details.as_ref().is_some_and(|details| details.name == name).then_some(false)
            }
            Err(_) => None,
        }
    }
}

async fn follow(client: Client, stop: CancellationToken, tick: watch::Sender<()>) {
    let definitions = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client);
    let mut events = pin!(watcher(definitions, Config::default()));
    let mut backoff = Backoff::default();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(event)) => {
                if !matches!(event, kube::runtime::watcher::Event::Init) {
                    backoff.data();
                    tick.send_replace(());
                }
            }
            Ok(None) => return,
            Err(error) => {
                let wait = backoff.failed(Instant::now(), rand::random());
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    ?wait,
                    "could not watch definitions of kinds"
                );
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}
