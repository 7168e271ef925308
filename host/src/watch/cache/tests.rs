use super::*;
use crate::watch::testing::pod;

const US: &[SubscriptionId] = &[1, 2];

fn cache() -> Cache {
    Cache::new(100)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("n"), name)
}

fn uids(delta: Option<&Delta>) -> (Option<&str>, Option<&str>) {
    delta.map_or((None, None), |delta| (delta.before.as_ref().map(Object::uid), delta.now.as_ref().map(Object::uid)))
}

#[test]
fn an_older_state_or_the_same_one_changes_nothing() {
    let mut cache = cache();
    assert!(cache.upsert(pod("a", "u", 5), US, false).is_some());
    assert!(cache.upsert(pod("a", "u", 5), US, false).is_none());
    assert!(cache.upsert(pod("a", "u", 4), US, false).is_none());
    assert!(cache.upsert(pod("a", "before", 4), US, false).is_none(), "also not under another uid");
    assert!(cache.remove(pod("a", "u", 4), US).is_none());
    assert_eq!(cache.get(&key("a")).unwrap().resource_version(), "5");
    assert!(cache.upsert(pod("a", "u", 10), US, false).is_some());
}

#[test]
fn another_uid_under_a_name_is_one_change_with_a_tombstone() {
    let mut cache = cache();
    cache.upsert(pod("a", "one", 5), US, false);
    let delta = cache.upsert(pod("a", "two", 6), US, false);
    assert_eq!(uids(delta.as_ref()), (Some("one"), Some("two")));
    assert_eq!(cache.last_known(&key("a"), "one").unwrap().resource_version(), "5");
    assert!(cache.last_known(&key("a"), "two").is_none());
}

#[test]
fn a_tombstone_has_the_last_state_and_stays_until_all_were_told() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 5), US, false);
    let delta = cache.remove(pod("a", "u", 7), US).unwrap();
    assert_eq!(delta.before.unwrap().resource_version(), "5");
    assert_eq!(cache.last_known(&key("a"), "u").unwrap().resource_version(), "7");
    cache.release(&key("a"), "u", 1);
    cache.release(&key("a"), "other", 2);
    assert_eq!(cache.tombstones(), 1);
    cache.release(&key("a"), "u", 2);
    assert_eq!(cache.tombstones(), 0);
}

#[test]
fn what_nobody_is_owed_leaves_no_tombstone() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 5), &[], false);
    assert!(cache.remove(pod("a", "u", 7), &[]).is_some());
    cache.upsert(pod("b", "u", 5), US, false);
    cache.remove(pod("b", "u", 7), US);
    cache.release_all(1);
    assert_eq!(cache.tombstones(), 1);
    cache.release_all(2);
    assert_eq!(cache.tombstones(), 0);
}

#[test]
fn an_event_from_before_the_deletion_does_not_bring_an_object_back() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 5), US, false);
    cache.remove(pod("a", "u", 7), US);
    assert!(cache.upsert(pod("a", "u", 6), US, false).is_none());
    assert!(cache.get(&key("a")).is_none());
    // It had only left the selectors.
    assert!(cache.upsert(pod("a", "u", 8), US, false).is_some());
    assert_eq!(cache.tombstones(), 0);
}

#[test]
fn the_deletion_of_a_later_life_ends_the_one_that_is_known() {
    let mut cache = cache();
    cache.upsert(pod("a", "one", 5), US, false);
    assert!(cache.remove(pod("a", "two", 9), US).is_some());
    assert_eq!(cache.last_known(&key("a"), "one").unwrap().resource_version(), "5");
    cache.upsert(pod("a", "three", 12), US, false);
    assert!(cache.remove(pod("a", "two", 9), US).is_none(), "an old deletion does not end a later life");
}

#[test]
fn beyond_the_bound_the_oldest_tombstones_are_forgotten() {
    let mut cache = Cache::new(3);
    for n in 0..10_u64 {
        let name = format!("p{n}");
        cache.upsert(pod(&name, "u", n + 1), US, false);
        cache.remove(pod(&name, "u", n + 100), US);
    }
    assert_eq!(cache.tombstones(), 3);
    assert!(cache.last_known(&key("p6"), "u").is_none());
    assert!(cache.last_known(&key("p7"), "u").is_some());
    assert!(cache.buried.len() <= 6);
}

