//! Each violation, forged: the judge has to see it; and beside it what is no violation, which it has to let pass.

use super::*;
use crate::quiet::Live;
use serde_json::{Value, json};

mod missing;

const HANDLERS: &[Handler] =
    &[WHOLE, Handler { name: "chosen", namespace: Some("a"), selects: true, state_only: true, ..WHOLE }];

const WHOLE: Handler =
    Handler { name: "whole", namespace: None, selects: false, state_only: false, previous: false, limit: Some(1) };

/// A log that is forged line by line, about the object `a/m`.
struct Forged {
    judge: Judge,
    handler: &'static str,
}

impl Forged {
    /// With an object `one` that was created, and one `two` that comes after it.
    fn new(handler: &'static str) -> Forged {
        let mut judge = Judge::new(HANDLERS);
        for uid in ["one", "two"] {
            judge.created(uid, "a/m", 0);
        }
        Forged { judge, handler }
    }

    fn place(&self) -> Place {
        Place { handler: self.handler.to_owned(), key: "a/m".to_owned() }
    }

    fn begins(&mut self, change: &str, uid: &str, version: u64, state: &str) -> &mut Forged {
        let call = Call {
            uid: uid.to_owned(),
            version,
            change: change.to_owned(),
            attempt: 1,
            unknown: false,
            state: state.to_owned(),
            seen: state.to_owned(),
            previous: None,
        };
        let place = self.place();
        self.judge.take("t", Line::Begins { place, call });
        self
    }

    fn ends(&mut self, uid: &str, answer: Answer, marks: bool) -> &mut Forged {
        let place = self.place();
        self.judge.take("t", Line::Ends { place, uid: uid.to_owned(), answer, marks });
        self
    }

    /// A call that is answered and acknowledged.
    fn told(&mut self, change: &str, uid: &str, version: u64, state: &str) -> &mut Forged {
        self.begins(change, uid, version, state).ends(uid, Answer::Done, false).acknowledged(uid)
    }

    fn acknowledged(&mut self, uid: &str) -> &mut Forged {
        let place = self.place();
        self.judge.take("t", Line::Acknowledged { place, uid: uid.to_owned() });
        self
    }

    fn fails(&mut self) -> &mut Forged {
        let place = self.place();
        self.judge.take("t", Line::Failed { place, error: String::new() });
        self
    }

    fn gives_up(&mut self) -> &mut Forged {
        let place = self.place();
        self.judge.take("t", Line::GaveUp { place });
        self
    }

    /// Of the call that began last.
    fn attempt(&mut self, attempt: u64) -> &mut Forged {
        self.judge.told.values_mut().next().unwrap().0.last_mut().unwrap().call.attempt = attempt;
        self
    }

    fn killed(&mut self) -> &mut Forged {
        self.judge.ended(true);
        self
    }

    /// Everything found, now that the history is complete.
    fn found(&mut self) -> String {
        self.judge.agree();
        self.judge.found().iter().map(|it| it.what.clone()).collect::<Vec<_>>().join("; ")
    }

    /// What is missing while the API has these.
    fn missing(&mut self, live: &[Live]) -> String {
        self.missing_with(live, |_| {})
    }

    fn missing_with(&mut self, live: &[Live], but: impl Fn(&mut Value)) -> String {
        let mut status = json!({ "handlers": [], "state": { "trouble": null } });
        for handler in HANDLERS {
            let held = live.iter().filter(|it| handler.watches(&it.key) && (!handler.selects || it.chosen)).count();
            status["handlers"].as_array_mut().unwrap().push(json!({
                "handler": handler.name, "deadLetters": 0,
                "queue": { "high": 0, "low": 0, "delayed": 0, "claimed": 0 },
                "ledger": { "open": 0, "givenUp": 0, "acknowledged": held },
            }));
        }
        but(&mut status);
        self.judge.missing(live, &status).map(|it| it.what).unwrap_or_default()
    }
}

fn live(uid: &str, state: &str, chosen: bool) -> Vec<Live> {
    let (key, state) = ("a/m".to_owned(), state.to_owned());
    vec![Live { key, uid: uid.to_owned(), seen: state.clone(), state, chosen }]
}

#[test]
fn a_history_told_as_promised_is_let_pass() {
    let mut log = Forged::new("whole");
    log.told("initial", "one", 1, "a").told("updated", "one", 2, "b").told("updated", "one", 3, "a");
    log.begins("updated", "one", 4, "b").fails().told("updated", "one", 4, "b");
    log.begins("updated", "one", 5, "c").ends("one", Answer::Again, false).acknowledged("one");
    log.told("requeued", "one", 5, "c").told("deleted", "one", 6, "c").told("added", "two", 7, "a");
    log.judge.wrote("one", 5, "c", true);
    assert_eq!(log.found(), "");
    assert_eq!(log.judge.counts.calls, 9);
}

