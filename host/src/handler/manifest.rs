//! One handler's manifest, after merging what the component describes with what the operator wrote.
//!
//! These are checked values: durations parsed, pointers and selectors valid, defaults filled in. Parsing and its messages
//! live beside this file; everything that acts on a manifest reads these types.

mod account;
mod http;
pub mod limit;
mod reads;
pub mod url;

use crate::contract::Change;
pub use account::Account;
pub use http::{Admitted, HttpGrant, Part, RESERVED_HEADERS, SecretRef, Template, admitting};
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};

/// The whole manifest of one handler.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The handler's name: `metadata.name`, or the file's stem.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What it is called for; at least one, no two on one kind.
    pub watches: Vec<Watch>,
    /// Kinds `cluster.get` and `cluster.list-page` may be asked for, if granted.
    pub reads: Vec<Read>,
    /// What it would like to be granted; a wish, not a right.
    pub wants: Grants,
    /// What it may do.
    pub grants: Grants,
    /// What `host.settings` answers, schema defaults filled in.
    pub settings: serde_json::Value,
    /// How many calls may run at once, at most [`MAX_WORKERS`]. Default: what `--workers` says, 1.
    pub workers: usize,
    /// What happens after a failure.
    pub retry: Retry,
    /// What a call may use.
    pub limits: Limits,
    /// Whether instances are kept.
    pub instance: Instance,
    /// Under which name writes are owned. Default `weir/NAME`.
    pub field_manager: String,
    /// As whom its writes and reads go out, by impersonation. None: as weir itself.
    pub service_account: Option<Account>,
    /// Send every write with `dryRun=All`.
    pub dry_run: bool,
    /// The one component that runs under this manifest: its SHA-256, in hex. None: whichever lies beside it.
    pub sha256: Option<String>,
}

/// The largest `workers`.
pub const MAX_WORKERS: usize = 64;

/// One kind a handler is called for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// Unique in the handler; what `event.watch` says.
    pub name: String,
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, …
    pub kind: String,
    /// Empty: all (or the host's `--namespace`).
    pub namespaces: Vec<String>,
    /// Kubernetes' syntax, checked; empty selects all.
    pub label_selector: String,
    /// Kubernetes' syntax, checked; empty selects all.
    pub field_selector: String,
    /// Which changes make a call; others are acknowledged silently.
    pub events: BTreeSet<Change>,
    /// JSON pointers to hand over. None: the whole object. Empty: metadata only, watched as metadata.
    pub fields: Option<Vec<String>>,
    /// `updated` only if one of these differs. None: whatever is handed over.
    pub changed: Option<Vec<String>>,
    /// Hand over the last acknowledged state too.
    pub previous: bool,
    /// Call for every object this often. At least [`MIN_RESYNC`].
    #[serde(serialize_with = "as_text")]
    pub resync: Option<Duration>,
}

/// The shortest `resync`.
pub const MIN_RESYNC: Duration = Duration::from_secs(1);

/// A kind that may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Pod`, …
    pub kind: String,
    /// Empty: all.
    pub namespaces: Vec<String>,
}

/// What a handler may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Which writes to which objects.
    pub write: Vec<WriteGrant>,
    /// Which objects may be read.
    pub read: Vec<Read>,
    /// Where requests may go.
    pub http: Vec<HttpGrant>,
}

/// One line of `grants.write`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteGrant {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Node`, …; for `emit`, the kind of the object that the Event is about.
    pub kind: String,
    /// Which actions: `annotate`, `label`, `set-status`, `patch`, `apply`, `create`, `delete`, `emit`.
    pub actions: BTreeSet<String>,
    /// Empty: all.
    pub namespaces: Vec<String>,
    /// Empty: all.
    pub names: Vec<String>,
    /// Subresources beside the object itself, for `patch` and `apply`; `set-status` needs none.
    pub subresources: Vec<String>,
    /// Whether `apply` may take fields over.
    pub force: bool,
}

/// What happens after a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Retries after the first call; None is `forever`, 0 means none. Default 25, about 2.3 h with the other defaults.
    pub limit: Option<u32>,
    /// The first wait. Default 5 ms.
    #[serde(serialize_with = "as_text_plain")]
    pub base: Duration,
    /// The longest wait. Default 1000 s.
    #[serde(serialize_with = "as_text_plain")]
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { limit: Some(25), base: Duration::from_millis(5), cap: Duration::from_secs(1000) }
    }
}

