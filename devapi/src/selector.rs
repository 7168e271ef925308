//! Label and field selectors, as `labelSelector=` and `fieldSelector=` carry them.
//!
//! The grammar is that of apimachinery's `pkg/labels/selector.go` and `pkg/fields/selector.go`. A selector that does not
//! parse, or a field that a resource cannot be selected by, is a 400: never a selector that silently matches everything.

use serde_json::Value;

use crate::{
    metadata::{is_label_value, is_qualified_name},
    object::{Fields, text},
    resource::Resource,
    status::Failure,
};

/// Both selectors of a request; empty ones match everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

#[derive(Debug, Clone, PartialEq)]
struct FieldTerm {
    path: String,
    value: String,
    is_equal: bool,
}

/// Fields that built-in kinds can be selected by, beyond name and namespace (k8s.io/kubernetes `pkg/apis/core/v1/conversion.go`
/// and the `GetAttrs` of each kind).
const SELECTABLE: &[(&str, &str, &[&str])] = &[
    (
        "",
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    ("", "events", EVENT_FIELDS),
    (
        "events.k8s.io",
        "events",
        &[
            "reason",
            "reportingController",
            "type",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
        ],
    ),
    ("", "secrets", &["type"]),
    ("", "namespaces", &["status.phase"]),
    ("", "nodes", &["spec.unschedulable"]),
    ("", "replicationcontrollers", &["status.replicas"]),
    ("apps", "replicasets", &["status.replicas"]),
    ("batch", "jobs", &["status.successful"]),
];

const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

impl Selectors {
    /// Parses what a request to this resource carries.
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Selectors, Failure> {
        let labels = parse_labels(labels).map_err(|why| {
            Failure::bad_request(format!("unable to parse requirement in label selector \"{labels}\": {why}"))
        })?;
        Ok(Selectors { labels, fields: parse_fields(resource, fields)? })
    }

    /// The same, for one object only.
    pub(crate) fn and_name(mut self, name: &str) -> Selectors {
        self.fields.push(FieldTerm { path: "metadata.name".into(), value: name.to_owned(), is_equal: true });
        self
    }

    /// Whether they match everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object, as it is stored, matches.
    pub(crate) fn matches(&self, object: &Fields) -> bool {
        let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|requirement| requirement.test.holds(label(&requirement.key)))
            && self.fields.iter().all(|term| (field(object, &term.path) == term.value) == term.is_equal)
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Test::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>, Failure> {
    let mut terms = Vec::new();
    for term in text.split(',').filter(|term| !term.is_empty()) {
        let (label, value, is_equal) = if let Some((label, value)) = term.split_once("!=") {
            (label, value, false)
        } else if let Some((label, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (label, value, true)
        } else {
            return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
        };
        let built_in = SELECTABLE.iter().find(|row| resource.is(row.0, row.1)).map_or(&[][..], |row| row.2);
        let known = matches!(label, "metadata.name" | "metadata.namespace")
            || built_in.contains(&label)
            || resource.selectable.iter().any(|known| known == label);
        if !known {
            return Err(Failure::bad_request(format!("field label not supported: {label}")));
        }
        terms.push(FieldTerm { path: stored_path(resource, label), value: value.to_owned(), is_equal });
    }
    Ok(terms)
}

/// Where the value of a field label is found in the stored object.
fn stored_path(resource: &Resource, label: &str) -> String {
    if !resource.storage.ends_with("/events") || resource.custom {
        return label.to_owned();
    }
    match label {
        "source" => "source.component".to_owned(),
        "reportingController" => "reportingComponent".to_owned(),
        other => other.replace("regarding.", "involvedObject."),
    }
}

/// The value at a dotted path as the text that selectors compare; absent is empty, except that a flag is `false`.
fn field(object: &Fields, path: &str) -> String {
    match path {
        "metadata.name" => return text(object, "name").to_owned(),
        "metadata.namespace" => return text(object, "namespace").to_owned(),
        _ => {}
    }
    let mut steps = path.split('.');
    let first = steps.next().and_then(|step| object.get(step));
    match steps.fold(first, |value, step| value.and_then(|value| value.get(step))) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) if path.ends_with("hostNetwork") || path.ends_with("unschedulable") => "false".into(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The parser: requirements separated by commas that are not inside parentheses.
fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    let mut depth = 0_usize;
    let separate = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    if text.trim().is_empty() {
        return Ok(requirements);
    }
    for term in text.split(separate) {
        requirements.push(parse_requirement(term.trim())?);
    }
    Ok(requirements)
}

fn parse_requirement(term: &str) -> Result<Requirement, String> {
    if let Some(key) = term.strip_prefix('!') {
        return Ok(Requirement { key: checked_key(key)?, test: Test::DoesNotExist });
    }
    let Some(end) = term.find(|c: char| c.is_whitespace() || "=!<>(".contains(c)) else {
        return Ok(Requirement { key: checked_key(term)?, test: Test::Exists });
    };
    let (key, rest) = term.split_at(end);
    let (key, rest) = (checked_key(key)?, rest.trim());
    let number = |text: &str| text.trim().parse().map_err(|_| format!("'{}' is not a whole number", text.trim()));
    let test = if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        Test::In(vec![checked_value(value)?])
    } else if let Some(value) = rest.strip_prefix("!=") {
        Test::NotIn(vec![checked_value(value)?])
    } else if let Some(value) = rest.strip_prefix('>') {
        Test::GreaterThan(number(value)?)
    } else if let Some(value) = rest.strip_prefix('<') {
        Test::LessThan(number(value)?)
    } else if let Some(values) = rest.strip_prefix("notin") {
        Test::NotIn(value_set(values)?)
    } else if let Some(values) = rest.strip_prefix("in") {
        Test::In(value_set(values)?)
    } else {
        return Err(format!("found '{rest}', expected: in, notin, =, ==, !=, >, <"));
    };
    Ok(Requirement { key, test })
}

fn value_set(text: &str) -> Result<Vec<String>, String> {
    let inner = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    inner.ok_or_else(|| format!("found '{}', expected: '('", text.trim()))?.split(',').map(checked_value).collect()
}

fn checked_key(key: &str) -> Result<String, String> {
    let key = key.trim();
    if is_qualified_name(key) { Ok(key.to_owned()) } else { Err(format!("'{key}' is not a label key")) }
}

fn checked_value(value: &str) -> Result<String, String> {
    let value = value.trim();
    if is_label_value(value) { Ok(value.to_owned()) } else { Err(format!("'{value}' is not a label value")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str, object: Value) -> bool {
        let object = json!({ "metadata": { "labels": object } });
        let selectors = Selectors::parse(&Resource::default(), labels, "").expect("the selector parses");
        selectors.matches(object.as_object().expect("an object"))
    }

    #[test]
    fn every_operator_of_label_selectors_is_understood() {
        let labels = json!({ "a": "x", "n": "5", "example.com/p": "" });
        for (selector, expected) in [
            ("", true),
            ("a=x", true),
            ("a==x", true),
            ("a = y", false),
            ("a!=y", true),
            ("a!=x", false),
            ("b!=x", true),
            ("a in (x, y)", true),
            ("a notin (x,y)", false),
            ("b notin (x)", true),
            ("b in (x)", false),
            ("a", true),
            ("!a", false),
            ("!b", true),
            ("example.com/p=", true),
            ("n>4", true),
            ("n>5", false),
            ("n < 6,a in (x)", true),
            ("a=x,b", false),
        ] {
            assert_eq!(selects(selector, labels.clone()), expected, "selector {selector:?}");
        }
    }

    #[test]
    fn a_malformed_label_selector_is_refused() {
        for selector in ["a in x", "a in (x", "=x", "a=x,,b", "a b", "-a", "a>x", "a=x y"] {
            let failure = Selectors::parse(&Resource::default(), selector, "").expect_err(selector);
            assert_eq!(failure.code, 400, "selector {selector:?}");
        }
    }

    #[test]
    fn a_field_that_the_kind_cannot_be_selected_by_is_refused() {
        let failure = Selectors::parse(&Resource::default(), "", "spec.nodeName=a").expect_err("refused");
        assert_eq!((failure.code, failure.message()), (400, "field label not supported: spec.nodeName"));
    }
}
