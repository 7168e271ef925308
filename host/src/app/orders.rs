//! What an operator may order: look at dead letters, try or drop them, forget a handler; of a running weir, or of a state directory that none runs on.
//!
//! Promises: a name or number that is not there is an error that says what there is, and changes nothing. On a directory, what was ordered is on the disk when
//! [`Orders::close`] returns; a running weir has begun with it, and has it on disk as it has everything.

use super::{StateSettings, handlers::Handlers};
use crate::{
    dispatch::{Lane, Letter, Offline, OpenError},
    ops::admin::Answer,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, sync::Arc};

/// One order, as it is sent to a running weir.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// The names of the handlers that something is known of.
    Handlers {},
    /// All dead letters of one handler, or of all, oldest first within each: [`LetterLine`]s.
    List {
        /// None: all.
        handler: Option<String>,
    },
    /// One letter whole, object included.
    Show {
        /// Whose.
        handler: String,
        /// Which.
        number: u64,
    },
    /// The letter of this number, or all of the handler's, are tried again; how many.
    Retry {
        /// Whose.
        handler: String,
        /// None: all.
        number: Option<u64>,
    },
    /// Drops the letter of this number, or all of the handler's; how many.
    Drop {
        /// Whose.
        handler: String,
        /// None: all.
        number: Option<u64>,
    },
    /// Forgets all that is known of a handler; if it runs, it begins anew.
    Forget {
        /// Whose.
        handler: String,
    },
}

/// Who carries orders out.
#[derive(Debug)]
pub struct Orders {
    books: Books,
}

enum Books {
    /// A state directory, which is held meanwhile.
    Offline(Offline),
    /// The lanes of this process.
    Running(Arc<Handlers>),
}

/// One dead letter, without the object's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterLine {
    /// `HANDLER/NUMBER`.
    pub name: String,
    /// The watch, as the manifest names it.
    pub watch: String,
    /// `namespace/name`, or `name`.
    pub object: String,
    /// As what it was handed over.
    pub change: String,
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
    /// Opens a directory that no weir runs on. Blocks.
    ///
    /// # Errors
    /// [`OrderError::Missing`] and [`OrderError::Open`]: nothing is made that was not there.
    pub fn open(settings: StateSettings) -> Result<Orders, OrderError> {
        if !settings.dir.is_dir() {
            return Err(OrderError::Missing(settings.dir.display().to_string()));
        }
        Ok(Orders { books: Books::Offline(Offline::open(settings.into())?) })
    }

    /// Those of a running weir.
    fn running(handlers: Arc<Handlers>) -> Orders {
        Orders { books: Books::Running(handlers) }
    }

    /// Carries one out.
    ///
    /// # Errors
    /// [`OrderError::Handler`] and [`OrderError::Letter`].
    pub fn carry_out(&mut self, order: &Order) -> Result<Value, OrderError> {
        match order {
            Order::Handlers {} => Ok(json!(self.books.handlers())),
            Order::List { handler } => {
                let handlers = match handler {
                    Some(handler) => vec![self.known(handler)?.to_owned()],
                    None => self.books.handlers(),
                };
                let of = |handler: &String| {
                    let line = |(number, letter)| line(handler, number, &letter);
                    self.books.letters(handler).into_iter().map(line).collect::<Vec<_>>()
                };
                Ok(json!(handlers.iter().flat_map(of).collect::<Vec<_>>()))
            }
            Order::Show { handler, number } => {
                self.has(handler, Some(*number))?;
                let letter = self.books.letters(handler).into_iter().find(|it| it.0 == *number).map(|it| it.1);
                let mut shown = serde_json::to_value(letter).unwrap_or_default();
                shown["name"] = format!("{handler}/{number}").into();
                Ok(shown)
            }
            Order::Retry { handler, number } => {
                self.has(handler, *number)?;
                Ok(json!(self.books.retry(handler, *number)))
            }
            Order::Drop { handler, number } => {
                self.has(handler, *number)?;
                Ok(json!(self.books.drop_letters(handler, *number)))
            }
            Order::Forget { handler } => {
                self.known(handler)?;
                self.books.forget(handler);
                Ok(Value::Null)
            }
        }
    }

    /// Forces what was ordered to the disk. Blocks.
    ///
    /// # Errors
    /// [`OrderError::Written`].
    pub fn close(self) -> Result<(), OrderError> {
        match self.books {
            Books::Offline(offline) => offline.close().map_err(OrderError::Written),
            Books::Running(_) => Ok(()),
        }
    }

    fn known<'a>(&self, handler: &'a str) -> Result<&'a str, OrderError> {
        let all = self.books.handlers();
        if all.iter().any(|it| it == handler) {
            return Ok(handler);
        }
        Err(OrderError::Handler { handler: handler.to_owned(), known: words(all.iter()) })
    }

    /// Whether there is such a letter, or for no number, such a handler.
    fn has(&self, handler: &str, number: Option<u64>) -> Result<(), OrderError> {
        self.known(handler)?;
        let Some(number) = number else { return Ok(()) };
        let numbers: Vec<u64> = self.books.letters(handler).iter().map(|it| it.0).collect();
        if numbers.contains(&number) {
            return Ok(());
        }
        Err(OrderError::Letter { handler: handler.to_owned(), number, known: words(numbers.iter()) })
    }
}

impl Books {
    fn handlers(&self) -> Vec<String> {
        match self {
            Books::Offline(offline) => offline.handlers(),
            Books::Running(handlers) => handlers.table().lanes.keys().cloned().collect(),
        }
    }

    fn letters(&self, handler: &str) -> Vec<(u64, Letter)> {
        match self {
            Books::Offline(offline) => offline.letters(handler),
            Books::Running(handlers) => lane(handlers, handler).map(|lane| lane.letters()).unwrap_or_default(),
        }
    }

    fn retry(&mut self, handler: &str, number: Option<u64>) -> usize {
        match self {
            Books::Offline(offline) => offline.retry_letters(handler, number),
            Books::Running(handlers) => lane(handlers, handler).map_or(0, |lane| lane.retry_letters(number)),
        }
    }

    fn drop_letters(&mut self, handler: &str, number: Option<u64>) -> usize {
        match self {
            Books::Offline(offline) => offline.drop_letters(handler, number),
            Books::Running(handlers) => lane(handlers, handler).map_or(0, |lane| lane.drop_letters(number)),
        }
    }

    fn forget(&mut self, handler: &str) {
        match self {
            Books::Offline(offline) => _ = offline.forget(handler),
            Books::Running(handlers) => {
                if let Some(lane) = lane(handlers, handler) {
                    lane.forget();
                }
            }
        }
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Books::Offline(_) => "Offline",
            Books::Running(_) => "Running",
        })
    }
}

/// What the admin port does with the body of an order.
pub(super) fn carry_out(handlers: &Arc<Handlers>, body: &[u8]) -> Answer {
    let order: Order = serde_json::from_slice(body).map_err(|error| (400, format!("that is no order: {error}")))?;
    tracing::info!(?order, "an order");
    let orders = &mut Orders::running(handlers.clone());
    orders.carry_out(&order).map_err(|error| (404, error.to_string()))
}

fn lane(handlers: &Handlers, name: &str) -> Option<Lane> {
    handlers.table().lanes.get(name).map(|place| place.lane.clone())
}

fn line(handler: &str, number: u64, letter: &Letter) -> LetterLine {
    LetterLine {
        name: format!("{handler}/{number}"),
        watch: letter.key.watch.to_string(),
        object: letter.key.object.to_string(),
        change: letter.event.change.name().to_owned(),
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
