//! weir, the Wasm Event Informer Runtime, as a library; the program is a thin binary over it.
//!
//! The rooms stand in the order an event walks through them: watch, queue, dispatch, runtime, action. `ARCHITECTURE.md` is
//! the map.

pub mod action;
pub mod app;
pub mod cli;
pub mod contract;
pub mod dispatch;
pub mod handler;
pub mod kinds;
pub mod ops;
pub mod queue;
pub mod runtime;
pub mod selector;
pub mod watch;
