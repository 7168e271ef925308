//! How much one handler may say to the host's log, over all of its calls and versions.
//!
//! Promises: no more than `limits.logBurst` bytes at once and `limits.logBytesPerSecond` after that, whoever writes: the guest through its import,
//! stdout or stderr, its `log` actions, or weir about its failures. When the room is used up one line says so; then there is silence until a
//! quarter of the burst is there again, so that a flood does not alternate with complaints about it.
//!
//! Does not hold anybody up: what finds no room is dropped.

use super::logs::{LINE_BYTES, LogSink};
use crate::{
    contract::LogLine,
    handler::manifest::{
        Limits,
        limit::{Limit, LimitHits},
    },
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// What each line costs beside its text, so that empty lines are not free.
const LINE_OVERHEAD: usize = 64;

/// One handler's share of the log.
#[derive(Debug)]
pub struct LogRate {
    handler: String,
    hits: LimitHits,
    /// Held for single changes.
    room: Mutex<Room>,
}

/// Bytes that may be written now.
#[derive(Debug)]
struct Room {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Instant,
    silent: bool,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Written,
    /// The first that is dropped.
    Last,
    Dropped,
}

impl LogRate {
    /// With the defaults, until [`LogRate::bound`] says otherwise.
    pub fn new(handler: &str, hits: LimitHits) -> Arc<LogRate> {
        let room = Mutex::new(Room::new(&Limits::default(), Instant::now()));
        Arc::new(LogRate { handler: handler.to_owned(), hits, room })
    }

    /// From now on these bounds hold. With the same ones nothing changes: a reload gives no room back.
    pub fn bound(&self, limits: &Limits) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let bounded = Room::new(limits, Instant::now());
        if (room.per_second, room.burst) != (bounded.per_second, bounded.burst) {
            *room = bounded;
        }
    }

    /// Whether a line of so many bytes may be written.
    pub fn take(&self, bytes: usize) -> bool {
        let (line, per_second) = {
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            (room.take(bytes.min(2 * LINE_BYTES) + LINE_OVERHEAD, Instant::now()), room.per_second)
        };
        if line == Line::Last {
            self.hits.hit(&self.handler, Limit::LogBytesPerSecond);
            tracing::warn!(
                handler = self.handler,
                "it logs more than limits.logBytesPerSecond, {per_second} bytes: lines of it and about it are dropped for a while"
            );
        }
        line == Line::Written
    }

    /// The same sink for as many lines as there is room for.
    pub fn over(self: &Arc<Self>, sink: LogSink) -> LogSink {
        let rate = Arc::clone(self);
        Arc::new(move |line: &LogLine| {
            let fields: usize = line.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
            if rate.take(line.message.len() + fields) {
                sink(line);
            }
        })
    }
}

impl Room {
    fn new(limits: &Limits, at: Instant) -> Room {
        let burst = f64::from(limits.log_burst);
        Room { per_second: limits.log_bytes_per_second.into(), burst, left: burst, at, silent: false }
    }

    fn take(&mut self, bytes: usize, now: Instant) -> Line {
        // Callers on several threads may arrive with slightly older times; time never runs backwards here.
        let elapsed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        self.left = (self.left + elapsed.as_secs_f64() * self.per_second).min(self.burst);
        if self.silent && self.left < self.burst / 4.0 {
            return Line::Dropped;
        }
        self.silent = bytes as f64 > self.left;
        if self.silent {
            // Said again only after a quarter of the burst, also if that is not enough for this line.
            self.left = self.left.min(self.burst / 4.0 - 1.0);
            return Line::Last;
        }
        self.left -= bytes as f64;
        Line::Written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Level;
    use std::{sync::Mutex as Lines, time::Duration};

    fn limits(log_bytes_per_second: u32, log_burst: u32) -> Limits {
        Limits { log_bytes_per_second, log_burst, ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_cut_off_counted_and_heard_again_after_a_while() {
        let (hits, lines) = (LimitHits::default(), Arc::new(Lines::new(0)));
        let rate = LogRate::new("h", hits.clone());
        rate.bound(&limits(100, 1000));
        let count = Arc::clone(&lines);
        let sink = rate.over(Arc::new(move |_| *count.lock().unwrap() += 1));
        let line = LogLine { level: Level::Info, message: "x".repeat(36), fields: Vec::new() };
        (0..1000).for_each(|_| sink(&line));
        assert_eq!((*lines.lock().unwrap(), hits.of("h", Limit::LogBytesPerSecond)), (10, 1));
        // The same bounds give nothing back.
        rate.bound(&limits(100, 1000));
        tokio::time::advance(Duration::from_secs(2)).await;
        sink(&line);
        assert_eq!(*lines.lock().unwrap(), 10, "silent until a quarter is there");
        tokio::time::advance(Duration::from_secs(1)).await;
        (0..1000).for_each(|_| sink(&line));
        assert_eq!((*lines.lock().unwrap(), hits.of("h", Limit::LogBytesPerSecond)), (13, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_slowly_enough_is_never_dropped_and_one_that_never_fits_is_complained_of_rarely() {
        let mut room = Room::new(&limits(100, 1000), Instant::now());
        for second in 0..600 {
            let now = room.at + Duration::from_millis(1000 * u64::from(second > 0));
            assert_eq!(room.take(100, now), Line::Written);
        }
        let mut room = Room::new(&limits(100, 50), Instant::now());
        let now = room.at;
        let said = (0..100).filter(|_| room.take(64, now) == Line::Last).count();
        assert_eq!(said, 1);
    }
}
