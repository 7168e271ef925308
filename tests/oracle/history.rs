//! The random histories: what happens to thirty ConfigMaps, decided by a seed.
//!
//! Promises: the same seed and the same objects give the same steps, whatever weir does meanwhile; every step is one that the API takes. There are states that come
//! back (A, B, A), bursts on one object, moves in and out of the selector, recreation under the same name, and deletions that wait for a finalizer.

use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use std::time::Duration;

/// The namespaces.
pub(crate) const NAMESPACES: [&str; 2] = ["oracle-a", "oracle-b"];
/// How many names there are in each.
const NAMES: usize = 15;
/// The label that a selector asks for: [`CHOSEN`] is `oracle=in`.
const LABEL: &str = "oracle";
/// What the selecting handler selects.
pub(crate) const CHOSEN: &str = "oracle=in";
/// What holds an object that is deleted.
const FINALIZER: &str = "oracle.weir.dev/hold";
/// States that come back.
const FEW: [&str; 3] = ["a", "b", "c"];

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Write {
    /// At the collection.
    Create(Value),
    /// A merge patch.
    Merge(Value),
    Delete,
}

/// What is done next.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Which object: its index.
    pub(crate) object: usize,
    pub(crate) write: Write,
    /// How long to wait afterwards.
    pub(crate) pause: Duration,
}

/// The objects as the history left them.
#[derive(Debug)]
pub(crate) struct History {
    /// None: there is none of this name.
    objects: Vec<Option<Object>>,
    /// How many states there were, so that a new one is new.
    states: u64,
    /// What follows of what was begun, the next one last.
    begun: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Object {
    state: String,
    chosen: bool,
    held: bool,
    deleting: bool,
}

/// `NAMESPACE/NAME` of an object.
pub(crate) fn key(object: usize) -> String {
    format!("{}/m{}", NAMESPACES[object / NAMES], object % NAMES)
}

/// The path of an object, or of its collection.
pub(crate) fn path(object: usize, whole: bool) -> String {
    let collection = format!("/api/v1/namespaces/{}/configmaps", NAMESPACES[object / NAMES]);
    if whole { collection } else { format!("{collection}/m{}", object % NAMES) }
}

impl History {
    /// Nothing has happened yet.
    pub(crate) fn new() -> History {
        History { objects: vec![None; NAMES * NAMESPACES.len()], states: 0, begun: Vec::new() }
    }

    /// The next step.
    pub(crate) fn next(&mut self, random: &mut StdRng) -> Step {
        if let Some(step) = self.begun.pop() {
            return step;
        }
        let object = random.random_range(0..self.objects.len());
        let steps = self.begin(object, random);
        self.begun = steps.into_iter().rev().collect();
        let pause = Duration::from_millis(random.random_range(0..16));
        let step = self.begun.pop();
        // `begin` gives at least one.
        let step = step.unwrap_or(Step { object, write: Write::Delete, pause });
        if self.begun.is_empty() { Step { pause, ..step } } else { step }
    }

    /// Steps on one object that belong together, without a pause between them.
    fn begin(&mut self, object: usize, random: &mut StdRng) -> Vec<Step> {
        let is = self.objects[object].clone();
        let kind = random.random_range(0..100);
        let writes = match is {
            None => vec![self.create(object, random)],
            Some(is) if is.deleting => vec![if kind < 60 { self.let_go(object) } else { self.change(object, random) }],
            // A, B, A, so quickly that B may not be seen.
            Some(is) if kind < 15 => {
                let (before, chosen) = (is.state, is.chosen);
                let there = self.change(object, random);
                vec![there, self.become_so(object, before, chosen)]
            }
            // The same with the selector.
            Some(is) if kind < 22 => {
                let out = self.become_so(object, is.state.clone(), !is.chosen);
                vec![out, self.become_so(object, is.state, is.chosen)]
            }
            Some(_) if kind < 50 => vec![self.change(object, random)],
            Some(is) if kind < 65 => vec![self.become_so(object, is.state, !is.chosen)],
            Some(_) if kind < 72 => (0..random.random_range(4..12)).map(|_| self.change(object, random)).collect(),
            Some(is) if kind < 82 && !is.held => {
                self.objects[object] = None;
                vec![Write::Delete, self.create(object, random)]
            }
            Some(_) => vec![self.delete(object)],
        };
        writes.into_iter().map(|write| Step { object, write, pause: Duration::ZERO }).collect()
    }

