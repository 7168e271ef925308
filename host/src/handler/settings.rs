//! A handler's settings: the operator's values, checked against the component's `settingsSchema`, defaults filled in.
//!
//! The schema is the part of JSON Schema that settings need: an object of `properties` with `type`, `default`, `enum`,
//! `minimum`, `maximum`, `items` and nested objects, `required`, and `description` for people. Anything else in a schema is
//! refused, so that a rule is never believed to hold when it does not.

use super::document::nearest;
use serde_json::{Map, Value};

const KNOWN: [&str; 11] = [
    "type",
    "properties",
    "required",
    "default",
    "enum",
    "minimum",
    "maximum",
    "items",
    "description",
    "title",
    "additionalProperties",
];

const TYPES: [&str; 6] = ["object", "array", "string", "integer", "number", "boolean"];

/// How deep schemas and settings may nest.
const MAX_DEPTH: usize = 16;

/// The settings a handler sees.
///
/// # Errors
/// Says which key is wrong, and how; whether it is the schema's fault or the settings', by [`Fault`].
pub(super) fn fill(schema: Option<&Value>, settings: Option<&Value>) -> Result<Value, Fault> {
    let given = match settings {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(object @ Value::Object(_)) => object.clone(),
        Some(_) => return Err(Fault::Settings("settings must be a mapping, such as `percent: 90`".into())),
    };
    match schema {
        None => Ok(given),
        Some(schema) => {
            check_schema(schema, "settingsSchema", 0)?;
            if schema.get("type").is_some_and(|kind| kind != "object") {
                return Err(Fault::Schema("settingsSchema must be of type object".into()));
            }
            value(schema, given, "settings")
        }
    }
}

/// Whose mistake it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The component's schema.
    Schema(String),
    /// The operator's settings.
    Settings(String),
}

fn check_schema(schema: &Value, path: &str, depth: usize) -> Result<(), Fault> {
    let wrong = |problem: String| Err(Fault::Schema(format!("{path}: {problem}")));
    let Some(map) = schema.as_object() else {
        return wrong("a schema must be a mapping, such as `{ type: integer, default: 80 }`".into());
    };
    if depth > MAX_DEPTH {
        return wrong(format!("it nests deeper than {MAX_DEPTH}"));
    }
    if let Some(key) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return wrong(format!("`{key}` is not understood here; known are {}", KNOWN.join(", ")));
    }
    if let Some(kind) = map.get("type")
        && !kind.as_str().is_some_and(|kind| TYPES.contains(&kind))
    {
        return wrong(format!("type {kind} is not one of {}", TYPES.join(", ")));
    }
    for (name, inner) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        check_schema(inner, &format!("{path}.properties.{name}"), depth + 1)?;
    }
    match map.get("items") {
        Some(items) => check_schema(items, &format!("{path}.items"), depth + 1),
        None => Ok(()),
    }
}

/// `given`, checked and with defaults, under a schema that was checked.
fn value(schema: &Value, given: Value, path: &str) -> Result<Value, Fault> {
    let wrong = |problem: String| Err(Fault::Settings(format!("{path} {problem}")));
    let kind = schema.get("type").and_then(Value::as_str);
    let fits = match kind {
        Some("object") => given.is_object(),
        Some("array") => given.is_array(),
        Some("string") => given.is_string(),
        Some("integer") => given.is_i64() || given.is_u64(),
        Some("number") => given.is_number(),
        Some("boolean") => given.is_boolean(),
        _ => true,
    };
    if !fits {
        return wrong(format!("must be of type {}, but is {given}", kind.unwrap_or_default()));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(&given)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return wrong(format!("must be one of {}, but is {given}", allowed.join(", ")));
    }
    if let Some(number) = given.as_f64() {
        if let Some(least) = schema.get("minimum").and_then(Value::as_f64).filter(|least| number < *least) {
            return wrong(format!("must be at least {least}, but is {given}"));
        }
        if let Some(most) = schema.get("maximum").and_then(Value::as_f64).filter(|most| number > *most) {
            return wrong(format!("must be at most {most}, but is {given}"));
        }
    }
    match given {
        Value::Object(map) => object(schema, map, path).map(Value::Object),
        Value::Array(items) => match schema.get("items") {
            None => Ok(Value::Array(items)),
            Some(inner) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| value(inner, item, &format!("{path}[{at}]")))
                .collect::<Result<_, _>>()
                .map(Value::Array),
        },
        scalar => Ok(scalar),
    }
}

fn object(schema: &Value, mut given: Map<String, Value>, path: &str) -> Result<Map<String, Value>, Fault> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(given) };
    let open = schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    if let Some(key) = given.keys().find(|key| !open && !properties.contains_key(*key)) {
        let meant = nearest(key, &names).map_or(String::new(), |it| format!(", did you mean `{it}`?"));
        return Err(Fault::Settings(format!("{path} has no `{key}`{meant}; known are {}", names.join(", "))));
    }
    for (name, inner) in properties {
        let given_value = given.remove(name).or_else(|| inner.get("default").cloned());
        if let Some(found) = given_value {
            given.insert(name.clone(), value(inner, found, &format!("{path}.{name}"))?);
        } else if inner.get("type").is_some_and(|kind| kind == "object") && inner.get("properties").is_some() {
            // An object that is left out still has its properties' defaults.
            let filled = object(inner, Map::new(), &format!("{path}.{name}"))?;
            if !filled.is_empty() {
                given.insert(name.clone(), Value::Object(filled));
            }
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !given.contains_key(*name)) {
        return Err(Fault::Settings(format!("{path}.{missing} is required; add it under `settings`")));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({ "type": "object", "required": ["hook"], "properties": {
            "percent": { "type": "integer", "default": 80, "minimum": 1, "maximum": 100 },
            "hook": { "type": "string" },
            "mode": { "enum": ["a", "b"], "default": "a" },
            "prune": { "type": "object", "properties": { "after": { "type": "string", "default": "1h" } } },
        }})
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let filled = fill(Some(&schema()), Some(&json!({ "hook": "x" }))).unwrap();
        assert_eq!(filled, json!({ "hook": "x", "percent": 80, "mode": "a", "prune": { "after": "1h" } }));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fault = |settings: Value| match fill(Some(&schema()), Some(&settings)).unwrap_err() {
            Fault::Settings(problem) | Fault::Schema(problem) => problem,
        };
        assert_eq!(fault(json!({})), "settings.hook is required; add it under `settings`");
        assert_eq!(fault(json!({ "hook": 7 })), "settings.hook must be of type string, but is 7");
        assert_eq!(
            fault(json!({ "hook": "x", "precent": 1 })),
            "settings has no `precent`, did you mean `percent`?; known are percent, hook, mode, prune"
        );
        assert_eq!(fault(json!({ "hook": "x", "percent": 101 })), "settings.percent must be at most 100, but is 101");
        assert_eq!(
            fault(json!({ "hook": "x", "mode": "c" })),
            "settings.mode must be one of \"a\", \"b\", but is \"c\""
        );
        assert_eq!(fault(json!([1])), "settings must be a mapping, such as `percent: 90`");
    }

    #[test]
    fn a_rule_that_is_not_understood_is_refused() {
        let schema = json!({ "type": "object", "properties": { "a": { "pattern": "x" } } });
        let Fault::Schema(problem) = fill(Some(&schema), None).unwrap_err() else { panic!("the schema is at fault") };
        assert!(problem.starts_with("settingsSchema.properties.a: `pattern` is not understood"), "{problem}");
    }
}
