//! What has to be so when nothing happens any more: everything was told, answered and carried out, and weir's own account agrees.

use crate::{
    judge::{End, Handler, Judge, Told, Violation},
    log::{Answer, MARK, Place},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// An object that the API has.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// `NAMESPACE/NAME`.
    pub(crate) key: String,
    pub(crate) uid: String,
    /// `data.state`.
    pub(crate) state: String,
    /// All of it, see the guest's `seen`.
    pub(crate) seen: String,
    /// It is labelled as chosen.
    pub(crate) chosen: bool,
}

/// The first thing that is missing, or that weir's account has wrong.
pub(crate) fn missing(judge: &Judge, live: &[Live], status: &Value) -> Option<Violation> {
    judge.handlers.iter().find_map(|handler| {
        let mine: Vec<&Live> = live.iter().filter(|object| handler.watches(&object.key)).collect();
        let of = |key: &str| Place { handler: handler.name.to_owned(), key: key.to_owned() };
        let last = |place: &Place| judge.told.get(place).and_then(|(told, _)| told.last());
        let told = mine.iter().find_map(|object| {
            let place = of(&object.key);
            let selected = !handler.selects || object.chosen;
            let what = if selected { untold(handler, object, last(&place)) } else { unended(last(&place), "left") };
            what.map(|what| Violation { place: Some(place), what })
        });
        let gone = || {
            let places = judge.told.keys().filter(|place| place.handler == handler.name);
            let mut gone = places.filter(|place| !mine.iter().any(|object| object.key == place.key));
            gone.find_map(|place| {
                unended(last(place), "is gone").map(|what| Violation { place: Some(place.clone()), what })
            })
        };
        let account = || {
            let held: Vec<_> = mine.iter().filter(|object| !handler.selects || object.chosen).collect();
            let given_up = |object: &&&&Live| last(&of(&object.key)).is_some_and(|last| last.end == End::GaveUp);
            let letters: BTreeSet<&str> = held.iter().filter(given_up).map(|object| object.uid.as_str()).collect();
            unaccounted(handler, status, held.len(), &letters).map(|what| Violation { place: None, what })
        };
        told.or_else(gone).or_else(account)
    })
}

/// What a handler has still to be told of an object that there is.
fn untold(handler: &Handler, object: &Live, last: Option<&Told>) -> Option<String> {
    let Some(last) = last else { return Some("it was never told of an object that there is".to_owned()) };
    let mark = format!("{MARK}={}", last.call.state);
    let (told, is) = (
        handler.view(&last.call.state, &unmarked(&last.call.seen)),
        handler.view(&object.state, &unmarked(&object.seen)),
    );
    if last.call.uid != object.uid {
        Some(format!("it was not told of the object {} that there is", object.uid))
    } else if last.call.is_ending() {
        Some("the last that it was told of an object that there is was its end".to_owned())
    } else if told != is || (!last.marks && !handler.state_only && last.call.seen != object.seen) {
        Some(format!("it was not told the last state: `{}`", object.seen))
    } else if !last.is_answered() && last.end != End::GaveUp {
        Some("it was told the last state, but that did not end well".to_owned())
    } else if last.answer == Some(Answer::Again) {
        Some("it asked to be called again, and was not".to_owned())
    } else if last.marks && !object.seen.split(' ').any(|word| word == mark) {
        Some("its answer counts as carried out, but was not".to_owned())
    } else {
        None
    }
}

/// Whether the end of what it was told last is still owed.
fn unended(last: Option<&Told>, why: &str) -> Option<String> {
    let owed = last.is_some_and(|last| !last.has_ended());
    owed.then(|| format!("its object {why}, and it was not told so"))
}

/// What weir's account of a handler has wrong; `held` is how many objects the handler's watch selects, `letters` the uids of those that were given up.
fn unaccounted(handler: &Handler, status: &Value, held: usize, letters: &BTreeSet<&str>) -> Option<String> {
    let lanes = status["handlers"].as_array();
    let Some(lane) = lanes.into_iter().flatten().find(|lane| lane["handler"] == handler.name) else {
        return Some(format!("/status does not know the handler {}", handler.name));
    };
    let wanted = [
        ("/queue/high", 0),
        ("/queue/low", 0),
        ("/queue/delayed", 0),
        ("/queue/claimed", 0),
        ("/ledger/open", 0),
        ("/ledger/givenUp", letters.len()),
        ("/ledger/acknowledged", held - letters.len()),
        ("/deadLetters", letters.len()),
    ];
    let wrong = wanted.iter().find_map(|(pointer, wanted)| {
        let is = lane.pointer(pointer).unwrap_or(&Value::Null);
        (is.as_u64() != Some(*wanted as u64)).then(|| format!("{pointer} is {is}, and not {wanted}"))
    });
    let shown: BTreeSet<&str> =
        lane["dead"].as_array().into_iter().flatten().filter_map(|it| it["uid"].as_str()).collect();
    let others = (shown != *letters).then(|| format!("there are letters about {shown:?}, and not about {letters:?}"));
    let wrong = wrong.or(others);
    let store = &status["state"];
    wrong
        .or_else(|| (!store["trouble"].is_null()).then(|| format!("the state directory is in trouble: {store}")))
        .map(|wrong| format!("{} of the handler {}: {lane}", wrong, handler.name))
}

/// What was seen, without the handlers' marks.
fn unmarked(seen: &str) -> String {
    let words = seen.split(' ').filter(|word| !word.starts_with(MARK));
    words.collect::<Vec<_>>().join(" ")
}
