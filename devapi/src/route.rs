//! From a request to its answer: which verb it is, and which rule book answers it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::{
    apply,
    delete::{self, Deleted},
    discovery,
    fault::Faults,
    object::{Key, Stored},
    openapi, patch, read, render,
    request::{Request, Target},
    review, scale,
    status::{Cause, Failure},
    store::{State, Store},
    watch::Watch,
    write::{self, Writer},
};

/// What is sent back.
#[derive(Debug)]
pub(crate) enum Answer {
    Json {
        code: u16,
        body: Bytes,
    },
    /// Aggregated discovery has a content type of its own.
    Discovery {
        body: Bytes,
    },
    Text {
        code: u16,
        body: &'static str,
    },
    Watch(Box<Watch>),
}

/// Answers a request.
pub(crate) async fn answer(
    store: &Arc<Store>,
    faults: &Faults,
    bookmark_every: Duration,
    request: &Request,
) -> Result<Answer, Failure> {
    let path = request.path.trim_end_matches('/');
    match path {
        "/healthz" | "/livez" | "/readyz" => return Ok(Answer::Text { code: 200, body: "ok" }),
        "/version" => return Ok(ok(render::to_bytes(&version()))),
        _ => {}
    }
    if let Some(answer) = store.read(|state| discovery::answer(&state.registry, request, path)) {
        return answer;
    }
    if let Some(body) = store.read(|state| openapi::answer(&state.registry, path)) {
        return Ok(ok(render::to_bytes(&body)));
    }
    if let Some(answer) = review::answer(request, path) {
        return Ok(Answer::Json { code: 201, body: render::to_bytes(&answer?) });
    }
    let target = store.read(|state| Target::find(&state.registry, path))?;
    if request.is_watch() && target.subresource.is_none() {
        let faults = faults.open_watch(path);
        let watch = Watch::open(store, faults, request, target, bookmark_every).await?;
        return Ok(Answer::Watch(Box::new(watch)));
    }
    match (&request.method, target.name.clone()) {
        (&Method::GET, Some(name)) => read::get(store, request, &target, &name).await.map(ok),
        (&Method::GET, None) => read::list(store, request, &target).await.map(ok),
        (&Method::POST, None) => create(store, request, &target),
        (&Method::PUT, Some(name)) => replace(store, request, &target, &name),
        (&Method::PATCH, Some(name)) => change(store, request, &target, &name),
        (&Method::DELETE, Some(name)) if target.subresource.is_none() => remove(store, request, &target, &name),
        (&Method::DELETE, None) => remove_all(store, request, &target),
        _ => Err(Failure::method_not_allowed("the server does not allow this method on the requested resource")),
    }
}

fn create(store: &Store, request: &Request, target: &Target) -> Result<Answer, Failure> {
    if target.resource.namespaced && target.namespace.is_none() {
        let message = "the server does not allow this method on the requested resource";
        return Err(Failure::method_not_allowed(message));
    }
    let form = request.form()?;
    let fields = patch::split(&target.resource, Value::Object(request.object()?))?;
    let writer = writer(request)?;
    let stored = store.write(|state| write::create(state, target, fields, &writer))?;
    Ok(Answer::Json { code: 201, body: render::object(form, &target.resource, &stored) })
}

fn replace(store: &Store, request: &Request, target: &Target, name: &str) -> Result<Answer, Failure> {
    let object = request.object()?;
    let writer = writer(request)?;
    if is_scale(target) {
        let scale = Value::Object(object);
        return scaled(store, target, name, &writer, |_| Ok(scale));
    }
    let form = request.form()?;
    let fields = patch::split(&target.resource, Value::Object(object))?;
    let stored = store.write(|state| {
        let current = current(state, target, name)?;
        write::check_replacement(&target.resource, &current, &fields)?;
        write::update(state, target, &current, fields, &writer)
    })?;
    Ok(ok(render::object(form, &target.resource, &stored)))
}

