//! How long instances live, and that calls do not get in each other's way.

use super::*;
use futures::FutureExt;
use tokio::time::Instant;

#[tokio::test]
async fn a_warm_instance_serves_one_call_after_another_and_a_fresh_one_a_single_call() {
    let guest = Guest::handling("(call $reply_number (call $count))").with(COUNTING);
    let under = handler(&guest).await;
    under.handler.warm().await.unwrap();
    assert_eq!(under.handler.idle(), 1);
    assert_eq!([under.number().await, under.number().await, under.number().await], [1, 2, 3]);
    let fresh = Under::of(&guest, "fresh", &Manifest { instance: Instance::Fresh, ..manifest() }).await;
    fresh.handler.warm().await.unwrap();
    assert_eq!([fresh.number().await, fresh.number().await], [1, 1]);
    assert_eq!((fresh.handler.idle(), fresh.live("fresh")), (0, 0));
}

#[tokio::test]
async fn a_warm_instance_is_replaced_after_its_calls_after_an_error_and_when_it_has_grown() {
    let guest = Guest::handling("(call $reply_number (call $count))").with(COUNTING);
    let under = limited(&guest, |limits| limits.calls_per_instance = 2).await;
    assert_eq!([under.number().await, under.number().await, under.number().await], [1, 2, 1]);

    let trapping =
        "(if (i32.eq (call $count) (i32.const 2)) (then (unreachable))) (call $reply_number (global.get $calls))";
    let under = handler(&Guest::handling(trapping).with(COUNTING)).await;
    assert_eq!(under.number().await, 1);
    assert_eq!(under.failure().await.kind, FailureKind::Trapped);
    assert_eq!(under.number().await, 1);

    // Of 16 pages 2 are there at first, so the third growth by 4 passes three quarters of the rest.
    let growing = "(drop (memory.grow (i32.const 4))) (call $reply_number (call $count))";
    let under = limited(&Guest::handling(growing).with(COUNTING), |limits| limits.memory = 16 << 16).await;
    let seen = [under.number().await, under.number().await, under.number().await, under.number().await];
    assert_eq!(seen, [1, 2, 3, 1]);
}

#[tokio::test]
async fn instances_that_idle_are_dropped_and_calls_go_on() {
    let guest = Guest::handling("(call $reply_number (call $count))").with(COUNTING);
    let under = Under::of(&guest, "idles", &manifest()).await;
    under.number().await;
    let idle = Limits::default().idle;
    under.handler.drop_idle(Instant::now() + idle / 2);
    assert_eq!(under.live("idles"), 1);
    under.handler.drop_idle(Instant::now() + idle);
    assert_eq!(under.live("idles"), 0);
    assert_eq!(under.number().await, 1);
}

#[tokio::test]
async fn where_there_is_no_room_for_another_instance_the_call_says_so() {
    let engine = Engine::new(EngineSettings { instances: 1, ..EngineSettings::default() }).unwrap();
    assert!(engine.is_pooled(), "this machine has room for a pool");
    let component = engine.load("x", Guest::default().build()).await.unwrap();
    let [first, second] = [(); 2].map(|()| component.handler("x", &manifest(), reads(), Arc::new(|_| ())));
    first.warm().await.unwrap();
    let failure = second.invoke(invocation()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.message.starts_with("there is no room for another instance"), "{}", failure.message);
    drop(first);
    second.invoke(invocation()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let guest = "(if (i32.eq (call $count) (i32.const 1)) (then (loop $again (br $again)))) (unreachable)";
    let under = Under::of(&Guest::handling(guest).with(COUNTING), "dropped", &manifest()).await;
    // The guest yields at the first epoch; then its future is dropped.
    assert!(under.handler.invoke(invocation()).now_or_never().is_none());
    assert_eq!((under.handler.idle(), under.live("dropped")), (0, 0));
}

#[tokio::test]
async fn a_handler_that_loops_does_not_keep_its_neighbour_from_answering() {
    let looping = limited(&Guest::handling(LOOP), |limits| limits.time = Duration::from_secs(600)).await;
    let quick = handler(&Guest::handling("(call $reply_number (i32.const 4))")).await;
    // One thread for both. The one that loops is polled first, and has ten minutes.
    tokio::select! {
        biased;
        _ = looping.call() => panic!("the loop cannot end"),
        number = quick.number() => assert_eq!(number, 4),
    }
}

#[tokio::test]
async fn calls_at_once_have_an_instance_each_and_no_more_are_kept_than_there_are_workers() {
    // Long enough to meet: each yields at an epoch before it answers.
    let slow = "(local $left i32) (local.set $left (i32.const 60000000))
        (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $reply_number (call $count))";
    let under = Under::of(&Guest::handling(slow).with(COUNTING), "many", &manifest()).await;
    let (a, b, c) = tokio::join!(under.number(), under.number(), under.number());
    assert_eq!((a, b, c), (1, 1, 1));
    assert_eq!((under.handler.idle(), under.live("many")), (2, 2));
}
