//! What to do about a node: a pure function of what it reports, what it reported when last handled, and what its annotations
//! record.
//!
//! Guarantees: the same node looked at again gives no action; Events come before the annotations that record them, so a crash
//! between them repeats an Event rather than losing one.

use crate::node::Node;
use serde::Deserialize;
use std::{collections::BTreeSet, time::Duration};
use weir_sdk::{Actions, Note, time::Timestamp};

/// What the operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Warn when the images fill more than this share of the disk.
    pub percent: u8,
    /// Warn again after so many minutes of the same. An hour is how long an API server keeps Events by default.
    pub remind_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { percent: 80, remind_minutes: 60 }
    }
}

pub const COUNT: &str = "images.weir.dev/count";
pub const TOTAL_BYTES: &str = "images.weir.dev/total-bytes";
pub const CHANGED_AT: &str = "images.weir.dev/changed-at";
/// When the last warning was given; absent while there is nothing to warn of.
pub const WARNED_AT: &str = "images.weir.dev/warned-at";

/// The most names that an Event's message lists of each kind; the log has all.
const NAMED: usize = 3;

/// What the annotations say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub count: Option<String>,
    pub total_bytes: Option<String>,
    pub changed_at: Option<String>,
    pub warned_at: Option<String>,
}

impl Record {
    pub fn of(node: &Node) -> Self {
        let said = |key: &str| node.metadata.annotations.get(key).cloned();
        Record { count: said(COUNT), total_bytes: said(TOTAL_BYTES), changed_at: said(CHANGED_AT), warned_at: said(WARNED_AT) }
    }
}

/// Names of the images that came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Present if the images changed.
    pub change: Option<Difference>,
    /// What to do.
    pub actions: Actions,
}

/// Decides. `before` is the state this handler acknowledged last, none if there is none.
pub fn decide(record: &Record, node: &Node, before: Option<&Node>, settings: &Settings, now: Timestamp) -> Verdict {
    let count = node.images().len().to_string();
    let total = node.total_bytes();
    let change = difference(record, node, before);
    let mut actions = Actions::new();

    if let Some(change) = &change {
        let message = format!("{count} images, {}{}", size(total), summary(change));
        actions = actions.emit(Note::normal("ImagesChanged", message));
    }

    let full = node.disk_bytes().filter(|disk| u128::from(total) * 100 > u128::from(*disk) * u128::from(settings.percent));
    let remind = Duration::from_secs(u64::from(settings.remind_minutes) * 60);
    let warned_at: Option<Timestamp> = record.warned_at.as_deref().and_then(|text| text.parse().ok());
    let warned_lately = warned_at.is_some_and(|at| now.since(at) < remind);
    let warn = full.filter(|_| change.is_some() || !warned_lately);
    if let Some(disk) = warn {
        let share = u128::from(total) * 100 / u128::from(disk);
        let message =
            format!("{count} images fill {share} % of {} (warning above {} %): {}", size(disk), settings.percent, size(total));
        actions = actions.emit(Note::warning("ImagesFillDisk", message));
    }

    let total = total.to_string();
    if record.count.as_ref() != Some(&count) {
        actions = actions.annotate(COUNT, &count);
    }
    if record.total_bytes.as_ref() != Some(&total) {
        actions = actions.annotate(TOTAL_BYTES, &total);
    }
    if change.is_some() || record.changed_at.is_none() {
        actions = actions.annotate(CHANGED_AT, now);
    }
    if warn.is_some() {
        actions = actions.annotate(WARNED_AT, now);
    } else if full.is_none() && record.warned_at.is_some() {
        actions = actions.remove_annotation(WARNED_AT);
    }
    Verdict { change, actions }
}

/// What came and went since the state acknowledged last. Without one (first sight, or a host that lost its memory) the record
/// decides whether anything did: a node never recorded counts as all new, one whose record fits as unchanged.
fn difference(record: &Record, node: &Node, before: Option<&Node>) -> Option<Difference> {
    let nothing = Node::default();
    let recorded = record.changed_at.is_some();
    let fits = record.count.as_deref() == Some(&*node.images().len().to_string())
        && record.total_bytes.as_deref() == Some(&*node.total_bytes().to_string());
    let before = match before {
        Some(before) => before,
        None if !recorded => &nothing,
        None if fits => return None,
        // Something changed while nobody looked; what it was is not known.
        None => return Some(Difference::default()),
    };
    let known = |node: &Node| -> BTreeSet<String> { node.images().iter().map(|image| image.identity().to_owned()).collect() };
    let (old, new) = (known(before), known(node));
    let missing_in = |known: &BTreeSet<String>, node: &Node| -> Vec<String> {
        let missing = node.images().iter().filter(|image| !known.contains(image.identity()));
        missing.map(|image| image.title().to_owned()).collect()
    };
    (old != new).then(|| Difference { added: missing_in(&old, node), removed: missing_in(&new, before) })
}

/// `; added nginx:1.27, redis:8; removed 5: a, b, c, …`, or nothing if it is not known.
fn summary(change: &Difference) -> String {
    let list = |what: &str, names: &[String]| match names.len() {
        0 => String::new(),
        1..=NAMED => format!("; {what} {}", names.join(", ")),
        more => format!("; {what} {more}: {}, …", names[..NAMED].join(", ")),
    };
    format!("{}{}", list("added", &change.added), list("removed", &change.removed))
}

/// Bytes for people: `1.4 GiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    match unit {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / (1_u64 << (10 * unit)) as f64, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;
