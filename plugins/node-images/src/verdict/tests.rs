use super::*;
use crate::node::Image;
use weir_sdk::{Action, Severity};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const NOW_TEXT: &str = "2023-11-14T22:13:20Z";

/// A node with a disk of 1000 bytes and one image per entry: tag and size.
fn node(images: &[(&str, u64)]) -> Node {
    let mut node = Node::default();
    let image = |(tag, size): &(&str, u64)| Image {
        names: Some(vec![format!("{tag}@sha256:{tag}"), (*tag).into()]),
        size_bytes: *size,
    };
    node.status.images = Some(images.iter().map(image).collect());
    node.status.capacity.insert("ephemeral-storage".into(), "1000".into());
    node
}

fn record(count: &str, total: &str) -> Record {
    let share = total.parse::<u64>().expect("a number of bytes") / 10;
    Record {
        count: Some(count.into()),
        total_bytes: Some(total.into()),
        percent: Some(share.to_string()),
        changed_at: Some("2020-01-01T00:00:00Z".into()),
        warned_at: None,
    }
}

fn decide_now(record: &Record, node: &Node, before: Option<&Node>) -> Verdict {
    decide(record, node, before, &Settings::default(), NOW)
}

/// Annotations set (none: removed), last one wins.
fn annotations(verdict: &Verdict) -> Vec<(String, Option<String>)> {
    let one = |action: &Action| match action {
        Action::Annotate(entries) => entries.clone(),
        _ => Vec::new(),
    };
    all(verdict).as_slice().iter().flat_map(one).collect()
}

fn notes(verdict: &Verdict) -> Vec<(Severity, String, String)> {
    let one = |action: &Action| match action {
        Action::Emit(note) => Some((note.severity, note.reason.clone(), note.message.clone())),
        _ => None,
    };
    all(verdict).as_slice().iter().filter_map(one).collect()
}

fn all(verdict: &Verdict) -> Actions {
    verdict.clone().actions(Actions::new())
}

fn requests(verdict: &Verdict) -> Vec<HttpRequest> {
    let one = |action: Action| match action {
        Action::Http(request) => Some(request),
        _ => None,
    };
    all(verdict).into_iter().filter_map(one).collect()
}

fn set(key: &str, value: &str) -> (String, Option<String>) {
    (key.into(), Some(value.into()))
}

#[test]
fn a_node_seen_for_the_first_time_is_recorded_and_told_of() {
    let verdict = decide_now(&Record::default(), &node(&[("a", 100), ("b", 50)]), None);
    assert_eq!(
        annotations(&verdict),
        [set(COUNT, "2"), set(TOTAL_BYTES, "150"), set(PERCENT, "15"), set(CHANGED_AT, NOW_TEXT)]
    );
    assert_eq!(notes(&verdict), [(Severity::Normal, "ImagesChanged".into(), "2 images, 150 bytes; added a, b".into())]);
}

#[test]
fn a_node_without_images_is_recorded_silently() {
    let verdict = decide_now(&Record::default(), &node(&[]), None);
    assert_eq!((notes(&verdict), verdict.change.clone()), (vec![], None));
    assert_eq!(
        annotations(&verdict),
        [set(COUNT, "0"), set(TOTAL_BYTES, "0"), set(PERCENT, "0"), set(CHANGED_AT, NOW_TEXT)]
    );
}

#[test]
fn looking_again_at_the_same_node_does_nothing() {
    let same = node(&[("a", 100)]);
    assert_eq!(decide_now(&record("1", "100"), &same, Some(&same)), Verdict::default());
    assert_eq!(decide_now(&record("1", "100"), &same, None), Verdict::default());
}

#[test]
fn what_a_verdict_records_makes_the_next_one_empty() {
    let full = node(&[("a", 900)]);
    let mut recorded = full.clone();
    for (key, value) in annotations(&decide_now(&Record::default(), &full, None)) {
        recorded.metadata.annotations.insert(key, value.expect("nothing to remove yet"));
    }
    assert_eq!(all(&decide_now(&Record::of(&recorded), &recorded, Some(&full))), Actions::new());
}

#[test]
fn a_change_names_what_came_and_went_and_moves_the_time() {
    let (before, after) = (node(&[("a", 100), ("b", 50)]), node(&[("c", 100), ("b", 50)]));
    let verdict = decide_now(&record("2", "150"), &after, Some(&before));
    let change = verdict.change.clone().expect("a became c");
    assert_eq!((change.added, change.removed), (vec!["c".to_owned()], vec!["a".to_owned()]));
    assert_eq!(annotations(&verdict), [set(CHANGED_AT, NOW_TEXT)], "count and size are as they were");
    assert_eq!(notes(&verdict)[0].2, "2 images, 150 bytes; added c; removed a");
}

#[test]
fn an_annotation_that_somebody_removed_is_restored_without_an_event() {
    let same = node(&[("a", 100)]);
    let record = Record { count: None, ..record("1", "100") };
    let verdict = decide_now(&record, &same, Some(&same));
    assert_eq!((annotations(&verdict), notes(&verdict)), (vec![set(COUNT, "1")], vec![]));
}

#[test]
fn a_change_that_nobody_saw_is_told_without_names() {
    let verdict = decide_now(&record("1", "100"), &node(&[("a", 100), ("b", 50)]), None);
    assert_eq!(verdict.change, Some(Difference::default()));
    assert_eq!(notes(&verdict)[0].2, "2 images, 150 bytes");
}

