use super::*;
use Change::{Added, Deleted, Initial, Left, Related, Requeued, Resync, Updated};
use Next::{Acknowledge, Call, Nothing};
use Standing::{Acked, GaveUp, Open};

const A: Fingerprint = Fingerprint(1);
const B: Fingerprint = Fingerprint(2);

fn all() -> BTreeSet<Change> {
    [Initial, Added, Updated, Related, Change::Finalizing, Left, Deleted, Resync, Requeued].into()
}

fn none() -> BTreeSet<Change> {
    BTreeSet::new()
}

/// uid 1 was handed over in state A.
fn entry(outcome: Standing) -> Entry {
    Entry {
        uid: "1".into(),
        resource_version: "10".into(),
        fingerprint: A,
        outcome,
        change: Updated,
        first: None,
        attempts: 0,
        timer: None,
        counter: 0,
        rescoped: false,
        projection: Text::default(),
        acknowledged: None,
    }
}

fn here(uid: &str, fingerprint: Fingerprint) -> Sight<'_> {
    Sight::Here { uid, fingerprint, in_first_list: false }
}

fn listed(uid: &str) -> Sight<'_> {
    Sight::Here { uid, fingerprint: A, in_first_list: true }
}

fn because(timer: bool, resync: bool, related: bool) -> Reasons {
    Reasons { changed: true, timer, resync, related }
}

fn first(first: First) -> Entry {
    let change = if first == First::Initial { Initial } else { Added };
    Entry { first: Some(first), change, ..entry(Open) }
}

fn after(change: Change, outcome: Standing) -> Entry {
    Entry { change, ..entry(outcome) }
}

#[test]
fn every_cell_of_the_table_says_what_the_design_says() {
    let plain = Reasons::CHANGED;
    let (open, acked, gave_up) = (entry(Open), entry(Acked), entry(GaveUp));
    let (initial, added) = (first(First::Initial), first(First::Added));
    let (left_failed, deleted_failed) = (after(Left, Open), after(Deleted, Open));
    type Row<'a> = (&'a str, Sight<'a>, Option<&'a Entry>, Reasons, Next);
    let rows: &[Row<'_>] = &[
        ("none, none", Sight::Gone, None, plain, Nothing),
        ("outside, none", Sight::Outside, None, plain, Nothing),
        ("first list, none", listed("1"), None, plain, Call(Initial)),
        ("later, none", here("1", A), None, plain, Call(Added)),
        ("later, none, also a timer", here("1", A), None, because(true, true, true), Call(Added)),
        ("open, never acknowledged, first list", here("1", A), Some(&initial), plain, Call(Initial)),
        ("open, never acknowledged, changed since", here("1", B), Some(&initial), plain, Call(Initial)),
        ("open, never acknowledged, added", here("1", B), Some(&added), plain, Call(Added)),
        ("open, was acknowledged, same", here("1", A), Some(&open), plain, Call(Updated)),
        ("open, was acknowledged, other", here("1", B), Some(&open), plain, Call(Updated)),
        ("open, its failed resync", here("1", A), Some(&open), because(false, true, false), Call(Updated)),
        ("acked, other", here("1", B), Some(&acked), plain, Call(Updated)),
        ("acked, other, and a timer", here("1", B), Some(&acked), because(true, true, true), Call(Updated)),
        ("gave up, other", here("1", B), Some(&gave_up), plain, Call(Updated)),
        ("acked, same", here("1", A), Some(&acked), plain, Nothing),
        ("acked, same, no reason at all", here("1", A), Some(&acked), Reasons::default(), Nothing),
        ("acked, same, related", here("1", A), Some(&acked), because(true, true, true), Call(Related)),
        ("acked, same, timer", here("1", A), Some(&acked), because(true, true, false), Call(Requeued)),
        ("acked, same, resync", here("1", A), Some(&acked), because(false, true, false), Call(Resync)),
        ("gave up, same", here("1", A), Some(&gave_up), plain, Nothing),
        ("gave up, same, timer", here("1", A), Some(&gave_up), because(true, true, true), Nothing),
        ("other uid, open", here("2", A), Some(&open), plain, Call(Deleted)),
        ("other uid, acked", here("2", B), Some(&acked), plain, Call(Deleted)),
        ("other uid, gave up", here("2", B), Some(&gave_up), plain, Call(Deleted)),
        ("other uid, never acknowledged", listed("2"), Some(&initial), plain, Call(Deleted)),
        ("gone, open", Sight::Gone, Some(&open), plain, Call(Deleted)),
        ("gone, acked", Sight::Gone, Some(&acked), plain, Call(Deleted)),
        ("gone, gave up", Sight::Gone, Some(&gave_up), plain, Call(Deleted)),
        ("gone, never acknowledged", Sight::Gone, Some(&initial), because(true, true, true), Call(Deleted)),
        ("gone after a failed left", Sight::Gone, Some(&left_failed), plain, Call(Deleted)),
        ("outside, open", Sight::Outside, Some(&open), plain, Call(Left)),
        ("outside, acked", Sight::Outside, Some(&acked), plain, Call(Left)),
        ("outside, gave up", Sight::Outside, Some(&gave_up), plain, Call(Left)),
        ("outside again after a failed left", Sight::Outside, Some(&left_failed), plain, Call(Left)),
        ("back after a failed left", here("1", A), Some(&left_failed), plain, Call(Updated)),
        ("back after a failed deleted", here("1", A), Some(&deleted_failed), plain, Call(Updated)),
    ];
    for (name, sight, entry, reasons, expected) in rows {
        assert_eq!(next(*sight, *entry, *reasons, &all()), *expected, "{name}");
    }
}

