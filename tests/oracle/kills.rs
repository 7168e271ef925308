//! The kills of a round, and the weather: SIGKILL at random moments, while files are written, and at places in weir's code; a network that breaks.
//!
//! Promises: which kills there are is decided by the seed and the round's number; when they are over weir runs, with a network that holds; what a killed weir left is
//! read before the next one starts.

use crate::{
    api::{Api, Life},
    judge::Judge,
    weir::{Program, Weir},
};
use rand::{Rng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::Ordering,
    time::Duration,
};
use tokio::time::sleep;
use weir::failpoint;

/// How long an aimed kill may take to come before weir is killed anyhow.
const AIM: Duration = Duration::from_secs(3);

/// The signal of a process that aborts: SIGABRT.
const ABORTED: i32 = 6;

/// How weir is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kill {
    /// So long after it was started, or after the round began.
    After(Duration),
    /// When it passes a place for the nth time.
    At(&'static str, u32),
    /// When it makes or removes a file of its state directory for the nth time: while tables are written out or merged.
    Merging(u32),
}

/// What a round's killing works on.
pub(crate) struct Killing<'a> {
    pub(crate) program: &'a mut Program,
    pub(crate) weir: &'a mut Option<Weir>,
    pub(crate) judge: &'a mut Judge,
    pub(crate) life: &'a Life,
}

/// How weir is killed in a round.
pub(crate) fn plan(round: u32, random: &mut StdRng) -> Vec<Kill> {
    // Two rounds in three are aimed, at each place in turn.
    let aimed = round % 3 != 2;
    let place = failpoint::PLACES[(round - round / 3) as usize % failpoint::PLACES.len()];
    // Fewer calls write than are made.
    let most = if place == "sent" { 8 } else { 60 };
    let after = |random: &mut StdRng| Kill::After(Duration::from_millis(random.random_range(0..600)));
    let mut kills = vec![match aimed {
        true => Kill::At(place, random.random_range(1..=most)),
        false if random.random_ratio(1, 2) => Kill::Merging(random.random_range(1..=40)),
        false => after(random),
    }];
    while random.random_ratio(1, 3) && kills.len() < 3 {
        kills.push(after(random));
    }
    kills
}

impl Killing<'_> {
    /// Kills weir and starts it again, kill by kill; in the end it runs.
    pub(crate) async fn chaos(
        &mut self,
        api: &Api,
        kills: &[Kill],
        random: &mut StdRng,
        counts: &mut BTreeMap<String, u32>,
    ) {
        for kill in kills {
            let mut flags = Vec::new();
            if random.random_ratio(1, 4) {
                flags.push("--state-sync=always".to_owned());
            }
            if random.random_ratio(1, 3) {
                // While it runs, or while it does not.
                self.program.reload(random);
            }
            let kind = match kill {
                Kill::After(wait) => {
                    let weir = self.weir.get_or_insert_with(|| self.program.start(&flags));
                    tokio::join!(sleep(*wait), weather(api, random));
                    weir.kill().await;
                    "at random"
                }
                Kill::Merging(files) => {
                    let state = self.program.state.clone();
                    let weir = self.weir.get_or_insert_with(|| self.program.start(&flags));
                    let merged = tokio::time::timeout(AIM, files_change(&state, *files)).await.is_ok();
                    weir.kill().await;
                    if merged { "merging" } else { "aimed and missed" }
                }
                Kill::At(place, passing) => {
                    if let Some(mut idle) = self.weir.take() {
                        idle.kill().await;
                        self.bury(&mut idle);
                        *counts.entry("idle".to_owned()).or_default() += 1;
                    }
                    flags.push(format!("--failpoint={place}={passing}"));
                    let weir = self.weir.insert(self.program.start(&flags));
                    let (ended, ()) = tokio::join!(weir.ended(AIM), weather(api, random));
                    weir.kill().await;
                    // One that finds no network at its start says so and ends with 1. Whoever ends otherwise was not killed: it does not know the flag, or broke.
                    let aborted = |status: ExitStatus| status.signal() == Some(ABORTED);
                    let known = |status: ExitStatus| aborted(status) || status.code() == Some(1);
                    assert!(ended.is_none_or(known), "weir ended by itself, with {ended:?}; its log says why");
                    let reached = ended.is_some_and(aborted);
                    if reached { *place } else { "aimed and missed" }
                }
            };
            *counts.entry(kind.to_owned()).or_default() += 1;
            if let Some(mut dead) = self.weir.take() {
                self.bury(&mut dead);
            }
            if let Some(api) = &api.embedded
                && random.random_ratio(1, 3)
            {
                // It has to list anew.
                api.compact();
            }
            sleep(Duration::from_millis(random.random_range(0..150))).await;
        }
        self.weir.get_or_insert_with(|| self.program.start(&[]));
        if random.random_ratio(1, 4) {
            self.program.reload(random);
        }
    }

    /// Reads what it left.
    fn bury(&mut self, dead: &mut Weir) {
        for (at, line) in dead.lines() {
            self.judge.take(&at, line);
        }
        self.judge.ended(true);
        self.life.fetch_add(1, Ordering::AcqRel);
    }
}

/// Now and then the network between weir and the API breaks: once, or for a while.
async fn weather(api: &Api, random: &mut StdRng) {
    let (kind, after) = (random.random_range(0..8), Duration::from_millis(random.random_range(0..400)));
    let away = Duration::from_millis(random.random_range(50..300));
    if kind > 2 {
        return;
    }
    sleep(after).await;
    if kind == 0 {
        api.proxy.refuse(true);
    }
    api.proxy.cut();
    if kind == 0 {
        sleep(away).await;
        api.proxy.refuse(false);
    }
}

/// Returns when files were made or removed under a directory for so many times.
async fn files_change(directory: &Path, times: u32) {
    let mut before = files(directory);
    for _ in 0..times {
        loop {
            sleep(Duration::from_millis(1)).await;
            let now = files(directory);
            if now != before {
                before = now;
                break;
            }
        }
    }
}

/// The files under a directory, as far as they are there while it is looked.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let inner = entry.file_type().is_ok_and(|kind| kind.is_dir()).then(|| self::files(&entry.path()));
        files.extend(inner.unwrap_or_else(|| vec![entry.path()]));
    }
    files.sort();
    files
}
