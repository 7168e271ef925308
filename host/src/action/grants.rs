//! Whether a handler may do what it answered.
//!
//! Promises: every action of a reply is checked before the first request; one line of `grants.write` has to allow an action
//! as a whole (kind, action, namespace, name, subresource, force), lines never add up; a refusal prints the YAML that
//! would allow all that is missing, no wider than what was asked for. The kind is compared as written, with its version.

use super::{
    http,
    plan::{Step, What},
};
use crate::handler::manifest::{Grants, WriteGrant};
use std::{collections::BTreeMap, fmt::Write};

/// Checks all steps of a reply, as they are before coalescing.
///
/// # Errors
/// One message about all that is missing, with the YAML lines to add.
pub(super) fn check(steps: &[Step], grants: &Grants, handler: &str) -> Result<(), String> {
    let missing: Vec<Need<'_>> = steps
        .iter()
        .filter_map(Need::of)
        .filter(|need| !grants.write.iter().any(|grant| need.is_met_by(grant)))
        .collect();
    let writes = (!missing.is_empty()).then(|| refusal(&missing, handler));
    match (writes, http::ungranted(steps, &grants.http, handler)) {
        (None, None) => Ok(()),
        (Some(one), None) | (None, Some(one)) => Err(one),
        (Some(writes), Some(http)) => Err(format!("{writes}\n{http}")),
    }
}

/// What one step has to be allowed.
struct Need<'a> {
    step: &'a Step,
    action: &'static str,
    force: bool,
}

impl<'a> Need<'a> {
    /// None for what needs no grant of a write: log lines stay inside the host, requests have grants of their own.
    fn of(step: &'a Step) -> Option<Need<'a>> {
        let force = matches!(step.what, What::Apply { force: true, .. });
        match step.what {
            What::Log(_) | What::Http { .. } => None,
            _ => step.actions.first().map(|action| Need { step, action, force }),
        }
    }

    fn is_met_by(&self, grant: &WriteGrant) -> bool {
        let key = &self.step.key;
        let among = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|allowed| allowed == value))
        };
        grant.api_version == key.api_version
            && grant.kind == key.kind
            && grant.actions.contains(self.action)
            && among(&grant.namespaces, key.namespace.as_deref())
            && among(&grant.names, Some(&key.name))
            && self.subresource().is_none_or(|subresource| grant.subresources.iter().any(|it| it == subresource))
            && (grant.force || !self.force)
    }

    /// `set-status` names the status itself, so it needs no second permission for it.
    fn subresource(&self) -> Option<&'a str> {
        match self.step.what {
            What::Status { .. } => None,
            _ => self.step.subresource.as_deref(),
        }
    }

    /// The grant that is missing, without its actions. A namespace is named only for objects other than the event's own:
    /// which of those the handler sees is what its watch decides.
    fn line(&self) -> Line<'a> {
        let key = &self.step.key;
        Line {
            api_version: &key.api_version,
            kind: &key.kind,
            namespace: key.namespace.as_deref().filter(|_| !self.step.own),
            subresource: self.subresource(),
            force: self.force,
        }
    }
}

/// One grant to suggest; those alike but for their actions are printed as one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line<'a> {
    api_version: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    subresource: Option<&'a str>,
    force: bool,
}