#[test]
fn every_change_left_out_is_acknowledged_without_a_call() {
    let (open, acked, initial) = (entry(Open), entry(Acked), first(First::Initial));
    for (sight, entry, expected) in [
        (listed("1"), None, Acknowledge(Initial)),
        (here("1", A), None, Acknowledge(Added)),
        (here("1", A), Some(&initial), Acknowledge(Initial)),
        (here("1", A), Some(&open), Acknowledge(Updated)),
        (here("1", B), Some(&acked), Acknowledge(Updated)),
        (here("2", A), Some(&acked), Acknowledge(Deleted)),
        (Sight::Gone, Some(&acked), Acknowledge(Deleted)),
        (Sight::Outside, Some(&acked), Acknowledge(Left)),
    ] {
        assert_eq!(next(sight, entry, because(true, true, true), &none()), expected);
    }
    assert_eq!(next(here("1", A), Some(&acked), because(true, true, true), &none()), Nothing);
}

#[test]
fn when_a_change_is_left_out_the_next_reason_that_holds_is_taken() {
    let acked = entry(Acked);
    for (wanted, expected) in [
        ([Related, Requeued, Resync].into(), Call(Related)),
        ([Requeued, Resync].into(), Call(Requeued)),
        ([Resync].into(), Call(Resync)),
        ([Deleted].into(), Acknowledge(Updated)),
    ] {
        assert_eq!(next(here("1", B), Some(&acked), because(true, true, true), &wanted), expected);
    }
    assert_eq!(next(here("1", A), Some(&acked), because(true, true, false), &[Resync].into()), Call(Resync));
    assert_eq!(next(here("1", A), None, because(false, true, false), &[Resync].into()), Call(Resync));
}

#[test]
fn a_resync_that_was_cut_off_is_owed_to_a_handler_that_wants_no_updates() {
    // After a restart the reasons are gone; the entry still says what was open.
    let cut_off = after(Resync, Open);
    assert_eq!(next(here("1", A), Some(&cut_off), Reasons::default(), &[Resync].into()), Call(Resync));
    let left = after(Left, Open);
    assert_eq!(next(here("1", A), Some(&left), Reasons::default(), &[Left].into()), Acknowledge(Updated));
}

#[test]
fn attempts_count_per_uid_and_per_kind_of_ending() {
    let failed = Entry { attempts: 3, ..entry(Open) };
    assert_eq!(attempt(None, "1", Added), 1);
    assert_eq!(attempt(Some(&failed), "1", Updated), 4);
    assert_eq!(attempt(Some(&failed), "1", Deleted), 1, "a deletion starts anew");
    assert_eq!(attempt(Some(&failed), "2", Added), 1, "another object starts anew");
    assert_eq!(attempt(Some(&Entry { attempts: 3, ..after(Left, Open) }), "1", Deleted), 4, "both are endings");
    assert_eq!(attempt(Some(&Entry { attempts: 3, ..after(Left, Open) }), "1", Updated), 1);
    assert_eq!(attempt(Some(&Entry { attempts: 3, ..entry(GaveUp) }), "1", Updated), 1, "giving up ends the count");
}

#[test]
fn the_first_change_is_repeated_until_it_is_acknowledged() {
    let handed = |fingerprint| Handed {
        uid: "1".into(),
        resource_version: "10".into(),
        fingerprint,
        projection: Text::from("{}".to_owned()),
    };
    let opened_once = opened(None, handed(A), Initial);
    let failed = Entry { attempts: 1, ..opened_once };
    assert_eq!(next(here("1", B), Some(&failed), Reasons::CHANGED, &all()), Call(Initial));
    let again = opened(Some(&failed), handed(B), Initial);
    assert_eq!((again.attempts, again.outcome), (1, Open));
    let acked = acknowledged(&again, handed(B), true);
    assert_eq!((acked.counter, acked.attempts, acked.first), (1, 0, None));
    assert_eq!(acked.acknowledged, Some(Text::from("{}".to_owned())));
    assert_eq!(next(here("1", B), Some(&acked), Reasons::CHANGED, &all()), Nothing);
    assert_eq!(next(here("1", A), Some(&acked), Reasons::CHANGED, &all()), Call(Updated), "A, B, A is seen");
}

#[test]
fn a_state_handed_over_and_failed_is_compared_even_if_an_earlier_one_returns() {
    // Acknowledged A, handed over B, which failed; A again: the handler may have acted on B, so it is called.
    let acked_a = entry(Acked);
    let handed = Handed { uid: "1".into(), resource_version: "11".into(), fingerprint: B, projection: Text::default() };
    let open_b = opened(Some(&acked_a), handed, Updated);
    assert_eq!(next(here("1", A), Some(&open_b), Reasons::CHANGED, &all()), Call(Updated));
    let gave_up_b = Entry { outcome: GaveUp, ..open_b };
    assert_eq!(next(here("1", A), Some(&gave_up_b), Reasons::CHANGED, &all()), Call(Updated));
}

#[test]
fn previous_is_what_was_acknowledged_not_what_was_handed_over() {
    let acked = Entry { acknowledged: Some(Text::from("old".to_owned())), ..entry(Acked) };
    let handed = Handed {
        uid: "1".into(),
        resource_version: "11".into(),
        fingerprint: B,
        projection: Text::from("new".to_owned()),
    };
    let open = opened(Some(&acked), handed.clone(), Updated);
    assert_eq!(open.acknowledged, Some(Text::from("old".to_owned())));
    let other_uid = opened(Some(&acked), Handed { uid: "2".into(), ..handed }, Added);
    assert_eq!(other_uid.acknowledged, None, "another object has no past");
}
