//! Log lines that reach the operator at once, also if the call fails later.
//!
//! One macro per level: a fixed text, then fields. A field's value is anything that prints.
//!
//! ```
//! # use weir_sdk::log;
//! log::info!("counted images", node = "n1", count = 3);
//! log::warn!("nothing to count");
//! ```
//!
//! Outside weir, so in a handler's own tests, lines go to stderr.

use crate::bindings::weir::api::types;
use std::fmt::Display;

#[doc(inline)]
pub use crate::{log_debug as debug, log_error as error, log_info as info, log_trace as trace, log_warn as warn};

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For following the handler's steps.
    Trace,
    /// For looking into one problem.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look at.
    Warn,
    /// What went wrong.
    Error,
}

impl Level {
    pub(crate) fn into_contract(self) -> types::Level {
        match self {
            Level::Trace => types::Level::Trace,
            Level::Debug => types::Level::Debug,
            Level::Info => types::Level::Info,
            Level::Warn => types::Level::Warn,
            Level::Error => types::Level::Error,
        }
    }
}

/// Writes one line. The macros of this module are shorter.
pub fn write(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).into(), value.to_string())).collect();
    send(level, message, &fields);
}

#[cfg(target_family = "wasm")]
fn send(level: Level, message: &str, fields: &[(String, String)]) {
    use crate::bindings::weir::api::log;
    match level {
        Level::Trace => log::trace(message, fields),
        Level::Debug => log::debug(message, fields),
        Level::Info => log::info(message, fields),
        Level::Warn => log::warn(message, fields),
        Level::Error => log::error(message, fields),
    }
}

#[cfg(not(target_family = "wasm"))]
fn send(level: Level, message: &str, fields: &[(String, String)]) {
    let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
    eprintln!("{level:?}: {message}{fields}");
}

/// Logs for following the handler's steps.
#[doc(hidden)]
#[macro_export]
macro_rules! log_trace {
    ($($line:tt)*) => { $crate::log_line!(Trace, $($line)*) };
}

/// Logs for looking into one problem.
#[doc(hidden)]
#[macro_export]
macro_rules! log_debug {
    ($($line:tt)*) => { $crate::log_line!(Debug, $($line)*) };
}

/// Logs what an operator wants to know.
#[doc(hidden)]
#[macro_export]
macro_rules! log_info {
    ($($line:tt)*) => { $crate::log_line!(Info, $($line)*) };
}

/// Logs what an operator should look at.
#[doc(hidden)]
#[macro_export]
macro_rules! log_warn {
    ($($line:tt)*) => { $crate::log_line!(Warn, $($line)*) };
}

/// Logs what went wrong.
#[doc(hidden)]
#[macro_export]
macro_rules! log_error {
    ($($line:tt)*) => { $crate::log_line!(Error, $($line)*) };
}

/// The text and `name = value` pairs of one line.
#[doc(hidden)]
#[macro_export]
macro_rules! log_line {
    ($level:ident, $message:expr $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::log::write($crate::log::Level::$level, $message, &[$((stringify!($name), &$value as &dyn ::std::fmt::Display)),*])
    };
}
