//! One file as several looks see it: when it has stopped moving, and what it held last.

use super::{Problem, QUIET, SETTLE, look::Moment};
use crate::{handler::manifest::limit::Limit, places};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// A file that was read whole.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    /// SHA-256 in hex.
    pub(super) digest: Arc<str>,
}

/// What is known of one file. The default is a file never looked at.
#[derive(Default)]
pub(super) struct Seen {
    /// What it held when it last was whole and readable. Kept until the file is known to be gone.
    pub(super) taken: Option<Content>,
    /// Why the file as it is now was not taken. Judged again with every look.
    pub(super) problem: Option<Problem>,
    /// Set while the file moves: how it looked, and since when it has looked so. No stamp: it is gone.
    moving: Option<(Option<Stamp>, Instant)>,
    /// How it looked when it was taken. None: read at the next look.
    stamp: Option<Stamp>,
    /// It was read so soon after its last change that another one within the same clock tick would not show.
    fresh: bool,
}

/// How large a file may be.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Bytes this file may have.
    pub(super) most: u64,
    /// Bytes that all files together still leave for it.
    pub(super) left: u64,
    /// Whether it has to be UTF-8.
    pub(super) text: bool,
}

/// What tells two versions of a file apart without reading it. The change time cannot be set back by a copy that keeps times.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    /// Whether the file was still moving at the last look, so that another one is due after [`SETTLE`].
    pub(super) fn moves(&self) -> bool {
        self.moving.is_some()
    }

    /// Whether the file is gone for good and nothing is kept of it.
    pub(super) fn gone(&self) -> bool {
        self.taken.is_none() && self.problem.is_none() && self.moving.is_none()
    }

    /// Looks at the file. `placed`: it was renamed here, so its writer had finished.
    pub(super) fn look(&mut self, path: &Path, room: Room, placed: bool, moment: Moment) {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return self.refuse(unreadable(path, &error)),
            Err(_) if fs::symlink_metadata(path).is_ok() => return self.refuse(dangling(path)),
            Err(_) if self.gone() => return,
            Err(_) => {
                // A writer that removes and then writes anew is not a removal.
                if self.still(None, moment) {
                    *self = Seen::default();
                }
                return;
            }
        };
        if !found.is_file() {
            return self.refuse(not_a_file(path));
        }
        let stamp = Stamp::of(&found);
        if self.stamp == Some(stamp) && !self.fresh {
            self.moving = None;
            return;
        }
        let same = self.stamp == Some(stamp);
        if placed || same || stamp.age(moment.wall) >= QUIET || self.still(Some(stamp), moment) {
            self.read(path, room, moment);
        }
    }

    /// Whether the file looks as it did [`SETTLE`] ago; if not, it moves.
    fn still(&mut self, stamp: Option<Stamp>, moment: Moment) -> bool {
        let since = match self.moving {
            Some((was, since)) if was == stamp => since,
            _ => moment.at,
        };
        self.moving = Some((stamp, since));
        moment.at.duration_since(since) >= SETTLE
    }

    fn read(&mut self, path: &Path, room: Room, moment: Moment) {
        match safe(path).and_then(|safe| read_whole(&safe, room)) {
            Ok((content, stamp)) => {
                let fresh = stamp.age(moment.wall) < SETTLE;
                *self = Seen { taken: Some(content), stamp: Some(stamp), fresh, ..Seen::default() };
            }
            Err(Refusal::Moved(stamp)) => self.moving = Some((Some(stamp), moment.at)),
            Err(Refusal::Problem(problem)) => self.refuse(problem),
            Err(Refusal::Io(error)) => self.refuse(unreadable(path, &error)),
        }
    }

    /// Keeps what was taken before and says why nothing newer was.
    fn refuse(&mut self, mut problem: Problem) {
        if self.taken.is_some() {
            problem.what.push_str(", so what it held before is kept");
        }
        *self = Seen { taken: self.taken.take(), problem: Some(problem), ..Seen::default() };
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// How long ago the file last changed; zero for a time in the future, as a network mount's clock may give.
    fn age(&self, wall: SystemTime) -> Duration {
        let (seconds, nanos) = self.modified.max(self.changed);
        let since = Duration::new(seconds.max(0).unsigned_abs(), u32::try_from(nanos).unwrap_or(0));
        wall.duration_since(SystemTime::UNIX_EPOCH + since).unwrap_or_default()
    }
}

