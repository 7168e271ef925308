//! What outlives the process: a lane that ends, on a state directory, and another one that begins there.
//!
//! The clock is the real one, because a thread writes the directory. Here a process ends between two calls or in the midst of one; `tests/oracle` kills it anywhere.

use super::rig::{Rig, manifest, retry, watch};
use crate::{
    contract::Action,
    dispatch::{Offline, Store, StoreMetrics, StoreSettings, Sync},
    handler::manifest::{Manifest, Retry, Watch},
    runtime::FailureKind,
};
use std::{path::Path, time::Duration};
use weir_devapi::{DevApi, Effect, Fault, Options};

fn settings(dir: &Path) -> StoreSettings {
    StoreSettings { dir: dir.to_owned(), sync: Sync::EverySecond, max_bytes: 1 << 30, memtable_bytes: 1 << 20 }
}

fn open(dir: &Path) -> Store {
    Store::open(settings(dir), StoreMetrics::default()).unwrap()
}

/// A lane on what the directory has, with one generation of the same version as ever.
fn begin(api: &DevApi, dir: &Path, manifest: Manifest) -> Rig {
    let mut rig = Rig::on(api.clone(), Some(open(dir)));
    rig.version = Some("1");
    rig.publish(manifest);
    rig
}

/// Waits until as many calls were told as there are lines, then for stray ones, and compares.
async fn expect(rig: &Rig, lines: &[&str]) {
    for _ in 0..500 {
        if rig.script.told.lock().unwrap().len() >= lines.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    let mut heard = rig.script.heard();
    heard.sort();
    assert_eq!(heard, lines);
}

/// Ends the lane with its calls under way.
async fn cut_off(rig: Rig) {
    rig.lane.remove();
    rig.end().await;
}

fn maps() -> Manifest {
    manifest(vec![watch()])
}

#[tokio::test]
async fn what_happened_while_weir_was_down_is_told_and_nothing_else() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    for name in ["changed", "deleted", "recreated", "same"] {
        rig.set(name, "1");
    }
    expect(&rig, &["initial changed 1", "initial deleted 1", "initial recreated 1", "initial same 1"]).await;
    rig.end().await;

    let elsewhere = Rig::on(api.clone(), None);
    elsewhere.set("changed", "2");
    elsewhere.delete("deleted").await;
    elsewhere.delete("recreated").await;
    elsewhere.set("recreated", "1");
    elsewhere.set("created", "1");
    let rig = begin(&api, dir.path(), maps());
    expect(
        &rig,
        &[
            "added created 1",
            "added recreated 1",
            "deleted deleted 1 unknown",
            "deleted recreated 1 unknown",
            "updated changed 2",
        ],
    )
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_made_again_as_things_then_are() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    rig.script.takes(Duration::from_secs(3600));
    rig.set("a", "1");
    expect(&rig, &["initial a 1"]).await;
    cut_off(rig).await;
    let rig = Rig::on(api.clone(), None);
    rig.set("a", "2");
    rig.set("a", "1");
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["initial a 1"]).await;
    rig.end().await;
}

#[tokio::test]
async fn a_state_that_was_handed_over_and_taken_back_is_told() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    rig.set("a", "A");
    expect(&rig, &["initial a A"]).await;
    rig.script.takes(Duration::from_secs(3600));
    rig.set("a", "B");
    expect(&rig, &["updated a B"]).await;
    cut_off(rig).await;
    Rig::on(api.clone(), None).set("a", "A");
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["updated a A"]).await;
    rig.end().await;
}

#[tokio::test]
async fn a_timer_that_was_due_while_weir_was_down_fires() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    rig.script.answers(|_| Ok(vec![Action::RequeueAfter(600)]));
    rig.set("a", "1");
    expect(&rig, &["initial a 1"]).await;
    rig.end().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["requeued a 1"]).await;
    rig.end().await;
}