/// Whether instances are kept between calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Instance {
    /// One per worker, kept while it works.
    #[default]
    Warm,
    /// One per call.
    Fresh,
}

/// What one call, or one handler, may use. Every number is a hard bound; none can be switched off. [`limit::BOUNDS`] has the largest values, and what
/// happens beyond each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes: the sum of an instance's linear memories. Default 64 MiB, at most 256 MiB.
    pub memory: u64,
    /// The whole call, host functions included. Default 2 s, at most 10 min.
    #[serde(serialize_with = "as_text_plain")]
    pub time: Duration,
    /// Actions in one reply. Default 64.
    pub actions: usize,
    /// Bytes of one reply as the host receives it. Default 1 MiB.
    pub reply_bytes: usize,
    /// Bytes of one action: its texts, added up. Default 512 KiB.
    pub action_bytes: usize,
    /// How deep arrays and objects may nest in a status, a patch or a manifest. Default 64, at most 100.
    pub json_depth: usize,
    /// Bytes of log lines a second, of all calls together, after the burst; more is dropped and counted. Default 64 KiB.
    pub log_bytes_per_second: u32,
    /// Bytes of log lines at once. Default 1 MiB.
    pub log_burst: u32,
    /// Bytes of log lines (import, stdout and stderr together) kept per call; more is dropped and counted. Default 64 KiB.
    pub log_bytes: usize,
    /// Host functions called in one call. Default 1,000.
    pub imports: u32,
    /// Bytes read through host functions in one call. Default 16 MiB.
    pub read_bytes: usize,
    /// Writes per second. Default 1,000.
    pub writes_per_second: u32,
    /// Writes at once. Default 5,000.
    pub write_burst: u32,
    /// One `http` action, from looking its host up to the end of the answer, redirects included. Default 10 s, at most 1 min.
    #[serde(serialize_with = "as_text_plain")]
    pub http_time: Duration,
    /// `http` actions under way at once. Default 4, at most 64; more wait.
    pub http_connections: usize,
    /// Bytes of one `http` request: method, URL, headers and body. Default 256 KiB, at most 16 MiB; a larger one is refused.
    pub http_request_bytes: usize,
    /// Bytes of an answer to an `http` action that are read, of its head and of its body. Default 64 KiB, at least 8 KiB, at most
    /// 16 MiB. A longer head is a failure; the rest of a longer body is left unread.
    pub http_answer_bytes: usize,
    /// Calls after which a warm instance is replaced. Default 10,000.
    pub calls_per_instance: u32,
    /// How long a warm instance may idle. Default 60 s.
    #[serde(serialize_with = "as_text_plain")]
    pub idle: Duration,
    /// The smallest `requeue-after-ms`, in milliseconds; smaller ones are raised. Default 1,000.
    pub requeue_floor_ms: u32,
    /// Bytes of dead letters kept. Default 8 MiB; the oldest go first, and are counted.
    pub dead_letter_bytes: usize,
    /// How many dead letters are kept. Default 1,000; the oldest go first, and are counted.
    pub dead_letters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 64 << 20,
            time: Duration::from_secs(2),
            actions: 64,
            reply_bytes: 1 << 20,
            action_bytes: 512 << 10,
            json_depth: 64,
            log_bytes: 64 << 10,
            log_bytes_per_second: 64 << 10,
            log_burst: 1 << 20,
            imports: 1_000,
            read_bytes: 16 << 20,
            writes_per_second: 1_000,
            write_burst: 5_000,
            http_time: Duration::from_secs(10),
            http_connections: 4,
            http_request_bytes: 256 << 10,
            http_answer_bytes: 64 << 10,
            calls_per_instance: 10_000,
            idle: Duration::from_secs(60),
            requeue_floor_ms: 1_000,
            dead_letter_bytes: 8 << 20,
            dead_letters: 1_000,
        }
    }
}

fn as_text_plain<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", duration.as_millis()))
}

fn as_text<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => as_text_plain(duration, serializer),
        None => serializer.serialize_none(),
    }
}