/// Why a file was not read.
enum Refusal {
    /// It changed while it was read.
    Moved(Stamp),
    Problem(Problem),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Io(error)
    }
}

/// Where the file really lies, if that is inside the directory and not everybody may change it.
fn safe(path: &Path) -> Result<PathBuf, Refusal> {
    let real = fs::canonicalize(path)?;
    let root = fs::canonicalize(path.parent().unwrap_or(path))?;
    let Ok(inside) = real.strip_prefix(&root) else { return Err(Refusal::Problem(outside(path, &real))) };
    // The file, and the directories between the two; the directory itself is looked at with every look.
    for place in inside.ancestors().filter(|it| !it.as_os_str().is_empty()).map(|it| root.join(it)) {
        if let Some(mode) = places::open_to_all(&place)? {
            return Err(Refusal::Problem(open_to_all(path, &place, mode)));
        }
    }
    Ok(real)
}

/// Reads a file that is not longer than it may be, and did not change while it was read.
fn read_whole(path: &Path, room: Room) -> Result<(Content, Stamp), Refusal> {
    let mut file = File::open(path)?;
    let before = Stamp::of(&file.metadata()?);
    if before.size > room.most.min(room.left) {
        return Err(Refusal::Problem(too_large(path, before.size, room)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or_default());
    // One byte more than it should have, so that a file which grows meanwhile is noticed and not followed.
    Read::by_ref(&mut file).take(before.size + 1).read_to_end(&mut bytes)?;
    let after = Stamp::of(&file.metadata()?);
    if after != before || bytes.len() as u64 != before.size {
        return Err(Refusal::Moved(after));
    }
    if room.text && std::str::from_utf8(&bytes).is_err() {
        return Err(Refusal::Problem(not_text(path)));
    }
    let digest = format!("{:x}", Sha256::digest(&bytes)).into();
    Ok((Content { bytes: bytes.into(), digest }, before))
}

fn too_large(path: &Path, size: u64, room: Room) -> Problem {
    let mut limit = None;
    let (what, fix) = if size > room.most {
        limit = Some(if room.text { Limit::ManifestBytes } else { Limit::ComponentBytes });
        let fix = if room.text { "shorten it" } else { "strip the component's debug information, or split it" };
        (format!("it has {size} bytes, more than the {} it may have", room.most), fix)
    } else {
        let what =
            format!("it has {size} bytes, and the files of this directory together leave room for {}", room.left);
        (what, "spread the handlers over several hosts")
    };
    Problem { file: path.to_owned(), what, fix: fix.into(), limit }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        file: path.to_owned(),
        what: format!("it cannot be read ({error})"),
        fix: "let the user that weir runs as read it".into(),
        limit: None,
    }
}

fn dangling(path: &Path) -> Problem {
    Problem {
        file: path.to_owned(),
        what: "it is a symbolic link to nothing".into(),
        fix: "restore what it points to, or remove the link".into(),
        limit: None,
    }
}

fn not_a_file(path: &Path) -> Problem {
    Problem {
        file: path.to_owned(),
        what: "it is not a regular file".into(),
        fix: "rename it, or remove it".into(),
        limit: None,
    }
}

fn outside(path: &Path, real: &Path) -> Problem {
    Problem {
        file: path.to_owned(),
        what: format!("it is a symbolic link to {}, outside its directory", real.display()),
        fix: "copy the file here".into(),
        limit: None,
    }
}

/// `place`, which leads to `file` or is it, is everybody's.
pub(super) fn open_to_all(file: &Path, place: &Path, mode: u32) -> Problem {
    let what = if file == place { "it".into() } else { place.display().to_string() };
    Problem {
        file: file.to_owned(),
        what: format!("{what} may be written to by everybody (mode {mode:03o}), and what lies there is run"),
        fix: format!("chmod o-w {}, or mount it read-only", place.display()),
        limit: None,
    }
}

fn not_text(path: &Path) -> Problem {
    Problem { file: path.to_owned(), what: "it is not UTF-8 text".into(), fix: "save it as UTF-8".into(), limit: None }
}
