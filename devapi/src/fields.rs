//! Sets of fields, as `fieldsV1` writes them, and what is done with them: taken from an object or from the difference of two,
//! merged, and removed again.
//!
//! A set is a tree of steps: `f:` names a member, `k:` an item by its keys, `v:` an item by its value. A step is owned itself
//! if it stands for a scalar, for something taken as a whole, or for an item; what contains it need not be. The reference
//! is sigs.k8s.io/structured-merge-diff; what is left out is its conversion between versions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::shape::{ListKind, Shape};

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    is_owned: bool,
    below: BTreeMap<String, FieldSet>,
}

/// How two states of an object differ.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// What is new or has another value.
    pub(crate) written: FieldSet,
    /// What was there and is not.
    pub(crate) removed: FieldSet,
}

impl FieldSet {
    /// Everything that a value sets.
    pub(crate) fn of(value: &Value, shape: Shape<'_>) -> FieldSet {
        let mut set = FieldSet::default();
        match value {
            Value::Object(members) if !members.is_empty() && !shape.is_atomic_map() => {
                for (name, value) in members {
                    set.below.insert(format!("f:{name}"), FieldSet::of(value, shape.member(name)));
                }
            }
            Value::Array(items) if !items.is_empty() && shape.list() != ListKind::Atomic => {
                let list = shape.list();
                for item in items {
                    let Some(step) = list.step(item) else { continue };
                    let mut below = match list {
                        ListKind::Keyed(_) => FieldSet::of(item, shape.item()),
                        _ => FieldSet::default(),
                    };
                    below.is_owned = true;
                    set.below.insert(step, below);
                }
            }
            _ => set.is_owned = true,
        }
        set
    }

    /// Makes the containers of a value owned themselves.
    pub(crate) fn mark_containers(&mut self, value: &Value, shape: Shape<'_>) {
        self.is_owned |= shape.is_container(value);
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let Some(below) = self.below.get_mut(&format!("f:{name}")) {
                        below.mark_containers(value, shape.member(name));
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    let step = shape.list().step(item);
                    if let Some(below) = step.and_then(|step| self.below.get_mut(&step)) {
                        below.mark_containers(item, shape.item());
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_owned && self.below.values().all(FieldSet::is_empty)
    }

    /// What is in either.
    pub(crate) fn union(mut self, other: &FieldSet) -> FieldSet {
        self.is_owned |= other.is_owned;
        for (step, set) in &other.below {
            let own = self.below.remove(step).unwrap_or_default();
            self.below.insert(step.clone(), own.union(set));
        }
        self
    }

    /// What is not in the other.
    pub(crate) fn minus(mut self, other: &FieldSet) -> FieldSet {
        self.is_owned &= !other.is_owned;
        for (step, set) in &other.below {
            if let Some(own) = self.below.remove(step) {
                self.below.insert(step.clone(), own.minus(set));
            }
        }
        self.below.retain(|_, set| !set.is_empty());
        self
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &FieldSet) -> FieldSet {
        let both = |(step, own): (&String, &FieldSet)| {
            let both = own.intersection(other.below.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        };
        FieldSet { is_owned: self.is_owned && other.is_owned, below: self.below.iter().filter_map(both).collect() }
    }

    /// The set below one step.
    pub(crate) fn at(&self, step: &str) -> Option<&FieldSet> {
        self.below.get(step)
    }

    /// Takes out a whole branch, such as `["f:metadata", "f:uid"]`.
    pub(crate) fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.below.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(set) = self.below.get_mut(*first) {
                    set.cut(rest);
                    if set.is_empty() {
                        self.below.remove(*first);
                    }
                }
            }
        }
    }

    /// The fields as people are told them: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.is_owned {
            paths.push(prefix.to_owned());
        }
        for (step, set) in &self.below {
            set.collect_paths(&format!("{prefix}{}", spoken(step)), paths);
        }
    }

    /// The notation of `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut members = Map::new();
        if self.is_owned && !self.below.is_empty() {
            members.insert(".".into(), json!({}));
        }
        members.extend(self.below.iter().map(|(step, set)| (step.clone(), set.to_json())));
        Value::Object(members)
    }

    /// Reads that notation. A step with nothing below it is owned.
    pub(crate) fn from_json(value: &Value) -> FieldSet {
        let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
            return FieldSet { is_owned: true, below: BTreeMap::new() };
        };
        let below = members.iter().filter(|(step, _)| *step != ".");
        let below = below.map(|(step, value)| (step.clone(), FieldSet::from_json(value))).collect();
        FieldSet { is_owned: members.contains_key("."), below }
    }
}

