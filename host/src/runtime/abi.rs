//! The contract's versions that this host serves: one file each, and nothing of wasmtime's generated types beyond them.
//!
//! Promises: every version speaks `contract`'s types to the rest of the host; an older patch of a version is served by the
//! same file (wasmtime matches `0.1.x` with `0.1.y`). A new minor version gets a file of its own beside this one's.

pub(super) mod v0_1;

/// The contract versions served, as the exported interface names them without the patch.
pub(super) const SUPPORTED: &[&str] = &["0.1"];

/// The package that the contract lives in.
pub(super) const PACKAGE: &str = "weir:api";
