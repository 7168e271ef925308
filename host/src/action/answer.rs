//! What an answer of the API means: the table of design §9, as one pure match.
//!
//! Promises: every answer to every step has exactly one meaning, and it is decided here and nowhere else. The rows were
//! measured on Kubernetes' own machinery; where a row rests on words in a message, the words are constants below
//! with their source.

use super::{
    Class,
    plan::{Step, What},
    syntax,
};
use crate::{contract::PatchFormat, handler::manifest::Account, kinds::Resource};
use kube::core::Status;

/// What a message about a creation begins with if the object in the way is on its way out
/// (`k8s.io/apiserver/pkg/registry/generic/registry/store.go`, `Create`).
const BEING_DELETED: &str = "object is being deleted";
/// What a failed precondition of a deletion says: seen at the storage, or before it (`k8s.io/apiserver/pkg/storage/interfaces.go`,
/// `Preconditions.Check`; `k8s.io/apiserver/pkg/registry/rest/delete.go`, `BeforeDelete`).
const OTHER_UID: [&str; 2] = ["UID in precondition", "UID in the precondition"];
/// The reason in the causes of a server-side apply that others object to.
const MANAGER_CONFLICT: &str = "FieldManagerConflict";
/// The reason in the causes of a creation in a namespace that is going away.
const TERMINATING: &str = "NamespaceTerminating";
/// The most of the server's words that a message repeats, in bytes.
const MAX_WORDS: usize = 1000;

/// An answer other than an object: what the table reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) code: u16,
    /// The body; where it was no Status, its text is the message.
    pub(super) status: Status,
    /// From the header or the body, in seconds.
    pub(super) retry_after: Option<u32>,
}

/// What the executor does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as the handler wants it.
    Done,
    /// An Event that nobody could read any more: its namespace is gone or going. Counted, no failure.
    Dropped,
    /// Done if one GET shows that the event's own object is gone; else this.
    Confirm(Class),
    /// Every field in the way is owned by this handler under another of its names: once more, with force.
    Force,
    /// Not carried out.
    Failed(Class),
}

/// The question to the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) step: &'a Step,
    /// Whether the handler was told that its object is gone. Then "another uid" is what it knows already.
    pub(super) deleted: bool,
    /// The handler's field manager, without suffix.
    pub(super) field_manager: &'a str,
    /// Whether this was the second try, with force.
    pub(super) forced: bool,
}

/// The table.
pub(super) fn judge(asked: Asked<'_>, refusal: &Refusal) -> Verdict {
    let Refusal { code, status, .. } = refusal;
    let what = &asked.step.what;
    let creates = matches!(what, What::Create(_) | What::Emit(_));
    // A creation is never about the event's own object, even under its name: it exists, or it is a new one.
    let own = asked.step.own && !creates;
    let behind = |counted| Class::Behind { counted, at_least: None };
    // For who was told that it is gone, a conflict is what a recreated object looks like.
    let raced = || if asked.deleted { Verdict::Confirm(behind(false)) } else { Verdict::Failed(behind(false)) };
    match code {
        200..=299 => Verdict::Done,
        _ if is_away(refusal) => Verdict::Failed(general(refusal)),
        409 if creates && status.reason == "AlreadyExists" => {
            if status.message.starts_with(BEING_DELETED) {
                Verdict::Failed(Class::Key)
            } else {
                Verdict::Done
            }
        }
        409 if has_cause(status, MANAGER_CONFLICT) => {
            if !asked.forced && are_all_own(status, asked.field_manager) {
                Verdict::Force
            } else {
                Verdict::Failed(Class::Handler)
            }
        }
        409 if own => raced(),
        // Whoever wanted that incarnation gone has what it wanted.
        409 if matches!(what, What::Delete { uid: Some(_), .. })
            && OTHER_UID.iter().any(|words| status.message.contains(words)) =>
        {
            Verdict::Done
        }
        409 => Verdict::Failed(Class::Handler),
        422 if is_about_uid(status) && own => raced(),
        422 if is_about_uid(status) => Verdict::Failed(Class::Handler),
        422 if matches!(what, What::Patch { format: PatchFormat::JsonPatch, .. }) && is_bare(status) => {
            Verdict::Failed(behind(true))
        }
        404 if own => Verdict::Confirm(Class::Permanent),
        404 if matches!(what, What::Delete { .. }) => Verdict::Done,
        404 if matches!(what, What::Emit(_)) && is_about_namespace(status) => Verdict::Dropped,
        404 => Verdict::Failed(Class::Handler),
        403 if matches!(what, What::Emit(_)) && has_cause(status, TERMINATING) => Verdict::Dropped,
        _ => Verdict::Failed(general(refusal)),
    }
}

