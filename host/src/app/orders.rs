//! What an operator may order of a state directory that no weir runs on: look at dead letters, try or drop them, forget a handler.
//!
//! Promises: a name or number that is not there is an error that says what there is, and changes nothing; what was ordered is on the disk when
//! [`Orders::close`] returns. A directory that a weir runs on is refused, naming its process: a running weir takes no orders yet.

use super::StateSettings;
use crate::dispatch::{Letter, Offline, OpenError};
use serde::Serialize;
use serde_json::Value;

/// The orders, on one directory, which is held meanwhile.
#[derive(Debug)]
pub struct Orders {
    offline: Offline,
}

/// One dead letter, without the object's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterLine {
    /// `HANDLER/NUMBER`.
    pub name: String,
    /// The watch, as the manifest names it.
    pub watch: String,
    /// `namespace/name`, or `name`.
    pub object: String,
    /// As what it was handed over.
    pub change: &'static str,
    /// How many calls failed.
    pub attempts: u32,
    /// When it was given up: milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why the last call failed.
    pub error: String,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The directory is not there, so that nothing is known.
    #[error("there is no state directory {0}; give the --state-dir that weir runs with")]
    Missing(String),
    /// It cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing is known of this handler.
    #[error("nothing is known of a handler `{handler}`; there is {known}")]
    Handler {
        /// As asked.
        handler: String,
        /// In words.
        known: String,
    },
    /// It has no letter of this number.
    #[error("the handler `{handler}` has no dead letter {number}; it has {known}")]
    Letter {
        /// The handler.
        handler: String,
        /// As asked.
        number: u64,
        /// In words.
        known: String,
    },
    /// It could not be written.
    #[error("writing the state directory: {0}; nothing was changed")]
    Written(String),
}

impl Orders {
    /// Opens the directory. Blocks.
    ///
    /// # Errors
    /// [`OrderError::Missing`] and [`OrderError::Open`]: nothing is made that was not there.
    pub fn open(settings: StateSettings) -> Result<Orders, OrderError> {
        if !settings.dir.is_dir() {
            return Err(OrderError::Missing(settings.dir.display().to_string()));
        }
        Ok(Orders { offline: Offline::open(settings.into())? })
    }

    /// All dead letters of one handler, or of all, oldest first within each.
    ///
    /// # Errors
    /// [`OrderError::Handler`].
    pub fn list(&self, handler: Option<&str>) -> Result<Vec<LetterLine>, OrderError> {
        let handlers = match handler {
            Some(handler) => vec![self.known(handler)?.to_owned()],
            None => self.offline.handlers(),
        };
        let of = |handler: &String| {
            let line = |(number, letter)| line(handler, number, &letter);
            self.offline.letters(handler).into_iter().map(line).collect::<Vec<_>>()
        };
        Ok(handlers.iter().flat_map(of).collect())
    }

    /// One letter whole, object included.
    ///
    /// # Errors
    /// [`OrderError::Handler`] and [`OrderError::Letter`].
    pub fn show(&self, handler: &str, number: u64) -> Result<Value, OrderError> {
        self.has(handler, Some(number))?;
        let letter = self.offline.letters(handler).into_iter().find(|it| it.0 == number).map(|it| it.1);
        let mut shown = serde_json::to_value(letter).unwrap_or_default();
        shown["name"] = format!("{handler}/{number}").into();
        Ok(shown)
    }

    /// The letter of this number, or all of the handler's, are tried again once weir runs; how many.
    ///
    /// # Errors
    /// [`OrderError::Handler`] and [`OrderError::Letter`].
    pub fn retry(&mut self, handler: &str, number: Option<u64>) -> Result<usize, OrderError> {
        self.has(handler, number)?;
        Ok(self.offline.retry_letters(handler, number))
    }

    /// Drops the letter of this number, or all of the handler's; how many.
    ///
    /// # Errors
    /// [`OrderError::Handler`] and [`OrderError::Letter`].
    pub fn drop_letters(&mut self, handler: &str, number: Option<u64>) -> Result<usize, OrderError> {
        self.has(handler, number)?;
        Ok(self.offline.drop_letters(handler, number))
    }

    /// Forgets all that is known of a handler.
    ///
    /// # Errors
    /// [`OrderError::Handler`].
    pub fn forget(&mut self, handler: &str) -> Result<(), OrderError> {
        self.known(handler)?;
        self.offline.forget(handler);
        Ok(())
    }

    /// The handlers that something is known of.
    pub fn handlers(&self) -> Vec<String> {
        self.offline.handlers()
    }

    /// Forces what was ordered to the disk. Blocks.
    ///
    /// # Errors
    /// [`OrderError::Written`].
    pub fn close(self) -> Result<(), OrderError> {
        self.offline.close().map_err(OrderError::Written)
    }

    fn known<'a>(&self, handler: &'a str) -> Result<&'a str, OrderError> {
        let all = self.offline.handlers();
        if all.iter().any(|it| it == handler) {
            return Ok(handler);
        }
        Err(OrderError::Handler { handler: handler.to_owned(), known: words(all.iter()) })
    }

    /// Whether there is such a letter, or for no number, such a handler.
    fn has(&self, handler: &str, number: Option<u64>) -> Result<(), OrderError> {
        self.known(handler)?;
        let Some(number) = number else { return Ok(()) };
        let numbers: Vec<u64> = self.offline.letters(handler).iter().map(|it| it.0).collect();
        if numbers.contains(&number) {
            return Ok(());
        }
        Err(OrderError::Letter { handler: handler.to_owned(), number, known: words(numbers.iter()) })
    }
}

fn line(handler: &str, number: u64, letter: &Letter) -> LetterLine {
    LetterLine {
        name: format!("{handler}/{number}"),
        watch: letter.key.watch.to_string(),
        object: letter.key.object.to_string(),
        change: letter.event.change.name(),
        attempts: letter.attempts,
        at_ms: letter.at_ms,
        error: letter.error.clone(),
    }
}

/// The most names that an error lists.
const MAX_NAMED: usize = 10;

fn words<T: ToString>(all: impl ExactSizeIterator<Item = T>) -> String {
    let more = all.len().saturating_sub(MAX_NAMED);
    let named: Vec<String> = all.take(MAX_NAMED).map(|it| it.to_string()).collect();
    match (named.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}
