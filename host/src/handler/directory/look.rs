//! One look at the directory, given all looks before it.
//!
//! Guarantees: a look reads only files that may have changed; what it finds is a function of the directory, of the looks before
//! and of the [`Moment`] it is given. It blocks, so it belongs off the async threads.

use super::{
    Found, Limits, Problem, Snapshot,
    file::{Room, Seen, open_to_all},
};
use crate::places;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio::time::Instant;

/// The link that a kubelet renames when it replaces all files of a mounted ConfigMap at once.
const KUBELET_SWAP: &str = "..data";

/// Names that were renamed into place since the last look.
pub(super) type Placed = BTreeSet<String>;

/// When a look happens.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// For what lies between two looks.
    pub(super) at: Instant,
    /// For what lies between a file's last change and a look.
    pub(super) wall: SystemTime,
}

/// What a look found.
pub(super) struct Look {
    pub(super) snapshot: Snapshot,
    /// Something moves: look again after [`super::SETTLE`].
    pub(super) unsettled: bool,
    /// The directory could be listed; if not, the snapshot is the one before, with the problem.
    pub(super) listed: bool,
}

/// Which directory a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// Everything the looks so far found out.
pub(super) struct Reader {
    dir: PathBuf,
    limits: Limits,
    /// By stem; at most [`Limits::handlers`]. Goes when both files are gone.
    pairs: BTreeMap<String, Pair>,
    last: Snapshot,
}

/// The two files of one handler.
#[derive(Default)]
struct Pair {
    component: Seen,
    manifest: Seen,
    /// What the last snapshot says, and what the next says too while one of the files moves.
    last: Option<Found>,
}

