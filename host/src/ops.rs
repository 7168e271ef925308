//! Running weir: which cluster, the admin port, logs, signals.
//!
//! Promises: `/livez` says only that the process turns, never anything about the cluster; `/readyz` turns good once and stays
//! so until shutdown begins; `/status` and `/metrics` carry no object content; the admin port listens on loopback unless
//! told otherwise, and takes orders only from whoever may use the socket or has the token.

pub mod admin;
pub mod cluster;
pub mod logs;
pub mod signals;
