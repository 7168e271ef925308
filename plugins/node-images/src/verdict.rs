//! What to do about a node: a pure function of what it reports, what it reported when last handled, and what its annotations
//! record.
//!
//! Guarantees: the same node looked at again gives no action; an Event comes before the annotation that records it, and so does the
//! chat message, so a crash between them repeats it rather than losing it; what the node holds is recorded before the chat is asked,
//! so a chat that is away keeps no annotation back.

use crate::{node::Node, prune::Prune};
use serde::Deserialize;
use std::{collections::BTreeSet, time::Duration};
use weir_sdk::{Actions, HttpRequest, Note, serde_json::json, time::Timestamp};

/// What the operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Warn when the images fill more than this share of the disk.
    pub percent: u8,
    /// Warn again after so many minutes of the same. An hour is how long an API server keeps Events by default.
    pub remind_minutes: u32,
    /// Where a chat takes warnings, as its grant is written; empty: nowhere.
    pub webhook: String,
    /// Which pods leave a node that is too full.
    pub prune: Prune,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { percent: 80, remind_minutes: 60, webhook: String::new(), prune: Prune::default() }
    }
}

pub const COUNT: &str = "images.weir.dev/count";
pub const TOTAL_BYTES: &str = "images.weir.dev/total-bytes";
/// The share of the disk that the images fill; absent where the node reports no disk.
pub const PERCENT: &str = "images.weir.dev/percent";
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
    pub percent: Option<String>,
    pub changed_at: Option<String>,
    pub warned_at: Option<String>,
}

impl Record {
    pub fn of(node: &Node) -> Self {
        let said = |key: &str| node.metadata.annotations.get(key).cloned();
        Record {
            count: said(COUNT),
            total_bytes: said(TOTAL_BYTES),
            percent: said(PERCENT),
            changed_at: said(CHANGED_AT),
            warned_at: said(WARNED_AT),
        }
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
    /// Whether the images fill more than the operator wants, so that pods are to leave.
    pub is_full: bool,
    /// What is told in the cluster.
    pub events: Actions,
    /// What is recorded on the node, and told to the chat.
    pub record: Actions,
}

impl Verdict {
    /// All of it in order, with what is done about pods.
    pub fn actions(self, pods: Actions) -> Actions {
        self.events.into_iter().chain(pods).chain(self.record).collect()
    }
}

/// Decides. `before` is the state this handler acknowledged last, none if there is none.
pub fn decide(record: &Record, node: &Node, before: Option<&Node>, settings: &Settings, now: Timestamp) -> Verdict {
    let count = node.images().len().to_string();
    let total = node.total_bytes();
    let change = difference(record, node, before);
    let mut events = Actions::new();

    if let Some(change) = &change {
        let message = format!("{count} images, {}{}", size(total), summary(change));
        events = events.emit(Note::normal("ImagesChanged", message));
    }

    let disk = node.disk_bytes();
    let full = disk.filter(|disk| u128::from(total) * 100 > u128::from(*disk) * u128::from(settings.percent));
    let share = disk.map(|disk| u128::from(total) * 100 / u128::from(disk));
    let remind = Duration::from_secs(u64::from(settings.remind_minutes) * 60);
    let warned_at: Option<Timestamp> = record.warned_at.as_deref().and_then(|text| text.parse().ok());
    let warned_lately = warned_at.is_some_and(|at| now.since(at) < remind);
    let warning = full.zip(share).filter(|_| change.is_some() || !warned_lately).map(|(disk, share)| {
        let (disk, total, limit) = (size(disk), size(total), settings.percent);
        format!("{count} images fill {share} % of {disk} (warning above {limit} %): {total}")
    });
    if let Some(message) = &warning {
        events = events.emit(Note::warning("ImagesFillDisk", message));
    }

    let said = [
        (COUNT, &record.count, Some(count)),
        (TOTAL_BYTES, &record.total_bytes, Some(total.to_string())),
        (PERCENT, &record.percent, share.map(|share| share.to_string())),
    ];
    let mut recorded = Actions::new();
    for (key, was, is) in said {
        recorded = match is {
            _ if *was == is => recorded,
            Some(is) => recorded.annotate(key, is),
            None => recorded.remove_annotation(key),
        };
    }
    if change.is_some() || record.changed_at.is_none() {
        recorded = recorded.annotate(CHANGED_AT, now);
    }
    if let Some(message) = &warning {
        if !settings.webhook.is_empty() {
            recorded = recorded.http(post(&settings.webhook, &node.metadata.name, message));
        }
        recorded = recorded.annotate(WARNED_AT, now);
    } else if full.is_none() && record.warned_at.is_some() {
        recorded = recorded.remove_annotation(WARNED_AT);
    }
    Verdict { change, is_full: full.is_some(), events, record: recorded }
}

/// A message as chats' incoming webhooks take it.
fn post(url: &str, node: &str, message: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: json!({ "text": format!("node {node}: {message}") }).to_string(),
        idempotency_key: None,
    }
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
    let known =
        |node: &Node| -> BTreeSet<String> { node.images().iter().map(|image| image.identity().to_owned()).collect() };
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