fn refusal(missing: &[Need<'_>], handler: &str) -> String {
    let mut lines: BTreeMap<Line<'_>, Vec<&str>> = BTreeMap::new();
    let mut wanted: Vec<String> = Vec::new();
    for need in missing {
        let actions = lines.entry(need.line()).or_default();
        if !actions.contains(&need.action) {
            actions.push(need.action);
        }
        let want = format!("{} on {}", need.action, need.step.key);
        if !wanted.contains(&want) {
            wanted.push(want);
        }
    }
    let mut text = format!(
        "not granted: {}; to allow it, add to spec.grants.write in the manifest of {handler}:",
        wanted.join(", ")
    );
    for (line, actions) in lines {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n- apiVersion: {}\n  kind: {}\n  actions: [{}]",
            line.api_version,
            line.kind,
            actions.join(", ")
        );
        let _ = line.namespace.map(|namespace| write!(text, "\n  namespaces: [{namespace}]"));
        let _ = line.subresource.map(|subresource| write!(text, "\n  subresources: [{subresource}]"));
        if line.force {
            text.push_str("\n  force: true");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{plan::read, testing};
    use crate::contract::{Action, Apply, Deletion, Level, LogLine, Note, ObjectRef, Patch, PatchFormat, Severity};

    fn grant(actions: &[&str]) -> WriteGrant {
        WriteGrant {
            api_version: "v1".into(),
            kind: "Node".into(),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            namespaces: Vec::new(),
            names: Vec::new(),
            subresources: Vec::new(),
            force: false,
        }
    }

    fn config_map() -> WriteGrant {
        WriteGrant { kind: "ConfigMap".into(), ..grant(&["patch", "apply", "create", "delete", "emit"]) }
    }

    fn target(namespace: &str) -> Option<ObjectRef> {
        Some(ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some(namespace.into()),
            name: "b".into(),
        })
    }

    fn patch(target: Option<ObjectRef>, subresource: Option<&str>) -> Action {
        let subresource = subresource.map(str::to_owned);
        Action::Patch(Patch { target, uid: None, subresource, format: PatchFormat::Merge, body: "{}".into() })
    }

    fn apply(force: bool) -> Action {
        let manifest = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"x"}}"#.into();
        Action::Apply(Apply { manifest, subresource: None, manager: None, force })
    }

    fn verdict(actions: Vec<Action>, write: Vec<WriteGrant>) -> Result<(), String> {
        let subject = testing::node();
        let steps: Vec<Step> = actions.into_iter().map(|action| read(action, &subject, "weir/h").unwrap()).collect();
        check(&steps, &Grants { write, ..Grants::default() }, "h")
    }

    #[test]
    fn each_action_needs_a_grant_of_its_own_name_and_kind() {
        let note = |regarding| {
            Action::Emit(Note { regarding, severity: Severity::Normal, reason: "Seen".into(), message: String::new() })
        };
        let delete =
            |target| Action::Delete(Deletion { target, uid: None, grace_period_seconds: None, propagation: None });
        let manifest = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"x"}}"#;
        for (action, name) in [
            (Action::Annotate(vec![("a".into(), None)]), "annotate"),
            (Action::Label(vec![("a".into(), None)]), "label"),
            (Action::SetStatus("{}".into()), "set-status"),
            (patch(None, None), "patch"),
            (delete(None), "delete"),
            (note(None), "emit"),
        ] {
            assert_eq!(verdict(vec![action.clone()], vec![grant(&[name])]), Ok(()), "{name}");
            let refusal = verdict(vec![action], vec![config_map(), grant(&["other"])]).unwrap_err();
            assert!(refusal.contains(&format!("actions: [{name}]")), "{refusal}");
        }
        for (action, name) in [
            (patch(target("x"), None), "patch"),
            (apply(false), "apply"),
            (Action::Create(manifest.into()), "create"),
            (delete(target("x")), "delete"),
            (note(target("x")), "emit"),
        ] {
            assert_eq!(verdict(vec![action.clone()], vec![config_map()]), Ok(()), "{name}");
            let refusal = verdict(vec![action], vec![grant(&[name])]).unwrap_err();
            assert!(refusal.contains(&format!("{name} on ConfigMap x/b")), "{refusal}");
        }
    }

    #[test]
    fn a_log_line_needs_no_grant() {
        let line = LogLine { level: Level::Info, message: "hello".into(), fields: Vec::new() };
        assert_eq!(verdict(vec![Action::Log(line)], Vec::new()), Ok(()));
    }

    #[test]
    fn namespaces_names_subresources_and_force_narrow_a_grant() {
        let scale = || vec![patch(target("x"), Some("scale"))];
        let with = |edit: fn(&mut WriteGrant)| {
            let mut grant = config_map();
            edit(&mut grant);
            vec![grant]
        };
        let plain = || vec![patch(target("x"), None)];
        assert!(verdict(plain(), with(|grant| grant.namespaces = vec!["x".into()])).is_ok());
        assert!(verdict(plain(), with(|grant| grant.namespaces = vec!["y".into()])).is_err());
        assert!(verdict(plain(), with(|grant| grant.names = vec!["b".into()])).is_ok());
        assert!(verdict(plain(), with(|grant| grant.names = vec!["c".into()])).is_err());
        assert!(verdict(scale(), with(|_| ())).is_err());
        assert!(verdict(scale(), with(|grant| grant.subresources = vec!["scale".into()])).is_ok());
        assert!(verdict(vec![apply(true)], with(|_| ())).is_err());
        assert!(verdict(vec![apply(true)], with(|grant| grant.force = true)).is_ok());
        // A cluster-scoped object is in none of the namespaces that a grant names.
        let node = WriteGrant { namespaces: vec!["x".into()], ..grant(&["patch"]) };
        assert!(verdict(vec![patch(None, None)], vec![node]).is_err());
    }

    #[test]
    fn two_lines_do_not_add_up_to_one_permission() {
        let force = WriteGrant { force: true, actions: ["create".to_owned()].into(), ..config_map() };
        assert!(verdict(vec![apply(true)], vec![config_map(), force]).is_err());
    }

    #[test]
    fn a_refusal_prints_the_exact_lines_to_add() {
        let actions = vec![
            Action::Annotate(vec![("a".into(), None)]),
            Action::Label(vec![("a".into(), None)]),
            apply(true),
            patch(target("x"), Some("scale")),
        ];
        assert_eq!(
            verdict(actions, Vec::new()).unwrap_err(),
            "not granted: annotate on Node a, label on Node a, apply on ConfigMap x/b, patch on ConfigMap x/b; \
             to allow it, add to spec.grants.write in the manifest of h:\n\
             - apiVersion: v1\n  kind: ConfigMap\n  actions: [apply]\n  namespaces: [x]\n  force: true\n\
             - apiVersion: v1\n  kind: ConfigMap\n  actions: [patch]\n  namespaces: [x]\n  subresources: [scale]\n\
             - apiVersion: v1\n  kind: Node\n  actions: [annotate, label]"
        );
    }
}
