//! Actions as the contract writes them down: one arm per case, nothing decided.

use super::{Action, Actions, Apply, Deletion, HttpRequest, LogLine, Note, Patch, PatchFormat, Propagation, Severity};
use crate::{bindings::weir::api::types, error::milliseconds};

impl Actions {
    pub(crate) fn into_contract(self) -> Vec<types::Action> {
        self.into_iter().map(types::Action::from).collect()
    }
}

impl From<Action> for types::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Annotate(entries) => types::Action::Annotate(entries),
            Action::Label(entries) => types::Action::Label(entries),
            Action::SetStatus(status) => types::Action::SetStatus(status),
            Action::Patch(patch) => types::Action::Patch(patch.into()),
            Action::Apply(apply) => types::Action::Apply(apply.into()),
            Action::Create(manifest) => types::Action::Create(manifest),
            Action::Delete(deletion) => types::Action::Delete(deletion.into()),
            Action::Emit(note) => types::Action::Emit(note.into()),
            Action::Log(line) => types::Action::Log(line.into()),
            Action::Http(request) => types::Action::Http(request.into()),
            Action::RequeueAfter(wait) => types::Action::RequeueAfterMs(milliseconds(wait)),
            Action::Fail(error) => types::Action::Fail(error.into_contract()),
            Action::Extension { name, payload } => types::Action::Extension(types::Extension { name, payload }),
        }
    }
}

impl From<Patch> for types::Patch {
    fn from(patch: Patch) -> Self {
        types::Patch {
            target: patch.target.map(Into::into),
            uid: patch.uid,
            subresource: patch.subresource,
            format: match patch.format {
                PatchFormat::Json => types::PatchFormat::JsonPatch,
                PatchFormat::Merge => types::PatchFormat::Merge,
                PatchFormat::Strategic => types::PatchFormat::Strategic,
            },
            body: patch.body,
        }
    }
}

impl From<Apply> for types::Apply {
    fn from(apply: Apply) -> Self {
        types::Apply {
            manifest: apply.manifest,
            subresource: apply.subresource,
            manager: apply.manager,
            force: apply.force,
        }
    }
}

impl From<Deletion> for types::Deletion {
    fn from(deletion: Deletion) -> Self {
        types::Deletion {
            target: deletion.target.map(Into::into),
            uid: deletion.uid,
            grace_period_seconds: deletion.grace_period_seconds,
            propagation: deletion.propagation.map(|propagation| match propagation {
                Propagation::Background => types::Propagation::Background,
                Propagation::Foreground => types::Propagation::Foreground,
                Propagation::Orphan => types::Propagation::Orphan,
            }),
        }
    }
}

impl From<Note> for types::Note {
    fn from(note: Note) -> Self {
        types::Note {
            regarding: note.regarding.map(Into::into),
            severity: match note.severity {
                Severity::Normal => types::Severity::Normal,
                Severity::Warning => types::Severity::Warning,
            },
            reason: note.reason,
            message: note.message,
        }
    }
}

impl From<LogLine> for types::LogLine {
    fn from(line: LogLine) -> Self {
        types::LogLine { level: line.level.into_contract(), message: line.message, fields: line.fields }
    }
}

impl From<HttpRequest> for types::HttpRequest {
    fn from(request: HttpRequest) -> Self {
        types::HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            idempotency_key: request.idempotency_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn actions_reach_the_contract_in_the_order_given() {
        let sent = Actions::new()
            .emit(Note::warning("Full", "disk"))
            .patch(Patch::merge(&json!({ "spec": { "paused": true } })))
            .annotate("a", 1)
            .remove_label("b")
            .requeue_after(Duration::from_secs(30))
            .fail(Error::permanent("no"))
            .into_contract();
        let shown: Vec<String> = sent.iter().map(|action| format!("{action:?}")).collect();
        assert!(shown[0].contains("Severity::Warning") && shown[0].contains("\"Full\""), "{}", shown[0]);
        assert!(shown[1].contains("Merge") && shown[1].contains(r#"{\"spec\":{\"paused\":true}}"#), "{}", shown[1]);
        assert_eq!(shown[2], r#"Action::Annotate([("a", Some("1"))])"#);
        assert_eq!(shown[3], r#"Action::Label([("b", None)])"#);
        assert_eq!(shown[4], "Action::RequeueAfterMs(30000)");
        assert_eq!(shown[5], r#"Action::Fail(Failure::Permanent("no"))"#);
    }
}
