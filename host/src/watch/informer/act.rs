//! One step of [`Machine`](crate::watch::machine::Machine), carried out: the requests and waits of an informer.
//!
//! Promises: it may be dropped at any time and begun again; nothing of what it brings is used here, and nothing is decided.

use super::{Informer, hold};
use crate::{
    kinds::{ResolveError, Resource},
    watch::{
        machine::Step,
        wire::{self, ANSWER_PATIENCE, Lines, Page, Refusal},
    },
};
use std::time::Duration;
use tokio::sync::watch;

/// What lasts from one step to the next.
#[derive(Default)]
pub(super) struct Open {
    /// The watch that is read.
    pub(super) lines: Option<Lines>,
    /// What of the definitions of kinds was seen, once the kind was missing: a change between a question and the wait is not lost.
    definitions: Option<watch::Receiver<()>>,
}

/// What came of a step.
pub(super) enum Came {
    /// And whether a definition of it exists, if that is known.
    Resolved(Result<Resource, ResolveError>, Option<bool>),
    Waited {
        changed: bool,
    },
    Page(Result<Page, Refusal>),
    Opened(Result<Lines, Refusal>),
    Line(Result<Option<bytes::Bytes>, Refusal>),
    Silence,
}

pub(super) async fn act(informer: &Informer, step: Step, open: &mut Open) -> Came {
    let (world, identity) = (&informer.world, &informer.identity);
    let resource = informer.resource();
    match (step, &resource, &mut open.lines) {
        (Step::Resolve, ..) => {
            let resolve = world.kinds.resolve(&identity.api_version, &identity.kind);
            let Ok(resolved) = tokio::time::timeout(ANSWER_PATIENCE, resolve).await else {
                return Came::Page(Err(Refusal::silent()));
            };
            // One that never had a definition, or is not known to have had one, may be away for a while, but not gone.
            let of = match &resolved {
                Ok(resource) => Some(resource.clone()),
                Err(_) => hold(&informer.progress).defined.clone(),
            };
            let defined = match of {
                Some(resource) => world.definitions.has(&resource).await,
                None => None,
            };
            Came::Resolved(resolved, defined)
        }
        (Step::AwaitKind(patience), ..) => {
            Came::Waited { changed: world.definitions.changed(&mut open.definitions, patience).await }
        }
        (Step::Pause(wait), ..) => {
            tokio::time::sleep(wait).await;
            Came::Waited { changed: false }
        }
        (Step::Page { token, limited }, Some(resource), _) => {
            let limit = limited.then_some(world.settings.page_size.max(1));
            Came::Page(page(informer, resource, token.as_deref(), limit).await)
        }
        (Step::Open { from, timeout }, Some(resource), _) => {
            Came::Opened(begin(informer, resource, from.as_deref(), timeout).await)
        }
        (Step::Read(until), _, Some(lines)) => match tokio::time::timeout_at(until, lines.next()).await {
            Ok(line) => Came::Line(line),
            Err(_) => Came::Silence,
        },
        // A watch that is to be read is open, and a kind that is to be listed is resolved; if not, begin again.
        (Step::Read(_), _, None) => Came::Line(Ok(None)),
        (Step::Page { .. } | Step::Open { .. }, None, _) => Came::Page(Err(Refusal::other("the kind is not resolved"))),
    }
}

async fn page(
    informer: &Informer,
    resource: &Resource,
    token: Option<&str>,
    limit: Option<u32>,
) -> Result<Page, Refusal> {
    let request = informer.target(resource).list(token, limit)?;
    let response = wire::send(&informer.world.client, request).await?;
    Page::read(response, informer.world.settings.max_list_bytes).await
}

async fn begin(
    informer: &Informer,
    resource: &Resource,
    from: Option<&str>,
    timeout: Duration,
) -> Result<Lines, Refusal> {
    let request = informer.target(resource).watch(from, timeout)?;
    let response = wire::send(&informer.world.client, request).await?;
    Ok(Lines::new(response, informer.world.settings.max_line_bytes))
}
