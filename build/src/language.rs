//! Which language a folder is in.

use crate::{BuildError, files};
use std::path::Path;

/// A language that handlers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A cargo package: `Cargo.toml`.
    Rust,
    /// A Go module: `go.mod`.
    Go,
    /// A module: `app.py`.
    Python,
    /// A module: `app.js`.
    JavaScript,
    /// A module: `app.ts`.
    TypeScript,
    /// Sources beside `handler.c`.
    C,
}

/// The file at a folder's top that tells its language.
const SIGNS: [(Language, &str); 6] = [
    (Language::Rust, "Cargo.toml"),
    (Language::Go, "go.mod"),
    (Language::Python, "app.py"),
    (Language::JavaScript, "app.js"),
    (Language::TypeScript, "app.ts"),
    (Language::C, "handler.c"),
];

impl Language {
    /// Tells by the files at the folder's top.
    ///
    /// # Errors
    ///
    /// If there are none of any language, or of several.
    pub fn of(directory: &Path) -> Result<Language, BuildError> {
        let fails = |found: String| BuildError::Language { directory: directory.to_owned(), found };
        if !directory.is_dir() {
            return Err(fails("it is no folder; give the one with the handler's source".into()));
        }
        let entries = files::entries(directory)?;
        let has = |name: &str| entries.iter().any(|entry| entry.ends_with(name) && entry.is_file());
        let found: Vec<_> = SIGNS.iter().filter(|(_, sign)| has(sign)).collect();
        match found[..] {
            [(language, _)] => Ok(*language),
            [] => {
                let known = SIGNS.map(|(language, sign)| format!("{sign} ({language:?})"));
                Err(fails(format!("there is none of {}", known.join(", "))))
            }
            _ => {
                let signs: Vec<_> = found.iter().map(|(_, sign)| *sign).collect();
                Err(fails(format!("it has {}; keep each handler in a folder of its own", signs.join(" and "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_is_told_by_its_files_and_a_doubt_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let said = || Language::of(dir.path()).map_err(|error| error.to_string());
        assert!(said().is_err_and(|words| words.contains("none of Cargo.toml (Rust), go.mod (Go), app.py (Python), ")));
        fs::write(dir.path().join("Cargo.toml"), "").expect("written");
        assert_eq!(said(), Ok(Language::Rust));
        fs::write(dir.path().join("go.mod"), "").expect("written");
        assert!(said().is_err_and(|words| {
            words.ends_with("it has Cargo.toml and go.mod; keep each handler in a folder of its own")
        }));
        assert!(Language::of(&dir.path().join("go.mod")).is_err_and(|error| error.to_string().contains("no folder")));
    }
}
