//! How often an object may be written to before whoever writes is slowed: protection against handlers that fight with themselves or each other.
//!
//! Promises: within the budget nothing is slowed; beyond it each further write doubles the wait of the key whose call wrote, up to a cap; a window
//! within the budget ends that. Counts per object written to, by fixed windows, and knows which fields are written most.
//!
//! Bounds: [`MAX_TARGETS`] objects of one lane are counted; the one written longest ago makes room, and is counted. [`MAX_COUNTED_FIELDS`] fields of each.

use crate::{action::Written, contract::ObjectRef};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// Effective writes to one object in one [`WRITE_WINDOW`] before it is slowed.
pub const WRITE_BUDGET: u32 = 20;
/// The window.
pub const WRITE_WINDOW: Duration = Duration::from_secs(60);
/// The first wait beyond the budget.
pub const FIRST_SLOWING: Duration = Duration::from_secs(1);
/// Objects whose writes one lane counts.
pub const MAX_TARGETS: usize = 4096;
/// Fields whose writes are counted for one object.
pub const MAX_COUNTED_FIELDS: usize = 64;
/// Fields that are named.
pub const MAX_NAMED_FIELDS: usize = 5;

/// The budgets of one lane.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    targets: HashMap<ObjectRef, Budget>,
    /// Targets that made room for others.
    forgotten: u64,
}

/// What was written to one object lately.
#[derive(Debug, Clone, Default)]
struct Budget {
    window: Option<Instant>,
    writes: u32,
    /// How often in a row it was slowed.
    slowed: u32,
    last: Option<Instant>,
    /// How often each field was written in this window and the one before.
    fields: BTreeMap<String, u32>,
}

/// A write beyond the budget.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// How long the key has to wait.
    pub(super) wait: Duration,
    /// What was written to.
    pub(super) target: ObjectRef,
    /// The fields written most, the most often written first.
    pub(super) fields: Vec<String>,
    /// It was within the budget before.
    pub(super) first: bool,
}

impl Budgets {
    /// Counts what one call wrote. Beyond the budget of any target: how long the key has to wait, at most `cap`.
    pub(super) fn spend(&mut self, written: &[Written], now: Instant, cap: Duration) -> Option<Over> {
        let mut longest: Option<Over> = None;
        for write in written {
            if !self.targets.contains_key(&write.target) {
                self.make_room();
            }
            let budget = self.targets.entry(write.target.clone()).or_default();
            let was_slowed = budget.slowed > 0;
            let Some(wait) = budget.spend(write, now, cap) else { continue };
            let first = !was_slowed || longest.as_ref().is_some_and(|over| over.first && over.target == write.target);
            if longest.as_ref().is_none_or(|over| over.wait <= wait) {
                longest = Some(Over { wait, target: write.target.clone(), fields: budget.most_written(), first });
            }
        }
        longest
    }

    /// The objects that are written to too often, with the fields written most.
    pub(super) fn slowed(&self) -> impl Iterator<Item = (&ObjectRef, Vec<String>)> {
        self.targets
            .iter()
            .filter(|(_, budget)| budget.slowed > 0)
            .map(|(target, budget)| (target, budget.most_written()))
    }

    /// How many objects made room for others, and are counted anew when they are written to next.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn make_room(&mut self) {
        if self.targets.len() < MAX_TARGETS {
            return;
        }
        // A walk over all, for a handler that writes to thousands of objects; those pay it once a write.
        if let Some(oldest) =
            self.targets.iter().min_by_key(|(_, it)| (it.slowed > 0, it.last)).map(|(key, _)| key.clone())
        {
            self.targets.remove(&oldest);
            self.forgotten += 1;
        }
    }
}

