//! One reply on its way: one request after the other.
//!
//! Promises: nothing is sent before all kinds are resolved; steps go in the handler's order and stop at the first that
//! fails; what already is so is not sent; no answer makes a write go out a second time, with one exception (a conflict
//! of this handler with itself); a dry run changes nothing and reports no own writes.
//! May be dropped at any point: what was sent was sent, and the event is computed anew.

use super::{
    Applied, Class, Echo, OwnWrite, Subject,
    answer::{self, Asked, Verdict},
    event::{Record, Regarding},
    executor::Executor,
    http,
    plan::{Step, What},
    request::{self, Bound},
    send::{self, Answer},
    state,
    written::Written,
};
use crate::{
    contract::{Change, Note, PatchFormat},
    handler::manifest::Account,
    kinds::{ResolveError, Resource},
};
use ::http::Request;
use bytes::Bytes;
use serde_json::Value;

/// One reply on its way.
pub(super) struct Delivery<'a> {
    executor: &'a Executor,
    subject: &'a Subject,
    /// As whom writes go out; none: as weir itself. What weir asks to find out how things stand, it asks as itself.
    account: Option<&'a Account>,
    bound: Bound,
    /// The resourceVersion last seen, whether or not writes are bound to it.
    seen: String,
    /// The object as it was last seen; None once an answer left it unknown.
    state: Option<Value>,
    pub(super) applied: Applied,
}

/// Why a delivery stops.
pub(super) type Stop = (Class, String);

impl<'a> Delivery<'a> {
    pub(super) fn new(executor: &'a Executor, subject: &'a Subject, account: Option<&'a Account>) -> Delivery<'a> {
        // Outside its selectors and after its deletion nothing tells weir of newer versions, so a guard that failed once
        // would fail for ever: there the uid alone binds.
        let version = (!subject.change.is_ending()).then(|| subject.resource_version.clone());
        Delivery {
            executor,
            subject,
            account,
            bound: Bound { uid: subject.uid.clone(), resource_version: version },
            seen: subject.resource_version.clone(),
            state: serde_json::from_slice(&subject.state).ok(),
            applied: Applied::default(),
        }
    }

    pub(super) async fn run(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let resources = self.resolve(steps).await.inspect_err(|(class, _)| {
            steps.iter().flat_map(|step| &step.actions).for_each(|action| self.executor.count(action, name(class)));
        })?;
        for (step, resource) in steps.iter().zip(resources) {
            let taken = self.take(step, resource).await;
            let outcome = match &taken {
                Ok(outcome) => outcome,
                Err((class, _)) => name(class),
            };
            step.actions.iter().for_each(|action| self.executor.count(action, outcome));
            taken.map_err(|(class, why)| (class, format!("{} on {}: {why}", words(&step.actions), step.key)))?;
        }
        Ok(())
    }

    /// The resource of each step. A kind that is not served yet is asked for again when its step's turn comes: an earlier
    /// step may define it.
    async fn resolve(&self, steps: &[Step]) -> Result<Vec<Option<Resource>>, Stop> {
        let mut resources = Vec::with_capacity(steps.len());
        for step in steps {
            let resource = match self.resolve_one(step).await {
                Err((Class::Handler, _)) => None,
                resolved => {
                    resolved.map_err(|(class, why)| (class, format!("{} on {}: {why}", step.actions[0], step.key)))?
                }
            };
            resources.push(resource);
        }
        Ok(resources)
    }

    async fn resolve_one(&self, step: &Step) -> Result<Option<Resource>, Stop> {
        let own = &self.subject.resource;
        let resource = match step.what {
            What::Emit(_) | What::Log(_) | What::Http { .. } => return Ok(None),
            _ if step.own && step.key.api_version == self.subject.key.api_version => own.clone(),
            _ => self.executor.deps.kinds.resolve(&step.key.api_version, &step.key.kind).await.map_err(unresolved)?,
        };
        request::check(step, &resource).map_err(|wrong| (Class::Permanent, wrong))?;
        Ok(Some(resource))
    }

    /// Carries out one step; the outcome's name is for the metric.
    async fn take(&mut self, step: &Step, resource: Option<Resource>) -> Result<&'static str, Stop> {
        match &step.what {
            What::Log(line) => {
                (self.executor.deps.lines)(line);
                return Ok("done");
            }
            What::Emit(note) => return self.emit(step, note).await,
            What::Http { request, copy } => {
                let reached = &mut self.applied.reached_outside;
                return http::send(self.executor, self.subject, request, *copy, reached).await;
            }
            _ if self.is_already_so(step) => return Ok("unchanged"),
            _ => {}
        }
        let resource = match resource {
            Some(resource) => resource,
            None => self.resolve_one(step).await?.ok_or((Class::Permanent, "names no resource".to_owned()))?,
        };
        let mut forced = false;
        loop {
            let request = request::build(step, &resource, &self.bound, self.executor.manner(), forced)
                .map_err(|error| (Class::Permanent, format!("building the request: {error}")))?
                .ok_or((Class::Permanent, "is no request".to_owned()))?;
            let path = request.uri().path().to_owned();
            let refusal = match self.executor.send(request, self.account).await? {
                Answer::Ok(body) => return Ok(self.took(step, body)),
                Answer::Refused(refusal) => refusal,
            };
            let verbs = if matches!(step.what, What::Apply { .. }) { "patch, create" } else { verb(step) };
            let words = answer::explain(&refusal, &resource, step.subresource.as_deref(), verbs, self.account);
            match answer::judge(self.asked(step, forced), &refusal) {
                Verdict::Done | Verdict::Dropped => return Ok("done"),
                Verdict::Force => forced = true,
                Verdict::Confirm(class) => return self.confirm(&resource, &path, class, words).await,
                Verdict::Failed(class) => {
                    if refusal.code == 404 && refusal.status.details.is_none() {
                        // The path itself is unknown: what discovery once said no longer holds.
                        self.executor.deps.kinds.forget(&step.key.api_version);
                    }
                    return Err((class, words));
                }
            }
        }
    }