#[tokio::test]
async fn a_dead_letter_outlives_the_process_and_only_another_version_tries_it_again() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let poisoned = || Manifest { retry: Retry { limit: Some(0), ..Retry::default() }, ..maps() };
    let rig = begin(&api, dir.path(), poisoned());
    rig.script.answers(|_| Err(retry()));
    rig.set("a", "1");
    expect(&rig, &["initial a 1"]).await;
    let letters = rig.lane.letters();
    assert_eq!(letters.len(), 1);
    rig.end().await;

    let rig = begin(&api, dir.path(), poisoned());
    expect(&rig, &[]).await;
    assert_eq!(rig.lane.letters(), letters);
    rig.end().await;

    let mut rig = Rig::on(api.clone(), Some(open(dir.path())));
    rig.version = Some("2");
    rig.publish(poisoned());
    expect(&rig, &["initial a 1"]).await;
    assert_eq!(rig.lane.letters(), []);
    rig.end().await;
}

#[tokio::test]
async fn a_letter_is_tried_again_on_demand_also_on_a_directory_that_nobody_uses() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    rig.script.answers(|_| Err(FailureKind::Answered(crate::contract::Failure::Permanent("no".into()))));
    rig.set("a", "1");
    rig.set("b", "1");
    expect(&rig, &["initial a 1", "initial b 1"]).await;
    rig.delete("b").await;
    expect(&rig, &["deleted b 1"]).await;
    rig.script.answers(|_| Ok(Vec::new()));
    let about = |rig: &Rig, name: &str| {
        let letters = rig.lane.letters();
        letters.iter().find(|(_, letter)| letter.event.key.name == name).unwrap().0
    };
    assert_eq!(rig.lane.retry_letters(Some(about(&rig, "a"))), 1);
    expect(&rig, &["initial a 1"]).await;
    let number = about(&rig, "b");
    rig.end().await;

    let mut offline = Offline::open(settings(dir.path())).unwrap();
    assert_eq!(offline.handlers(), ["h"]);
    assert_eq!((offline.letters("h").len(), offline.retry_letters("h", Some(number + 1))), (1, 0));
    assert_eq!(offline.retry_letters("h", Some(number)), 1);
    offline.close().unwrap();
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["deleted b 1"]).await;
    assert_eq!(rig.lane.letters(), []);
    rig.end().await;
}

#[tokio::test]
async fn a_watch_that_changed_meanwhile_tells_what_is_new_to_it_and_no_ends_of_what_it_no_longer_covers() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let selecting = |label: &str| manifest(vec![Watch { label_selector: format!("l in ({label})"), ..watch() }]);
    let rig = begin(&api, dir.path(), selecting("x,y"));
    super::rig::set(&api, "x", "1", "x");
    super::rig::set(&api, "y", "1", "y");
    expect(&rig, &["initial x 1", "initial y 1"]).await;
    rig.end().await;
    super::rig::set(&api, "z", "1", "z");
    let rig = begin(&api, dir.path(), selecting("y,z"));
    expect(&rig, &["initial z 1"]).await;
    rig.end().await;
}

#[tokio::test]
async fn what_is_forgotten_begins_anew() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let rig = begin(&api, dir.path(), maps());
    rig.set("a", "1");
    expect(&rig, &["initial a 1"]).await;
    rig.lane.forget();
    expect(&rig, &["initial a 1"]).await;
    rig.end().await;
    let mut offline = Offline::open(settings(dir.path())).unwrap();
    assert!(offline.forget("h") && !offline.forget("h"));
    offline.close().unwrap();
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["initial a 1"]).await;
    rig.end().await;
}

