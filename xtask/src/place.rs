//! Where things are: the workspace, its target directory, and the cache that outlives both.

use crate::stage::{Done, Failed};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The target directory that cargo uses.
pub(crate) fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A directory for what is slow to make, by what it is of; outlives the workspace.
pub(crate) fn cache(of: &str) -> Done<PathBuf> {
    let base = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .ok_or_else(|| Failed("finding a cache directory: set XDG_CACHE_HOME or HOME".into()))?;
    let dir = base.join("weir").join(of);
    fs::create_dir_all(&dir).map_err(|error| Failed(format!("creating {}: {error}", dir.display())))?;
    Ok(dir)
}

/// An environment variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "xtask is a command line of its own")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first 16 hex digits of a SHA-256 over the names and contents of `files`, in order of their names.
pub(crate) fn digest_of(files: &[PathBuf]) -> Done<String> {
    let mut files = files.to_vec();
    files.sort();
    let mut digest = Sha256::new();
    for file in &files {
        let bytes = fs::read(file).map_err(|error| Failed(format!("reading {}: {error}", file.display())))?;
        digest.update(file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
