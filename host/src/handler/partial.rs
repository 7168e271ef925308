//! One document, checked: every value means something, or an error says where it does not. What is absent stays absent, so
//! that two documents can be merged key by key.

use super::{
    document::{ManifestError, Origin, nearest},
    duration,
    grants::{Of, grants},
    limits::limits,
    manifest::{Account, Grants, Instance, Limits, MAX_WORKERS, MIN_RESYNC, Read, Retry, Watch},
    written,
};
use crate::{
    contract::Change,
    selector::{FieldSelector, LabelSelector},
};
use serde_saphyr::Spanned;
use std::{collections::BTreeSet, time::Duration};

/// The longest field manager that the API takes, in bytes, less room for an apply's own suffix.
const MAX_FIELD_MANAGER: usize = 96;

#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) watches: Option<Vec<Watch>>,
    pub(super) reads: Option<Vec<Read>>,
    pub(super) wants: Option<Grants>,
    pub(super) settings_schema: Option<serde_json::Value>,
    pub(super) settings: Option<Spanned<serde_json::Value>>,
    pub(super) grants: Option<Grants>,
    pub(super) workers: Option<usize>,
    pub(super) retry: Option<Retry>,
    pub(super) limits: Option<Limits>,
    pub(super) instance: Option<Instance>,
    pub(super) field_manager: Option<String>,
    pub(super) service_account: Option<Account>,
    pub(super) dry_run: Option<bool>,
    pub(super) sha256: Option<String>,
}

/// Reads what a component described.
pub(super) fn described(origin: &Origin<'_>, text: &str) -> Result<Partial, ManifestError> {
    let spec = origin.spec(text)?;
    let operators = "is the operator's to say, not the component's; write it in the YAML beside the component";
    let refuse = |key: &str, at: Option<u64>| ManifestError {
        origin: origin.to_string(),
        line: at.filter(|line| *line > 0),
        problem: format!("`{key}` {operators}"),
    };
    for (key, at) in [
        ("settings", spec.settings.as_ref().map(|it| it.referenced.line())),
        ("grants", spec.grants.as_ref().map(|it| it.referenced.line())),
        ("workers", spec.workers.as_ref().map(|it| it.referenced.line())),
        ("retry", spec.retry.as_ref().map(|it| it.referenced.line())),
        ("limits", spec.limits.as_ref().map(|it| it.referenced.line())),
        ("instance", spec.instance.as_ref().map(|it| it.referenced.line())),
        ("fieldManager", spec.field_manager.as_ref().map(|it| it.referenced.line())),
        ("serviceAccount", spec.service_account.as_ref().map(|it| it.referenced.line())),
        ("dryRun", spec.dry_run.as_ref().map(|it| it.referenced.line())),
        ("sha256", spec.sha256.as_ref().map(|it| it.referenced.line())),
    ] {
        if at.is_some() {
            return Err(refuse(key, at));
        }
    }
    checked(origin, spec)
}

/// Reads the operator's file.
pub(super) fn operators(origin: &Origin<'_>, text: &str) -> Result<Partial, ManifestError> {
    let envelope = origin.envelope(text)?;
    let mut partial = checked(origin, envelope.spec)?;
    if let Some(name) = envelope.metadata.name {
        if !is_dns_label(&name.value) {
            return Err(origin.wrong_at(&name, not_a_name(&name.value)));
        }
        partial.name = Some(name.value);
    }
    Ok(partial)
}

/// Whether a handler may be called so; if not, what it may be called.
pub fn check_name(name: &str) -> Result<(), String> {
    if is_dns_label(name) { Ok(()) } else { Err(not_a_name(name)) }
}

/// Whether `name` can name a handler: a DNS label, as most Kubernetes objects' names.
pub(super) fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

pub(super) fn not_a_name(name: &str) -> String {
    format!("`{name}` is no handler's name; use at most 63 lower-case letters, digits and `-`, such as `node-images`")
}

fn checked(origin: &Origin<'_>, spec: written::Spec) -> Result<Partial, ManifestError> {
    if let Some(schedules) = &spec.schedules {
        return Err(later(origin, schedules, "schedules"));
    }
    Ok(Partial {
        name: None,
        description: spec.description,
        watches: spec.watches.map(|watches| watches.into_iter().map(|it| watch(origin, it)).collect()).transpose()?,
        reads: spec.reads.map(|reads| reads.into_iter().map(|it| read(origin, it)).collect()).transpose()?,
        wants: spec.wants.map(|wants| grants(origin, wants, Of::Wants)).transpose()?,
        settings_schema: spec.settings_schema.map(|schema| schema.value),
        settings: spec.settings,
        grants: spec.grants.map(|it| grants(origin, it.value, Of::Grants)).transpose()?,
        workers: spec.workers.map(|workers| workers_of(origin, &workers)).transpose()?,
        retry: spec.retry.map(|it| retry(origin, it.value)).transpose()?,
        limits: spec.limits.map(|it| limits(origin, &it.value)).transpose()?,
        instance: spec
            .instance
            .map(|instance| match instance.value.as_str() {
                "warm" => Ok(Instance::Warm),
                "fresh" => Ok(Instance::Fresh),
                other => Err(origin.wrong_at(&instance, format!("instance `{other}` is neither `warm` nor `fresh`"))),
            })
            .transpose()?,
        field_manager: spec
            .field_manager
            .map(|manager| {
                let printable = manager.value.chars().all(|char| !char.is_control() && !char.is_whitespace());
                if manager.value.is_empty() || manager.value.len() > MAX_FIELD_MANAGER || !printable {
                    let problem =
                        format!("fieldManager must have 1 to {MAX_FIELD_MANAGER} printable characters and no spaces");
                    return Err(origin.wrong_at(&manager, problem));
                }
                Ok(manager.value)
            })
            .transpose()?,
        service_account: spec
            .service_account
            .map(|account| account.value.parse().map_err(|problem: String| origin.wrong_at(&account, problem)))
            .transpose()?,
        dry_run: spec.dry_run.map(|dry_run| dry_run.value),
        sha256: spec.sha256.map(|pin| digest(origin, &pin)).transpose()?,
    })
}