    fn asked<'s>(&'s self, step: &'s Step, forced: bool) -> Asked<'s> {
        let deleted = self.subject.change == Change::Deleted;
        Asked { step, deleted, field_manager: &self.executor.deps.manifest.field_manager, forced }
    }

    /// Whether the event's own object, as last seen, would not change.
    fn is_already_so(&self, step: &Step) -> bool {
        let Some(now) = self.state.as_ref().filter(|_| step.own) else { return false };
        match &step.what {
            What::Metadata(patch) => state::has_metadata(now, patch),
            What::Status(status) => state::has(now, &serde_json::json!({ "status": status })),
            What::Patch { format: PatchFormat::Merge, body, .. } => {
                matches!(step.subresource.as_deref(), None | Some("status")) && state::has(now, body)
            }
            _ => false,
        }
    }

    /// Learns from the answer to a write that was carried out.
    fn took(&mut self, step: &Step, body: Bytes) -> &'static str {
        if self.executor.deps.manifest.dry_run {
            tracing::info!(
                handler = self.executor.deps.manifest.name,
                action = words(&step.actions),
                object = %step.key,
                "dry run: the API would accept it; nothing was changed"
            );
            return "dry-run";
        }
        if !step.own || matches!(step.what, What::Create(_)) {
            self.wrote(step);
            return "done";
        }
        let answer = state::Answered::read(&body, &self.subject.key);
        let Some(answer) = answer else {
            // A Status: the object is gone, or the subresource has no object of its own.
            self.wrote(step);
            self.applied.own_deleted |= matches!(step.what, What::Delete { .. });
            self.state = None;
            return "done";
        };
        if answer.resource_version == self.seen {
            return "unchanged";
        }
        self.wrote(step);
        let guarded = self.bound.resource_version.is_some();
        let echo = match &step.what {
            _ if answer.object.is_none() => Echo::None,
            What::Metadata(patch) => Echo::Merged(patch.clone()),
            What::Status(_) | What::Patch { .. } | What::Delete { .. } if guarded => Echo::Guarded,
            _ => Echo::None,
        };
        // What others wrote in between came along unseen. The handler decided without it, so later guarded writes of this
        // reply stay bound to what it knew, and fail.
        let foreign = match (&echo, &self.state, &answer.object) {
            (Echo::Merged(patch), Some(before), Some(after)) => !state::is_only(before, patch, after),
            _ => false,
        };
        if let Some(version) = self.bound.resource_version.as_mut().filter(|_| !foreign) {
            version.clone_from(&answer.resource_version);
        }
        self.seen.clone_from(&answer.resource_version);
        let object = answer.object.is_some().then_some(body);
        self.state = answer.object;
        self.applied.own.push(OwnWrite { uid: answer.uid, resource_version: answer.resource_version, object, echo });
        "done"
    }

    fn wrote(&mut self, step: &Step) {
        self.applied.writes += 1;
        self.applied.written.push(Written::of(step));
    }

    /// One GET tells whether the event's own object is gone.
    async fn confirm(
        &mut self,
        resource: &Resource,
        path: &str,
        class: Class,
        words: String,
    ) -> Result<&'static str, Stop> {
        let key = &self.subject.key;
        let object = self.subject.resource.object_path(key.namespace.as_deref(), &key.name);
        let request = Request::get(&object).header(::http::header::ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|error| (Class::Permanent, format!("building a request: {error}")))?;
        // Not a write: it takes no token.
        let gone = match send::send(&self.executor.deps.client, request).await? {
            Answer::Ok(body) => state::Answered::read(&body, key).is_none_or(|found| found.uid != self.subject.uid),
            Answer::Refused(refusal) if answer::is_absent(&refusal, &key.name) => true,
            Answer::Refused(refusal) if refusal.code == 404 => false,
            Answer::Refused(refusal) => {
                let why = answer::explain(&refusal, resource, None, "get", None);
                return Err((answer::general(&refusal), format!("looking whether it still exists: {why}")));
            }
        };
        if gone {
            self.applied.own_deleted = true;
            self.state = None;
            return Ok("done");
        }
        match class {
            Class::Permanent => Err((class, format!("there is no {path}, though the object exists: {words}"))),
            class => Err((class, words)),
        }
    }

    async fn emit(&mut self, step: &Step, note: &Note) -> Result<&'static str, Stop> {
        let executor = self.executor;
        let uid = step.own.then(|| self.subject.uid.clone());
        let regarding = Regarding { key: step.key.clone(), uid };
        // Twice at most: the server may have let go of the Event that a series goes on with.
        for _ in 0..2 {
            let (target, name, body, creates) = match executor.recorder.record(&regarding, note) {
                Record::Drop => return Ok("dropped"),
                Record::Create { collection, name, body } => (collection, name, body, true),
                Record::Repeat { path, name, body } => (path, name, body, false),
            };
            let dry_run = executor.deps.manifest.dry_run;
            let manager = request::encoded(&executor.deps.manifest.field_manager);
            let target = format!("{target}?fieldManager={manager}{}", if dry_run { "&dryRun=All" } else { "" });
            let request =
                if creates { request::create_request(&target, &body) } else { request::merge_request(&target, &body) };
            let request = request.map_err(|error| (Class::Permanent, format!("building the request: {error}")))?;
            let answer = executor.send(request, self.account).await;
            if dry_run || !matches!(answer, Ok(Answer::Ok(_))) {
                executor.recorder.forget(&regarding, &name);
            }
            match answer? {
                Answer::Ok(_) => return Ok(if dry_run { "dry-run" } else { "done" }),
                Answer::Refused(refusal) if !creates && refusal.code == 404 => {}
                Answer::Refused(refusal) => {
                    let verbs = if creates { "create" } else { "patch" };
                    return match answer::judge(self.asked(step, false), &refusal) {
                        Verdict::Done => Ok("done"),
                        Verdict::Dropped => Ok("dropped"),
                        Verdict::Confirm(class) | Verdict::Failed(class) => {
                            Err((class, answer::explain(&refusal, &events(), None, verbs, self.account)))
                        }
                        Verdict::Force => {
                            Err((Class::Handler, answer::explain(&refusal, &events(), None, verbs, self.account)))
                        }
                    };
                }
            }
        }
        Ok("dropped")
    }
}