fn change(store: &Store, request: &Request, target: &Target, name: &str) -> Result<Answer, Failure> {
    let writer = writer(request)?;
    if is_scale(target) {
        return scaled(store, target, name, &writer, |scale| patch::apply_to_scale(request, scale));
    }
    let form = request.form()?;
    if request.media_type() == patch::APPLY {
        let (is_new, stored) = store.write(|state| apply::apply(state, request, target, name, &writer))?;
        let code = if is_new { 201 } else { 200 };
        return Ok(Answer::Json { code, body: render::object(form, &target.resource, &stored) });
    }
    if request.params.has("force") {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(Failure::invalid_options("PatchOptions", cause));
    }
    let stored = store.write(|state| {
        let current = current(state, target, name)?;
        let fields = patch::apply(request, &target.resource, &current)?;
        write::update(state, target, &current, fields, &writer)
    })?;
    Ok(ok(render::object(form, &target.resource, &stored)))
}

/// A write to `/scale`: the Scale as it is, made into another one, and the object that follows from it.
fn scaled(
    store: &Store,
    target: &Target,
    name: &str,
    writer: &Writer,
    change: impl FnOnce(Value) -> Result<Value, Failure>,
) -> Result<Answer, Failure> {
    let stored = store.write(|state| {
        let current = current(state, target, name)?;
        let scale = change(scale::of(&current))?;
        let fields = scale::applied(&current.fields, &scale)?;
        write::update(state, target, &current, fields, writer)
    })?;
    Ok(ok(render::to_bytes(&scale::of(&stored))))
}

fn remove(store: &Store, request: &Request, target: &Target, name: &str) -> Result<Answer, Failure> {
    let options = delete::Options::parse(request)?;
    let resource = &target.resource;
    let key = Key::new(resource, target.namespace.as_deref(), name);
    let form = request.form()?;
    Ok(ok(match store.write(|state| delete::one(state, resource, &key, &options))? {
        Deleted::Held(stored) => render::object(form, resource, &stored),
        // The kinds whose deleted object is the answer (`ReturnDeletedObject` in their registries).
        Deleted::Gone(stored) if resource.group.is_empty() && RETURNED.contains(&resource.plural.as_str()) => {
            render::object(form, resource, &stored)
        }
        Deleted::Gone(stored) => {
            let mut details = crate::status::details(resource, name);
            details["uid"] = json!(stored.uid());
            render::to_bytes(&json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            }))
        }
    }))
}

/// Kinds of the core group that answer a delete with the object.
const RETURNED: [&str; 5] = ["pods", "services", "serviceaccounts", "persistentvolumeclaims", "resourcequotas"];

fn remove_all(store: &Store, request: &Request, target: &Target) -> Result<Answer, Failure> {
    if target.resource.namespaced && target.namespace.is_none() || target.resource.is("", "namespaces") {
        let message = "the server does not allow this method on the requested resource";
        return Err(Failure::method_not_allowed(message));
    }
    let options = delete::Options::parse(request)?;
    let form = request.form()?;
    let selectors = read::selectors(&target.resource, &request.params)?;
    let (items, revision) = store.write(|state| {
        let items = delete::collection(state, &target.resource, &target.prefix(), &selectors, &options)?;
        Ok((items, state.revision()))
    })?;
    let metadata = json!({ "resourceVersion": revision.to_string() });
    Ok(ok(render::list(form, &target.resource, &items, metadata)))
}

fn current(state: &State, target: &Target, name: &str) -> Result<Arc<Stored>, Failure> {
    let key = Key::new(&target.resource, target.namespace.as_deref(), name);
    state.get(&key).cloned().ok_or_else(|| Failure::not_found(&target.resource, name))
}

fn writer(request: &Request) -> Result<Writer, Failure> {
    Ok(Writer { manager: request.manager(), is_dry_run: request.dry_run()? })
}

fn is_scale(target: &Target) -> bool {
    target.subresource.as_deref() == Some("scale")
}

fn ok(body: Bytes) -> Answer {
    Answer::Json { code: 200, body }
}

/// The version that clients are told; what it says is what this server was written after.
fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0-weir", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "wasm/weir",
    })
}
