//! The scripts: one test each.

use super::{
    api::{Api, Fault, Want},
    oracle::{Saw, Script, kube, weir},
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn script() -> Script {
    Script { page_size: 2, streaming: false, before: three, meanwhile: changes, settle: 5 * MINUTE }
}

fn three(api: &Api) {
    for name in ["a", "b", "c"] {
        api.put(name, &format!("{name}1"), json!({}));
    }
}

/// A change, a creation and a deletion, some seconds apart.
fn changes(api: &Api) -> BoxFuture<'_, ()> {
    async {
        sleep(10).await;
        api.put("a", "a1", json!({"changed": "yes"}));
        sleep(2).await;
        api.put("d", "d1", json!({}));
        sleep(2).await;
        api.delete("b");
    }
    .boxed()
}

/// [`changes`], when waits of a minute and a half are over.
fn later(api: &Api) -> BoxFuture<'_, ()> {
    async {
        sleep(200).await;
        changes(api).await;
    }
    .boxed()
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Cuts the watches and refuses new ones while `gap` runs, so that it happens unseen.
async fn unseen(api: &Api, gap: impl FnOnce()) {
    sleep(5).await;
    api.fault(Want::Watch, 1, Fault::Status { code: 500, reason: "InternalError", retry_after: None });
    api.cut_watches();
    gap();
    sleep(1).await;
}

async fn same(script: Script) -> (Saw, Saw) {
    let (weir, kube) = (weir(&script).await, kube(&script).await);
    assert!(weir.synced && kube.synced);
    assert_eq!(weir.store, kube.store);
    assert_eq!(weir.states, kube.states);
    (weir, kube)
}

/// What weir must have seen in the end whatever kube-runtime did: all of [`changes`].
fn well(weir: &Saw) {
    assert!(weir.synced);
    let uids: Vec<&str> = weir.store.values().flatten().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(uids, ["a1", "c1", "d1"]);
    assert_eq!(weir.store["a"], Some(("a1".into(), "14".into())));
}

#[tokio::test(start_paused = true)]
async fn without_faults_both_see_the_same_states() {
    let (weir, _) = same(script()).await;
    well(&weir);
    assert_eq!(weir.states["b"].len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_list_fails_again_and_again() {
    let fails = |api: &Api| {
        three(api);
        api.fault(Want::List, 20, Fault::Status { code: 500, reason: "InternalError", retry_after: None });
    };
    let script = Script { before: fails, settle: 20 * MINUTE, ..script() };
    let (weir, kube) = same(script).await;
    // From 800 ms to 30 s, drawn from the upper half: twenty failures take at least four minutes.
    let last = |saw: &Saw| saw.requests.iter().filter(|seen| seen.want == Want::List).nth(20).unwrap().at;
    assert!(last(&weir) > 4 * MINUTE, "{:?}", last(&weir));
    // Its backoff starts over at each attempt, because an attempt begins with an `Init`.
    assert!(last(&kube) < MINUTE, "{:?}", last(&kube));
}

#[tokio::test(start_paused = true)]
async fn the_watch_answers_http_410() {
    let gone = |api: &Api| {
        three(api);
        api.fault(Want::Watch, 6, Fault::Status { code: 410, reason: "Expired", retry_after: None });
    };
    let script = Script { before: gone, ..script() };
    let (weir, kube) = (weir(&script).await, kube(&script).await);
    well(&weir);
    assert!(weir.count(Want::List) > 1);
    assert_eq!(
        kube.count(Want::List),
        1,
        "it never lists again, and here only lives because the version is there after all"
    );
}

#[tokio::test(start_paused = true)]
async fn the_watch_answers_410_in_the_stream() {
    let script = Script {
        meanwhile: |api| {
            async {
                unseen(api, || {
                    api.put("a", "a1", json!({"changed": "yes"}));
                    api.put("d", "d1", json!({}));
                    api.delete("b");
                    api.compact();
                })
                .await;
            }
            .boxed()
        },
        ..script()
    };
    let (weir, _) = same(script).await;
    well(&weir);
    assert!(weir.count(Want::List) > 1);
}

#[tokio::test(start_paused = true)]
async fn the_watch_closes_at_once() {
    // So many and no more, because kube-runtime would ask for ever without time going on.
    const TIMES: u32 = 500;
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Watch, TIMES, Fault::Close);
        },
        meanwhile: |api| {
            async {
                sleep(120).await;
                api.heal();
                changes(api).await;
            }
            .boxed()
        },
        ..script()
    };
    let (weir, kube) = same(script).await;
    well(&weir);
    let in_the_first_minute =
        |saw: &Saw| saw.requests.iter().filter(|seen| seen.want == Want::Watch && seen.at < MINUTE).count();
    assert!(in_the_first_minute(&weir) <= 10, "{}", in_the_first_minute(&weir));
    assert!(in_the_first_minute(&kube) > TIMES as usize);
}

#[tokio::test(start_paused = true)]
async fn the_watch_is_cut_in_the_middle_of_a_line() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Watch, 2, Fault::CutMidLine);
        },
        ..script()
    };
    well(&same(script).await.0);
}

#[tokio::test(start_paused = true)]
async fn events_come_twice() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Watch, 1, Fault::Twice);
        },
        ..script()
    };
    let (weir, mut kube) = (weir(&script).await, kube(&script).await);
    well(&weir);
    // weir drops what it has; kube-runtime hands it on.
    assert_ne!(weir.states, kube.states);
    kube.states.values_mut().for_each(|states| states.dedup());
    assert_eq!(weir.states, kube.states);
}

