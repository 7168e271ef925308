//! What is missing when all should be quiet.

use super::*;
use crate::log::MARK;

#[test]
fn a_last_state_that_was_not_told_or_not_answered_is_missing() {
    let mut log = Forged::new("whole");
    let there = live("one", "b", false);
    assert!(log.missing(&there).contains("never told"));
    log.told("initial", "one", 1, "b").told("updated", "one", 2, "a");
    assert!(log.missing(&there).contains("not told the last state"));
    log.begins("updated", "one", 3, "b");
    assert!(log.missing(&there).contains("did not end well"));
    log.killed();
    assert!(log.missing(&there).contains("did not end well"), "it was cut off before it answered");
    log.begins("updated", "one", 3, "b").ends("one", Answer::Done, false).killed();
    assert_eq!(log.missing(&there), "", "it was cut off when it had answered");
    log.told("updated", "one", 3, "b");
    assert_eq!(log.missing(&there), "");
}

#[test]
fn a_timer_or_an_action_that_was_lost_is_missing() {
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").ends("one", Answer::Again, false).acknowledged("one");
    assert!(log.missing(&live("one", "a", false)).contains("asked to be called again"));
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").ends("one", Answer::Done, true).acknowledged("one");
    let mut there = live("one", "a", false);
    assert!(log.missing(&there).contains("counts as carried out"));
    there[0].seen = format!("a {MARK}=a");
    assert_eq!(log.missing(&there), "");
}

#[test]
fn an_end_that_was_not_told_is_missing() {
    let mut log = Forged::new("whole");
    log.told("initial", "one", 1, "a");
    assert!(log.missing(&[]).contains("is gone"));
    assert!(log.missing(&live("two", "a", false)).contains("not told of the object two"));
    log.begins("deleted", "one", 2, "a").fails();
    assert!(log.missing(&[]).contains("is gone"));
    log.told("deleted", "one", 2, "a");
    assert_eq!(log.missing(&[]), "");
    let mut log = Forged::new("chosen");
    log.told("added", "one", 1, "a");
    // The other handler, which selects nothing, comes first otherwise.
    log.handler = "whole";
    log.told("added", "one", 1, "a");
    assert!(log.missing(&live("one", "a", false)).contains("left"));
    log.handler = "chosen";
    log.told("left", "one", 2, "a");
    assert_eq!(log.missing(&live("one", "a", false)), "");
}

#[test]
fn an_account_that_does_not_agree_is_seen() {
    let mut log = Forged::new("whole");
    log.told("initial", "one", 1, "a");
    let there = live("one", "a", false);
    assert_eq!(log.missing(&there), "");
    for (pointer, value) in [
        ("/queue/high", 1),
        ("/queue/delayed", 1),
        ("/queue/claimed", 1),
        ("/ledger/open", 1),
        ("/ledger/acknowledged", 0),
        ("/ledger/acknowledged", 2),
        ("/ledger/givenUp", 1),
        ("/deadLetters", 1),
    ] {
        let wrong = |status: &mut Value| *status["handlers"][0].pointer_mut(pointer).unwrap() = value.into();
        assert!(log.missing_with(&there, wrong).contains(pointer), "{pointer}");
    }
    let trouble = |status: &mut Value| status["state"]["trouble"] = json!({ "error": "full" });
    assert!(log.missing_with(&there, trouble).contains("trouble"));
}
