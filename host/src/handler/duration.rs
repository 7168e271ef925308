//! Durations as Kubernetes writes them (`30s`, `5ms`, `1h30m`) and quantities of bytes (`64Mi`, `1G`).

use std::time::Duration;

/// Why a text is no duration or quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct UnitError {
    text: String,
    what: &'static str,
}

/// Parses a Go duration of whole or decimal numbers and units from `ns` to `h`; at most about 292 years, as Go's.
///
/// # Errors
/// If it is not of that form, or negative.
pub fn parse(text: &str) -> Result<Duration, UnitError> {
    let failed = || UnitError { text: text.chars().take(40).collect(), what: "duration such as 30s, 5ms or 1h30m" };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.').ok_or_else(failed)?;
        let number: f64 = rest[..digits].parse().map_err(|_| failed())?;
        let after = &rest[digits..];
        let letters = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        seconds += number
            * match &after[..letters] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(failed()),
            };
        rest = &after[letters..];
    }
    if seconds > i64::MAX as f64 / 1e9 {
        return Err(failed());
    }
    // Rounded to nanoseconds, so that 5ms is 5 ms and not 4.999999.
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Parses a quantity of bytes: a number and, optionally, one of `Ki Mi Gi Ti k M G T`.
///
/// # Errors
/// If it is not of that form, or beyond 2^63.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let failed =
        || UnitError { text: text.chars().take(40).collect(), what: "quantity of bytes such as 64Mi or 1048576" };
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| failed())?;
    let unit: u64 = match &text[digits..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return Err(failed()),
    };
    number.checked_mul(unit).filter(|bytes| *bytes <= 1 << 63).ok_or_else(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up() {
        for (text, milliseconds) in
            [("30s", 30_000), ("5ms", 5), ("1h30m", 5_400_000), ("1.5s", 1_500), ("0", 0), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1d", "1s2", "9999999999h", "1..5s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("1d").unwrap_err().to_string(), "`1d` is no duration such as 30s, 5ms or 1h30m");
    }

    #[test]
    fn quantities_know_both_families_of_units() {
        for (text, bytes) in [("64Mi", 64 << 20), ("1G", 1_000_000_000), ("7", 7), ("0", 0)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "1.5Gi", "1MiB", "-1", "99999999999Ti"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
