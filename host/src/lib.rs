//! weir, the Wasm Event Informer Runtime, as a library; the program is a thin binary over it.
//!
//! The rooms stand in the order an event walks through them:
//!
//! | room | |
//! |---|---|
//! | [`watch`] | from the API to the cache: list and watch, shared by all who want the same objects |
//! | [`queue`] | from change to claim: a rate-limited workqueue of anything |
//! | [`dispatch`] | from claim to outcome: one lane for each handler, its ledger, its retries |
//! | [`runtime`] | from event to reply: compiled components, and the one way to call them |
//! | [`action`] | from reply to API requests: grants, the plan, and what answers mean |
//! | [`handler`] | which handlers there are: manifests, the directory, reloads |
//! | [`rights`] | what an API server has to allow for all that: permissions, rules, roles |
//! | [`ops`] | running it: which cluster, the admin port, logs, signals |
//! | [`app`] | the composition root, which wires all of the above |
//! | [`cli`] | the command line |
//!
//! [`contract`], [`kinds`], [`places`] and [`selector`] are words that every room may use, [`failpoint`] places where tests may end the process. `ARCHITECTURE.md` is the map, with what must stay
//! true and the tests that hold it.
//!
//! This library is what the program, its tests and its benchmarks are made of. It is not a stable interface for others: that is
//! the contract in `wit/`, the manifest, and the command line.

pub mod action;
pub mod app;
pub mod cli;
pub mod contract;
pub mod dispatch;
pub mod failpoint;
pub mod handler;
pub mod kinds;
pub mod ops;
pub mod places;
pub mod queue;
pub mod rights;
pub mod runtime;
pub mod selector;
pub mod watch;
