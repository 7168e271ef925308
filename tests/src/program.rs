//! The program `weir`, as the build left it beside the tests.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Where it is.
///
/// # Panics
/// If it is not built, or older than its sources: then a test would show something else than it says.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("weir");
    let build = "run `cargo build --workspace --all-targets`";
    let built = binary.metadata().and_then(|file| file.modified());
    let built = built.unwrap_or_else(|error| panic!("{}: {error}; {build}", binary.display()));
    let changed = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src"));
    assert!(built >= changed, "{} is older than its sources; {build}", binary.display());
    binary
}

/// When the last file under a directory was changed.
fn newest(directory: &Path) -> SystemTime {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let times = entries.map(|entry| {
        let data = entry.metadata().unwrap();
        if data.is_dir() { newest(&entry.path()) } else { data.modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
