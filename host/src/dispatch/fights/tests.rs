use super::*;
use crate::action::Field;

const SECOND: Duration = Duration::from_secs(1);

fn target(name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some("n".into()), name: name.into() }
}

/// `who` sets one field of an object; who has to be told of fighting with it.
fn set(fights: &Fights, who: &str, object: &str, field: &str, value: u64, now: Instant) -> Vec<String> {
    let fields = vec![Field { pointer: field.into(), value }];
    let written = Written { target: target(object), fields, more: 0 };
    fights.wrote(&who.into(), &[written], now).into_iter().map(|fight| fight.other.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_third_turn_is_a_fight_and_told_once_a_window() {
    let (fights, now) = (Fights::default(), Instant::now());
    for (who, value) in [("a", 1), ("b", 2), ("a", 1)] {
        assert!(set(&fights, who, "o", "/f", value, now).is_empty(), "not yet");
    }
    assert!(fights.status().is_empty());
    assert_eq!(set(&fights, "b", "o", "/f", 2, now), ["a"]);
    assert!(set(&fights, "a", "o", "/f", 1, now).is_empty(), "told already");
    assert_eq!(set(&fights, "b", "o", "/f", 2, now + FIGHT_WINDOW), ["a"], "the next window");
    let status = fights.status();
    assert_eq!(status[0].handlers, ["a", "b"]);
    assert_eq!((status.len(), status[0].turns, status[0].object.as_str()), (1, 5, "n/o"));
    assert_eq!(status[0].fields, ["/f"]);
}

#[tokio::test(start_paused = true)]
async fn agreeing_handlers_and_one_that_changes_its_own_field_do_not_fight() {
    let (fights, now) = (Fights::default(), Instant::now());
    for round in 0..20 {
        assert!(set(&fights, "a", "o", "/f", round, now).is_empty());
        assert!(set(&fights, "b", "o", "/f", round, now).is_empty(), "the same value");
        assert!(set(&fights, "a", "o", "/own", round, now).is_empty());
        assert!(set(&fights, "a", "o", "/a", 1, now).is_empty());
        assert!(set(&fights, "b", "o", "/b", 2, now).is_empty(), "another field");
        assert!(set(&fights, "a", "p", "/c", 1, now).is_empty());
        assert!(set(&fights, "b", "q", "/c", 2, now).is_empty(), "another object");
    }
    assert!(fights.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn turns_that_are_far_apart_are_no_fight() {
    let (fights, mut now) = (Fights::default(), Instant::now());
    for _ in 0..10 {
        for (who, value) in [("a", 1), ("b", 2)] {
            assert!(set(&fights, who, "o", "/f", value, now).is_empty());
            now += FIGHT_WINDOW / 2;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn three_handlers_are_told_pair_by_pair() {
    let (fights, now) = (Fights::default(), Instant::now());
    let mut told = Vec::new();
    for _ in 0..4 {
        for (who, value) in [("a", 1), ("b", 2), ("c", 3)] {
            told.extend(set(&fights, who, "o", "/f", value, now).into_iter().map(|other| format!("{who} {other}")));
        }
    }
    assert_eq!(told, ["b a", "c b", "a c"]);
}

#[tokio::test(start_paused = true)]
async fn a_fight_that_ended_is_forgotten() {
    let fights = Fights::default();
    for (who, value) in [("a", 1), ("b", 2), ("a", 1), ("b", 2)] {
        set(&fights, who, "o", "/f", value, Instant::now());
    }
    tokio::time::advance(FIGHT_QUIET - SECOND).await;
    assert_eq!(fights.status()[0].age_seconds, FIGHT_QUIET.as_secs() - 1);
    tokio::time::advance(SECOND).await;
    assert!(fights.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fields_and_fights_are_bounded_and_the_oldest_go() {
    let (fights, now) = (Fights::default(), Instant::now());
    for object in 0..=MAX_FIGHTS {
        let at = now + SECOND * u32::try_from(object).unwrap();
        for (who, value) in [("a", 1), ("b", 2), ("a", 1), ("b", 2)] {
            set(&fights, who, &object.to_string(), "/f", value, at);
        }
    }
    let shown = fights.status();
    assert_eq!((shown.len(), fights.forgotten()), (MAX_FIGHTS, 1));
    assert!(shown.iter().all(|fight| fight.object != "n/0"), "the oldest went");
    for field in 0..2 * MAX_WATCHED_FIELDS {
        set(&fights, "a", "o", &format!("/{field}"), 1, now);
        assert!(fights.state().fields.len() <= MAX_WATCHED_FIELDS);
    }
    assert!(fights.forgotten() > 1, "counted");
}
