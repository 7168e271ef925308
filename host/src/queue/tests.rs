//! The shell's promises: who waits is woken, at the right time, and nobody for ever. On a paused clock, all but one.

use std::collections::BTreeSet;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use Priority::{High, Low};

const MS: Duration = Duration::from_millis(1);

fn queue() -> Queue<u32> {
    Queue::new(Settings::default())
}

/// Claims one key and finishes it.
async fn take(queue: Queue<u32>) -> Option<u32> {
    let claim = queue.claim().await?;
    let key = *claim;
    claim.finish();
    Some(key)
}

/// What comes of `future`; one that nobody wakes fails here at once, because the paused clock jumps to the end.
async fn awoken<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(3600), future).await.expect("nobody was woken")
}

/// Lets every other task run until it waits.
async fn settle() {
    sleep(MS).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_worker_is_woken_by_an_add() {
    let queue = queue();
    let worker = tokio::spawn(take(queue.clone()));
    settle().await;
    queue.add(7, Low);
    assert_eq!(awoken(worker).await.unwrap(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_on_time_and_a_sooner_one_wakes_who_waits_for_a_later_one() {
    let queue = queue();
    let start = Instant::now();
    let worker = tokio::spawn({
        let queue = queue.clone();
        async move { (take(queue).await, start.elapsed()) }
    });
    queue.add_after(1, 500 * MS, High);
    settle().await;
    queue.add_after(2, 99 * MS, High);
    assert_eq!(awoken(worker).await.unwrap(), (Some(2), 100 * MS));
    assert_eq!(take(queue).await, Some(1));
    assert_eq!(start.elapsed(), 500 * MS);
}

#[tokio::test(start_paused = true)]
async fn keys_that_come_due_together_wake_as_many_workers() {
    let queue = queue();
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let queue = queue.clone();
        workers.spawn(async move {
            let claim = queue.claim().await.unwrap();
            sleep(Duration::from_secs(10)).await;
            (*claim, Instant::now())
        });
    }
    let start = Instant::now();
    settle().await;
    (0..3).for_each(|key| queue.add_after(key, 9 * MS, High));
    let ended = awoken(workers.join_all()).await;
    assert_eq!(ended.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert!(ended.iter().all(|(_, end)| *end - start == Duration::from_secs(10) + 10 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_cancelled_gives_its_key_and_its_wake_up_to_others() {
    let queue = queue();
    for key in 0..50 {
        let mut workers = JoinSet::new();
        for _ in 0..3 {
            workers.spawn(take(queue.clone()));
        }
        let holder = tokio::spawn({
            let queue = queue.clone();
            async move {
                let _claim = queue.claim().await;
                std::future::pending::<()>().await;
            }
        });
        settle().await;
        queue.add(key, High);
        queue.add(key + 1000, High);
        if key % 2 == 0 {
            tokio::task::yield_now().await;
        }
        holder.abort();
        // Two of the three workers get the two keys, whoever had them first; the third waits on.
        awoken(workers.join_next()).await.unwrap().unwrap();
        awoken(workers.join_next()).await.unwrap().unwrap();
        workers.shutdown().await;
        assert_eq!(queue.depth(), Depth::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_dropped_by_a_panic_queues_its_key_again_and_a_finished_one_does_not() {
    let queue = queue();
    queue.add(1, High);
    let panicked = tokio::spawn({
        let queue = queue.clone();
        async move {
            let _claim = queue.claim().await;
            panic!("a worker that panics, on purpose");
        }
    });
    assert!(panicked.await.is_err());
    queue.claim().await.unwrap().finish();
    assert_eq!(queue.depth(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn resuming_wakes_every_worker_and_a_probe_just_one() {
    let queue = queue();
    queue.pause();
    (0..3).for_each(|key| queue.add(key, High));
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        workers.spawn(take(queue.clone()));
    }
    settle().await;
    assert_eq!(queue.depth().high, 3);
    queue.probe_one();
    settle().await;
    assert_eq!(queue.depth().high, 2);
    queue.resume();
    awoken(workers.join_all()).await;
    assert_eq!(queue.depth(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_workers_that_wait() {
    let queue = queue();
    queue.add_after(1, Duration::from_secs(1), High);
    let worker = tokio::spawn(take(queue.clone()));
    settle().await;
    let now = Instant::now();
    queue.shut_down();
    assert_eq!(awoken(worker).await.unwrap(), None);
    assert_eq!(now.elapsed(), Duration::ZERO, "the worker waited for a timer that was dropped");
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_what_is_queued_and_what_is_claimed() {
    let queue = queue();
    (0..10).for_each(|key| queue.add(key, Low));
    let start = Instant::now();
    let worker = tokio::spawn({
        let queue = queue.clone();
        async move {
            while let Some(claim) = queue.claim().await {
                sleep(Duration::from_secs(1)).await;
                claim.finish();
            }
        }
    });
    assert_eq!(queue.drain(Duration::from_secs(60)).await, Drained::Complete);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    awoken(worker).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_ends_at_its_deadline_and_then_nothing_is_handed_out() {
    let queue = queue();
    (0..3).for_each(|key| queue.add(key, High));
    let claim = queue.claim().await.unwrap();
    let start = Instant::now();
    assert_eq!(queue.drain(Duration::from_secs(5)).await, Drained::Left { queued: 2, processing: 1 });
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    claim.finish();
    assert!(queue.claim().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn draining_a_paused_queue_waits_for_claims_only() {
    let queue = queue();
    queue.add(1, High);
    queue.add(2, High);
    let claim = queue.claim().await.unwrap();
    queue.pause();
    let start = Instant::now();
    let worker = tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        claim.finish();
    });
    assert_eq!(queue.drain(Duration::from_secs(60)).await, Drained::Left { queued: 1, processing: 0 });
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert!(queue.claim().await.is_none());
    awoken(worker).await.unwrap();
}

/// Real threads, a real race: every key added while workers come and go is worked off, and none twice at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_between_threads() {
    const KEYS: u32 = 20;
    let queue = queue();
    let busy: Arc<Mutex<BTreeSet<u32>>> = Arc::default();
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let (queue, busy) = (queue.clone(), busy.clone());
        workers.spawn(async move {
            while let Some(claim) = queue.claim().await {
                assert!(busy.lock().unwrap().insert(*claim));
                tokio::task::yield_now().await;
                assert!(busy.lock().unwrap().remove(&claim));
                claim.finish();
            }
        });
    }
    for round in 0..2000_u32 {
        queue.add(round % KEYS, if round % 3 == 0 { High } else { Low });
        if round % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(queue.drain(Duration::from_secs(60)).await, Drained::Complete);
    workers.join_all().await;
}
