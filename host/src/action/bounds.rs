//! How large a reply may be, looked at before anything in it is read.
//!
//! Promises: a reply beyond `limits.actions`, `limits.actionBytes`, `limits.jsonDepth` or `limits.httpRequestBytes` is refused whole, with the bound's
//! name and number; what this costs grows with the reply's length and nothing else. JSON is measured by its brackets before it is parsed, so a
//! deep one costs no stack; YAML once it is parsed, by a parser that stops at [`MOST_DEEP`].

use crate::{
    contract::{Action, Deletion, Note, ObjectRef},
    handler::manifest::{Limits, limit::Limit},
};
use serde_json::Value;

/// The deepest that YAML is read; JSON is refused before that, because `limits.jsonDepth` cannot be as large.
pub(super) const MOST_DEEP: usize = 128;

/// A reply beyond a bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    pub(super) limit: Limit,
    /// With its number in the reply, if it is about one action.
    pub(super) message: String,
}

/// Whether all bounds hold that can be told without reading the actions.
pub(super) fn check(actions: &[Action], limits: &Limits) -> Result<(), Beyond> {
    if actions.len() > limits.actions {
        let message = format!("the reply has {} actions, limits.actions allows {}", actions.len(), limits.actions);
        return Err(Beyond { limit: Limit::Actions, message });
    }
    for (index, action) in actions.iter().enumerate() {
        let beyond = |limit, what: String| Err(beyond(limit, index, action.name(), &what));
        let bytes = bytes(action);
        if let Action::Http(_) = action
            && bytes > limits.http_request_bytes
        {
            let most = limits.http_request_bytes;
            return beyond(
                Limit::HttpRequestBytes,
                format!("the request has {bytes} bytes, limits.httpRequestBytes allows {most}"),
            );
        }
        if bytes > limits.action_bytes {
            let most = limits.action_bytes;
            return beyond(Limit::ActionBytes, format!("it has {bytes} bytes, limits.actionBytes allows {most}"));
        }
        if json(action).is_some_and(|text| is_deeper(text, limits.json_depth)) {
            return beyond(Limit::JsonDepth, too_deep(limits));
        }
    }
    Ok(())
}

/// The same for a manifest that may have been YAML.
pub(super) fn check_read(value: &Value, index: usize, action: &str, limits: &Limits) -> Result<(), Beyond> {
    if depth(value) > limits.json_depth {
        return Err(beyond(Limit::JsonDepth, index, action, &too_deep(limits)));
    }
    Ok(())
}

fn too_deep(limits: &Limits) -> String {
    format!("it is nested deeper than limits.jsonDepth allows, {}", limits.json_depth)
}

fn beyond(limit: Limit, index: usize, action: &str, what: &str) -> Beyond {
    Beyond { limit, message: format!("action {} of the reply, {action}: {what}", index + 1) }
}

