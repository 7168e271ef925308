//! Whether the API allows what each handler needs, asked before the handler finds out object by object.
//!
//! Promises: nothing waits for an answer, and a handler that lacks rights runs as far as it can; looks are one after the other in the process, and a
//! permission that several handlers need is asked for once within [`FRESH`]; one look asks at most [`MAX_REVIEWS`] questions. What was lacking, could not be
//! asked, or waits for a kind to come is looked at again, every [`AGAIN`] and after failures more and more seldom, so that `/status` comes to say what is so; what
//! was whole is looked at again only with the next version of the handler.
//!
//! The questions are SelfSubjectAccessReviews, which every account may ask. What an authorizer cannot tell is not taken for lacking.

use super::{handlers::Handlers, load::Parts};
use crate::{
    handler::manifest::Manifest,
    kinds::{Kinds, ResolveError, Resource},
    rights::{self, Permission, Rights, Rule},
};
use http::{Request, header};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long an answer stands for the next handler that needs the same.
const FRESH: Duration = Duration::from_secs(5);

/// How many questions one look asks at most.
const MAX_REVIEWS: usize = 1_000;

/// How many answers are kept; beyond it the memory starts afresh.
const MAX_ANSWERS: usize = 10_000;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long until what was not whole is looked at again.
const AGAIN: Duration = Duration::from_secs(60);

/// The longest wait after looks that failed; each doubles it.
const SELDOM: Duration = Duration::from_secs(600);

/// How a handler stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// What is to be added to roles of weir's account.
    pub(super) lacks: Vec<Rule>,
    /// Why not all could be asked.
    pub(super) unchecked: Option<String>,
    /// Kinds that the API does not serve yet, as apiVersion and kind.
    to_come: BTreeSet<(String, String)>,
}

/// Asks, and remembers for a while.
pub(super) struct Reviews {
    client: Client,
    /// Held for a look, so that a handler finds what the one before it asked.
    turn: Semaphore,
    /// When and what was answered; at most [`MAX_ANSWERS`]. Held for look-ups and inserts, never across an await.
    answers: Mutex<HashMap<Permission, (Instant, bool)>>,
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Answer,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    allowed: bool,
    evaluation_error: String,
}

impl Reviews {
    /// Asks through `client`.
    pub(super) fn new(client: Client) -> Reviews {
        Reviews { client, turn: Semaphore::new(1), answers: Mutex::default() }
    }

    /// Which of these permissions the API does not give.
    ///
    /// # Errors
    /// What is lacking as far as it was asked, and why not all was.
    async fn lacking(&self, rights: &Rights) -> (Vec<Rule>, Option<String>) {
        let mut lacking = Rights { needs: BTreeMap::new(), ..rights.clone() };
        let mut unchecked = None;
        // An error is a semaphore that was closed, and nobody closes it.
        let _turn = self.turn.acquire().await;
        for (at, (permission, purposes)) in rights.needs.iter().enumerate() {
            if at == MAX_REVIEWS {
                let all = rights.needs.len();
                unchecked = Some(format!("of {all} permissions, only the first {MAX_REVIEWS} were asked for"));
                break;
            }
            match self.is_allowed(permission).await {
                Ok(true) => {}
                Ok(false) => drop(lacking.needs.insert(permission.clone(), purposes.clone())),
                Err(why) => {
                    unchecked = Some(why);
                    break;
                }
            }
        }
        (rights::rules(&[lacking]), unchecked)
    }

    async fn is_allowed(&self, permission: &Permission) -> Result<bool, String> {
        let known = self.answers().get(permission).copied();
        if let Some((_, allowed)) = known.filter(|(asked, _)| asked.elapsed() < FRESH) {
            return Ok(allowed);
        }
        let failed = |why: String| format!("asking the API for weir's own rights: {why}");
        let request = request(permission).map_err(|error| failed(error.to_string()))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request::<Review>(request)).await;
        let answer = answer
            .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error| failed(words(&error)))?
            .status;
        if !answer.allowed && !answer.evaluation_error.is_empty() {
            return Err(failed(format!("it cannot tell: {}", answer.evaluation_error)));
        }
        let mut answers = self.answers();
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert(permission.clone(), (Instant::now(), answer.allowed));
        Ok(answer.allowed)
    }

    /// What is in it stays whole through a panic elsewhere: each change is one insert.
    fn answers(&self) -> MutexGuard<'_, HashMap<Permission, (Instant, bool)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(permission: &Permission) -> Result<Request<Vec<u8>>, http::Error> {
    let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
    let attributes = json!({
        "verb": permission.verb, "group": permission.group, "resource": resource, "subresource": subresource,
        "namespace": permission.namespace.as_deref().unwrap_or_default(),
        "name": permission.name.as_deref().unwrap_or_default(),
    });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    });
    let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    let request = match &permission.account {
        Some(account) => request.header("impersonate-user", account.user()),
        None => request,
    };
    request
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(review.to_string().into_bytes())
}

fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("it answered {}: {}", status.code, status.message),
        other => other.to_string(),
    }
}

/// One look at what the handler of this manifest needs.
async fn look(parts: &Parts, manifest: &Manifest) -> Standing {
    let resources = match resources(&parts.kinds, manifest).await {
        Ok(resources) => resources,
        Err(error) => {
            let unchecked = Some(match &error {
                ResolveError::Api { source, .. } => format!("{error}: {}", words(source)),
                ResolveError::NotServed { .. } => error.to_string(),
            });
            return Standing { lacks: Vec::new(), unchecked, to_come: BTreeSet::new() };
        }
    };
    let found = |version: &str, kind: &str| resources.get(&(version.to_owned(), kind.to_owned())).cloned();
    let rights = rights::of(manifest, &parts.settings.namespaces, found);
    let (lacks, unchecked) = parts.reviews.lacking(&rights).await;
    Standing { lacks, unchecked, to_come: rights.unknown }
}

