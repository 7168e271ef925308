//! Get and list.
//!
//! A list is of one moment, whichever way it is paged: every page of a chain is read at the resourceVersion of the first,
//! from the history that the store keeps, and once that is gone the answer is 410 `Expired` with a token to go on
//! inconsistently. A resourceVersion from the future is waited for a little, then a 504.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    object::{Key, Stored},
    render,
    request::{Params, Request, Target},
    resource::Resource,
    selector::Selectors,
    status::{Cause, Failure},
    store::{State, Store},
};

/// How long a read waits for a resourceVersion that is not there yet (apiserver `pkg/storage/cacher`, `blockTimeout`).
const FUTURE_WAIT: Duration = Duration::from_secs(3);

/// Which state a list is of.
#[derive(Debug, Clone, PartialEq)]
enum Moment {
    Now,
    At(u64),
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq)]
struct Page {
    moment: Moment,
    after: Option<String>,
}

/// Answers a get.
pub(crate) async fn get(store: &Store, request: &Request, target: &Target, name: &str) -> Result<Bytes, Failure> {
    let form = request.form()?;
    if let Some(version) = request.params.number("resourceVersion")? {
        wait_for(store, version).await?;
    }
    let key = Key::new(&target.resource, target.namespace.as_deref(), name);
    let stored = store.read(|state| state.get(&key).cloned());
    let stored = stored.ok_or_else(|| Failure::not_found(&target.resource, name))?;
    if target.subresource.as_deref() == Some("scale") {
        return Ok(render::to_bytes(&crate::scale::of(&stored)));
    }
    Ok(render::object(form, &target.resource, &stored))
}

/// Answers a list.
pub(crate) async fn list(store: &Store, request: &Request, target: &Target) -> Result<Bytes, Failure> {
    let params = &request.params;
    let form = request.form()?;
    let selectors = selectors(&target.resource, params)?;
    let page = page(params)?;
    let limit = params.number("limit")?.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    if let Some(version) = params.number("resourceVersion")? {
        wait_for(store, version).await?;
    }
    let (items, metadata) = store.read(|state| take(state, target, &selectors, &page, limit))?;
    Ok(render::list(form, &target.resource, &items, metadata))
}

/// The selectors of a request.
pub(crate) fn selectors(resource: &Resource, params: &Params) -> Result<Selectors, Failure> {
    Selectors::parse(resource, params.get("labelSelector"), params.get("fieldSelector"))
}

/// Waits until the store has come to a resourceVersion, for a bounded time.
pub(crate) async fn wait_for(store: &Store, version: u64) -> Result<(), Failure> {
    let mut latest = store.latest();
    let reached = tokio::time::timeout(FUTURE_WAIT, latest.wait_for(|latest| *latest >= version)).await.is_ok();
    if reached { Ok(()) } else { Err(Failure::too_large_version(version, store.read(State::revision))) }
}

/// Reads `resourceVersion`, `resourceVersionMatch` and `continue` together; the rules are apimachinery's
/// `pkg/apis/meta/internalversion/validation`.
fn page(params: &Params) -> Result<Page, Failure> {
    let version = params.number("resourceVersion")?;
    let matching = params.get("resourceVersionMatch");
    if params.has("sendInitialEvents") {
        let why = "sendInitialEvents is forbidden for list";
        return Err(Failure::invalid_options("ListOptions", Cause::forbidden("sendInitialEvents", why)));
    }
    if !matching.is_empty() {
        let forbidden =
            |why: &str| Err(Failure::invalid_options("ListOptions", Cause::forbidden("resourceVersionMatch", why)));
        match (matching, version) {
            _ if params.has("continue") => {
                return forbidden("resourceVersionMatch is forbidden when continue is provided");
            }
            (_, None) => return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
            ("Exact", Some(0)) => {
                return forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
            }
            ("Exact" | "NotOlderThan", _) => {}
            _ => return forbidden("supported values: \"Exact\", \"NotOlderThan\""),
        }
    }
    if params.has("continue") {
        if version.is_some_and(|version| version > 0) {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        return decode(params.get("continue"));
    }
    let is_exact = matching == "Exact" || (matching.is_empty() && params.has("limit"));
    let moment = match version {
        Some(version) if version > 0 && is_exact => Moment::At(version),
        _ => Moment::Now,
    };
    Ok(Page { moment, after: None })
}

fn take(
    state: &State,
    target: &Target,
    selectors: &Selectors,
    page: &Page,
    limit: Option<usize>,
) -> Result<(Vec<Arc<Stored>>, Value), Failure> {
    let revision = match page.moment {
        Moment::Now => state.revision(),
        Moment::At(revision) => revision.min(state.revision()),
    };
    let prefix = target.prefix();
    let all = state
        .range_at(revision, &target.resource.storage, &prefix)
        .map_err(|_| expired(page.after.as_deref(), revision))?;
    let rest = all.iter().filter(|(key, _)| page.after.as_ref().is_none_or(|after| key.path > *after));
    let mut matching = rest.filter(|(_, stored)| selectors.matches(&stored.fields));

    let mut items = Vec::new();
    let mut last = None;
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if target.resource.custom {
        // Lists of custom resources have the member even when there is no more.
        metadata["continue"] = json!("");
    }
    for (key, stored) in matching.by_ref() {
        items.push((*stored).clone());
        last = Some(&key.path);
        if limit.is_some_and(|limit| items.len() >= limit) {
            break;
        }
    }
    let remaining = matching.count();
    if let (Some(last), 1..) = (last, remaining) {
        metadata["continue"] = json!(encode(&revision.to_string(), last));
        if selectors.is_empty() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    Ok((items, metadata))
}

/// The genuine token: `v`, `rv` (-1 to go on inconsistently) and `start`, the last key returned and a zero byte.
fn encode(revision: &str, last: &str) -> String {
    let start = serde_json::to_string(&format!("{last}\u{0}")).unwrap_or_default();
    BASE64_STANDARD_NO_PAD.encode(format!("{{\"v\":\"meta.k8s.io/v1\",\"rv\":{revision},\"start\":{start}}}"))
}

fn decode(token: &str) -> Result<Page, Failure> {
    let decoded = BASE64_STANDARD_NO_PAD.decode(token.trim_end_matches('=')).ok();
    let value: Option<Value> = decoded.and_then(|json| serde_json::from_slice(&json).ok());
    let fields = value.as_ref().and_then(|value| Some((value["rv"].as_i64()?, value["start"].as_str()?)));
    let (revision, start) =
        fields.ok_or_else(|| Failure::bad_request("continue key is not valid: it was not made by this server"))?;
    let moment = u64::try_from(revision).map_or(Moment::Now, Moment::At);
    Ok(Page { moment, after: Some(start.trim_end_matches('\u{0}').to_owned()) })
}

fn expired(after: Option<&str>, revision: u64) -> Failure {
    let Some(after) = after else {
        return Failure::expired(format!("The resourceVersion for the provided list is too old: {revision}"));
    };
    let mut failure = Failure::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    failure.body["metadata"] = json!({ "continue": encode("-1", after) });
    failure
}