/// What an action says, in bytes.
fn bytes(action: &Action) -> usize {
    let entries = |entries: &[(String, Option<String>)]| -> usize {
        entries.iter().map(|(key, value)| key.len() + length(value.as_ref())).sum()
    };
    let pairs =
        |pairs: &[(String, String)]| -> usize { pairs.iter().map(|(name, value)| name.len() + value.len()).sum() };
    match action {
        Action::Annotate(changes) | Action::Label(changes) => entries(changes),
        Action::SetStatus(text) | Action::Create(text) => text.len(),
        Action::Patch(patch) => patch.body.len() + target(patch.target.as_ref()) + length(patch.subresource.as_ref()),
        Action::Apply(apply) => {
            apply.manifest.len() + length(apply.subresource.as_ref()) + length(apply.manager.as_ref())
        }
        Action::Delete(Deletion { target: of, uid, .. }) => target(of.as_ref()) + length(uid.as_ref()),
        Action::Emit(Note { regarding, reason, message, .. }) => {
            target(regarding.as_ref()) + reason.len() + message.len()
        }
        Action::Log(line) => line.message.len() + pairs(&line.fields),
        Action::Http(request) => {
            request.method.len() + request.url.len() + pairs(&request.headers) + request.body.len()
        }
        Action::RequeueAfter(_) => 0,
        Action::Fail(failure) => failure.reason().len(),
        Action::Extension(name, text) => name.len() + text.len(),
    }
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn target(key: Option<&ObjectRef>) -> usize {
    key.map_or(0, |key| key.api_version.len() + key.kind.len() + length(key.namespace.as_ref()) + key.name.len())
}

/// The text that will be parsed as JSON.
fn json(action: &Action) -> Option<&str> {
    match action {
        Action::SetStatus(text) => Some(text),
        Action::Patch(patch) => Some(&patch.body),
        Action::Apply(apply) => Some(&apply.manifest).filter(|text| text.trim_start().starts_with('{')).map(|it| &**it),
        Action::Create(text) => Some(text).filter(|text| text.trim_start().starts_with('{')).map(|it| &**it),
        _ => None,
    }
}

/// Whether brackets outside of strings ever nest deeper than this. Of what is no JSON it says something, and the parser the rest.
fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut within, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b'[' | b'{' if !within => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' if !within => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// How deep arrays and objects nest. What was parsed is no deeper than [`MOST_DEEP`], so this may call itself.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{
            plan::plan,
            testing::{manifest, node},
        },
        contract::{HttpRequest, Level, LogLine},
    };

    /// Which bound a reply meets, and what is said.
    fn met(actions: Vec<Action>, change: impl FnOnce(&mut Limits)) -> (Option<Limit>, String) {
        let mut manifest = manifest();
        change(&mut manifest.limits);
        let refused = plan(actions, &node(), &manifest).unwrap_err();
        (refused.limit, refused.message)
    }

    fn log(length: usize) -> Action {
        Action::Log(LogLine { level: Level::Info, message: "x".repeat(length), fields: Vec::new() })
    }

    #[test]
    fn each_bound_of_a_reply_is_told_by_its_name() {
        assert_eq!(
            met(vec![log(1), log(1), log(1)], |it| it.actions = 2),
            (Some(Limit::Actions), "the reply has 3 actions, limits.actions allows 2".into())
        );
        assert_eq!(
            met(vec![log(1), log(101)], |it| it.action_bytes = 100),
            (
                Some(Limit::ActionBytes),
                "action 2 of the reply, log: it has 101 bytes, limits.actionBytes allows 100".into()
            )
        );
        let request = HttpRequest {
            method: "POST".into(),
            url: "https://example.org/".into(),
            headers: Vec::new(),
            body: "x".repeat(100),
            idempotency_key: None,
        };
        let (limit, message) = met(vec![Action::Http(request)], |it| it.http_request_bytes = 100);
        assert_eq!(limit, Some(Limit::HttpRequestBytes));
        assert!(message.ends_with("http: the request has 124 bytes, limits.httpRequestBytes allows 100"), "{message}");
    }

    #[test]
    fn json_and_yaml_may_nest_as_deep_as_allowed_and_a_bomb_costs_nothing() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let status = |depth: usize| vec![Action::SetStatus(nested(depth))];
        assert!(plan(status(64), &node(), &manifest()).is_ok());
        let said = "action 1 of the reply, set-status: it is nested deeper than limits.jsonDepth allows, 64";
        for depth in [65, 100_000] {
            assert_eq!(met(status(depth), |it| it.action_bytes = 1 << 30), (Some(Limit::JsonDepth), said.into()));
        }
        let yaml = |depth: usize| {
            let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            let text =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: b, namespace: x }}\ndata: {deep}\n");
            vec![Action::Create(text)]
        };
        assert!(plan(yaml(63), &node(), &manifest()).is_ok());
        assert_eq!(met(yaml(64), |_| ()).0, Some(Limit::JsonDepth));
        // Beyond what the parser reads it says so itself.
        let (_, message) = met(yaml(10_000), |_| ());
        assert!(message.contains("not valid YAML"), "{message}");
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(!is_deeper(r#"{"a": "[[[[\"[[", "b": [1]}"#, 2));
        assert!(is_deeper(r#"{"a": "\\", "b": [[1]]}"#, 2));
        assert_eq!(depth(&serde_json::json!({ "a": [[1], {}] })), 3);
    }
}
