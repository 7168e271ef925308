//! From permissions to RBAC rules.
//!
//! Promises: the rules allow what is needed and nothing else (RBAC can express each permission on its own, and none is widened to join another); what a wider
//! one allows is not said again; the order is that of account, namespace, group, resource and name, whatever the order of the handlers.

use super::{Account, Permission, Rights, Verb};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

/// One rule of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who has to be bound to it; None: weir's own account.
    pub account: Option<Account>,
    /// In which namespace's Role; None: in a ClusterRole.
    pub namespace: Option<String>,
    /// Empty for the core group.
    pub group: String,
    /// `nodes`, or with its subresource `nodes/status`.
    pub resource: String,
    /// Empty: whatever the name.
    pub names: BTreeSet<String>,
    /// At least one.
    pub verbs: BTreeSet<Verb>,
    /// Which handlers need it, each with what for.
    pub because: BTreeMap<String, BTreeSet<String>>,
}

/// Where rules are one: account, namespace, group, resource.
type Place = (Option<Account>, Option<String>, String, String);

/// Which handlers need something, each with what for.
type Because = BTreeMap<String, BTreeSet<String>>;

/// What is needed of each name; None: whatever the name.
type ByName = BTreeMap<Option<String>, (BTreeSet<Verb>, Because)>;

/// The rules that allow what these handlers need.
pub fn rules(rights: &[Rights]) -> Vec<Rule> {
    let mut needs: BTreeMap<Permission, Because> = BTreeMap::new();
    for rights in rights {
        for (permission, purposes) in &rights.needs {
            let because = needs.entry(permission.clone()).or_default();
            because.entry(rights.handler.clone()).or_default().extend(purposes.iter().cloned());
        }
    }
    let mut places: BTreeMap<Place, ByName> = BTreeMap::new();
    for (permission, because) in &needs {
        // What is allowed already by a wider one is why that one is needed, too.
        let permission = wider(permission).into_iter().find(|it| needs.contains_key(it)).unwrap_or(permission.clone());
        let place = (permission.account, permission.namespace, permission.group, permission.resource);
        let (verbs, whys) = places.entry(place).or_default().entry(permission.name).or_default();
        verbs.insert(permission.verb);
        join(whys, because);
    }
    let mut rules: Vec<Rule> = Vec::new();
    for ((account, namespace, group, resource), names) in places {
        let begin = rules.len();
        for (name, (verbs, because)) in names {
            // Objects of which the same is needed share a rule.
            let alike =
                rules[begin..].iter_mut().find(|it| name.is_some() && !it.names.is_empty() && it.verbs == verbs);
            match alike {
                Some(rule) => {
                    rule.names.extend(name);
                    join(&mut rule.because, &because);
                }
                None => {
                    let (account, namespace) = (account.clone(), namespace.clone());
                    let (group, resource) = (group.clone(), resource.clone());
                    rules.push(Rule {
                        account,
                        namespace,
                        group,
                        resource,
                        names: name.into_iter().collect(),
                        verbs,
                        because,
                    });
                }
            }
        }
    }
    rules
}

/// The permissions that cover this one, the widest first.
fn wider(permission: &Permission) -> [Permission; 3] {
    let everywhere = Permission { namespace: None, ..permission.clone() };
    let any = Permission { name: None, ..permission.clone() };
    [Permission { name: None, ..everywhere.clone() }, everywhere, any]
}

fn join(whys: &mut Because, more: &Because) {
    for (handler, purposes) in more {
        whys.entry(handler.clone()).or_default().extend(purposes.iter().cloned());
    }
}

impl Rule {
    /// Which role it belongs into, for people.
    pub fn role(&self) -> String {
        let bound = self.account.as_ref().map(|account| format!(", bound to {account}")).unwrap_or_default();
        match &self.namespace {
            None => format!("a ClusterRole{bound}"),
            Some(namespace) => format!("a Role in namespace {namespace}{bound}"),
        }
    }
}

/// As YAML: an item of a role's `rules`, over several lines without a last line's end; with `{:#}` on one line, without its dash.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = vec![format!("apiGroups: [{}]", scalar(&self.group))];
        fields.push(format!("resources: [{}]", scalar(&self.resource)));
        if !self.names.is_empty() {
            let names: Vec<String> = self.names.iter().map(|name| scalar(name)).collect();
            fields.push(format!("resourceNames: [{}]", names.join(", ")));
        }
        let verbs: Vec<String> = self.verbs.iter().map(ToString::to_string).collect();
        fields.push(format!("verbs: [{}]", verbs.join(", ")));
        if f.alternate() { write!(f, "{{ {} }}", fields.join(", ")) } else { write!(f, "- {}", fields.join("\n  ")) }
    }
}

/// A text as YAML reads it back: plain where that is surely the same text, else quoted as JSON, which is YAML.
pub(super) fn scalar(text: &str) -> String {
    let word = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text);
    if word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// A text as a comment has it: on its line, whatever is in it.
pub(super) fn comment(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, char| {
        // YAML ends lines, and so comments, at these too.
        if char.is_control() || matches!(char, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}", char.escape_unicode());
        } else {
            line.push(char);
        }
        line
    })
}