impl Difference {
    /// How `new` differs from `old`.
    pub(crate) fn between(old: &Value, new: &Value, shape: Shape<'_>) -> Difference {
        let mut difference = Difference::default();
        match (old, new) {
            _ if old == new => {}
            (Value::Object(old), Value::Object(new)) if !shape.is_atomic_map() => {
                let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
                for name in names {
                    difference.add(format!("f:{name}"), old.get(name), new.get(name), shape.member(name), false);
                }
            }
            (Value::Array(old), Value::Array(new)) if shape.list() != ListKind::Atomic => {
                let list = shape.list();
                let by_step = |items: &[Value]| -> BTreeMap<String, Value> {
                    items.iter().filter_map(|item| Some((list.step(item)?, item.clone()))).collect()
                };
                let (old, new) = (by_step(old), by_step(new));
                let steps = old.keys().chain(new.keys().filter(|step| !old.contains_key(*step)));
                for step in steps {
                    difference.add(step.clone(), old.get(step), new.get(step), shape.item(), true);
                }
            }
            _ => difference.written.is_owned = true,
        }
        difference
    }

    fn add(&mut self, step: String, old: Option<&Value>, new: Option<&Value>, shape: Shape<'_>, is_item: bool) {
        let whole = |value: &Value| {
            let mut set = if step.starts_with("v:") { FieldSet::default() } else { FieldSet::of(value, shape) };
            // A container that comes or goes counts itself, so that its last owner can let it go.
            set.mark_containers(value, shape);
            set.is_owned |= is_item;
            set
        };
        match (old, new) {
            (Some(old), Some(new)) => {
                let below = Difference::between(old, new, shape);
                if !below.written.is_empty() {
                    self.written.below.insert(step.clone(), below.written);
                }
                if !below.removed.is_empty() {
                    self.removed.below.insert(step, below.removed);
                }
            }
            (None, Some(new)) => {
                let set = whole(new);
                self.written.below.insert(step, set);
            }
            (Some(old), None) => {
                let set = whole(old);
                self.removed.below.insert(step, set);
            }
            (None, None) => {}
        }
    }
}

/// The live value with everything set that the applied one sets.
pub(crate) fn merge(live: &Value, applied: &Value, shape: Shape<'_>) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !shape.is_atomic_map() => {
            let mut merged = live.clone();
            for (name, value) in applied.iter().filter(|(_, value)| !value.is_null()) {
                let value = match live.get(name) {
                    Some(known) => merge(known, value, shape.member(name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(applied)) if shape.list() != ListKind::Atomic => {
            let list = shape.list();
            let mut merged = live.clone();
            for item in applied {
                let step = list.step(item);
                match merged.iter_mut().find(|known| step.is_some() && list.step(known) == step) {
                    Some(known) => *known = merge(known, item, shape.item()),
                    None => merged.push(item.clone()),
                }
            }
            Value::Array(merged)
        }
        _ => applied.clone(),
    }
}

/// Removes a set from a value; an item of a keyed list stays while `others` own something in it, and containers that become
/// empty by this go too.
pub(crate) fn remove(value: &mut Value, set: &FieldSet, others: &FieldSet, shape: Shape<'_>, keys: &[String]) {
    let nothing = FieldSet::default();
    match value {
        Value::Object(members) => {
            for (step, below) in &set.below {
                let Some(name) = step.strip_prefix("f:").filter(|name| !keys.iter().any(|key| key == name)) else {
                    continue;
                };
                let Some(member) = members.get_mut(name) else { continue };
                if !below.below.is_empty() {
                    remove(member, below, others.at(step).unwrap_or(&nothing), shape.member(name), &[]);
                }
                let is_hollow =
                    member.as_object().is_some_and(Map::is_empty) || member.as_array().is_some_and(Vec::is_empty);
                let is_others = others.at(step).is_some_and(|others| !others.is_empty());
                if !is_others && (is_hollow || below.below.is_empty()) {
                    members.shift_remove(name);
                }
            }
        }
        Value::Array(items) => {
            let list = shape.list();
            let keys = if let ListKind::Keyed(keys) = &list { keys.as_slice() } else { &[] };
            items.retain_mut(|item| {
                let Some(step) = list.step(item) else { return true };
                let Some(below) = set.below.get(&step) else { return true };
                let others = others.at(&step).unwrap_or(&nothing);
                if below.is_owned && others.is_empty() {
                    return false;
                }
                remove(item, below, others, shape.item(), keys);
                true
            });
        }
        _ => {}
    }
}

fn spoken(step: &str) -> String {
    match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("v", value)) => format!("[={value}]"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        _ => step.to_owned(),
    }
}
