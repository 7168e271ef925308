//! Fights: two handlers that in turn set one field of one object to different values.
//!
//! Promises: shared by all lanes; [`FIGHT_TURNS`] turns of one pair at one field within [`FIGHT_WINDOW`] are a fight; writing the value that is
//! there, or changing one's own, is no turn. A fight is told once a window, and forgotten after [`FIGHT_QUIET`]. It knows hashes, never
//! values. Whoever fights is slowed by its write budget, not here; what somebody outside of weir writes is not seen here.

use crate::{action::Written, contract::ObjectRef};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Turns of one pair at one field that make a fight: A, B, A, B has three.
pub const FIGHT_TURNS: usize = 3;
/// The time they have to fall into, and for which a fight that was told is not told again.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(10 * 60);
/// How long after its last turn a fight is shown: longer than a handler slowed by its budget waits by default.
pub const FIGHT_QUIET: Duration = Duration::from_secs(30 * 60);
/// Fields whose last writer is known. Beyond it the quarter written longest ago is forgotten, and counted.
pub const MAX_WATCHED_FIELDS: usize = 4096;
/// Fights known at once; the one that has been quiet longest makes room, and is counted.
pub const MAX_FIGHTS: usize = 100;
/// Fields named of one fight.
pub const MAX_FIGHT_FIELDS: usize = 8;
/// Turns remembered of one field: enough for three handlers to be told pair by pair.
const MAX_TURNS: usize = 16;

/// All fights of the process. Clones are the same.
#[derive(Clone, Default)]
pub struct Fights {
    /// Held for one look or one write's fields, never across an await; nothing else is locked under it.
    state: Arc<Mutex<State>>,
}

/// One fight, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FightStatus {
    /// The two, by name.
    pub handlers: [String; 2],
    /// Of the object.
    pub kind: String,
    /// `namespace/name` or `name`.
    pub object: String,
    /// JSON pointers, at most [`MAX_FIGHT_FIELDS`].
    pub fields: Vec<String>,
    /// Turns since it was found, those that showed it included.
    pub turns: u64,
    /// Seconds since it was found.
    pub age_seconds: u64,
}

/// A fight that has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fight {
    pub(super) other: Arc<str>,
    pub(super) target: ObjectRef,
    /// A JSON pointer.
    pub(super) field: String,
}

#[derive(Default)]
struct State {
    /// At most [`MAX_WATCHED_FIELDS`].
    fields: HashMap<(ObjectRef, String), Kept>,
    /// At most [`MAX_FIGHTS`].
    fights: HashMap<(ObjectRef, Pair), Known>,
    /// Fields and fights that were forgotten for the bounds.
    forgotten: u64,
}

/// Two handlers in the order of their names.
type Pair = [Arc<str>; 2];

/// What is known of one field.
struct Kept {
    writer: Arc<str>,
    value: u64,
    at: Instant,
    /// At most [`MAX_TURNS`], oldest first.
    turns: VecDeque<(Instant, Pair)>,
}

struct Known {
    fields: BTreeSet<String>,
    turns: u64,
    began: Instant,
    last: Instant,
    told: Instant,
}

impl Fights {
    /// Takes note of what a handler wrote. Returns the fights that have to be told now.
    pub(super) fn wrote(&self, handler: &Arc<str>, written: &[Written], now: Instant) -> Vec<Fight> {
        let mut state = self.state();
        let mut told = Vec::new();
        for write in written {
            for field in &write.fields {
                let Some((other, turns)) = state.turn(handler, &write.target, &field.pointer, field.value, now) else {
                    continue;
                };
                if state.fight(handler, &other, &write.target, &field.pointer, turns, now) {
                    told.push(Fight { other, target: write.target.clone(), field: field.pointer.clone() });
                }
            }
        }
        told
    }

    /// For `/status`, the youngest first.
    pub fn status(&self) -> Vec<FightStatus> {
        let (mut state, now) = (self.state(), Instant::now());
        state.forget_quiet(now);
        let mut known: Vec<_> = state.fights.iter().collect();
        known.sort_by_key(|(_, known)| std::cmp::Reverse(known.began));
        known
            .into_iter()
            .map(|((target, pair), known)| FightStatus {
                handlers: pair.each_ref().map(ToString::to_string),
                kind: target.kind.clone(),
                object: target.namespace.iter().chain([&target.name]).cloned().collect::<Vec<_>>().join("/"),
                fields: known.fields.iter().cloned().collect(),
                turns: known.turns,
                age_seconds: now.duration_since(known.began).as_secs(),
            })
            .collect()
    }