/// The kinds that the API serves, of those in the manifest.
async fn resources(kinds: &Kinds, manifest: &Manifest) -> Result<BTreeMap<(String, String), Resource>, ResolveError> {
    let mut found = BTreeMap::new();
    for (api_version, kind) in rights::kinds(manifest) {
        match kinds.resolve(&api_version, &kind).await {
            Ok(resource) => drop(found.insert((api_version, kind), resource)),
            Err(ResolveError::NotServed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Looks until nothing is lacking, or a newer version of the file has taken this one's place.
pub(super) async fn follow(handlers: Arc<Handlers>, stem: Arc<str>, manifest: Manifest, loading: CancellationToken) {
    let mut wait = AGAIN;
    loop {
        let Some(standing) = loading.run_until_cancelled(look(&handlers.parts, &manifest)).await else { return };
        let is_whole = standing.lacks.is_empty() && standing.unchecked.is_none() && standing.to_come.is_empty();
        wait = if standing.unchecked.is_some() { (wait * 2).min(SELDOM) } else { AGAIN };
        handlers.stands(&stem, &loading, &manifest.name, standing);
        if is_whole || loading.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

impl Standing {
    /// For `/status`.
    pub(super) fn report(&self) -> Value {
        let lacks: Vec<Value> =
            self.lacks.iter().map(|rule| json!({ "in": rule.role(), "rule": format!("{rule:#}") })).collect();
        json!({ "lacks": lacks, "unchecked": self.unchecked })
    }

    /// Says in the log what is new.
    pub(super) fn tell(&self, handler: &str, before: Option<&Standing>) {
        let lacked = before.map(|it| it.lacks.as_slice()).unwrap_or_default();
        if !self.lacks.is_empty() && self.lacks != lacked {
            let lines: Vec<String> = self.lacks.iter().map(|rule| format!("in {}:\n{rule}", rule.role())).collect();
            tracing::warn!(
                handler,
                "weir's account may not do all that this handler needs; to allow it, add the rules (`weir rbac` prints them all) {}",
                lines.join("\n")
            );
        }
        if self.lacks.is_empty() && self.unchecked.is_none() && !lacked.is_empty() {
            tracing::info!(handler, "weir's account may now do all that this handler needs");
        }
        if let Some(why) = self.unchecked.as_ref().filter(|_| before.is_none_or(|it| it.unchecked.is_none())) {
            tracing::info!(handler, why, "whether weir's account may do what this handler needs is not known");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Verb;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An API that allows all but what `forbids` is in, or that answers every question with this code.
    fn reviews(asked: &Arc<AtomicUsize>, forbids: &'static str, code: u16) -> Reviews {
        let asked = asked.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move {
                let body = request.into_body().collect_bytes().await.unwrap();
                let review: Value = serde_json::from_slice(&body).unwrap();
                let answer = match code {
                    200..=299 => {
                        let allowed = forbids.is_empty() || !review.to_string().contains(forbids);
                        json!({ "kind": "SelfSubjectAccessReview", "status": { "allowed": allowed } })
                    }
                    _ => {
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": code })
                    }
                };
                let body = kube::client::Body::from(answer.to_string().into_bytes());
                http::Response::builder().status(code).body(body)
            }
        });
        Reviews::new(Client::new(service, "default"))
    }

    fn rights(resources: &[&str]) -> Rights {
        let of = |resource: &&str| {
            let permission = Permission {
                account: None,
                namespace: None,
                group: String::new(),
                resource: (*resource).to_owned(),
                name: None,
                verb: Verb::Patch,
            };
            (permission, BTreeSet::from(["annotate".to_owned()]))
        };
        Rights { handler: "h".into(), needs: resources.iter().map(of).collect(), unknown: BTreeSet::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lacking_is_the_rule_to_add_and_the_same_question_is_asked_once_within_a_while() {
        let asked = Arc::new(AtomicUsize::new(0));
        let reviews = reviews(&asked, "status", 201);
        for _ in 0..3 {
            let (lacks, unchecked) = reviews.lacking(&rights(&["nodes", "nodes/status"])).await;
            let lacks: Vec<String> = lacks.iter().map(|rule| format!("{}: {rule:#}", rule.role())).collect();
            assert_eq!(lacks, ["a ClusterRole: { apiGroups: [\"\"], resources: [nodes/status], verbs: [patch] }"]);
            assert_eq!(unchecked, None);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        tokio::time::advance(FRESH).await;
        reviews.lacking(&rights(&["nodes"])).await;
        assert_eq!(asked.load(Ordering::Relaxed), 3, "an old answer does not stand");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_without_reviews_is_asked_one_question_a_look_and_nothing_is_said_to_be_lacking() {
        for code in [403, 404, 500] {
            let asked = Arc::new(AtomicUsize::new(0));
            let (lacks, unchecked) = reviews(&asked, "", code).lacking(&rights(&["a", "b", "c"])).await;
            assert!(lacks.is_empty());
            assert!(unchecked.is_some_and(|why| why.contains(&code.to_string())));
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_look_asks_no_more_than_its_bound() {
        let asked = Arc::new(AtomicUsize::new(0));
        let many: Vec<String> = (0..=MAX_REVIEWS).map(|n| format!("r{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (_, unchecked) = reviews(&asked, "", 201).lacking(&rights(&many)).await;
        assert!(unchecked.is_some_and(|why| why.contains("1000")));
        assert_eq!(asked.load(Ordering::Relaxed), MAX_REVIEWS);
    }
}
