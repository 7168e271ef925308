//! The rounds of a run: history is made while weir is killed and started again; then all is quiet, and the judge looks.
//!
//! Promises: a round's history and its kills are decided by the seed and the round's number; every kill is in the midst of activity, or aimed at a place in weir's code; a
//! round ends when everything was told, or fails when it is not told within [`PATIENCE`], with the whole history of the object it fails for.

use crate::{
    api::{Api, Life, Written, now},
    history::{CHOSEN, History},
    judge::{Counts, Handler, Judge, Violation},
    kills::{self, Killing},
    weir::{Program, Weir},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
    ops::Range,
    path::Path,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use weir::{app::StateSettings, dispatch::Offline, failpoint};
use weir_tests::world::On;

/// How long it may take until all is quiet.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// The handlers of `weir.rs`, as the judge knows them.
pub(crate) const HANDLERS: &[Handler] = &[
    WHOLE,
    Handler { name: "chosen", selects: true, state_only: true, previous: true, ..WHOLE },
    Handler { name: "marking", namespace: Some("oracle-a"), ..WHOLE },
    Handler { name: "limited", namespace: Some("oracle-b"), limit: Some(2), ..WHOLE },
];

const WHOLE: Handler =
    Handler { name: "whole", namespace: None, selects: false, state_only: false, previous: false, limit: None };

/// How much memory a tiny table has, in bytes: some ten entries.
const TINY_BYTES: u32 = 4096;

/// What all runs together counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Counts,
    /// Kills, by kind.
    kills: BTreeMap<String, u32>,
}

/// One run.
pub(crate) struct Run {
    api: Api,
    program: Program,
    weir: Option<Weir>,
    life: Life,
    judge: Judge,
    history: History,
    /// What the API saw of each object.
    seen: BTreeMap<String, Vec<(String, String)>>,
    /// Kills, by kind.
    kills: BTreeMap<String, u32>,
    seed: u64,
}

impl Tally {
    /// The places that kills were to hit, and did not.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        failpoint::PLACES.iter().copied().filter(|place| !self.kills.contains_key(*place)).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: Vec<String> = self.kills.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let Counts { calls, acknowledged, failed, given_up, cut_off, endings } = self.counts;
        write!(
            f,
            "kills={} ({}) calls={calls} acknowledged={acknowledged} endings={endings} failed={failed} given-up={given_up} cut-off={cut_off} violations=0",
            self.kills.values().sum::<u32>(),
            kills.join(", "),
        )
    }
}

impl Run {
    /// With a state directory whose tables are so small, if `tiny`, that they are written out and merged all the time; a table's size is settled when it is
    /// made. None, said loudly, where the API is not to be had.
    pub(crate) async fn start(on: On, seed: u64, tiny: bool, scratch: &Path) -> Option<Run> {
        let mut api = Api::start(on).await?;
        if tiny {
            api.flags.push(format!("--state-memtable={TINY_BYTES}"));
        }
        let program = Program::new(scratch, &api.flags);
        Some(Run {
            api,
            program,
            weir: None,
            life: Life::default(),
            judge: Judge::new(HANDLERS),
            history: History::new(),
            seen: BTreeMap::new(),
            kills: BTreeMap::new(),
            seed,
        })
    }

    /// Runs these rounds, and adds to what was counted.
    ///
    /// # Panics
    /// At the first violation.
    pub(crate) async fn rounds(mut self, rounds: Range<u32>, tally: &mut Tally) {
        for round in rounds.clone() {
            self.round(round).await;
        }
        if let Some(mut weir) = self.weir.take() {
            self.end_in_order(&mut weir, rounds.end).await;
        }
        for (kind, count) in self.kills {
            *tally.kills.entry(kind).or_default() += count;
        }
        tally.counts.add(&self.judge.counts);
    }

