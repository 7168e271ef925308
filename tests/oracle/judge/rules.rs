//! The judge's rules about one call, given those before it: what is wrong with it, in words, or nothing.

use super::{End, Handler, Object, Told, Write};
use crate::log::{Answer, Call, Place};

/// What is wrong with a call after the one before it; both may be of different objects of one name. With a kill between them a state may have been on disk as
/// handed over and never told: then coming back to the one before is news, and so is the end.
pub(super) fn out_of_order(handler: &Handler, last: &Told, call: &Call, killed: bool) -> Option<String> {
    let unseen = killed && call.version > last.call.version;
    let same = last.call.uid == call.uid;
    let knows = last.end == End::Acknowledged && same;
    // Its answer to the last call. By which change it then comes is another matter: what a kill cut off comes as `updated`.
    let asked = last.call.is_ending() || last.answer == Some(Answer::Again);
    let view = |call: &Call| handler.view(&call.state, &call.seen);
    let wrong = if last.end == End::UnderWay {
        "it was called while a call for the same object was under way"
    } else if call.version < last.call.version {
        "it was told an older state than before"
    } else if !same && !last.has_ended() {
        "it was told of the next object of this name before it acknowledged the end of the last"
    } else if last.end == End::GaveUp && same && !killed && !call.is_ending() && view(&last.call) == view(call) {
        "it was told again what had been given up"
    } else if knows && last.call.change == "deleted" {
        "it was told of an object whose deletion it had acknowledged"
    } else if knows
        && last.call.change == "left"
        && !(call.is_ending() && unseen)
        && !matches!(call.change.as_str(), "added" | "initial")
    {
        "it was told of an object that it had acknowledged as left, and not that it came back"
    } else if knows && !asked && !unseen && !call.is_ending() && view(&last.call) == view(call) {
        "it was told a state that it had acknowledged"
    } else {
        return None;
    };
    Some(format!("{wrong}: {} at {}", call.change, call.version))
}

/// What is wrong with a call's number: failures are counted over kills, until the handler answers. A failure that the world is to blame for does not count,
/// and one that a kill cut off may not have been counted.
pub(super) fn miscounted(last: Option<&Told>, call: &Call) -> Option<String> {
    let last = last.filter(|last| last.call.uid == call.uid && last.call.is_ending() == call.is_ending());
    let (number, before) = (call.attempt, last.map_or(0, |last| last.call.attempt));
    let fits = match last.map(|last| (last.end, last.is_answered())) {
        None | Some((End::Acknowledged | End::Redriven, _)) => number == 1,
        // It may have been answered, or not counted.
        Some((End::CutOff, true)) => [1, before, before + 1].contains(&number),
        Some((End::Failed | End::CutOff | End::UnderWay, _)) => [before, before + 1].contains(&number),
        // If that was on disk.
        Some((End::GaveUp, _)) => [1, before, before + 1].contains(&number),
    };
    (!fits).then(|| format!("it was told as attempt {number} after {before}: {} at {}", call.change, call.version))
}

/// What is wrong with the previous state that is handed over: it has to be what was acknowledged last, or may have been.
pub(super) fn another_previous(handler: &Handler, told: &[Told], call: &Call) -> Option<String> {
    if !handler.previous {
        return None;
    }
    let of_it = told.iter().rev().take_while(|last| last.call.uid == call.uid).filter(|last| last.is_answered());
    for last in of_it {
        let state = (!last.call.is_ending()).then_some(&last.call.state);
        if call.previous.as_ref() == state {
            return None;
        }
        if last.end == End::Acknowledged {
            return Some(format!("its previous state was {:?}, and not {state:?}", call.previous));
        }
    }
    call.previous.as_ref().map(|state| format!("it had a previous state, {state}, and had acknowledged none"))
}

/// What is wrong with a call, knowing the object's whole history.
pub(super) fn at_odds(
    handler: &Handler,
    object: &Object,
    place: &Place,
    before: &[Told],
    told: &Told,
) -> Option<String> {
    let call = &told.call;
    if object.key != place.key {
        return Some(format!("it was told of {} by the name {}", object.key, place.key));
    }
    let Some(last) = before.iter().rfind(|last| last.call.uid == call.uid) else {
        return match call.change.as_str() {
            "added" => None,
            "initial" if object.late => {
                Some("a new object was told as `initial`, as if the first list had not been worked off".to_owned())
            }
            "initial" => None,
            // A kill may come when the call is on disk, and before the call.
            "deleted" | "left" if told.life > object.life => None,
            other => Some(format!("the first that it was told of an object was `{other}`")),
        };
    };
    let knew = object.writes.last().map(|write| &write.state);
    if call.change == "deleted" && !call.unknown && !handler.selects && Some(&call.state) != knew {
        return Some(format!("it was told a deletion with the state {}, which was not the last", call.state));
    }
    let since: Vec<&Write> =
        object.writes.iter().filter(|write| (last.call.version + 1..=call.version).contains(&write.version)).collect();
    let knows = last.end == End::Acknowledged && !last.call.is_ending() && !call.is_ending();
    let asked = last.answer == Some(Answer::Again);
    let same = |write: &&Write| write.state == call.state && (write.chosen || !handler.selects);
    if knows && handler.state_only && !asked && last.call.state == call.state && since.iter().all(same) {
        let at = format!("{} at {}", call.change, call.version);
        return Some(format!("it was told a state that it had acknowledged, and that had not changed since: {at}"));
    }
    if knows && last.marks && !asked && since.is_empty() {
        return Some(format!("it was woken by its own write: {} at {}", call.change, call.version));
    }
    None
}
