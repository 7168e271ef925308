//! Whether the world is away: the API, or the network to it.
//!
//! Promises: when a call finds the world away the whole lane pauses once; then one key at a time is let through, another one each time, after
//! waits that double up to [`LONGEST_ABSENCE`]; the first that the world answers opens the lane for all. Calls that were under way when the lane
//! paused neither lengthen the wait nor open the lane early, and what they hear after it opened is old news. A probe that nobody tells the end of
//! gives way to the next.
//!
//! This is the bookkeeping alone, without a clock: the lane pauses its queue, waits, and lets probes through.

use std::time::Duration;

/// The first wait.
pub const FIRST_ABSENCE: Duration = Duration::from_millis(500);
/// The longest wait between two probes, unless the server asks for more.
pub const LONGEST_ABSENCE: Duration = Duration::from_secs(30);
/// The longest wait a server can ask for.
pub const LONGEST_ASKED_ABSENCE: Duration = Duration::from_secs(300);

/// What a claim learnt of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answered.
    Answer,
    /// It did not, or asked to be left alone for a while.
    Silence { at_least: Option<Duration> },
    /// It was not asked.
    Nothing,
}

/// What the lane has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Do {
    Nothing,
    /// Pause the queue, and let a probe through after so long.
    Pause(Duration),
    /// Let a probe through after so long.
    Probe(Duration),
    Resume,
}

#[derive(Debug, Default)]
pub(super) struct World {
    /// How many waits there were since it was last there; zero while it is.
    waits: u32,
    /// A probe was let through, and no claim has taken it yet.
    probing: bool,
    /// How many times it came back: tells claims that began before that from those that began after.
    returns: u32,
}

/// What a claim has to know as it begins, to make sense of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The claim is the probe.
    probe: bool,
    returns: u32,
}

impl World {
    pub(super) fn is_away(&self) -> bool {
        self.waits > 0
    }

    /// A probe is let through.
    pub(super) fn let_probe(&mut self) {
        self.probing = self.is_away();
    }

    /// A claim begins: the probe, if one was let through.
    pub(super) fn begin(&mut self) -> Ticket {
        Ticket { probe: std::mem::take(&mut self.probing), returns: self.returns }
    }

    /// The claim that began with `ticket` ended.
    pub(super) fn heard(&mut self, heard: Heard, ticket: Ticket) -> Do {
        let Ticket { probe, returns } = ticket;
        match (heard, self.is_away()) {
            // It asked before others were answered.
            (Heard::Silence { .. }, false) if returns != self.returns => Do::Nothing,
            (Heard::Silence { at_least }, false) => Do::Pause(self.next_wait(at_least)),
            (Heard::Silence { at_least }, true) if probe => Do::Probe(self.next_wait(at_least)),
            (Heard::Answer, true) if probe => {
                *self = World { returns: self.returns.wrapping_add(1), ..World::default() };
                Do::Resume
            }
            // Learnt nothing and cost the world nothing: the next key, at once.
            (Heard::Nothing, true) if probe => Do::Probe(Duration::ZERO),
            _ => Do::Nothing,
        }
    }

    fn next_wait(&mut self, at_least: Option<Duration>) -> Duration {
        let wait = absence(self.waits);
        self.waits = self.waits.saturating_add(1);
        wait.max(at_least.unwrap_or_default().min(LONGEST_ASKED_ABSENCE))
    }
}

/// The wait after so many others. Also for a key that shuts the lane each time it opens, because it alone meets the silence: it waits
/// longer each time, and the others do not.
pub(super) fn absence(waits_before: u32) -> Duration {
    let factor = 1_u32.checked_shl(waits_before).unwrap_or(u32::MAX);
    FIRST_ABSENCE.saturating_mul(factor).min(LONGEST_ABSENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Heard = Heard::Silence { at_least: None };

    /// A claim that is not the probe.
    const OTHER: Ticket = Ticket { probe: false, returns: 0 };

    /// A world that just went away.
    fn away() -> World {
        let mut world = World::default();
        assert_eq!(world.heard(SILENCE, OTHER), Do::Pause(FIRST_ABSENCE));
        world
    }

    fn probe(world: &mut World, heard: Heard) -> Do {
        world.let_probe();
        let ticket = world.begin();
        world.heard(heard, ticket)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_an_answer() {
        let mut world = away();
        let waits: Vec<_> = (0..8).map(|_| probe(&mut world, SILENCE)).collect();
        assert_eq!(waits[0], Do::Probe(Duration::from_secs(1)));
        assert_eq!(waits[5], Do::Probe(LONGEST_ABSENCE));
        assert_eq!(waits[7], Do::Probe(LONGEST_ABSENCE));
        assert_eq!(probe(&mut world, Heard::Answer), Do::Resume);
        let ticket = world.begin();
        assert_eq!(world.heard(SILENCE, ticket), Do::Pause(FIRST_ABSENCE));
    }

    #[test]
    fn calls_that_were_under_way_change_nothing() {
        let mut world = away();
        for heard in [SILENCE, Heard::Answer, Heard::Nothing] {
            assert_eq!(world.heard(heard, OTHER), Do::Nothing);
        }
        assert_eq!(probe(&mut world, SILENCE), Do::Probe(Duration::from_secs(1)), "no wait was lost or added");
    }

    #[test]
    fn a_call_that_began_before_the_lane_opened_does_not_shut_it() {
        let mut world = away();
        assert_eq!(probe(&mut world, Heard::Answer), Do::Resume);
        assert_eq!(world.heard(SILENCE, OTHER), Do::Nothing, "it waited all the while for its timeout");
        assert!(!world.is_away());
    }

    #[test]
    fn a_probe_that_did_not_ask_gives_way_to_the_next_at_once() {
        let mut world = away();
        assert_eq!(probe(&mut world, Heard::Nothing), Do::Probe(Duration::ZERO));
        assert!(world.is_away());
    }

    #[test]
    fn one_claim_is_the_probe() {
        let mut world = World::default();
        world.let_probe();
        assert_eq!(world.begin(), OTHER, "there is nothing to probe");
        let mut world = away();
        assert_eq!(world.begin(), OTHER, "it began before the lane paused");
        world.let_probe();
        assert!(world.begin().probe);
        assert_eq!(world.begin(), OTHER);
    }

    #[test]
    fn a_server_may_ask_for_a_longer_wait_up_to_a_bound() {
        let mut world = World::default();
        let asked = |seconds| Heard::Silence { at_least: Some(Duration::from_secs(seconds)) };
        assert_eq!(world.heard(asked(60), OTHER), Do::Pause(Duration::from_secs(60)));
        assert_eq!(probe(&mut world, asked(1 << 40)), Do::Probe(LONGEST_ASKED_ABSENCE));
    }
}