#[test]
fn a_disk_is_full_only_above_the_limit() {
    for (bytes, warns) in [(800, false), (801, true)] {
        let verdict = decide_now(&Record::default(), &node(&[("a", bytes)]), None);
        let warned = notes(&verdict)
            .iter()
            .any(|(severity, reason, _)| (*severity, &**reason) == (Severity::Warning, "ImagesFillDisk"));
        assert_eq!(warned, warns, "{bytes}");
        assert_eq!(annotations(&verdict).contains(&set(WARNED_AT, NOW_TEXT)), warns, "{bytes}");
    }
}

#[test]
fn a_disk_that_stays_full_is_warned_of_again_only_after_the_reminder() {
    let full = node(&[("a", 900)]);
    for (minutes_ago, warns) in [(59, false), (60, true)] {
        let at = Timestamp::from_millis(NOW.as_millis() - minutes_ago * 60_000);
        let record = Record { warned_at: Some(at.to_string()), ..record("1", "900") };
        assert_eq!(!notes(&decide_now(&record, &full, Some(&full))).is_empty(), warns, "{minutes_ago}");
    }
}

#[test]
fn a_disk_with_room_again_takes_the_warning_back() {
    let (full, after) = (node(&[("a", 900)]), node(&[]));
    let record = Record { warned_at: Some(NOW_TEXT.into()), ..record("1", "900") };
    let verdict = decide_now(&record, &after, Some(&full));
    assert!(annotations(&verdict).contains(&(WARNED_AT.into(), None)), "{verdict:?}");
}

#[test]
fn events_come_first_then_pods_then_what_is_so_then_the_chat_and_what_was_told_last() {
    let mut full = node(&[("a", 900)]);
    full.metadata.name = "n1".into();
    let settings = Settings { webhook: "https://chat.example/hook".into(), ..Settings::default() };
    let verdict = decide(&Record::default(), &full, None, &settings, NOW);
    assert!(verdict.is_full);
    let pods = Actions::new().delete(weir_sdk::Deletion::default());
    let order: Vec<String> = verdict.actions(pods).into_iter().map(step).collect();
    assert_eq!(
        order,
        ["ImagesChanged", "ImagesFillDisk", "delete", COUNT, TOTAL_BYTES, PERCENT, CHANGED_AT, "http", WARNED_AT]
    );
}

fn step(action: Action) -> String {
    match action {
        Action::Emit(note) => note.reason,
        Action::Delete(_) => "delete".into(),
        Action::Http(_) => "http".into(),
        Action::Annotate(entries) => entries[0].0.clone(),
        other => panic!("not expected: {other:?}"),
    }
}

#[test]
fn the_chat_is_told_of_a_warning_and_of_nothing_else() {
    let settings = Settings { webhook: "https://chat.example/hook".into(), ..Settings::default() };
    let mut full = node(&[("a", 900)]);
    full.metadata.name = "n1".into();
    let told = requests(&decide(&Record::default(), &full, None, &settings, NOW));
    assert_eq!((told.len(), &*told[0].method, &*told[0].url), (1, "POST", "https://chat.example/hook"));
    assert_eq!(told[0].headers, [("Content-Type".to_owned(), "application/json".to_owned())]);
    assert_eq!(told[0].body, r#"{"text":"node n1: 1 images fill 90 % of 1000 bytes (warning above 80 %): 900 bytes"}"#);
    assert_eq!(requests(&decide(&Record::default(), &node(&[("a", 100)]), None, &settings, NOW)), []);
    let warned = Record { warned_at: Some(NOW_TEXT.into()), ..record("1", "900") };
    assert_eq!(requests(&decide(&warned, &full, Some(&full), &settings, NOW)), []);
    assert_eq!(requests(&decide_now(&Record::default(), &full, None)), [], "without a webhook there is nobody to tell");
}

#[test]
fn a_disk_that_is_reported_no_more_takes_the_share_away_and_one_that_stays_full_still_is() {
    let full = node(&[("a", 900)]);
    let mut unknown = full.clone();
    unknown.status.capacity.clear();
    let verdict = decide_now(&record("1", "900"), &unknown, Some(&full));
    assert_eq!((annotations(&verdict), verdict.is_full), (vec![(PERCENT.into(), None)], false));
    let warned = Record { warned_at: Some(NOW_TEXT.into()), ..record("1", "900") };
    let again = decide_now(&warned, &full, Some(&full));
    assert_eq!(all(&again), Actions::new());
    assert!(again.is_full, "pods are looked for at every look");
}

#[test]
fn a_node_without_a_known_disk_is_never_full() {
    let mut unknown = node(&[("a", u64::MAX), ("b", u64::MAX)]);
    unknown.status.capacity.clear();
    assert!(
        notes(&decide_now(&Record::default(), &unknown, None))
            .iter()
            .all(|(severity, ..)| *severity == Severity::Normal)
    );
}

#[test]
fn a_long_list_is_counted_and_cut_and_sizes_are_for_people() {
    let tags = ["a", "b", "c", "d"].map(|tag| (tag, 1 << 30));
    let message = notes(&decide_now(&Record::default(), &node(&tags), None)).remove(0).2;
    assert_eq!(message, "4 images, 4.0 GiB; added 4: a, b, c, …");
    assert_eq!((size(0), size(1023), size(1536)), ("0 bytes".into(), "1023 bytes".into(), "1.5 KiB".into()));
}