/// A component's digest, as `weir check` prints it, with or without the name of the hash.
fn digest(origin: &Origin<'_>, written: &Spanned<String>) -> Result<String, ManifestError> {
    let hex = written.value.strip_prefix("sha256:").unwrap_or(&written.value).to_ascii_lowercase();
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(origin.wrong_at(written, "sha256 is not the 64 hexadecimal digits of a component; `weir check` prints them"))
}

fn later<T>(origin: &Origin<'_>, at: &Spanned<T>, key: &str) -> ManifestError {
    origin.wrong_at(at, format!("`{key}` is not in this version of weir yet; remove it"))
}

fn watch(origin: &Origin<'_>, written: written::Watch) -> Result<Watch, ManifestError> {
    if let Some(at) = &written.when {
        return Err(later(origin, at, "when"));
    }
    if let Some(at) = written.finalizer.as_ref().filter(|it| it.value) {
        return Err(later(origin, at, "finalizer"));
    }
    if let Some(at) = &written.map_to {
        return Err(later(origin, at, "mapTo"));
    }
    if let Some(at) = &written.namespace_selector {
        return Err(later(origin, at, "namespaceSelector"));
    }
    if written.name.value.is_empty() {
        return Err(origin.wrong_at(&written.name, "a watch needs a name; the handler is told it with each event"));
    }
    let resync = written.resync.as_ref().map(|it| period(origin, it, "resync")).transpose()?;
    if let (Some(period), Some(at)) = (resync, &written.resync)
        && period < MIN_RESYNC
    {
        let problem =
            format!("resync `{}` is shorter than {} s, the shortest there is", at.value, MIN_RESYNC.as_secs());
        return Err(origin.wrong_at(at, problem));
    }
    let label_selector = written.label_selector.map_or(Ok(String::new()), |it| {
        LabelSelector::parse(&it.value).map_err(|error| origin.wrong_at(&it, format!("labelSelector: {error}")))?;
        Ok(it.value)
    })?;
    let field_selector = written.field_selector.map_or(Ok(String::new()), |it| {
        FieldSelector::parse(&it.value).map_err(|error| origin.wrong_at(&it, format!("fieldSelector: {error}")))?;
        Ok(it.value)
    })?;
    let events = events(origin, written.events, resync.is_some())?;
    let metadata_only = written.fields.as_ref().is_some_and(Vec::is_empty);
    if let Some(outside) = written.changed.iter().flatten().find(|it| metadata_only && !is_metadata(&it.value)) {
        let problem =
            format!("changed `{}` lies outside /metadata, but `fields: []` watches metadata only", outside.value);
        return Err(origin.wrong_at(outside, problem));
    }
    Ok(Watch {
        name: written.name.value,
        api_version: api_version(origin, written.api_version)?,
        kind: kind(origin, written.kind)?,
        namespaces: namespaces(origin, written.namespaces)?,
        label_selector,
        field_selector,
        events,
        fields: written.fields.map(|it| pointers(origin, it, "fields")).transpose()?,
        changed: written.changed.map(|it| pointers(origin, it, "changed")).transpose()?,
        previous: written.previous,
        resync,
    })
}

fn is_metadata(pointer: &str) -> bool {
    pointer == "/metadata" || pointer.starts_with("/metadata/")
}

/// Those that a list can name, and those that come by asking for what causes them.
fn events(
    origin: &Origin<'_>,
    written: Option<Vec<Spanned<String>>>,
    resync: bool,
) -> Result<BTreeSet<Change>, ManifestError> {
    const LISTED: [Change; 5] = [Change::Initial, Change::Added, Change::Updated, Change::Left, Change::Deleted];
    let mut events = match written {
        None => BTreeSet::from(LISTED),
        Some(names) => {
            let mut events = BTreeSet::new();
            for name in names {
                if name.value == "resync" && !resync {
                    return Err(
                        origin.wrong_at(&name, "the event `resync` needs a period; add `resync: 30s` to the watch")
                    );
                }
                if let Some(change) = LISTED.iter().find(|change| change.name() == name.value) {
                    events.insert(*change);
                } else if !["resync", "requeued", "related", "finalizing"].contains(&name.value.as_str()) {
                    let known = LISTED.map(Change::name);
                    let meant =
                        nearest(&name.value, &known).map_or(String::new(), |it| format!(", did you mean `{it}`?"));
                    let problem = format!("there is no event `{}`{meant}; there are {}", name.value, known.join(", "));
                    return Err(origin.wrong_at(&name, problem));
                }
            }
            events
        }
    };
    events.extend([Change::Requeued, Change::Related, Change::Finalizing]);
    if resync {
        events.insert(Change::Resync);
    }
    Ok(events)
}

