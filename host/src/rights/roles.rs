//! Rules as the documents that an operator applies: roles and their bindings.
//!
//! Promises: the same rules give the same text; the YAML says at each rule which handler needs it for what; whatever stands in a manifest stays inside its own
//! value or comment.

use super::{
    Account, Rule,
    rules::{comment, scalar},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The group of the documents.
const GROUP: &str = "rbac.authorization.k8s.io";

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Documents, with a comment at each rule.
    Yaml,
    /// One `List`. JSON has no comments.
    Json,
}

/// What an operator applies.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Of the roles and of their bindings.
    pub name: String,
    /// Who is bound; None: nobody yet.
    pub account: Option<Account>,
    /// In the order of [`rules`](super::rules()).
    pub rules: Vec<Rule>,
    /// The handlers, for the first line.
    pub handlers: Vec<String>,
}

impl Roles {
    /// The documents as text, with a line's end at the end.
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Yaml => self.yaml(),
            Format::Json => format!("{:#}\n", self.json()),
        }
    }

    /// For each account the rules of its ClusterRole, and then those of each namespace's Role; weir's own account first.
    fn by_role(&self) -> BTreeMap<(Option<&Account>, Option<&str>), Vec<&Rule>> {
        let mut all: BTreeMap<(Option<&Account>, Option<&str>), Vec<&Rule>> = BTreeMap::new();
        for rule in &self.rules {
            all.entry((rule.account.as_ref(), rule.namespace.as_deref())).or_default().push(rule);
        }
        all
    }

    /// What the roles of an account are called, and who is bound to them. The colon is in no namespace's and no account's name, so no two are called alike.
    fn of<'a>(&'a self, account: Option<&'a Account>) -> (String, Option<&'a Account>) {
        match account {
            None => (self.name.clone(), self.account.as_ref()),
            Some(account) => (format!("{}:{}:{}", self.name, account.namespace, account.name), Some(account)),
        }
    }

    fn yaml(&self) -> String {
        let handlers: BTreeSet<&str> = self.handlers.iter().map(String::as_str).collect();
        let handlers: Vec<String> = handlers.into_iter().map(comment).collect();
        let mut text = format!(
            "# What weir needs for the handlers {}, and nothing else; written by `weir rbac`.\n\
             # Discovery and reviews of one's own rights are not here: every account has them, by system:discovery and system:basic-user.\n",
            handlers.join(", ")
        );
        for (at, ((account, namespace), rules)) in self.by_role().into_iter().enumerate() {
            let (role, binding) = kinds(namespace);
            let (role_name, bound) = self.of(account);
            let metadata = || {
                let namespace = namespace.map(|it| format!("\n  namespace: {}", scalar(it))).unwrap_or_default();
                format!("metadata:\n  name: {}{namespace}\n", scalar(&role_name))
            };
            if at > 0 {
                text.push_str("---\n");
            }
            text.push_str(&format!("apiVersion: {GROUP}/v1\nkind: {role}\n{}rules:\n", metadata()));
            for rule in rules {
                for (handler, purposes) in &rule.because {
                    let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "  # {}: {}", comment(handler), comment(&purposes.join(", ")));
                }
                let _ = writeln!(text, "  {}", rule.to_string().replace('\n', "\n  "));
            }
            text.push_str(&format!("---\napiVersion: {GROUP}/v1\nkind: {binding}\n{}", metadata()));
            text.push_str(&format!("roleRef:\n  apiGroup: {GROUP}\n  kind: {role}\n  name: {}\n", scalar(&role_name)));
            match bound {
                Some(Account { namespace, name }) => text.push_str(&format!(
                    "subjects:\n  - kind: ServiceAccount\n    name: {}\n    namespace: {}\n",
                    scalar(name),
                    scalar(namespace)
                )),
                None => text.push_str("subjects: [] # weir's account: --service-account NAMESPACE/NAME\n"),
            }
        }
        text
    }

    fn json(&self) -> Value {
        let mut items = Vec::new();
        for ((account, namespace), rules) in self.by_role() {
            let (role, binding) = kinds(namespace);
            let (role_name, bound) = self.of(account);
            let mut metadata = json!({ "name": role_name });
            if let Some(namespace) = namespace {
                metadata["namespace"] = json!(namespace);
            }
            let rules: Vec<Value> = rules
                .into_iter()
                .map(|rule| {
                    let mut it =
                        json!({ "apiGroups": [rule.group], "resources": [rule.resource], "verbs": rule.verbs });
                    if !rule.names.is_empty() {
                        it["resourceNames"] = json!(rule.names);
                    }
                    it
                })
                .collect();
            let api_version = format!("{GROUP}/v1");
            items.push(json!({ "apiVersion": api_version, "kind": role, "metadata": metadata, "rules": rules }));
            let role = json!({ "apiGroup": GROUP, "kind": role, "name": role_name });
            let subjects: Vec<Value> = bound
                .iter()
                .map(|it| json!({ "kind": "ServiceAccount", "name": it.name, "namespace": it.namespace }))
                .collect();
            items.push(json!({
                "apiVersion": api_version, "kind": binding, "metadata": metadata, "roleRef": role, "subjects": subjects,
            }));
        }
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    }
}

/// The kinds of a role and of its binding.
fn kinds(namespace: Option<&str>) -> (&'static str, &'static str) {
    match namespace {
        None => ("ClusterRole", "ClusterRoleBinding"),
        Some(_) => ("Role", "RoleBinding"),
    }
}