#[tokio::test(start_paused = true)]
async fn only_bookmarks_come_for_a_while() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Watch, 1, Fault::Bookmarks(5));
        },
        ..script()
    };
    let (weir, _) = same(script).await;
    well(&weir);
    assert_eq!(weir.count(Want::List), 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_recreated_while_nobody_watches() {
    let script = Script {
        meanwhile: |api| {
            async {
                unseen(api, || {
                    api.delete("b");
                    api.put("b", "b2", json!({}));
                    api.compact();
                })
                .await;
            }
            .boxed()
        },
        ..script()
    };
    let (weir, _) = same(script).await;
    let uids: Vec<&str> = weir.states["b"].iter().flatten().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(uids, ["b1", "b2"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_deleted_while_nobody_watches() {
    let script = Script {
        meanwhile: |api| {
            async {
                unseen(api, || {
                    api.delete("c");
                    api.compact();
                })
                .await;
            }
            .boxed()
        },
        ..script()
    };
    let (weir, _) = same(script).await;
    assert_eq!(weir.states["c"].last(), Some(&None));
}

#[tokio::test(start_paused = true)]
async fn a_page_fails_in_the_middle_of_a_list() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Page, 3, Fault::Status { code: 500, reason: "InternalError", retry_after: None });
        },
        ..script()
    };
    let (weir, kube) = same(script).await;
    well(&weir);
    assert_eq!((weir.count(Want::List), weir.count(Want::Page)), (1, 4));
    assert_eq!((kube.count(Want::List), kube.count(Want::Page)), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_continue_token_expires() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Page, 1, Fault::Status { code: 410, reason: "Expired", retry_after: None });
        },
        ..script()
    };
    let (weir, _) = same(script).await;
    well(&weir);
    let lists: Vec<_> = weir.requests.iter().filter(|seen| seen.want == Want::List).collect();
    assert_eq!(lists.len(), 2);
    assert!(lists[0].query.contains("limit=2") && !lists[1].query.contains("limit"), "the second list is whole");
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_works() {
    let (weir, _) = same(Script { streaming: true, ..script() }).await;
    well(&weir);
    assert_eq!((weir.count(Want::List), weir.count(Want::Watch)), (0, 1), "{:?}", weir.requests);
    let stream = weir.requests.iter().find(|seen| seen.want == Want::Stream).unwrap();
    assert!(stream.query.contains("resourceVersionMatch=NotOlderThan") && !stream.query.contains("resourceVersion="));
}

/// Both on a server that does not do streaming lists: kube-runtime is never synced.
async fn refuses_streaming(before: fn(&Api)) -> (Saw, Saw) {
    let script = Script { streaming: true, before, ..script() };
    let (weir, kube) = (weir(&script).await, kube(&script).await);
    well(&weir);
    assert_eq!(weir.count(Want::Stream), 1, "it asks once and remembers");
    assert!(!kube.synced);
    (weir, kube)
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_is_refused() {
    let (_, kube) = refuses_streaming(|api| {
        three(api);
        api.fault(Want::Stream, u32::MAX, Fault::Status { code: 422, reason: "Invalid", retry_after: None });
    })
    .await;
    assert!(kube.count(Want::Stream) > 5 && kube.count(Want::List) == 0);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_answers_with_an_error_event() {
    let (_, kube) = refuses_streaming(|api| {
        three(api);
        api.fault(Want::Stream, u32::MAX, Fault::InStream { code: 500, reason: "InternalError" });
    })
    .await;
    assert!(kube.count(Want::Stream) > 100, "{}", kube.count(Want::Stream));
}

#[tokio::test(start_paused = true)]
async fn the_wish_for_a_streaming_list_is_ignored() {
    let (weir, _) = refuses_streaming(|api| {
        three(api);
        api.fault(Want::Stream, u32::MAX, Fault::IgnoreStreaming);
    })
    .await;
    let list = weir.requests.iter().find(|seen| seen.want == Want::List).unwrap();
    assert_eq!(list.at.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_silent_for_ever() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::Watch, 1, Fault::Silence);
        },
        settle: 10 * MINUTE,
        ..script()
    };
    let (weir, _) = same(script).await;
    well(&weir);
    let again = weir.requests.iter().filter(|seen| seen.want == Want::Watch).nth(1).unwrap().at;
    assert!((245..=295).contains(&again.as_secs()), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_for_patience() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::List, 1, Fault::Status { code: 429, reason: "TooManyRequests", retry_after: Some(40) });
        },
        meanwhile: later,
        ..script()
    };
    let (weir, kube) = same(script).await;
    well(&weir);
    let again = |saw: &Saw| saw.requests.iter().filter(|seen| seen.want == Want::List).nth(1).unwrap().at.as_secs();
    assert_eq!(again(&weir), 40);
    assert!(again(&kube) < 40, "only the client's own retry layer, absent here, knows Retry-After");
}

#[tokio::test(start_paused = true)]
async fn permission_is_missing_and_then_granted() {
    let script = Script {
        before: |api| {
            three(api);
            api.fault(Want::List, 3, Fault::Status { code: 403, reason: "Forbidden", retry_after: None });
        },
        meanwhile: later,
        ..script()
    };
    let (weir, kube) = same(script).await;
    well(&weir);
    let granted = |saw: &Saw| saw.requests.iter().filter(|seen| seen.want == Want::List).nth(3).unwrap().at.as_secs();
    assert!(granted(&weir) >= 90, "slowly: {}", granted(&weir));
    assert!(granted(&kube) < 30);
}