#[test]
fn two_calls_at_once_are_seen() {
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").begins("updated", "one", 2, "b");
    assert!(log.found().contains("while a call for the same object was under way"));
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").killed().begins("initial", "one", 1, "a");
    assert_eq!(log.found(), "", "the first was cut off");
}

#[test]
fn a_state_that_was_acknowledged_is_not_told_again_unless_the_handler_asked() {
    for killed in [false, true] {
        let mut log = Forged::new("whole");
        log.told("initial", "one", 1, "a");
        if killed {
            log.killed();
        }
        log.begins("updated", "one", 1, "a");
        assert!(log.found().contains("a state that it had acknowledged"), "killed: {killed}");
    }
    // Between the two there may have been another, that was on disk as handed over when weir was killed.
    for killed in [false, true] {
        let mut log = Forged::new("whole");
        log.told("initial", "one", 1, "a");
        if killed {
            log.killed();
        } else {
            log.judge.ended(false);
        }
        log.begins("updated", "one", 3, "a");
        assert_eq!(log.found().is_empty(), killed);
    }
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").ends("one", Answer::Again, false).acknowledged("one");
    log.told("requeued", "one", 1, "a");
    assert_eq!(log.found(), "");
    log.told("requeued", "one", 1, "a");
    assert!(log.found().contains("a state that it had acknowledged"), "it asked once");
}

#[test]
fn what_a_kill_cut_off_may_be_told_again() {
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").ends("one", Answer::Done, false).killed();
    log.told("initial", "one", 1, "a");
    assert_eq!(log.found(), "");
    assert_eq!(log.judge.counts.cut_off, 1);
}

#[test]
fn a_state_that_goes_back_is_seen_over_a_restart_too() {
    let mut log = Forged::new("whole");
    log.told("initial", "one", 2, "b").killed().begins("updated", "one", 1, "a");
    assert!(log.found().contains("an older state"));
}

#[test]
fn the_next_of_a_name_comes_only_after_the_end_of_the_last() {
    for (change, answered, wrong) in [("updated", true, true), ("deleted", false, true), ("deleted", true, false)] {
        let mut log = Forged::new("whole");
        log.told("initial", "one", 1, "a").begins(change, "one", 2, "b");
        if answered {
            log.ends("one", Answer::Done, false).acknowledged("one");
        } else {
            log.fails();
        }
        log.begins("added", "two", 3, "a");
        log.judge.wrote("one", 2, "b", true);
        assert_eq!(log.found().contains("before it acknowledged the end"), wrong, "{change} {answered}");
    }
}

#[test]
fn nothing_is_told_after_an_acknowledged_end() {
    let mut log = Forged::new("whole");
    log.told("initial", "one", 1, "a").told("deleted", "one", 2, "a").begins("deleted", "one", 2, "a");
    assert!(log.found().contains("whose deletion it had acknowledged"));
    let mut log = Forged::new("chosen");
    log.told("added", "one", 1, "a").told("left", "one", 2, "a").begins("updated", "one", 3, "b");
    assert!(log.found().contains("not that it came back"));
    let mut log = Forged::new("chosen");
    log.told("added", "one", 1, "a").told("left", "one", 2, "a").told("added", "one", 3, "a");
    assert_eq!(log.found(), "");
}

#[test]
fn an_object_that_never_was_or_by_another_name_is_seen() {
    let mut log = Forged::new("whole");
    log.told("initial", "three", 1, "a");
    assert!(log.found().contains("never was"));
    let mut log = Forged::new("whole");
    log.judge.created("other", "a/n", 0);
    log.told("initial", "other", 1, "a");
    assert!(log.found().contains("by the name a/m"));
}

#[test]
fn the_first_word_of_an_object_is_added_unless_a_kill_took_it() {
    for (change, killed, wrong) in
        [("updated", false, true), ("deleted", false, true), ("deleted", true, false), ("requeued", true, true)]
    {
        let mut log = Forged::new("whole");
        log.judge.wrote("one", 1, "a", true);
        if killed {
            log.killed();
        }
        log.told(change, "one", 1, "a");
        assert_eq!(log.found().contains("the first that it was told"), wrong, "{change} {killed}");
    }
    let mut log = Forged::new("whole");
    log.judge.agree();
    log.judge.created("late", "a/m", 0);
    log.told("initial", "late", 1, "a");
    assert!(log.found().contains("as `initial`"));
}

#[test]
fn a_deletion_carries_the_last_state_or_says_that_it_is_not_known() {
    for unknown in [false, true] {
        let mut log = Forged::new("whole");
        log.told("initial", "one", 1, "a").begins("deleted", "one", 3, "a");
        log.judge.told.values_mut().next().unwrap().0.last_mut().unwrap().call.unknown = unknown;
        log.judge.wrote("one", 2, "b", true);
        assert_eq!(log.found().contains("which was not the last"), !unknown);
    }
}

