//! Carries out the replies of one generation of a handler.
//!
//! Promises: nothing is sent before the whole reply is valid and granted; every write, and every request outside, waits for a token of the handler's
//! `limits.writesPerSecond`; every action is counted with what became of it. The way of one reply is `delivery`'s.

use super::{
    ActionError, Applied, Class, Subject,
    delivery::{Delivery, Stop},
    event::Recorder,
    http::Outside,
    metrics::ActionMetrics,
    plan::{self, Plan, Refused},
    request::Manner,
    send::{self, Answer},
};
use crate::{
    contract::{Action, LogLine, Note},
    handler::manifest::{Account, Manifest, limit::Limit},
    kinds::Kinds,
};
use http::{HeaderValue, Request};
use kube::Client;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Takes one token of a handler's `limits.writesPerSecond` and says how long to wait for it. A value, so that the bucket
/// outlives the generations that share it, and this room needs nothing of the queue's.
pub type Pace = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Where a handler's log lines go; the same place as those of its `log` import.
pub type Lines = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// What an [`Executor`] works with.
#[derive(Clone)]
pub struct ExecutorDeps {
    /// For `http`.
    pub outside: Outside,
    /// For writes: a client without retry, because the queue does that.
    pub client: Client,
    /// Discovery.
    pub kinds: Kinds,
    /// Grants, limits, field manager, dry run, and the handler's name.
    pub manifest: Arc<Manifest>,
    /// Which process reports Events: the pod's name, or the host's.
    pub instance: String,
    /// Before every write.
    pub pace: Pace,
    /// For `log`.
    pub lines: Lines,
    /// Counted for every action.
    pub metrics: ActionMetrics,
}

/// Carries out the replies of one generation of a handler. All its workers share it.
pub struct Executor {
    pub(super) deps: ExecutorDeps,
    pub(super) recorder: Recorder,
    /// One permit for each request outside that may be under way, `limits.httpConnections` in all.
    pub(super) connections: Arc<Semaphore>,
}

impl Executor {
    /// An executor without memory of former ones: series of Events begin anew.
    pub fn new(deps: ExecutorDeps) -> Executor {
        let recorder = Recorder::new(&deps.manifest.name, &deps.instance);
        let connections = Arc::new(Semaphore::new(deps.manifest.limits.http_connections));
        Executor { deps, recorder, connections }
    }

    /// Carries out the actions of one reply to an event about `subject`.
    ///
    /// # Errors
    /// The first action that was not carried out, what that means, and what was carried out before it.
    pub async fn carry_out(&self, subject: &Subject, actions: Vec<Action>) -> Result<Applied, ActionError> {
        let names: Vec<&'static str> = actions.iter().map(Action::name).collect();
        let plan = plan::plan(actions, subject, &self.deps.manifest).map_err(|Refused { limit, message }| {
            names.iter().for_each(|action| self.count(action, "refused"));
            if let Some(limit) = limit {
                self.hit(limit);
            }
            ActionError { class: Class::Permanent, message, before: Applied::default() }
        })?;
        let Plan { steps, requeue_after_ms, raised, fail } = plan;
        if raised {
            self.hit(Limit::RequeueFloor);
        }
        let mut delivery = Delivery::new(self, subject, self.deps.manifest.service_account.as_ref());
        match delivery.run(&steps).await {
            Ok(()) => Ok(Applied { requeue_after_ms, fail, ..delivery.applied }),
            Err((class, message)) => Err(ActionError { class, message, before: delivery.applied }),
        }
    }

    /// Records an Event of the host's own about `subject`: no grant is asked for, the limits hold.
    ///
    /// # Errors
    /// As [`Executor::carry_out`].
    pub async fn note(&self, subject: &Subject, note: Note) -> Result<(), ActionError> {
        let failed = |(class, message): Stop| ActionError { class, message, before: Applied::default() };
        let step = plan::read(Action::Emit(note), subject, &self.deps.manifest.field_manager)
            .map_err(|message| failed((Class::Permanent, message)))?;
        // It is weir that says it, and not the handler.
        Delivery::new(self, subject, None).run(&[step]).await.map_err(failed)
    }

    pub(super) fn manner(&self) -> Manner<'_> {
        Manner { field_manager: &self.deps.manifest.field_manager, dry_run: self.deps.manifest.dry_run }
    }

    pub(super) fn count(&self, action: &'static str, outcome: &'static str) {
        self.deps.metrics.count(&self.deps.manifest.name, action, outcome);
    }

    /// The handler met one of its bounds.
    pub(super) fn hit(&self, limit: Limit) {
        self.deps.metrics.limits().hit(&self.deps.manifest.name, limit);
    }

    /// Waits for a token, then sends, as `account` if there is one.
    pub(super) async fn send(&self, mut request: Request<Vec<u8>>, account: Option<&Account>) -> Result<Answer, Stop> {
        self.pace().await;
        if let Some(account) = account {
            let user = HeaderValue::try_from(account.user());
            let user = user.map_err(|error| (Class::Permanent, format!("acting as {account}: {error}")))?;
            request.headers_mut().insert("impersonate-user", user);
        }
        send::send(&self.deps.client, request).await
    }

    /// Waits for a token.
    pub(super) async fn pace(&self) {
        let wait = (self.deps.pace)();
        if !wait.is_zero() {
            self.deps.metrics.delayed(&self.deps.manifest.name);
            self.hit(Limit::WritesPerSecond);
            tokio::time::sleep(wait).await;
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("handler", &self.deps.manifest.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
