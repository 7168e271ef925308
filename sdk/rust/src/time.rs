//! Time as Kubernetes writes it: RFC 3339 in UTC, whole seconds.
//!
//! Only what a handler needs to put a time into an annotation and to read it back; no time zones, no calendar arithmetic.

use std::{fmt, str::FromStr, time::Duration};

/// A moment, in milliseconds since the Unix epoch.
///
/// Printed without the milliseconds, as the API server does; so what is read back is the second it fell into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// A text is not a time as [`Timestamp`] prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATime;

const SECONDS_A_DAY: u64 = 86_400;
/// 9999-12-31T23:59:59.999Z: the last moment with a four-digit year.
const LAST: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The moment so many milliseconds after the epoch; beyond the year 9999 it is that year's end.
    pub const fn from_millis(since_epoch: u64) -> Self {
        Timestamp(if since_epoch > LAST { LAST } else { since_epoch })
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long it is since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (year, month, day) = date(seconds / SECONDS_A_DAY);
        let clock = seconds % SECONDS_A_DAY;
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    /// Reads `2026-11-20T17:03:05Z`, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let digits = |range: std::ops::Range<usize>| -> Result<u64, NotATime> {
            let part = text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            part.and_then(|part| part.parse().ok()).ok_or(NotATime)
        };
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        let bounded =
            hour < 24 && minute < 60 && second < 60 && (1970..=9999).contains(&year) && (1..=12).contains(&month);
        if !bounded {
            return Err(NotATime);
        }
        let seconds = days(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
        let read = Timestamp(seconds * 1000);
        // Printing it again refuses wrong separators, wrong lengths and a 31st of February in one comparison.
        if read.to_string() == text { Ok(read) } else { Err(NotATime) }
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time like 2026-11-20T17:03:05Z")
    }
}

impl std::error::Error for NotATime {}

/// Year, month and day of a day since the epoch, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so that the leap day comes last.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    let shifted = days_since_epoch + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day since the epoch of a date, `days_from_civil` of the same page. The year is at least 1970.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day.saturating_sub(1);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_kubernetes_prints_them() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn what_was_printed_is_read_back_to_the_second_on_every_day_of_four_centuries() {
        for day in 0..400 * 366 {
            let moment = Timestamp::from_millis((day * SECONDS_A_DAY + 3661) * 1000);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-11-20 17:03:05Z",
            "2026-11-20T17:03:05+01:00",
            "2026-11-20T24:00:00Z",
            "ö",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn a_clock_that_stepped_back_is_no_time_at_all() {
        let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(5));
        assert_eq!((late.since(early), early.since(late)), (Duration::from_millis(4), Duration::ZERO));
    }
}
