//! The kit for Rust as a package of its own, for a folder outside this repository: `sdk/rust` with what it inherits from the
//! workspace written out, and the contract beside it.
//!
//! Guarantees: a folder whose `Cargo.toml` takes the kit from [`PLACE`] is built with the kit of this weir, and a folder that takes it from
//! elsewhere, as this repository's own do, is left alone.

use crate::{BuildError, contract, files};
use std::{fs, path::Path};

/// Where a folder's `Cargo.toml` says that the kit is.
pub(super) const PLACE: &str = ".weir/rust";

/// Where the kit's bindings look for the contract, in this repository and in a folder.
const CONTRACT: (&str, &str) = ("../../wit/v0.1", "wit");

const MANIFEST: &str = include_str!("../../../sdk/rust/Cargo.toml");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

macro_rules! kit {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../../sdk/rust/", $file)))),*] };
}

/// The kit's sources, as they are in `sdk/rust`.
const KIT: &[(&str, &str)] = kit![
    "src/action.rs",
    "src/action/contract.rs",
    "src/bindings.rs",
    "src/cluster.rs",
    "src/component.rs",
    "src/description.rs",
    "src/error.rs",
    "src/event.rs",
    "src/host.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/subject.rs",
    "src/time.rs",
];

/// Writes the kit into a folder that takes it from there.
pub(crate) fn provide(directory: &Path) -> Result<(), BuildError> {
    let manifest = directory.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|source| BuildError::file("read", &manifest, source))?;
    if !text.contains(PLACE) {
        return Ok(());
    }
    files::provide(&directory.join(PLACE), &kit())
}

fn kit() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("Cargo.toml".to_owned(), standalone(MANIFEST, WORKSPACE).into_bytes()),
        ("wit/weir.wit".to_owned(), contract::TEXT.as_bytes().to_vec()),
    ];
    for (name, text) in KIT {
        let text = if *name == "src/bindings.rs" { text.replace(CONTRACT.0, CONTRACT.1) } else { (*text).to_owned() };
        files.push(((*name).to_owned(), text.into_bytes()));
    }
    files
}

/// A package's manifest with what `x.workspace = true` stands for, and without what is only for this repository: its lints. Both
/// files keep each key on a line of its own, which a test holds them to.
fn standalone(package: &str, workspace: &str) -> String {
    let mut section = "";
    let mut made = String::new();
    for line in package.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        if section == "lints" {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            Some(key) => made.push_str(inherited(workspace, section, key).unwrap_or(line)),
            None => made.push_str(line),
        }
        made.push('\n');
    }
    made
}

/// The workspace's line for a key of `[package]` or `[dependencies]`.
fn inherited<'a>(workspace: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let header = format!("[workspace.{section}]");
    let lines = workspace.lines().skip_while(|line| *line != header).skip(1).take_while(|line| !line.starts_with('['));
    let mut found = lines.filter(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")));
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/rust");
        let mut found = Vec::new();
        let mut directories = vec![root.join("src")];
        while let Some(directory) = directories.pop() {
            for entry in files::entries(&directory).expect("readable") {
                if entry.is_dir() {
                    directories.push(entry);
                } else {
                    found.push(entry.strip_prefix(&root).expect("inside").to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        let mut known: Vec<_> = KIT.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(known, found, "KIT names every source file of sdk/rust");
    }

    #[test]
    fn its_manifest_needs_no_workspace_and_its_bindings_find_the_contract() {
        let files = kit();
        let text = |name: &str| {
            let file = files.iter().find(|(it, _)| it == name).expect("it is there");
            String::from_utf8_lossy(&file.1).into_owned()
        };
        let manifest = text("Cargo.toml");
        assert!(!manifest.contains(".workspace") && !manifest.contains("[lints]"), "{manifest}");
        for line in ["edition = \"2024\"", "publish = false"] {
            assert!(manifest.lines().any(|it| it == line), "{manifest}");
        }
        assert!(manifest.lines().any(|it| it.starts_with("wit-bindgen = {")), "{manifest}");
        assert!(text("src/bindings.rs").contains("path: \"wit\""));
    }

    #[test]
    fn a_folder_that_takes_the_kit_from_elsewhere_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let manifest = |kit: &str| {
            let text = format!("[dependencies]\nweir-sdk = {{ path = \"{kit}\" }}\n");
            fs::write(dir.path().join("Cargo.toml"), text).expect("written");
            provide(dir.path()).expect("it can be written");
            dir.path().join(".weir/rust/src/lib.rs").is_file()
        };
        assert!(!manifest("../../sdk/rust"));
        assert!(manifest(PLACE));
    }
}
