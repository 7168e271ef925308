//! The store as its lanes see it.

use super::*;
use crate::{
    contract::{Change, Event, ObjectRef},
    dispatch::ledger::Standing,
    watch::{Fingerprint, ObjectKey},
};

fn settings(dir: &std::path::Path) -> StoreSettings {
    StoreSettings { dir: dir.to_owned(), sync: Sync::EverySecond, max_bytes: 1 << 30, memtable_bytes: 1 << 20 }
}

fn record(last_letter: u64) -> HandlerRecord {
    HandlerRecord { version: "v".to_owned(), last_letter }
}

#[tokio::test]
async fn what_was_put_is_there_when_it_is_opened_again_and_whoever_asks_first_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(settings(dir.path()), StoreMetrics::default()).unwrap();
    for last in 0..100 {
        store.recorder("h", false).handler(Some(&record(last)));
    }
    store.recorder("other", true).handler(Some(&record(7)));
    store.recorder("gone", false).handler(Some(&record(1)));
    store.written().await;
    store.recorder("gone", false).handler(None);
    store.written().await;
    drop(store);
    let store = Store::open(settings(dir.path()), StoreMetrics::default()).unwrap();
    assert_eq!(store.handlers(), ["h", "other"]);
    assert_eq!(store.take("h").real.handler, record(99), "the newest");
    assert_eq!(store.take("h").real.handler, HandlerRecord::default());
    assert_eq!(store.take("other").dry.handler, record(7));
}

#[tokio::test]
async fn a_store_that_may_take_no_more_goes_on_without_waiting_and_still_removes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(settings(dir.path()), StoreMetrics::default()).unwrap();
    store.recorder("h", false).handler(Some(&record(1)));
    drop(store);
    let store = Store::open(StoreSettings { max_bytes: 1, ..settings(dir.path()) }, StoreMetrics::default()).unwrap();
    store.recorder("h", false).handler(None);
    store.recorder("i", false).handler(Some(&record(2)));
    store.written().await;
    let trouble = store.status().trouble.expect("it says so");
    assert!(trouble.error.contains("--state-max-size"), "{trouble:?}");
    store.recorder("j", false).handler(Some(&record(2)));
    store.written().await;
    drop(store);
    let store = Store::open(settings(dir.path()), StoreMetrics::default()).unwrap();
    assert_eq!(
        store.handlers(),
        Vec::<String>::new(),
        "what could not be written is not there, what was removed neither"
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_now_is_written_when_it_can_and_read_at_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("state");
    // Something else stands where the directory should.
    std::fs::write(&dir, "in the way").unwrap();
    let store = Store::open(settings(&dir), StoreMetrics::default()).unwrap();
    assert!(store.status().trouble.is_some());
    store.recorder("h", false).handler(Some(&record(3)));
    store.written().await;
    assert!(store.take("new").real.handler.last_letter > 1_000_000_000, "no number is given twice");
    std::fs::remove_file(&dir).unwrap();
    while store.status().trouble.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(store);
    let store = Store::open(settings(&dir), StoreMetrics::default()).unwrap();
    assert_eq!(store.take("h").real.handler, record(3));
}

#[tokio::test]
async fn an_entry_stays_while_the_letter_about_it_has_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let key = LaneKey { watch: "pods".into(), object: ObjectKey { namespace: None, name: "gone".into() } };
    let entry: Entry = serde_json::from_value(serde_json::json!({
        "uid": "u", "resourceVersion": "7", "fingerprint": Fingerprint(1), "outcome": Standing::Open, "change": Change::Deleted,
        "attempts": 6, "counter": 1, "projection": "{}",
    }))
    .unwrap();
    let letter = Letter {
        key: key.clone(),
        event: Event {
            change: Change::Deleted,
            watch: "pods".into(),
            key: ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: "gone".into() },
            uid: "u".into(),
            resource_version: "7".into(),
            object: "{}".into(),
            previous: None,
            final_state_unknown: false,
            attempt: 6,
            extra: Vec::new(),
        },
        error: "no".into(),
        stderr: String::new(),
        attempts: 6,
        at_ms: 1,
        digest: "d".into(),
        counter: 1,
        telling: None,
    };
    let put = |max_bytes: u64, put: &dyn Fn(&Recorder)| {
        let store = Store::open(StoreSettings { max_bytes, ..settings(dir.path()) }, StoreMetrics::default()).unwrap();
        put(&store.recorder("h", false));
        drop(store);
        let store = Store::open(settings(dir.path()), StoreMetrics::default()).unwrap();
        let kept = store.take("h").real;
        (kept.entries.len(), kept.letters.len())
    };
    assert_eq!(put(1 << 30, &|recorder| recorder.entry(&key, Some(&entry))), (1, 0));
    let give_up = |recorder: &Recorder| {
        recorder.letter(1, Some(&letter));
        recorder.entry(&key, None);
    };
    assert_eq!(put(1, &give_up), (1, 0), "it is told again after the next start");
    assert_eq!(put(1 << 30, &give_up), (0, 1));
    assert_eq!(put(1, &|recorder| recorder.letter(1, None)), (0, 0), "what frees room goes through");
}
