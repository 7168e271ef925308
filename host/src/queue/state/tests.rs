//! The state's promises, one by one.

use std::time::Duration;

use super::*;
use Priority::{High, Low};

const MS: Duration = Duration::from_millis(1);

/// A state and its time.
struct Bench {
    state: State<&'static str>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { state: State::new(Settings::default()), now: Instant::now() }
    }

    fn add(&mut self, key: &'static str, priority: Priority) {
        self.state.add(key, priority, self.now);
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn claim(&mut self) -> Option<&'static str> {
        match self.state.claim(self.now) {
            Next::Key(key, _) => Some(key),
            Next::Wait(_) | Next::End => None,
        }
    }

    fn claim_all(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.claim()).collect()
    }

    fn finish(&mut self, key: &'static str) {
        self.state.done(&key, true, self.now);
    }

    fn give_up(&mut self, key: &'static str) {
        self.state.done(&key, false, self.now);
    }

    fn fail(&mut self, key: &'static str) -> Duration {
        let delay = self.state.retry(key, self.now);
        self.finish(key);
        delay
    }

    fn depth(&mut self) -> Depth {
        self.state.sample(self.now).depth
    }
}

#[test]
fn adds_of_one_key_are_merged_and_keys_keep_their_order() {
    let mut bench = Bench::new();
    ["b", "a", "b", "c", "a"].into_iter().for_each(|key| bench.add(key, High));
    assert_eq!(bench.claim_all(), ["b", "a", "c"]);
    assert_eq!(bench.state.sample(bench.now).adds, 3);
}

#[test]
fn a_key_added_while_it_is_claimed_comes_again_but_only_afterwards() {
    let mut bench = Bench::new();
    bench.add("a", High);
    assert_eq!(bench.claim(), Some("a"));
    bench.add("a", High);
    bench.add("a", High);
    assert_eq!(bench.claim(), None);
    bench.finish("a");
    assert_eq!(bench.claim_all(), ["a"]);
    bench.finish("a");
    assert_eq!(bench.claim(), None);
}

#[test]
fn of_eight_keys_taken_while_both_wait_one_is_low() {
    let mut bench = Bench::new();
    let high: Vec<&'static str> = (0..40).map(|n| &*format!("h{n}").leak()).collect();
    let low: Vec<&'static str> = (0..40).map(|n| &*format!("l{n}").leak()).collect();
    low.iter().for_each(|key| bench.add(key, Low));
    high.iter().for_each(|key| bench.add(key, High));
    for round in 0..5 {
        let claimed: Vec<_> = (0..8).filter_map(|_| bench.claim()).collect();
        assert_eq!(claimed[..7], high[round * 7..round * 7 + 7]);
        assert_eq!(claimed[7], low[round]);
    }
}

#[test]
fn a_low_key_that_is_asked_for_with_high_priority_moves_up() {
    let mut bench = Bench::new();
    ["a", "b", "c"].into_iter().for_each(|key| bench.add(key, Low));
    bench.add("c", High);
    bench.add("b", Low);
    assert_eq!(bench.depth(), Depth { high: 1, low: 2, ..Depth::default() });
    assert_eq!(bench.claim_all(), ["c", "a", "b"]);
}

#[test]
fn a_timer_keeps_the_earlier_time_and_the_higher_priority() {
    let mut bench = Bench::new();
    bench.state.add_after("a", 50 * MS, Low, bench.now);
    bench.state.add_after("a", 80 * MS, High, bench.now);
    bench.wait(49 * MS);
    assert_eq!(bench.claim(), None);
    bench.wait(MS);
    assert_eq!(bench.depth(), Depth { high: 1, ..Depth::default() });
    assert_eq!(bench.claim_all(), ["a"]);
    bench.finish("a");
    bench.wait(50 * MS);
    assert_eq!(bench.claim(), None);
}

#[test]
fn a_timer_goes_on_when_the_key_is_claimed_meanwhile_and_can_be_cancelled() {
    let mut bench = Bench::new();
    bench.state.add_after("a", 50 * MS, High, bench.now);
    bench.add("a", High);
    assert_eq!(bench.claim_all(), ["a"]);
    bench.finish("a");
    bench.wait(50 * MS);
    assert_eq!(bench.claim_all(), ["a"]);
    bench.finish("a");
    bench.state.add_after("a", 50 * MS, High, bench.now);
    bench.state.cancel_timer(&"a", bench.now);
    bench.wait(50 * MS);
    assert_eq!(bench.claim(), None);
}

#[test]
fn a_change_neither_shortens_nor_inflates_a_keys_backoff() {
    let mut bench = Bench::new();
    bench.add("a", Low);
    for failures in 0..4 {
        assert_eq!(bench.claim_all(), ["a"]);
        bench.add("a", High);
        let delay = bench.fail("a");
        assert_eq!(delay, 5 * MS * (1 << failures));
        bench.add("a", High);
        bench.wait(delay - MS);
        bench.add("a", High);
        assert_eq!(bench.claim(), None);
        bench.wait(MS);
    }
    assert_eq!(bench.state.failures(&"a"), 4);
    assert_eq!(bench.claim_all(), ["a"]);
}

#[test]
fn of_two_reasons_to_back_off_the_longer_holds() {
    for waits in [[50 * MS, 20 * MS], [20 * MS, 50 * MS]] {
        let mut bench = Bench::new();
        bench.add("a", High);
        assert_eq!(bench.claim_all(), ["a"]);
        waits.into_iter().for_each(|wait| bench.state.retry_after("a", wait, bench.now));
        bench.fail("a");
        bench.wait(49 * MS);
        assert_eq!(bench.claim(), None);
        bench.wait(MS);
        assert_eq!(bench.claim_all(), ["a"]);
    }
}