/// What a refusal means where nothing of the request matters: also for discovery and for the GET that confirms.
pub(super) fn general(refusal: &Refusal) -> Class {
    match refusal.code {
        _ if is_away(refusal) => Class::World { retry_after: refusal.retry_after },
        403 | 500 => Class::Key,
        404 => Class::Handler,
        400..=499 => Class::Permanent,
        // Redirects, other 5xx: not the handler's doing, and not known to pass.
        _ => Class::Key,
    }
}

/// Whether the answer to a GET of the object says that the object is not there, rather than that the path is not.
pub(super) fn is_absent(refusal: &Refusal, name: &str) -> bool {
    refusal.code == 404 && refusal.status.details.as_ref().is_some_and(|details| details.name == name)
}

/// The server's words and what to do about them. `verbs` are those of the RBAC rule that a 403 lacks, and `account` who was impersonated.
pub(super) fn explain(
    refusal: &Refusal,
    resource: &Resource,
    subresource: Option<&str>,
    verbs: &str,
    account: Option<&Account>,
) -> String {
    let code =
        http::StatusCode::from_u16(refusal.code).map_or_else(|_| refusal.code.to_string(), |code| code.to_string());
    let words = syntax::cut(refusal.status.message.trim(), MAX_WORDS);
    let mut text = match words {
        "" => format!("the API answered {code}"),
        words => format!("the API answered {code}: {words}"),
    };
    if refusal.code == 403 && !has_cause(&refusal.status, TERMINATING) {
        if let Some(Account { namespace, name }) = account.filter(|_| words.contains("cannot impersonate")) {
            text.push_str(&format!(
                "; weir's role in namespace {namespace} may lack apiGroups: [\"\"], resources: [\"serviceaccounts\"], resourceNames: [{name:?}], verbs: [impersonate]"
            ));
            return text;
        }
        let whose = account.map_or_else(|| "weir's role".to_owned(), |account| format!("the role of {account}"));
        let slash = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        text.push_str(&format!(
            "; {whose} may lack apiGroups: [{:?}], resources: [\"{}{slash}\"], verbs: [{verbs}]",
            resource.group, resource.plural
        ));
    }
    let owners = owners(&refusal.status);
    if !owners.is_empty() {
        text.push_str(&format!("; the fields are owned by {}", owners.join(", ")));
    }
    text
}

/// 500 is the object's trouble, unless the server says that it was its own clock's.
fn is_away(refusal: &Refusal) -> bool {
    matches!(refusal.code, 401 | 408 | 429 | 502..=504)
        || refusal.code >= 500
            && matches!(refusal.status.reason.as_str(), "ServerTimeout" | "Timeout" | "ServiceUnavailable")
}

fn causes(status: &Status) -> impl Iterator<Item = &kube::core::response::StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

fn has_cause(status: &Status, reason: &str) -> bool {
    causes(status).any(|cause| cause.reason == reason)
}

fn is_about_uid(status: &Status) -> bool {
    causes(status).any(|cause| cause.field == "metadata.uid")
}

fn is_about_namespace(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| details.kind == "namespaces")
}

/// A patch that did not apply is refused without naming object or field; a result that is invalid names both.
fn is_bare(status: &Status) -> bool {
    status.details.as_ref().is_none_or(|details| details.causes.is_empty() && details.name.is_empty())
}

/// Who owns the fields in the way; empty if a cause cannot be read. The form is
/// `conflict with "MANAGER" using v1` (`k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go`).
fn owners(status: &Status) -> Vec<&str> {
    let conflicts = causes(status).filter(|cause| cause.reason == MANAGER_CONFLICT);
    let mut owners: Vec<&str> =
        conflicts.map(|cause| cause.message.split('"').nth(1)).collect::<Option<_>>().unwrap_or_default();
    owners.sort_unstable();
    owners.dedup();
    owners
}

fn are_all_own(status: &Status, field_manager: &str) -> bool {
    let is_own = |owner: &&str| {
        owner.strip_prefix(field_manager).is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('/'))
    };
    let owners = owners(status);
    !owners.is_empty() && owners.iter().all(is_own)
}

#[cfg(test)]
mod tests;