#[tokio::test]
async fn what_a_narrower_watch_no_longer_covers_is_not_told_as_left_after_a_crash_either() {
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let selecting = |label: &str| manifest(vec![Watch { label_selector: format!("l in ({label})"), ..watch() }]);
    let rig = begin(&api, dir.path(), selecting("x,y"));
    super::rig::set(&api, "y", "1", "y");
    expect(&rig, &["initial y 1"]).await;
    rig.end().await;
    // The narrower one comes, but cannot ask where the object went before the process ends.
    api.faults().inject(Fault {
        method: Some("GET".into()),
        path_contains: "metadata.name".into(),
        watch: None,
        times: 1000,
        effect: Effect::DropConnection,
    });
    let rig = begin(&api, dir.path(), selecting("x"));
    expect(&rig, &[]).await;
    cut_off(rig).await;
    api.faults().clear();
    let rig = begin(&api, dir.path(), selecting("x"));
    expect(&rig, &[]).await;
    super::rig::set(&api, "y", "2", "x");
    expect(&rig, &["added y 2"]).await;
    rig.end().await;
}

#[tokio::test]
async fn what_is_ordered_of_a_directory_holds_when_weir_runs_and_a_wrong_name_changes_nothing() {
    use crate::app::{LetterLine, Order, OrderError, Orders, StateSettings};
    let (api, dir) = (DevApi::new(Options::default()), tempfile::tempdir().unwrap());
    let open_orders = || Orders::open(StateSettings::new(dir.path()));
    let rig = begin(&api, dir.path(), maps());
    rig.script.answers(|_| Err(FailureKind::Answered(crate::contract::Failure::Permanent("no".into()))));
    rig.set("a", "1");
    rig.set("b", "1");
    expect(&rig, &["initial a 1", "initial b 1"]).await;
    assert!(matches!(open_orders(), Err(OrderError::Open(_))), "a weir runs there");
    rig.end().await;

    let mut orders = open_orders().unwrap();
    let order = |orders: &mut Orders, order| orders.carry_out(&order);
    let handler = || "h".to_owned();
    let lines = order(&mut orders, Order::List { handler: None }).unwrap();
    let lines: Vec<LetterLine> = serde_json::from_value(lines).unwrap();
    let about = |name: &str| {
        let line = lines.iter().find(|line| line.object.ends_with(name)).unwrap();
        line.name.strip_prefix("h/").unwrap().parse::<u64>().unwrap()
    };
    let (a, b) = (about("a"), about("b"));
    assert_eq!((lines.len(), lines[0].attempts, lines[0].change.as_str()), (2, 1, "initial"));
    let shown = order(&mut orders, Order::Show { handler: handler(), number: a }).unwrap();
    assert_eq!((&shown["attempts"], &shown["event"]["key"]["name"]), (&1.into(), &"a".into()));
    // What the rig's script says of every failure.
    assert_eq!(
        (&shown["error"], &shown["stderr"], &shown["digest"]),
        (&"scripted".into(), &"trace".into(), &"digest 1".into())
    );
    let unknown =
        order(&mut orders, Order::Retry { handler: "other".to_owned(), number: None }).unwrap_err().to_string();
    assert_eq!(unknown, "nothing is known of a handler `other`; there is h");
    let error = order(&mut orders, Order::Drop { handler: handler(), number: Some(99) }).unwrap_err().to_string();
    assert!(error.contains("no dead letter 99; it has "), "{error}");
    let left = order(&mut orders, Order::List { handler: Some(handler()) }).unwrap();
    assert_eq!(left.as_array().map(Vec::len), Some(2));
    assert_eq!(order(&mut orders, Order::Drop { handler: handler(), number: Some(b) }).unwrap(), 1);
    assert_eq!(order(&mut orders, Order::Retry { handler: handler(), number: Some(a) }).unwrap(), 1);
    orders.close().unwrap();

    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["initial a 1"]).await;
    assert_eq!(rig.lane.letters(), []);
    rig.end().await;
    let mut orders = open_orders().unwrap();
    order(&mut orders, Order::Forget { handler: handler() }).unwrap();
    assert!(order(&mut orders, Order::Forget { handler: handler() }).is_err());
    orders.close().unwrap();
    let rig = begin(&api, dir.path(), maps());
    expect(&rig, &["initial a 1", "initial b 1"]).await;
    rig.end().await;
}