/// The names of one listing that are of interest, by stem where they have one.
#[derive(Default)]
struct Listing {
    components: BTreeSet<String>,
    manifests: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// What a file name says.
enum Name<'a> {
    Component(&'a str),
    Manifest(&'a str),
    /// `x.yml`
    Twin(&'a str),
    /// `x.cwasm`
    Precompiled(&'a str),
}

/// Whether an event about this name is a reason to look.
pub(super) fn matters(name: &str) -> bool {
    name == KUBELET_SWAP || Name::parse(name).is_some()
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Name<'a>> {
        // Hidden files, and what editors and copy programs keep beside a file while they write it.
        if name.starts_with(['.', '#', '~']) {
            return None;
        }
        let (stem, extension) = name.rsplit_once('.')?;
        match extension {
            "wasm" => Some(Name::Component(stem)),
            "yaml" => Some(Name::Manifest(stem)),
            "yml" => Some(Name::Twin(stem)),
            "cwasm" => Some(Name::Precompiled(stem)),
            _ => None,
        }
    }
}

impl Identity {
    pub(super) fn of(dir: &Path) -> io::Result<Identity> {
        let found = fs::metadata(dir)?;
        Ok(Identity(found.dev(), found.ino()))
    }
}

impl Reader {
    pub(super) fn new(dir: &Path, limits: Limits) -> Reader {
        Reader { dir: dir.to_owned(), limits, pairs: BTreeMap::new(), last: Snapshot::default() }
    }

    pub(super) fn look(&mut self, placed: &Placed, moment: Moment) -> Look {
        let listing = match self.list() {
            Ok(listing) => listing,
            Err(problem) => {
                let snapshot = Snapshot { files: self.last.files.clone(), problems: vec![problem], settling: 0 };
                return Look { snapshot, unsettled: false, listed: false };
            }
        };
        let Listing { mut components, manifests, mut problems } = listing;
        self.leave_out(&mut components, &mut problems);
        for stem in manifests.difference(&components).filter(|stem| !self.pairs.contains_key(*stem)) {
            if !self.dir.join(format!("{stem}.wasm")).exists() {
                problems.push(orphan(self.dir.join(format!("{stem}.yaml")), stem));
            }
        }

        // Those that were there are looked at even if they are not listed: a file is gone only once it stays away.
        let stems: BTreeSet<_> = components.into_iter().chain(self.pairs.keys().cloned()).collect();
        let (mut unsettled, mut settling) = (false, 0);
        let mut held: u64 = self.pairs.values().map(Pair::len).sum();
        let mut files = Vec::new();
        for stem in stems {
            let mut pair = self.pairs.remove(&stem).unwrap_or_default();
            held -= pair.len();
            let left = self.limits.total_bytes.saturating_sub(held);
            let found = pair.look(&self.dir, &stem, &self.limits, left, placed, moment);
            let moves = pair.component.moves() || pair.manifest.moves();
            unsettled |= moves;
            settling += usize::from(moves && found.is_none());
            problems.extend(pair.component.problem.iter().chain(&pair.manifest.problem).cloned());
            files.extend(found);
            if !pair.component.gone() {
                held += pair.len();
                self.pairs.insert(stem, pair);
            } else if manifests.contains(&stem) {
                problems.push(orphan(self.dir.join(format!("{stem}.yaml")), &stem));
            }
        }
        problems.sort();
        self.last = Snapshot { files, problems, settling };
        Look { snapshot: self.last.clone(), unsettled, listed: true }
    }

    fn list(&self) -> Result<Listing, Problem> {
        let mut listing = Listing::default();
        if let Some(mode) = places::open_to_all(&self.dir).map_err(|error| self.unlistable(&error))? {
            return Err(open_to_all(&self.dir, &self.dir, mode));
        }
        let entries = fs::read_dir(&self.dir).map_err(|error| self.unlistable(&error))?;
        for (count, entry) in entries.enumerate() {
            if count >= self.limits.entries {
                return Err(self.too_many_entries());
            }
            let entry = entry.map_err(|error| self.unlistable(&error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                if matches!(entry.path().extension(), Some(it) if it == "wasm" || it == "yaml") {
                    listing.problems.push(not_utf8(entry.path()));
                }
                continue;
            };
            match Name::parse(name) {
                Some(Name::Component(stem)) => drop(listing.components.insert(stem.to_owned())),
                Some(Name::Manifest(stem)) => drop(listing.manifests.insert(stem.to_owned())),
                Some(Name::Twin(stem)) => listing.problems.push(twin(entry.path(), stem)),
                Some(Name::Precompiled(stem)) => listing.problems.push(precompiled(entry.path(), stem)),
                None => {}
            }
        }
        Ok(listing)
    }

    /// Keeps the number of handlers within its bound: those that are there stay, then in the order of their names.
    fn leave_out(&self, components: &mut BTreeSet<String>, problems: &mut Vec<Problem>) {
        let most = self.limits.handlers;
        let new: Vec<String> = components.iter().filter(|it| !self.pairs.contains_key(*it)).cloned().collect();
        for stem in new.into_iter().skip(most.saturating_sub(self.pairs.len())) {
            problems.push(Problem {
                file: self.dir.join(format!("{stem}.wasm")),
                what: format!("it is left out, because a directory holds at most {most} handlers"),
                fix: "spread the handlers over several hosts".into(),
                limit: None,
            });
            components.remove(&stem);
        }
    }

    fn kept(&self) -> &'static str {
        if self.last.files.is_empty() { "" } else { ", so what was found before is kept" }
    }

    fn unlistable(&self, error: &io::Error) -> Problem {
        Problem {
            file: self.dir.clone(),
            what: format!("the directory of handlers cannot be listed ({error}){}", self.kept()),
            fix: "create it, or let the user that weir runs as read it; it is looked for again by itself".into(),
            limit: None,
        }
    }

    fn too_many_entries(&self) -> Problem {
        let most = self.limits.entries;
        Problem {
            file: self.dir.clone(),
            what: format!("the directory of handlers has more than {most} entries{}", self.kept()),
            fix: "move what is not a handler elsewhere".into(),
            limit: None,
        }
    }
}

impl Pair {
    /// Bytes in memory.
    fn len(&self) -> u64 {
        [&self.component, &self.manifest]
            .iter()
            .filter_map(|it| it.taken.as_ref())
            .map(|it| it.bytes.len() as u64)
            .sum()
    }

    /// `left`: the bytes that all other handlers leave for this one.
    fn look(
        &mut self,
        dir: &Path,
        stem: &str,
        limits: &Limits,
        left: u64,
        placed: &Placed,
        moment: Moment,
    ) -> Option<Found> {
        let component = dir.join(format!("{stem}.wasm"));
        let manifest = dir.join(format!("{stem}.yaml"));
        let whole = placed.contains(KUBELET_SWAP);
        let renamed =
            |path: &Path| whole || path.file_name().and_then(|it| it.to_str()).is_some_and(|it| placed.contains(it));

        // Where one of the two was put there whole, a new file beside it may not be: it settles on its own.
        let room = Room { most: limits.component_bytes, left, text: false };
        self.component.look(&component, room, renamed(&component), moment);
        let taken = self.component.taken.as_ref().map_or(0, |it| it.bytes.len() as u64);
        let room = Room { most: limits.manifest_bytes, left: left.saturating_sub(taken), text: true };
        self.manifest.look(&manifest, room, renamed(&manifest), moment);

        if !self.component.moves() && !self.manifest.moves() {
            self.last = self.compose(stem, component, manifest);
        }
        self.last.clone()
    }

    /// The two contents as one. None without a component, and where there is a manifest that never could be read: running
    /// without what the operator wrote could do more than they allowed.
    fn compose(&self, stem: &str, component: PathBuf, manifest: PathBuf) -> Option<Found> {
        let taken = self.component.taken.as_ref()?;
        let yaml = match (&self.manifest.taken, &self.manifest.problem) {
            (None, Some(_)) => return self.last.clone(),
            (yaml, _) => yaml.as_ref(),
        };
        Some(Found {
            stem: stem.into(),
            component,
            bytes: taken.bytes.clone(),
            digest: taken.digest.clone(),
            // Read as text or not taken at all, so nothing is lost here.
            manifest: yaml.map(|it| (manifest, Arc::from(String::from_utf8_lossy(&it.bytes)))),
            manifest_digest: yaml.map(|it| it.digest.clone()),
        })
    }
}

fn orphan(file: PathBuf, stem: &str) -> Problem {
    Problem {
        file,
        what: "it has no component beside it, so it says nothing of any handler".into(),
        fix: format!("add {stem}.wasm, or remove it"),
        limit: None,
    }
}

fn twin(file: PathBuf, stem: &str) -> Problem {
    Problem {
        file,
        what: "manifests end in .yaml, so it is not read".into(),
        fix: format!("rename it to {stem}.yaml"),
        limit: None,
    }
}

fn precompiled(file: PathBuf, stem: &str) -> Problem {
    Problem {
        file,
        what: "it is compiled code, which cannot be checked and is never loaded".into(),
        fix: format!("put the component itself here as {stem}.wasm; weir keeps what it compiles by itself"),
        limit: None,
    }
}

fn not_utf8(file: PathBuf) -> Problem {
    Problem { file, what: "its name is not UTF-8, so it is left out".into(), fix: "rename it".into(), limit: None }
}
