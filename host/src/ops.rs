//! Running weir: which cluster, the admin port, logs, signals.
//!
//! Promises: `/livez` says only that the process turns, never anything about the cluster; `/readyz` turns good once and stays
//! so until shutdown begins; `/status` and `/metrics` carry no object content; the admin port listens on loopback unless
//! told otherwise, and takes no orders.

pub mod admin;
pub mod cluster;
pub mod logs;
pub mod signals;
