//! Why a folder could not be built.

use crate::ComponentError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a folder could not be built. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no language's sources, or several languages'.
    #[error("cannot tell which language {} is in: {found}", directory.display())]
    Language {
        /// The folder.
        directory: PathBuf,
        /// What was looked for and what was there.
        found: String,
    },
    /// A tool is not there.
    #[error("cannot build this {language} handler: {what}; to install it: {install}")]
    Missing {
        /// The language.
        language: &'static str,
        /// What is missing.
        what: String,
        /// The command that installs it.
        install: String,
    },
    /// A tool could not be started.
    #[error("cannot run `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A tool refused the source.
    #[error("`{command}` failed; its last words:\n{words}")]
    Failed {
        /// The command line.
        command: String,
        /// The end of its output.
        words: String,
    },
    /// What came out is not a component that weir would load.
    #[error("{name} was built, but is no component for weir")]
    Component {
        /// The component's name.
        name: String,
        /// What is wrong with it.
        source: ComponentError,
    },
    /// The language's bindings could not be made of the contract.
    #[error("cannot make {language} bindings of the contract: {words}")]
    Bindings {
        /// The language.
        language: &'static str,
        /// What the generator said.
        words: String,
    },
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    pub(crate) fn file(what: &'static str, path: &Path, source: io::Error) -> BuildError {
        BuildError::File { what, path: path.to_owned(), source }
    }
}