    fn state(&mut self, random: &mut StdRng) -> String {
        if random.random_ratio(3, 5) {
            return FEW[random.random_range(0..FEW.len())].to_owned();
        }
        self.states += 1;
        format!("s{}", self.states)
    }

    fn create(&mut self, object: usize, random: &mut StdRng) -> Write {
        let (state, chosen, held) = (self.state(random), random.random_ratio(2, 3), random.random_ratio(1, 6));
        let created = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("m{}", object % NAMES),
                "labels": { LABEL: said(chosen) },
                "finalizers": if held { json!([FINALIZER]) } else { json!([]) },
            },
            "data": { "state": state },
        });
        self.objects[object] = Some(Object { state, chosen, held, deleting: false });
        Write::Create(created)
    }

    /// Another state; now and then another label with it.
    fn change(&mut self, object: usize, random: &mut StdRng) -> Write {
        let state = self.state(random);
        let chosen = self.objects[object].as_ref().is_some_and(|is| is.chosen);
        self.become_so(object, state, chosen ^ random.random_ratio(1, 10))
    }

    fn become_so(&mut self, object: usize, state: String, chosen: bool) -> Write {
        let patch = json!({ "metadata": { "labels": { LABEL: said(chosen) } }, "data": { "state": state } });
        if let Some(is) = &mut self.objects[object] {
            (is.state, is.chosen) = (state, chosen);
        }
        Write::Merge(patch)
    }

    fn delete(&mut self, object: usize) -> Write {
        match &mut self.objects[object] {
            Some(is) if is.held => is.deleting = true,
            gone => *gone = None,
        }
        Write::Delete
    }

    /// Removes the finalizer of an object that is being deleted: it goes.
    fn let_go(&mut self, object: usize) -> Write {
        self.objects[object] = None;
        Write::Merge(json!({ "metadata": { "finalizers": null } }))
    }
}

fn said(chosen: bool) -> &'static str {
    if chosen { "in" } else { "out" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn steps(seed: u64) -> Vec<Step> {
        let (mut history, mut random) = (History::new(), StdRng::seed_from_u64(seed));
        (0..2000).map(|_| history.next(&mut random)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_history_again() {
        let written = |seed| steps(seed).into_iter().map(|step| (step.object, step.write)).collect::<Vec<_>>();
        assert_eq!(written(7), written(7));
        assert_ne!(written(7), written(8));
    }

    #[test]
    fn a_history_returns_to_earlier_states_moves_in_and_out_recreates_and_waits_for_finalizers() {
        let steps = steps(1);
        let after = |wanted: &dyn Fn(&[&Write]) -> bool| {
            (0..NAMES * 2).any(|object| {
                let writes: Vec<&Write> = steps.iter().filter(|it| it.object == object).map(|it| &it.write).collect();
                writes.windows(3).any(wanted)
            })
        };
        let (state, label) = ("/data/state", "/metadata/labels/oracle");
        let merged = |write: &Write, pointer: &str| match write {
            Write::Merge(patch) => patch.pointer(pointer).cloned(),
            _ => None,
        };
        let there_and_back = |pointer: &'static str| {
            move |it: &[&Write]| {
                let values = [0, 1, 2].map(|at| merged(it[at], pointer));
                values[0].is_some() && values[1].is_some() && values[0] == values[2] && values[0] != values[1]
            }
        };
        assert!(after(&there_and_back(state)));
        assert!(after(&there_and_back(label)));
        assert!(after(&|it| matches!(it, [Write::Delete, Write::Create(_), _])));
        assert!(after(&|it| matches!(it, [Write::Delete, Write::Merge(_), Write::Create(_)])));
    }
}