impl Budget {
    fn spend(&mut self, write: &Written, now: Instant, cap: Duration) -> Option<Duration> {
        if self.window.is_none_or(|start| now.duration_since(start) >= WRITE_WINDOW) {
            // An object whose waits have grown beyond the window is still slow, although each window has but one write; it is free
            // once it has been quiet for as long as it last had to wait, and a window more.
            let quiet = WRITE_WINDOW + self.wait(cap);
            if self.window.is_none_or(|start| now.duration_since(start) >= quiet) {
                self.slowed = 0;
            }
            (self.window, self.writes) = (Some(now), 0);
            // What was written once in a former window fades; what is written again and again stays.
            self.fields.retain(|_, times| {
                *times /= 2;
                *times > 0
            });
        }
        self.writes = self.writes.saturating_add(1);
        self.last = Some(now);
        for field in &write.fields {
            if let Some(times) = self.fields.get_mut(&field.pointer) {
                *times = times.saturating_add(1);
            } else if self.fields.len() < MAX_COUNTED_FIELDS {
                self.fields.insert(field.pointer.clone(), 1);
            }
        }
        if self.writes <= WRITE_BUDGET && self.slowed == 0 {
            return None;
        }
        self.slowed = self.slowed.saturating_add(1);
        Some(self.wait(cap))
    }

    fn most_written(&self) -> Vec<String> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        fields.into_iter().take(MAX_NAMED_FIELDS).map(|(field, _)| field.clone()).collect()
    }

    fn wait(&self, cap: Duration) -> Duration {
        let Some(doublings) = self.slowed.checked_sub(1) else { return Duration::ZERO };
        FIRST_SLOWING.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Field;

    const CAP: Duration = Duration::from_secs(1000);

    fn write(name: &str, fields: &[&str]) -> Written {
        let target =
            ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: None, name: name.into() };
        let fields = fields.iter().map(|pointer| Field { pointer: (*pointer).to_owned(), value: 0 }).collect();
        Written { target, fields, more: 0 }
    }

    /// How long one write to `a` has to wait.
    fn spend(budgets: &mut Budgets, now: Instant) -> Option<Duration> {
        budgets.spend(&[write("a", &["/data/x"])], now, CAP).map(|over| over.wait)
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_free_and_each_write_beyond_it_waits_twice_as_long() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        assert!((0..WRITE_BUDGET).all(|_| spend(&mut budgets, now).is_none()));
        assert_eq!(spend(&mut budgets, now), Some(Duration::from_secs(1)));
        assert_eq!(spend(&mut budgets, now), Some(Duration::from_secs(2)));
        assert_eq!((0..30).filter_map(|_| spend(&mut budgets, now)).last(), Some(CAP));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_writes_slowly_enough_is_never_slowed() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        for second in 0..600 {
            assert_eq!(spend(&mut budgets, start + Duration::from_secs(4 * second)), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fight_goes_on_slowly_and_ends_with_a_quiet_window() {
        let (mut budgets, mut now) = (Budgets::default(), Instant::now());
        (0..WRITE_BUDGET).for_each(|_| _ = spend(&mut budgets, now));
        for _ in 0..12 {
            let wait = spend(&mut budgets, now);
            assert!(wait.is_some(), "still fighting");
            now += wait.unwrap_or_default();
        }
        now += CAP + 2 * WRITE_WINDOW;
        assert_eq!(spend(&mut budgets, now), None);
        assert_eq!(budgets.slowed().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn each_object_has_a_budget_whichever_key_writes_to_it() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for _ in 0..WRITE_BUDGET {
            assert_eq!(budgets.spend(&[write("a", &[]), write("b", &[])], now, CAP), None);
        }
        assert_eq!(budgets.spend(&[write("c", &[])], now, CAP), None);
        let over = budgets.spend(&[write("c", &[]), write("b", &[])], now, CAP).expect("one too many for b");
        assert_eq!((over.target.name.as_str(), over.first), ("b", true));
        let again = budgets.spend(&[write("b", &[])], now, CAP).expect("and another");
        assert!(!again.first, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn the_fields_written_most_are_named() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for n in 0..WRITE_BUDGET {
            budgets.spend(&[write("a", &["/data/often", &format!("/data/once-{n}")])], now, CAP);
        }
        let over = budgets.spend(&[write("a", &["/data/often"])], now, CAP).expect("one too many");
        assert_eq!(over.fields[0], "/data/often");
        assert_eq!(over.fields.len(), MAX_NAMED_FIELDS);
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_its_bound_the_object_written_longest_ago_makes_room() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for n in 0..=MAX_TARGETS {
            budgets.spend(&[write(&n.to_string(), &[])], now + Duration::from_millis(n as u64), CAP);
        }
        assert_eq!((budgets.targets.len(), budgets.forgotten()), (MAX_TARGETS, 1));
        assert!(!budgets.targets.contains_key(&write("0", &[]).target));
    }
}
