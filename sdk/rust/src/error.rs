//! How a handler says that it could not do its work.
//!
//! `?` on any library's error means "try again"; the two other answers are asked for by name. What cannot be read
//! ([`ReadError`]) chooses by itself: a denial is permanent, an outage is not.

use crate::bindings::weir::api::types;
use std::{error::Error as StdError, fmt, time::Duration};

/// Why a call failed, and whether trying again can help.
///
/// Deliberately not a `std::error::Error`, so that `?` can turn every such error into this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Call again with growing waits, up to the handler's retry limit; then the event is a dead letter.
    Retry(String),
    /// Call again after this long. Counts towards the retry limit too.
    RetryLater {
        /// How long to wait; whole milliseconds, at most about 24 days.
        after: Duration,
        /// What was wrong.
        reason: String,
    },
    /// Trying again cannot help: a dead letter at once.
    Permanent(String),
}

impl Error {
    /// The call may go better next time.
    pub fn retry(reason: impl Into<String>) -> Self {
        Error::Retry(reason.into())
    }

    /// The call may go better after `after`.
    pub fn retry_later(after: Duration, reason: impl Into<String>) -> Self {
        Error::RetryLater { after, reason: reason.into() }
    }

    /// The call can never go well for this state of the object.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Error::Permanent(reason.into())
    }

    /// What was wrong.
    pub fn reason(&self) -> &str {
        match self {
            Error::Retry(reason) | Error::RetryLater { reason, .. } | Error::Permanent(reason) => reason,
        }
    }

    pub(crate) fn into_contract(self) -> types::Failure {
        match self {
            Error::Retry(reason) => types::Failure::Retry(reason),
            Error::RetryLater { after, reason } => {
                types::Failure::RetryLater(types::RetryLater { after_ms: milliseconds(after), reason })
            }
            Error::Permanent(reason) => types::Failure::Permanent(reason),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl<E: StdError> From<E> for Error {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            reason.push_str(": ");
            reason.push_str(&source.to_string());
            cause = source.source();
        }
        Error::Retry(reason)
    }
}

/// Why [`cluster`](crate::cluster) or [`subject`](crate::subject) did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// Not declared under `reads`, not granted, or not kept by this watch; the text says what to add.
    Denied(String),
    /// The question is wrong, or the answer is not of the type asked for.
    Invalid(String),
    /// Not now.
    Unavailable(String),
}

impl ReadError {
    /// What the host said.
    pub fn reason(&self) -> &str {
        match self {
            ReadError::Denied(reason) | ReadError::Invalid(reason) | ReadError::Unavailable(reason) => reason,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => Error::Retry(reason),
            ReadError::Denied(reason) | ReadError::Invalid(reason) => Error::Permanent(reason),
        }
    }
}

impl From<types::ReadError> for ReadError {
    fn from(error: types::ReadError) -> Self {
        match error {
            types::ReadError::Denied(reason) => ReadError::Denied(reason),
            types::ReadError::Invalid(reason) => ReadError::Invalid(reason),
            types::ReadError::Unavailable(reason) => ReadError::Unavailable(reason),
        }
    }
}

/// The longest time that the contract can name, in milliseconds: about 24 days.
const LONGEST_MS: u32 = i32::MAX as u32;

/// Whole milliseconds, rounded up so that a positive time never becomes none, and cut to what the contract can name.
pub(crate) fn milliseconds(duration: Duration) -> u32 {
    let rounded = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(rounded).unwrap_or(LONGEST_MS).min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_error_becomes_a_retry_with_its_whole_chain() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot read the port")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let fails = || -> Result<(), Error> { Err(Outer("x".parse::<u16>().expect_err("not a number")))? };
        assert_eq!(fails(), Err(Error::retry("cannot read the port: invalid digit found in string")));
    }

    #[test]
    fn a_denied_read_is_permanent_and_an_outage_is_not() {
        assert_eq!(Error::from(ReadError::Denied("add it".into())), Error::permanent("add it"));
        assert_eq!(Error::from(ReadError::Unavailable("later".into())), Error::retry("later"));
    }

    #[test]
    fn waits_are_rounded_up_and_cut_to_what_the_contract_can_name() {
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert_eq!(milliseconds(Duration::from_secs(30)), 30_000);
        assert_eq!(milliseconds(Duration::MAX), LONGEST_MS);
    }
}
