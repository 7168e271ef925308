//! Strategic merge patches: merge patches that know which lists have keys, for built-in kinds.
//!
//! Maps are merged, `null` removes, keyed lists are merged by their first key and sets by value, other lists are replaced. Of
//! the directives there are `$patch` (`replace`, `delete`, `merge`), `$deleteFromPrimitiveList/…`, `$setElementOrder/…` and
//! `$retainKeys` (apimachinery `pkg/util/strategicpatch`). Order is simpler here: what `$setElementOrder` names comes
//! first, in its order, and the rest follows as it was.

use serde_json::{Map, Value};

use crate::shape::{ListKind, Shape};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// What a patch makes of a map.
pub(crate) fn merge(live: &mut Map<String, Value>, patch: &Map<String, Value>, shape: Shape<'_>) {
    match directive(patch) {
        "replace" => {
            live.clear();
        }
        "delete" => {
            live.clear();
            return;
        }
        _ => {}
    }
    if let Some(kept) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        live.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        merge_member(live, name, value, shape.member(name));
    }
    for (name, value) in patch {
        let listed = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(list) = name.strip_prefix(DELETE_FROM).and_then(|name| live.get_mut(name)?.as_array_mut()) {
            list.retain(|item| !listed.contains(item));
        }
        if let Some(name) = name.strip_prefix(ORDER)
            && let Some(list) = live.get_mut(name).and_then(Value::as_array_mut)
        {
            order(list, listed, &first_key(shape.member(name)));
        }
    }
}

fn merge_member(live: &mut Map<String, Value>, name: &str, value: &Value, shape: Shape<'_>) {
    match value {
        Value::Null => {
            live.shift_remove(name);
        }
        Value::Object(patch) if directive(patch) == "delete" => {
            live.shift_remove(name);
        }
        Value::Object(patch) => {
            let mut merged = match live.get_mut(name).map(Value::take) {
                Some(Value::Object(known)) => known,
                _ => Map::new(),
            };
            merge(&mut merged, patch, shape);
            live.insert(name.to_owned(), Value::Object(merged));
        }
        Value::Array(items) => {
            let known = match live.get_mut(name).map(Value::take) {
                Some(Value::Array(known)) => known,
                _ => Vec::new(),
            };
            live.insert(name.to_owned(), Value::Array(merge_list(known, items, shape)));
        }
        scalar => {
            live.insert(name.to_owned(), scalar.clone());
        }
    }
}

fn merge_list(known: Vec<Value>, items: &[Value], shape: Shape<'_>) -> Vec<Value> {
    // An item that is nothing but `$patch: replace` means the whole list.
    let is_replaced =
        items.iter().filter_map(Value::as_object).any(|item| item.len() == 1 && directive(item) == "replace");
    let list = first_key(shape);
    if is_replaced || list == ListKind::Atomic {
        return items.iter().filter_map(|item| cleaned(item, shape)).collect();
    }
    let mut merged = known;
    for item in items {
        let step = list.step(item);
        let position = merged.iter().position(|known| step.is_some() && list.step(known) == step);
        match (item.as_object(), position) {
            (Some(patch), Some(position)) if directive(patch) == "delete" => {
                merged.remove(position);
            }
            (Some(patch), Some(position)) => {
                if let Some(known) = merged[position].as_object_mut() {
                    merge(known, patch, shape.item());
                }
            }
            (None, Some(_)) => {}
            (_, None) => merged.extend(cleaned(item, shape)),
        }
    }
    merged
}

/// A new item without its directives; nothing if it is there only to be deleted.
fn cleaned(item: &Value, shape: Shape<'_>) -> Option<Value> {
    let Value::Object(patch) = item else { return Some(item.clone()) };
    if matches!(directive(patch), "delete") || patch.len() == 1 && patch.contains_key(PATCH) {
        return None;
    }
    let mut new = Map::new();
    merge(&mut new, patch, shape.item());
    Some(Value::Object(new))
}

/// How a list is merged here: by its first key alone, where server-side apply may need several.
fn first_key(shape: Shape<'_>) -> ListKind {
    match shape.list() {
        ListKind::Keyed(mut keys) => {
            keys.truncate(1);
            ListKind::Keyed(keys)
        }
        other => other,
    }
}

fn order(list: &mut [Value], wanted: &[Value], kind: &ListKind) {
    let name = |item: &Value| kind.step(item).unwrap_or_else(|| item.to_string());
    let wanted: Vec<String> = wanted.iter().map(name).collect();
    list.sort_by_cached_key(|item| wanted.iter().position(|step| *step == name(item)).unwrap_or(wanted.len()));
}

fn directive(patch: &Map<String, Value>) -> &str {
    patch.get(PATCH).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(live: Value, patch: Value, expected: Value) {
        let mut live = live.as_object().expect("a map").clone();
        merge(&mut live, patch.as_object().expect("a map"), Shape::root(false, None));
        assert_eq!(Value::Object(live), expected);
    }

    #[test]
    fn maps_are_merged_and_null_removes() {
        check(
            json!({ "data": { "a": 1, "b": 2 } }),
            json!({ "data": { "b": null, "c": { "d": null } } }),
            json!({
                "data": { "a": 1, "c": {} }
            }),
        );
    }

    #[test]
    fn keyed_lists_are_merged_by_key_and_others_replaced() {
        let live =
            json!({ "spec": { "containers": [{ "name": "a", "image": "x" }, { "name": "b" }], "args": [1, 2] } });
        let patch = json!({ "spec": { "args": [3], "containers": [
            { "name": "b", "$patch": "delete" }, { "name": "a", "tty": true }, { "name": "c" },
        ] } });
        let containers = json!([{ "name": "a", "image": "x", "tty": true }, { "name": "c" }]);
        check(live, patch, json!({ "spec": { "containers": containers, "args": [3] } }));
    }

    #[test]
    fn directives_replace_delete_retain_and_order() {
        check(
            json!({ "data": { "a": 1 } }),
            json!({ "data": { "$patch": "replace", "b": 2 } }),
            json!({ "data": { "b": 2 } }),
        );
        check(json!({ "data": { "a": 1 }, "x": 1 }), json!({ "data": { "$patch": "delete" } }), json!({ "x": 1 }));
        let live = json!({ "spec": { "volumes": [{ "name": "a" }, { "name": "b" }] } });
        let all = json!({ "spec": { "volumes": [{ "$patch": "replace" }, { "name": "c" }] } });
        check(live.clone(), all, json!({ "spec": { "volumes": [{ "name": "c" }] } }));
        let ordered = json!({ "spec": { "$setElementOrder/volumes": [{ "name": "b" }, { "name": "a" }] } });
        check(live, ordered, json!({ "spec": { "volumes": [{ "name": "b" }, { "name": "a" }] } }));
        let retained = json!({ "strategy": { "$retainKeys": ["type"], "type": "Recreate" } });
        check(
            json!({ "strategy": { "type": "R", "rollingUpdate": {} } }),
            retained,
            json!({ "strategy": { "type": "Recreate" } }),
        );
        let finalizers = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"] } });
        let left = json!({ "metadata": { "finalizers": ["b", "c"] } });
        check(json!({ "metadata": { "finalizers": ["a", "b"] } }), finalizers, left);
    }
}