    /// How many fields and fights were forgotten for the bounds.
    pub fn forgotten(&self) -> u64 {
        self.state().forgotten
    }

    /// The state stays whole through a panic elsewhere: each change is one insert or remove.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fights").finish_non_exhaustive()
    }
}

impl State {
    /// Notes one field. If that was a turn: against whom, and which of that pair within the window it is.
    fn turn(
        &mut self,
        handler: &Arc<str>,
        target: &ObjectRef,
        field: &str,
        value: u64,
        now: Instant,
    ) -> Option<(Arc<str>, usize)> {
        let key = (target.clone(), field.to_owned());
        let Some(kept) = self.fields.get_mut(&key) else {
            self.make_room(now);
            let kept = Kept { writer: handler.clone(), value, at: now, turns: VecDeque::new() };
            self.fields.insert(key, kept);
            return None;
        };
        kept.at = now;
        if kept.value == value {
            return None;
        }
        kept.value = value;
        if kept.writer == *handler {
            return None;
        }
        let other = std::mem::replace(&mut kept.writer, handler.clone());
        let pair = pair(handler, &other);
        kept.turns.retain(|(at, _)| now.duration_since(*at) < FIGHT_WINDOW);
        if kept.turns.len() >= MAX_TURNS {
            kept.turns.pop_front();
        }
        kept.turns.push_back((now, pair.clone()));
        let turns = kept.turns.iter().filter(|(_, of)| *of == pair).count();
        Some((other, turns))
    }

    /// Notes a turn of a fight, if it is one; whether it has to be told.
    fn fight(
        &mut self,
        handler: &Arc<str>,
        other: &Arc<str>,
        target: &ObjectRef,
        field: &str,
        turns: usize,
        now: Instant,
    ) -> bool {
        self.forget_quiet(now);
        let key = (target.clone(), pair(handler, other));
        if let Some(known) = self.fights.get_mut(&key) {
            // Once they fight, slower turns go on with it.
            (known.turns, known.last) = (known.turns + 1, now);
            if known.fields.len() < MAX_FIGHT_FIELDS {
                known.fields.insert(field.to_owned());
            }
            let again = now.duration_since(known.told) >= FIGHT_WINDOW;
            if again {
                known.told = now;
            }
            return again;
        }
        if turns < FIGHT_TURNS {
            return false;
        }
        if self.fights.len() >= MAX_FIGHTS
            && let Some(oldest) = self.fights.iter().min_by_key(|(_, known)| known.last).map(|(key, _)| key.clone())
        {
            self.fights.remove(&oldest);
            self.forgotten += 1;
        }
        let fields = BTreeSet::from([field.to_owned()]);
        let turns = u64::try_from(turns).unwrap_or(u64::MAX);
        self.fights.insert(key, Known { fields, turns, began: now, last: now, told: now });
        true
    }

    fn forget_quiet(&mut self, now: Instant) {
        self.fights.retain(|_, known| now.duration_since(known.last) < FIGHT_QUIET);
    }

    /// Room for one more field. A quarter at once, so that each write pays little.
    fn make_room(&mut self, now: Instant) {
        if self.fields.len() < MAX_WATCHED_FIELDS {
            return;
        }
        self.fields.retain(|_, kept| now.duration_since(kept.at) < FIGHT_QUIET);
        let mut ages: Vec<Instant> = self.fields.values().map(|kept| kept.at).collect();
        ages.sort_unstable();
        let Some(mut over) = (self.fields.len() + MAX_WATCHED_FIELDS / 4).checked_sub(MAX_WATCHED_FIELDS) else {
            return;
        };
        let Some(newest) = over.checked_sub(1).and_then(|last| ages.get(last)).copied() else { return };
        let forgotten = &mut self.forgotten;
        // Of those written at one moment as many go as are too many.
        self.fields.retain(|_, kept| {
            let goes = kept.at <= newest && over > 0;
            if goes {
                over -= 1;
                *forgotten += 1;
            }
            !goes
        });
    }
}

fn pair(one: &Arc<str>, other: &Arc<str>) -> Pair {
    if one <= other { [one.clone(), other.clone()] } else { [other.clone(), one.clone()] }
}

#[cfg(test)]
mod tests;