#[test]
fn a_call_for_nothing_but_the_own_write_is_seen() {
    for others in [false, true] {
        let mut log = Forged::new("whole");
        log.begins("initial", "one", 1, "a").ends("one", Answer::Done, true).acknowledged("one");
        log.begins("updated", "one", 3, "a marked");
        log.judge.wrote("one", if others { 2 } else { 1 }, "a", true);
        assert_eq!(log.found().contains("woken by its own write"), !others);
    }
}

#[test]
fn an_end_that_nobody_reached_and_trouble_are_seen() {
    let mut log = Forged::new("whole");
    log.acknowledged("one");
    assert!(log.found().contains("that was not made"));
    log.begins("initial", "one", 1, "a").ends("one", Answer::Fails, false).acknowledged("one");
    assert!(log.found().contains("did not answer"));
    log.judge.take("t", Line::Trouble { text: "gave up".to_owned() });
    assert_eq!(log.found(), "gave up");
}

#[test]
fn what_is_given_up_too_early_or_told_again_or_has_no_letter_is_seen() {
    for attempt in [1, 2, 3] {
        let mut log = Forged::new("whole");
        log.begins("initial", "one", 1, "a").attempt(attempt).fails().gives_up();
        assert_eq!(log.found().contains("given up after"), attempt != 2);
    }
    for (state, wrong) in [("a", true), ("b", false)] {
        let mut log = Forged::new("whole");
        log.begins("initial", "one", 1, "a").attempt(2).fails().gives_up().begins("updated", "one", 2, state);
        assert_eq!(log.found().contains("what had been given up"), wrong);
    }
    let mut log = Forged::new("whole");
    log.begins("initial", "one", 1, "a").attempt(2).fails().gives_up();
    let there = live("one", "a", false);
    assert!(log.missing(&there).contains("/ledger/givenUp"));
    let uid = std::cell::Cell::new("one");
    let account = |status: &mut Value| {
        let lane = &mut status["handlers"][0];
        lane["ledger"] = json!({ "open": 0, "givenUp": 1, "acknowledged": 0 });
        (lane["deadLetters"], lane["dead"]) = (1.into(), json!([{ "uid": uid.get() }]));
    };
    assert_eq!(log.missing_with(&there, account), "");
    uid.set("two");
    assert!(log.missing_with(&there, account).contains("letters about"));
    uid.set("one");
    log.judge.redriven("whole");
    assert!(log.missing_with(&there, account).contains("did not end well"), "it has to be told again");
}

#[test]
fn a_previous_state_that_was_not_the_last_acknowledged_is_seen() {
    const PREVIOUS: &[Handler] = &[Handler { previous: true, ..WHOLE }];
    for (previous, wrong) in [(None, true), (Some("a"), true), (Some("b"), false), (Some("c"), true)] {
        let mut log = Forged::new("whole");
        log.told("initial", "one", 1, "a").told("updated", "one", 2, "b").begins("updated", "one", 3, "c").fails();
        log.judge.handlers = PREVIOUS;
        let mut call = log.judge.told.values().next().unwrap().0[2].call.clone();
        call.previous = previous.map(str::to_owned);
        let place = log.place();
        log.judge.take("t", Line::Begins { place, call });
        assert_eq!(log.found().contains("previous state"), wrong, "{previous:?}");
    }
}

#[test]
fn a_failure_that_was_forgotten_is_seen_over_a_kill_too() {
    for (killed, number, wrong) in
        [(false, 3, false), (false, 1, true), (true, 3, false), (true, 2, false), (true, 1, true)]
    {
        let mut log = Forged::new("whole");
        log.begins("initial", "one", 1, "a").fails().begins("initial", "one", 1, "a").attempt(2).fails();
        if killed {
            log.killed();
        }
        let place = log.place();
        let mut call = log.judge.told.values().next().unwrap().0[1].call.clone();
        call.attempt = number;
        log.judge.take("t", Line::Begins { place, call });
        assert_eq!(log.found().contains("as attempt"), wrong, "{killed} {number}");
    }
}

#[test]
fn a_change_that_the_handler_cannot_see_is_no_news_to_it_after_a_kill_either() {
    for (state, chosen, wrong) in [("a", true, true), ("b", true, false), ("a", false, false)] {
        let mut log = Forged::new("chosen");
        log.told("added", "one", 1, "a").killed().begins("updated", "one", 3, "a");
        log.judge.wrote("one", 2, state, chosen);
        log.judge.wrote("one", 3, "a", true);
        assert_eq!(log.found().contains("had not changed since"), wrong, "{state} {chosen}");
    }
}
