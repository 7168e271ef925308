//! What to do about the files that are there, given what was done about them before.
//!
//! Guarantees:
//! - **A version is tried once.** A file that failed is tried again only when its component or its manifest changes.
//! - **The last good version stays.** Neither a failure nor a taken name displaces what runs.
//! - **One file, one name.** Of two files with the same name the first loaded keeps it; when it goes, or takes another name, the
//!   second has its turn.
//!   Two files that swap names at once both wait, until one of them takes a third.
//! - **It ends.** Carrying out the steps and recording how each ended leads to a plan without steps, for whatever files.
//!
//! Pure: nothing here reads a file, a clock or a lane. A handler's name is known only once its component was asked
//! (`metadata.name`, else the stem), so a conflict shows while a step is carried out: [`conflict`] is asked then.

use super::directory::{Found, Snapshot};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What was done about one file, by stem; in a map that holds one entry for each file of the last plan that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The component last tried.
    pub digest: Arc<str>,
    /// The manifest last tried; None: there was none.
    pub manifest_digest: Option<Arc<str>>,
    /// Under which name the last good version runs. None: none ever did.
    pub name: Option<String>,
    /// The name that the version last tried wanted and another file had.
    pub waits_for: Option<String>,
}

/// One thing to do. A plan's steps are carried out in order, because a removal may free the name that a load wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file is gone: end the handler of this name, if it ran, and forget the file. What its lane knows is kept.
    Remove {
        /// Which entry to take out of the map.
        stem: String,
        /// Which lane to end.
        name: Option<String>,
    },
    /// Something of it runs: replace that, or keep it if this version fails.
    Reload(Found),
    /// Nothing of it runs.
    Load(Found),
}

/// Two files want one name; the second is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{second}.wasm is not loaded, because {first}.wasm already has the handler name {name:?}: \
     give one of them another metadata.name, or remove one"
)]
pub struct NameTaken {
    /// The name.
    pub name: String,
    /// The stem of the file that has it.
    pub first: String,
    /// The stem of the file that wants it.
    pub second: String,
}

impl Loaded {
    /// This version runs, under this name. Replaces what was known of the file.
    pub fn running(found: &Found, name: impl Into<String>) -> Loaded {
        Loaded { name: Some(name.into()), ..Loaded::tried(found) }
    }

    /// This version failed; `before` is what was known of the file, whose last good version runs on.
    pub fn failed(found: &Found, before: Option<&Loaded>) -> Loaded {
        Loaded { name: before.and_then(|it| it.name.clone()), ..Loaded::tried(found) }
    }

    /// This version wants a name that another file has; `before` is what was known of the file, whose last good version runs on.
    pub fn waiting(found: &Found, before: Option<&Loaded>, name: impl Into<String>) -> Loaded {
        Loaded { waits_for: Some(name.into()), ..Loaded::failed(found, before) }
    }

    fn tried(found: &Found) -> Loaded {
        Loaded {
            digest: found.digest.clone(),
            manifest_digest: found.manifest_digest.clone(),
            name: None,
            waits_for: None,
        }
    }

    fn is_of(&self, found: &Found) -> bool {
        self.digest == found.digest && self.manifest_digest == found.manifest_digest
    }
}

/// The steps from what was loaded to what is there: removals first, then the rest by stem.
///
/// Plan again after carrying them out: a name that came free shows only then. There is nothing more to do when the plan is empty.
pub fn plan(snapshot: &Snapshot, loaded: &BTreeMap<String, Loaded>) -> Vec<Step> {
    let present: BTreeSet<&str> = snapshot.files.iter().map(|found| &*found.stem).collect();
    let (stay, go): (Vec<_>, Vec<_>) = loaded.iter().partition(|(stem, _)| present.contains(stem.as_str()));
    let mut steps: Vec<Step> =
        go.into_iter().map(|(stem, it)| Step::Remove { stem: stem.clone(), name: it.name.clone() }).collect();

    // Names that nobody may be given now; of several files that wait for one name, one is tried.
    let mut taken: BTreeSet<&str> = stay.into_iter().filter_map(|(_, it)| it.name.as_deref()).collect();
    for found in &snapshot.files {
        let step = match loaded.get(&*found.stem) {
            None => Step::Load(found.clone()),
            Some(it) => {
                let changed = !it.is_of(found);
                if !changed && !it.waits_for.as_deref().is_some_and(|name| taken.insert(name)) {
                    continue;
                }
                if it.name.is_some() { Step::Reload(found.clone()) } else { Step::Load(found.clone()) }
            }
        };
        steps.push(step);
    }
    steps
}

/// Whether another file than `stem` runs under this name. To be asked when the name is known and before anything is published,
/// while nobody else changes the map.
pub fn conflict(name: &str, stem: &str, loaded: &BTreeMap<String, Loaded>) -> Option<NameTaken> {
    let (first, _) = loaded.iter().find(|(first, it)| *first != stem && it.name.as_deref() == Some(name))?;
    Some(NameTaken { name: name.into(), first: first.clone(), second: stem.into() })
}

#[cfg(test)]
mod tests;
