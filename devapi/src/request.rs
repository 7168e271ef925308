//! One request, taken apart: where it points, with which parameters, and in which form the answer is wanted.
//!
//! A path that nothing serves is refused here, so that everything behind can rely on a resource. Unknown query parameters
//! are ignored, as the genuine server does; known ones that do not parse are a 400.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::{
    object::Fields,
    resource::{Registry, Resource},
    status::{Cause, Failure},
};

/// A request with its body read.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) params: Params,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: Bytes,
}

/// The query parameters, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// What a path names.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// The form in which objects are wanted, from the `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Object,
    /// `PartialObjectMetadata`.
    Partial,
    /// `Table`, for people.
    Table,
    /// `APIGroupDiscoveryList`; only discovery has it.
    Discovery,
}

impl Params {
    /// Decodes a query string.
    pub(crate) fn parse(query: &str) -> Params {
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter; empty if it is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Forgets a parameter.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// A flag: `true`, `1` or present without a value.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| known == name && matches!(value.as_str(), "" | "true" | "1" | "True"))
    }

    /// Whether the parameter is there with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// A whole number; absent is `None`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Failure::bad_request(format!("invalid query parameter {name}: \"{text}\" is not a whole number"))
            }),
        }
    }

    /// Seconds, absent or zero as `None`.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Failure> {
        Ok(self.number(name)?.filter(|seconds| *seconds > 0).map(Duration::from_secs))
    }
}

impl Request {
    /// Whether it opens a watch.
    pub(crate) fn is_watch(&self) -> bool {
        self.method == Method::GET && self.params.flag("watch")
    }

    /// `dryRun=All`; anything else but absence is refused.
    pub(crate) fn dry_run(&self) -> Result<bool, Failure> {
        let options = match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            _ => "DeleteOptions",
        };
        match self.params.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let message = format!("Unsupported value: [\"{other}\"]: supported values: \"All\"");
                let cause = Cause { reason: "FieldValueNotSupported", message, field: "dryRun".to_owned() };
                Err(Failure::invalid_options(options, cause))
            }
        }
    }

    /// Who writes: `fieldManager`, or the first part of the User-Agent.
    pub(crate) fn manager(&self) -> String {
        let agent = self.user_agent.split('/').next().unwrap_or_default();
        let manager = match self.params.get("fieldManager") {
            "" => agent,
            manager => manager,
        };
        if manager.is_empty() { "unknown".to_owned() } else { manager.to_owned() }
    }

    /// The media type of the body, without parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }

    /// The body as an object. JSON, or YAML where the content type says so.
    pub(crate) fn object(&self) -> Result<Fields, Failure> {
        let value: Value = match self.media_type() {
            "" | "application/json" | "*/*" => serde_json::from_slice(&self.body).map_err(|error| error.to_string()),
            "application/yaml" | "application/apply-patch+yaml" => parse_yaml(&self.body),
            "application/vnd.kubernetes.protobuf" => return Err(Failure::unsupported_media_type(PROTOBUF)),
            other => {
                return Err(Failure::unsupported_media_type(format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json, application/yaml; got {other}"
                )));
            }
        }
        .map_err(|why| Failure::bad_request(format!("the request body cannot be read as an object: {why}")))?;
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(Failure::bad_request("the request body is not an object")),
        }
    }

    /// The form wanted: the first of the accepted ones that can be served.
    pub(crate) fn form(&self) -> Result<Form, Failure> {
        if self.accept.trim().is_empty() {
            return Ok(Form::Object);
        }
        self.accept.split(',').find_map(form_of).ok_or_else(|| {
            let message = "only the following media types are accepted: application/json, application/yaml";
            Failure::new(406, "NotAcceptable", message, Value::Null)
        })
    }
}

/// kubectl's generators (`kubectl create namespace` and the like) and `kubectl auth` send this, without a fallback.
const PROTOBUF: &str = "this development server does not read protobuf, which `kubectl create <kind>` and `kubectl auth` \
    send; use `kubectl create <kind> … --dry-run=client -o yaml | kubectl apply -f -` instead";

fn parse_yaml(body: &[u8]) -> Result<Value, String> {
    // Most clients send JSON under this type, and JSON's errors are the clearer ones for it.
    if body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(body).map_err(|error| error.to_string());
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    read_yaml(text).map_err(|error| error.to_string())
}

/// Reads one YAML document. Only `true` and `false` are flags, so that a name like `n` stays one.
pub(crate) fn read_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
}

fn form_of(accepted: &str) -> Option<Form> {
    let mut parts = accepted.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let params: Vec<&str> = parts.collect();
    let wanted = params.iter().find_map(|param| param.strip_prefix("as="));
    let has = |param: &str| params.contains(&param);
    match wanted {
        None => Some(Form::Object),
        Some("Table") if has("v=v1") && has("g=meta.k8s.io") => Some(Form::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") if has("v=v1") => Some(Form::Partial),
        Some("APIGroupDiscoveryList") if has("v=v2") => Some(Form::Discovery),
        Some(_) => None,
    }
}

impl Target {
    /// What a path below `/api/v1` or `/apis/{group}/{version}` names.
    pub(crate) fn find(registry: &Registry, path: &str) -> Result<Target, Failure> {
        // Each step is decoded by itself: an encoded slash is part of a name.
        let decode = |step: &str| percent_encoding::percent_decode_str(step).decode_utf8_lossy().into_owned();
        let steps: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let (group, version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
            _ => return Err(Failure::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // `namespaces/x/status` is a subresource of the namespace, everything else below `namespaces/x` lives in it.
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            _ => (None, rest),
        };
        let [plural, rest @ ..] = rest else { return Err(Failure::no_such_path()) };
        let resource = registry.find(group, version, plural).ok_or_else(|| {
            // Built-in groups know that they are meant; behind them, nobody does.
            let is_built_in = registry.all().any(|r| !r.custom && r.group == group && r.version == version);
            if group.is_empty() || is_built_in { Failure::no_such_resource() } else { Failure::no_such_path() }
        })?;
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some((*name).to_owned()), None),
            [name, subresource] => (Some((*name).to_owned()), Some((*subresource).to_owned())),
            _ => return Err(Failure::no_such_path()),
        };
        let is_collection_of_all = resource.namespaced && namespace.is_none() && name.is_none();
        if resource.namespaced != namespace.is_some() && !is_collection_of_all {
            return Err(Failure::no_such_path());
        }
        match subresource.as_deref() {
            None => {}
            Some("status") if resource.has_status => {}
            Some("scale") if resource.has_scale => {}
            Some(_) if !resource.custom => return Err(Failure::no_such_resource()),
            Some(_) => return Err(Failure::no_such_path()),
        }
        Ok(Target { resource, namespace, name, subresource })
    }

    /// The prefix that the paths of a collection's keys share.
    pub(crate) fn prefix(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default()
    }
}
