//! From a folder of source to a component that weir loads.
//!
//! Guarantees: [`build`] finds the folder's language, runs that language's own tools, and answers with components that export the
//! contract, import nothing that weir does not offer, and name no directory they were told to hide; or with an error that says
//! what is missing and the command that installs it. Core modules (Go, C, Rust for the bare target) become components in this
//! process: no other program is needed for that. The contract and the kits are compiled in, so nothing is fetched.
//!
//! Does not: install anything by itself (only [`rust::Toolchain::install`] does, when called), cache what it built, read the
//! environment, or look into what a component describes: that is `weir check`.

pub mod c;
mod command;
mod component;
mod contract;
mod error;
mod files;
mod go;
pub mod javascript;
mod language;
pub mod python;
pub mod rust;

pub use component::ComponentError;
pub use error::BuildError;
pub use files::{entries, write};
pub use language::Language;

use rust::Toolchain;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is to be built, and where things are.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folder with the source.
    pub directory: PathBuf,
    /// Where cargo keeps what it compiled; none: where it does by itself. Other languages keep it in the folder's `.weir/`, which is
    /// not for version control.
    pub cargo_target: Option<PathBuf>,
    /// What must not be found in a component, as the machine's own directories are nobody's business. For Rust they are mapped to
    /// other names.
    pub hidden: Vec<PathBuf>,
    /// Where tools were installed for weir, each in a directory with its version; none: those on the PATH. Of Python, JavaScript and C.
    pub tools: Option<PathBuf>,
    /// Rust: build every example as a component of its own, instead of the library.
    pub examples: bool,
}

/// One finished component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The folder's name, or the example's.
    pub name: String,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Builds a folder. `say` is given the tools' output, line by line, as progress.
///
/// # Errors
///
/// If the language cannot be told, a tool is missing, a tool refuses the source, or what came out is no component for weir.
pub fn build(job: &Job, say: &mut dyn FnMut(&str)) -> Result<Vec<Component>, BuildError> {
    let name = files::name(&job.directory)?;
    let language = Language::of(&job.directory)?;
    let hidden = match language {
        Language::Rust | Language::Go | Language::C => job.hidden.clone(),
        Language::Python | Language::JavaScript | Language::TypeScript => files::around(job)?,
    };
    let modules = match language {
        Language::Rust => {
            let toolchain = Toolchain::find(&job.directory)?.ok_or_else(rust::missing)?;
            rust::compile(job, &toolchain, say)?
        }
        Language::Go => vec![(name, go::compile(job, say)?)],
        Language::Python => vec![(name, python::compile(job, say)?)],
        Language::JavaScript | Language::TypeScript => vec![(name, javascript::compile(job, language, say)?)],
        Language::C => vec![(name, c::compile(job, say)?)],
    };
    let finish = |(name, file): (String, PathBuf)| {
        let module = fs::read(&file).map_err(|source| BuildError::file("read", &file, source))?;
        match component::finish(&module, &hidden) {
            Ok(bytes) => Ok(Component { name, bytes }),
            Err(source) => Err(BuildError::Component { name, source }),
        }
    };
    modules.into_iter().map(finish).collect()
}

/// Writes what a folder needs of weir, the kit for its language, into the folder's `.weir/`, as [`build`] does: for a folder that is new, so
/// that its tests and the author's editor find the kit before the first build. Needs no tool.
///
/// # Errors
///
/// If the language cannot be told, or something cannot be written.
pub fn provide(directory: &Path) -> Result<Language, BuildError> {
    let language = Language::of(directory)?;
    match language {
        Language::Rust => rust::provide(directory)?,
        Language::Go => go::provide(directory)?,
        Language::Python => python::provide(directory)?,
        Language::JavaScript | Language::TypeScript => javascript::provide(directory)?,
        Language::C => c::provide(directory)?,
    }
    Ok(language)
}

/// What decides what a language's tools make of a source, beside the source: their versions. For the key of a cache.
///
/// # Errors
///
/// If a tool is missing.
pub fn tools_of(job: &Job) -> Result<String, BuildError> {
    let language = Language::of(&job.directory)?;
    match language {
        Language::Rust => Ok(Toolchain::find(&job.directory)?.ok_or_else(rust::missing)?.identity()),
        Language::Go => go::version(),
        Language::Python => python::version(job),
        Language::JavaScript | Language::TypeScript => javascript::version(job, language),
        Language::C => c::version(job),
    }
}