#[test]
fn a_timer_that_fires_while_the_key_backs_off_waits_for_that() {
    let mut bench = Bench::new();
    bench.state.retry_after("a", 50 * MS, bench.now);
    bench.state.add_after("a", 10 * MS, High, bench.now);
    bench.wait(49 * MS);
    assert_eq!(bench.claim(), None);
    bench.wait(MS);
    assert_eq!(bench.claim_all(), ["a"]);
    bench.finish("a");
    assert_eq!(bench.claim(), None);
}

#[test]
fn a_failed_key_keeps_its_priority() {
    let mut bench = Bench::new();
    bench.add("a", Low);
    bench.claim();
    let delay = bench.fail("a");
    bench.wait(delay);
    assert_eq!(bench.depth(), Depth { low: 1, ..Depth::default() });
}

#[test]
fn keys_that_fail_together_are_spaced_by_the_bucket() {
    let mut bench = Bench::new();
    bench.state = State::new(Settings { rate: 10.0, burst: 2, ..Settings::default() });
    let delays = ["a", "b", "c", "d"].map(|key| bench.state.retry(key, bench.now).as_millis());
    assert_eq!(delays, [5, 5, 100, 200]);
}

#[test]
fn a_given_delay_counts_no_failure_and_uses_no_token() {
    let mut bench = Bench::new();
    bench.state = State::new(Settings { burst: 1, ..Settings::default() });
    bench.state.retry_after("a", 50 * MS, bench.now);
    assert_eq!(bench.state.failures(&"a"), 0);
    assert_eq!(bench.state.retry("b", bench.now), 5 * MS);
}

#[test]
fn ending_backoffs_makes_their_keys_ready_and_forgets_why() {
    let mut bench = Bench::new();
    bench.state.retry("b", bench.now);
    bench.state.retry("a", bench.now);
    bench.state.add_after("c", 50 * MS, High, bench.now);
    bench.state.end_backoffs(bench.now);
    assert_eq!(bench.claim_all(), ["b", "a"]);
    assert_eq!(bench.state.failures(&"a"), 0);
}

#[test]
fn an_unfinished_claim_queues_its_key_again_unless_it_backs_off_or_was_removed() {
    let mut bench = Bench::new();
    ["a", "b", "c"].into_iter().for_each(|key| bench.add(key, High));
    assert_eq!(bench.claim_all(), ["a", "b", "c"]);
    bench.state.retry_after("b", 50 * MS, bench.now);
    bench.state.remove(&"c");
    ["a", "b", "c"].into_iter().for_each(|key| bench.give_up(key));
    assert_eq!(bench.claim_all(), ["a"]);
    bench.wait(50 * MS);
    assert_eq!(bench.claim_all(), ["b"]);
}

#[test]
fn removing_forgets_everything_and_a_later_add_starts_anew() {
    for clear in [false, true] {
        let mut bench = Bench::new();
        bench.add("a", High);
        bench.claim();
        bench.add("a", High);
        bench.state.retry("a", bench.now);
        bench.state.add_after("a", MS, High, bench.now);
        bench.add("b", High);
        if clear {
            bench.state.clear();
        } else {
            bench.state.remove(&"a");
            bench.state.remove(&"b");
        }
        bench.finish("a");
        bench.wait(Duration::from_secs(1));
        assert_eq!(bench.depth(), Depth::default());
        assert_eq!(bench.state.failures(&"a"), 0);
        bench.add("a", High);
        assert_eq!(bench.claim_all(), ["a"]);
    }
}

#[test]
fn a_paused_queue_hands_out_one_key_per_probe_and_another_one_each_time() {
    let mut bench = Bench::new();
    ["a", "b"].into_iter().for_each(|key| bench.add(key, Low));
    bench.add("c", High);
    bench.state.pause();
    assert_eq!(bench.claim(), None);
    let mut probed = Vec::new();
    for _ in 0..6 {
        bench.state.probe_one();
        bench.state.probe_one();
        let claimed = bench.claim_all();
        claimed.iter().for_each(|key| bench.give_up(key));
        bench.state.pause();
        probed.extend(claimed);
    }
    assert_eq!(probed, ["a", "b", "c", "a", "b", "c"]);
    bench.state.resume();
    assert_eq!(bench.claim_all().len(), 3);
}

#[test]
fn a_queue_shut_down_accepts_nothing_and_hands_out_what_it_has() {
    let mut bench = Bench::new();
    bench.add("a", High);
    bench.add("b", High);
    bench.state.add_after("c", MS, High, bench.now);
    bench.claim();
    bench.add("a", High);
    bench.state.shut_down(bench.now);
    bench.add("d", High);
    bench.state.add_after("d", MS, High, bench.now);
    bench.state.retry("d", bench.now);
    bench.wait(Duration::from_secs(1));
    bench.finish("a");
    assert_eq!(bench.claim_all(), ["b", "a"]);
    assert_eq!(bench.state.claim(bench.now), Next::End);
    assert!(!bench.state.is_drained());
    bench.finish("a");
    bench.finish("b");
    assert!(bench.state.is_drained());
}

#[test]
fn a_delay_longer_than_any_clock_is_cut() {
    let mut bench = Bench::new();
    bench.state.add_after("a", Duration::MAX, High, bench.now);
    assert_eq!(bench.state.next_due(), Some(bench.now + LONGEST_DELAY));
}