#[test]
fn a_complete_list_takes_out_what_it_lacks_and_nothing_that_came_after_it() {
    let mut cache = cache();
    cache.upsert(pod("stays", "u", 1), US, false);
    cache.upsert(pod("gone", "u", 2), US, false);
    cache.upsert(pod("later", "u", 50), US, false);
    let listed = HashSet::from([key("stays")]);
    let deltas = cache.complete(&listed, "40", US, false);
    assert_eq!(deltas.len(), 1);
    assert_eq!(deltas[0].key, key("gone"));
    assert!(deltas[0].now.is_none());
    assert!(cache.get(&key("later")).is_some());
    // The API itself went back: what it lacks is gone, whatever its number.
    assert_eq!(cache.complete(&listed, "40", US, true).len(), 1);
}

#[test]
fn what_a_get_answered_counts_only_if_the_watch_has_not_passed_it() {
    let mut cache = cache();
    cache.advance("10");
    assert!(cache.feed(pod("a", "u", 9), US).is_none(), "the watch knows that it is gone by 10");
    assert!(cache.feed(pod("a", "u", 11), US).is_some());
    assert!(cache.reached(&key("a"), "11"));
    assert!(!cache.reached(&key("b"), "11"), "one object says nothing of the others");
}

#[test]
fn reached_by_object_or_by_bookmark_and_never_by_what_cannot_be_compared() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 7), US, false);
    assert!(cache.reached(&key("a"), "7") && cache.reached(&key("a"), "6") && !cache.reached(&key("a"), "8"));
    cache.advance("8");
    cache.advance("3");
    assert!(cache.reached(&key("a"), "8") && cache.reached(&key("z"), "8"));
    assert!(!cache.reached(&key("a"), "opaque"));
}

#[test]
fn an_object_keeps_its_birth_through_changes_and_gets_a_new_one_with_a_new_uid() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 1), US, false);
    let first = cache.births();
    cache.upsert(pod("a", "u", 2), US, false);
    assert!(cache.born_by(&key("a"), first));
    cache.upsert(pod("a", "v", 3), US, false);
    assert!(!cache.born_by(&key("a"), first));
}

#[test]
fn bytes_are_those_of_the_objects_that_are_there() {
    let mut cache = cache();
    for version in 1..4 {
        cache.upsert(pod("a", "u", version), US, false);
    }
    cache.upsert(pod("a", "v", 4), US, false);
    assert_eq!(cache.bytes(), cache.get(&key("a")).unwrap().weight());
    cache.remove(pod("a", "v", 5), US);
    assert_eq!((cache.bytes(), cache.len()), (0, 0));
}

#[test]
fn who_joins_is_owed_what_the_others_are_still_owed() {
    let mut cache = cache();
    cache.upsert(pod("a", "u", 1), US, false);
    cache.remove(pod("a", "u", 2), US);
    assert_eq!(cache.owe(3).len(), 1);
    cache.release_all(1);
    cache.release_all(2);
    assert!(cache.last_known(&key("a"), "u").is_some());
    cache.release(&key("a"), "u", 3);
    assert!(cache.last_known(&key("a"), "u").is_none());
}

#[test]
fn absence_says_nothing_to_who_knows_a_later_state_than_the_cache() {
    let mut cache = cache();
    assert!(!cache.is_behind(&key("a"), "u", "7"), "there is no list yet to be behind");
    cache.advance("5");
    assert!(cache.is_behind(&key("a"), "u", "7"));
    assert!(!cache.is_behind(&key("a"), "u", "5") && !cache.is_behind(&key("a"), "u", "opaque"));
    // A deletion that was seen is one, also if the cache heard of nothing else since.
    cache.upsert(pod("a", "u", 5), US, false);
    cache.remove(pod("a", "u", 8), US);
    assert!(!cache.is_behind(&key("a"), "u", "7"));
    assert!(cache.is_behind(&key("a"), "other", "7"));
}