/// Where Events live: every Kubernetes since 1.19 serves them there.
fn events() -> Resource {
    Resource {
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
    }
}

fn verb(step: &Step) -> &'static str {
    match step.what {
        What::Create(_) => "create",
        What::Delete { .. } => "delete",
        _ => "patch",
    }
}

/// The class' name in metrics.
fn name(class: &Class) -> &'static str {
    match class {
        Class::Behind { .. } => "behind",
        Class::Handler => "handler",
        Class::Outside { .. } => "outside",
        Class::Key => "key",
        Class::World { .. } => "world",
        Class::Permanent => "permanent",
    }
}

fn unresolved(error: ResolveError) -> Stop {
    let text = error.to_string();
    match error {
        ResolveError::NotServed { .. } => (Class::Handler, text),
        ResolveError::Api { source: kube::Error::Api(status), .. } => {
            let words = status.message.clone();
            let refusal = answer::Refusal { code: status.code, status: *status, retry_after: None };
            // That discovery itself is not there says nothing about the kind.
            let class = match answer::general(&refusal) {
                Class::Handler => Class::Key,
                class => class,
            };
            (class, format!("{text}: {words}"))
        }
        ResolveError::Api { source, .. } => {
            let (class, why) = send::unsent(&source);
            (class, format!("{text}: {why}"))
        }
    }
}

/// The names of a step's actions, each once however many were coalesced.
fn words(actions: &[&'static str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for action in actions {
        if !words.contains(action) {
            words.push(action);
        }
    }
    words.join(" and ")
}

#[cfg(test)]
mod embedded;
#[cfg(test)]
mod tests;
