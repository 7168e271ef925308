//! Which handlers there are, and what the operator says of each.
//!
//! Promises: a manifest is taken whole or refused with file, line and the fix; what the operator wrote wins over what the
//! component describes, key by key; nothing that cannot be honoured yet is ignored silently; a broken file never
//! displaces a working one.

pub mod directory;
mod document;
pub mod duration;
mod grants;
mod limits;
pub mod manifest;
mod merge;
mod partial;
pub mod reload;
mod settings;
mod written;

pub use document::{API_VERSION, KIND, MAX_MANIFEST, ManifestError};
pub use grants::GRANTABLE;
pub use merge::{grant_wishes, merge, pinned, ungranted};
pub use partial::check_name;
