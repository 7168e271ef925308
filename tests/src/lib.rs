//! What the suites share: the servers they run on, and the ways to break the network between.

pub mod genuine;
pub mod program;
pub mod proxy;
pub mod webhook;
pub mod world;