    async fn round(&mut self, round: u32) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (u64::from(round) << 40));
        let kills = kills::plan(round, &mut random);
        let (count, mut own) = (random.random_range(60..160), StdRng::seed_from_u64(random.random()));
        let mut history = std::mem::replace(&mut self.history, History::new());
        let (life, api) = (self.life.clone(), &self.api);
        let mut killing =
            Killing { program: &mut self.program, weir: &mut self.weir, judge: &mut self.judge, life: &life };
        let (written, ()) = tokio::join!(
            api.play(&mut history, &mut own, count, &life),
            killing.chaos(api, &kills, &mut random, &mut self.kills)
        );
        self.history = history;
        self.remember(&written);
        self.quiet(round).await;
        // What is told from now on is told of a weir that has nothing to do, or to one that was stopped in order.
        if random.random_ratio(1, 2)
            && let Some(mut weir) = self.weir.take()
        {
            self.end_in_order(&mut weir, round).await;
            self.look_inside(round, random.random_ratio(1, 2)).await;
        }
        if random.random_ratio(1, 4) {
            self.api.restart().await;
        }
    }

    /// Holds the state directory's dead letters against the judge's knowledge, while no weir runs on it; and has them tried again, if so wished.
    async fn look_inside(&mut self, round: u32, again: bool) {
        const LIMITED: &str = "limited";
        let dir = self.program.state.clone();
        let letters = tokio::task::spawn_blocking(move || {
            let mut offline = Offline::open(StateSettings::new(dir).into()).unwrap();
            let letters: BTreeSet<String> = offline.letters(LIMITED).into_iter().map(|(_, it)| it.event.uid).collect();
            let redriven = if again { offline.retry_letters(LIMITED, None) } else { letters.len() };
            offline.close().unwrap();
            assert_eq!(redriven, letters.len(), "each letter is tried again");
            letters
        });
        let (letters, wanted) = (letters.await.unwrap(), self.judge.given_up(LIMITED));
        if letters != wanted {
            let what = format!("the state directory has letters about {letters:?}, and not about {wanted:?}");
            self.fail(round, &Violation { place: None, what });
        }
        if again {
            self.judge.redriven(LIMITED);
        }
    }

    /// Takes what the API answered into the judge's knowledge, and into what is told of a violation.
    fn remember(&mut self, written: &[Written]) {
        let mut uids: BTreeMap<&str, &str> = BTreeMap::new();
        for it in written {
            self.seen.entry(it.key.clone()).or_default().push((it.at.clone(), format!("API: {}", it.words)));
            let Some(uid) = &it.uid else { continue };
            uids.insert(&it.key, uid);
            if it.created {
                self.judge.created(uid, &it.key, it.life);
            }
            self.judge.wrote(uid, it.version, &it.state, it.chosen);
        }
    }

    /// Waits until all is quiet, and lets the judge look.
    async fn quiet(&mut self, round: u32) {
        let began = Instant::now();
        loop {
            let Some(weir) = &mut self.weir else { panic!("a round ends with weir running") };
            for (at, line) in weir.lines() {
                self.judge.take(&at, line);
            }
            let missing = match weir.status().await {
                // The log is read once more, so that it is not older than the status.
                Some(status) => {
                    let live = self.api.live().await;
                    for (at, line) in weir.lines() {
                        self.judge.take(&at, line);
                    }
                    self.judge.missing(&live, &status)
                }
                None => {
                    let how = match weir.ended(Duration::ZERO).await {
                        Some(status) => format!("weir has ended by itself: {status}"),
                        None => "weir does not answer".to_owned(),
                    };
                    Some(Violation { place: None, what: how })
                }
            };
            self.fail_for(round);
            match missing {
                None => break,
                Some(missing) if began.elapsed() > PATIENCE => self.fail(round, &missing),
                Some(_) => sleep(LOOK).await,
            }
        }
        self.judge.agree();
        self.fail_for(round);
    }

    /// Stops weir as an operator does.
    async fn end_in_order(&mut self, weir: &mut Weir, round: u32) {
        let ended = weir.stop().await;
        for (at, line) in weir.lines() {
            self.judge.take(&at, line);
        }
        self.judge.ended(false);
        self.fail_for(round);
        assert!(
            ended.is_some_and(|status| status.success()),
            "WEIR_SEED={}, round {round}: weir was asked to stop and ended as {ended:?}; its last words:\n{}",
            self.seed,
            weir.last_words()
        );
    }

    /// Fails if the judge has found anything.
    fn fail_for(&mut self, round: u32) {
        if let Some(violation) = self.judge.found().first() {
            self.fail(round, violation);
        }
    }

    fn fail(&self, round: u32, violation: &Violation) -> ! {
        let mut text = format!("WEIR_SEED={}, round {round}, at {}: {}", self.seed, now(), violation.what);
        if let Some(place) = &violation.place {
            let _ = write!(text, "\n{} of {} was told, and the API saw (chosen: {CHOSEN}):", place.handler, place.key);
            let mut all = self.judge.history(place);
            all.extend(self.seen.get(&place.key).into_iter().flatten().cloned());
            all.sort();
            // An object's history grows over the rounds; what went wrong is at its end.
            let earlier = all.len().saturating_sub(80);
            for (at, words) in &all[earlier..] {
                let _ = write!(text, "\n  {at} {words}");
            }
        }
        if let Some(weir) = &self.weir {
            let _ = write!(text, "\nweir's last words:\n{}", weir.last_words());
        }
        let _ = write!(text, "\nall that weir left is in {}", self.program.scratch.display());
        panic!("{text}");
    }
}