pub(super) fn read(origin: &Origin<'_>, written: written::Read) -> Result<Read, ManifestError> {
    Ok(Read {
        api_version: api_version(origin, written.api_version)?,
        kind: kind(origin, written.kind)?,
        namespaces: namespaces(origin, written.namespaces)?,
    })
}

pub(super) fn api_version(origin: &Origin<'_>, written: Spanned<String>) -> Result<String, ManifestError> {
    let (group, version) = written.value.rsplit_once('/').map_or((None, written.value.as_str()), |(g, v)| (Some(g), v));
    let group_fits = group.is_none_or(|group| !group.is_empty() && group.split('.').all(is_dns_label));
    if group_fits && version.starts_with('v') && is_dns_label(version) {
        return Ok(written.value);
    }
    Err(origin.wrong_at(&written, format!("apiVersion `{}` is not of the form `v1` or `apps/v1`", written.value)))
}

pub(super) fn kind(origin: &Origin<'_>, written: Spanned<String>) -> Result<String, ManifestError> {
    let fits = written.value.starts_with(|char: char| char.is_ascii_uppercase())
        && written.value.len() <= 63
        && written.value.chars().all(|char| char.is_ascii_alphanumeric());
    if fits {
        return Ok(written.value);
    }
    Err(origin.wrong_at(&written, format!("kind `{}` is not of the form `Node` or `Deployment`", written.value)))
}

pub(super) fn namespaces(origin: &Origin<'_>, written: Vec<Spanned<String>>) -> Result<Vec<String>, ManifestError> {
    let mut namespaces = Vec::new();
    for namespace in written {
        if !is_dns_label(&namespace.value) {
            return Err(origin.wrong_at(&namespace, format!("`{}` is no namespace's name", namespace.value)));
        }
        namespaces.push(namespace.value);
    }
    namespaces.sort();
    namespaces.dedup();
    Ok(namespaces)
}

/// RFC 6901: empty, or beginning with a slash; `~` only as `~0` or `~1`.
fn pointers(origin: &Origin<'_>, written: Vec<Spanned<String>>, key: &str) -> Result<Vec<String>, ManifestError> {
    written
        .into_iter()
        .map(|pointer| {
            let escapes = pointer.value.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            if !pointer.value.starts_with('/') || !escapes {
                let problem = format!(
                    "{key}: `{}` is no JSON pointer such as `/status/images` (a `/` in a name is written `~1`, a `~` is `~0`)",
                    pointer.value
                );
                return Err(origin.wrong_at(&pointer, problem));
            }
            if pointer.value.starts_with("/metadata/managedFields") {
                return Err(origin.wrong_at(&pointer, format!("{key}: managedFields are never handed over")));
            }
            Ok(pointer.value)
        })
        .collect()
}

fn workers_of(origin: &Origin<'_>, written: &Spanned<u64>) -> Result<usize, ManifestError> {
    usize::try_from(written.value)
        .ok()
        .filter(|workers| (1..=MAX_WORKERS).contains(workers))
        .ok_or_else(|| origin.wrong_at(written, format!("workers must be 1 to {MAX_WORKERS}")))
}

pub(super) fn period(origin: &Origin<'_>, written: &Spanned<String>, key: &str) -> Result<Duration, ManifestError> {
    duration::parse(&written.value).map_err(|error| origin.wrong_at(written, format!("{key}: {error}")))
}

fn retry(origin: &Origin<'_>, written: written::Retry) -> Result<Retry, ManifestError> {
    let mut retry = Retry::default();
    if let Some(limit) = &written.limit {
        retry.limit = match limit.value.as_str() {
            "forever" => None,
            number => Some(number.parse().map_err(|_| {
                origin.wrong_at(limit, format!("retry.limit `{number}` is neither a number of retries nor `forever`"))
            })?),
        };
    }
    let some = |it: &Spanned<String>, key: &str| {
        let period = period(origin, it, key)?;
        if period.is_zero() { Err(origin.wrong_at(it, format!("{key} must be longer than 0"))) } else { Ok(period) }
    };
    if let Some(base) = &written.base {
        retry.base = some(base, "retry.base")?;
    }
    if let Some(cap) = &written.cap {
        retry.cap = some(cap, "retry.cap")?;
    }
    if retry.cap < retry.base
        && let Some(at) = written.cap.as_ref().or(written.base.as_ref())
    {
        let problem = format!("retry.cap ({:?}) is shorter than retry.base ({:?})", retry.cap, retry.base);
        return Err(origin.wrong_at(at, problem));
    }
    Ok(retry)
}
