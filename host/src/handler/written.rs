//! A manifest as somebody wrote it: every key optional, every value with its line.
//!
//! Keys of later versions are listed, so that they can be refused by name instead of being called unknown.

use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// The operator's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<Spanned<String>>,
    /// For the operator's own use.
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, because every Kubernetes object may carry them")]
    pub(super) labels: BTreeMap<String, String>,
    /// For the operator's own use.
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, because every Kubernetes object may carry them")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// What `describe` returns, and what stands under `spec` in the operator's file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) description: Option<String>,
    pub(super) watches: Option<Vec<Watch>>,
    pub(super) reads: Option<Vec<Read>>,
    pub(super) wants: Option<Grants>,
    pub(super) settings_schema: Option<Spanned<serde_json::Value>>,
    pub(super) settings: Option<Spanned<serde_json::Value>>,
    pub(super) grants: Option<Spanned<Grants>>,
    pub(super) workers: Option<Spanned<u64>>,
    pub(super) retry: Option<Spanned<Retry>>,
    pub(super) limits: Option<Spanned<Limits>>,
    pub(super) instance: Option<Spanned<String>>,
    pub(super) field_manager: Option<Spanned<String>>,
    pub(super) service_account: Option<Spanned<String>>,
    pub(super) dry_run: Option<Spanned<bool>>,
    pub(super) sha256: Option<Spanned<String>>,
    pub(super) schedules: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Watch {
    pub(super) name: Spanned<String>,
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    #[serde(default)]
    pub(super) namespaces: Vec<Spanned<String>>,
    pub(super) label_selector: Option<Spanned<String>>,
    pub(super) field_selector: Option<Spanned<String>>,
    pub(super) events: Option<Vec<Spanned<String>>>,
    pub(super) fields: Option<Vec<Spanned<String>>>,
    pub(super) changed: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) previous: bool,
    pub(super) resync: Option<Spanned<String>>,
    pub(super) when: Option<Spanned<IgnoredAny>>,
    pub(super) finalizer: Option<Spanned<bool>>,
    pub(super) map_to: Option<Spanned<IgnoredAny>>,
    pub(super) namespace_selector: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Read {
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    #[serde(default)]
    pub(super) namespaces: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Grants {
    #[serde(default)]
    pub(super) write: Vec<WriteGrant>,
    #[serde(default)]
    pub(super) read: Vec<Read>,
    #[serde(default)]
    pub(super) http: Vec<Spanned<HttpGrant>>,
}

/// A URL, or one with what goes with it.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a URL is expected here, or a mapping of `url`, `headers` and `private`")]
pub(super) enum HttpGrant {
    Url(String),
    Whole(WholeHttpGrant),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WholeHttpGrant {
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) private: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WriteGrant {
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) actions: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) namespaces: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) names: Vec<String>,
    #[serde(default)]
    pub(super) subresources: Vec<String>,
    #[serde(default)]
    pub(super) force: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Retry {
    /// A number, or `forever`.
    pub(super) limit: Option<Spanned<String>>,
    pub(super) base: Option<Spanned<String>>,
    pub(super) cap: Option<Spanned<String>>,
}

/// Each as text: a number, a duration or a quantity, by its key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Limits {
    pub(super) memory: Option<Spanned<String>>,
    pub(super) time: Option<Spanned<String>>,
    pub(super) actions: Option<Spanned<String>>,
    pub(super) reply_bytes: Option<Spanned<String>>,
    pub(super) action_bytes: Option<Spanned<String>>,
    pub(super) json_depth: Option<Spanned<String>>,
    pub(super) log_bytes: Option<Spanned<String>>,
    pub(super) log_bytes_per_second: Option<Spanned<String>>,
    pub(super) log_burst: Option<Spanned<String>>,
    pub(super) imports: Option<Spanned<String>>,
    pub(super) read_bytes: Option<Spanned<String>>,
    pub(super) writes_per_second: Option<Spanned<String>>,
    pub(super) write_burst: Option<Spanned<String>>,
    pub(super) http_time: Option<Spanned<String>>,
    pub(super) http_connections: Option<Spanned<String>>,
    pub(super) http_request_bytes: Option<Spanned<String>>,
    pub(super) http_answer_bytes: Option<Spanned<String>>,
    pub(super) calls_per_instance: Option<Spanned<String>>,
    pub(super) idle: Option<Spanned<String>>,
    pub(super) requeue_floor: Option<Spanned<String>>,
    pub(super) dead_letters: Option<Spanned<String>>,
    pub(super) dead_letter_bytes: Option<Spanned<String>>,
}
