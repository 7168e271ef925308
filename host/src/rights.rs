//! What an API server has to allow so that a handler can do its work: from a checked manifest to permissions, and from those to rules.
//!
//! Promises: pure; each permission is one that weir uses for the handler, no wider than its watches and grants together can make it, and says
//! what for. The verbs are those of the requests that `watch`, `action` and the recorder of Events send; `tests/tests/rights.rs` holds both together, on an API
//! server that allows nothing else.
//!
//! - A watch is listed, watched, and asked for one object where the watch is behind: `get`, `list`, `watch`. What is read only from a cache needs no `get`.
//! - `annotate`, `label` and `set-status` hit nothing but the event's own object, so they are needed where the handler watches *and* is granted.
//!   The others may name any object of the grant.
//! - `apply` may create. Unlike a POST, an apply that creates is authorised by the object's name (`createAuthorizerAttributes` in
//!   `k8s.io/apiserver/pkg/endpoints/handlers/patch.go`), so names narrow that too.
//! - A list or watch for one `metadata.name` is authorised by that name (`pkg/endpoints/request/requestinfo.go`).
//! - Events live in the namespace of what they are about, and in `default` for objects that live in none.
//!
//! With `serviceAccount` what the handler reads and does is that account's to be allowed, and weir may act as it. What it watches, whether a definition exists and the Events
//! of weir's own are weir's.
//!
//! Not here, because every account has it: discovery (`system:discovery`) and reviews of one's own rights (`system:basic-user`).

mod roles;
mod rules;

pub use crate::handler::manifest::Account;
pub use roles::{Format, Roles};
pub use rules::{Rule, rules};

use crate::{
    handler::manifest::{Manifest, Watch, WriteGrant},
    kinds::Resource,
    selector::FieldSelector,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Where Events about objects that live in no namespace are.
const EVENTS_OF_THE_CLUSTER: &str = "default";

/// One thing that an API server has to allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    /// Who has to be allowed; None: whoever weir is.
    pub account: Option<Account>,
    /// None: in all namespaces, or of a resource that lives in none.
    pub namespace: Option<String>,
    /// Empty for the core group.
    pub group: String,
    /// `nodes`, or with its subresource `nodes/status`.
    pub resource: String,
    /// None: whatever its name.
    pub name: Option<String>,
    /// What is done.
    pub verb: Verb,
}

/// What is done, as RBAC calls it. In the order in which rules name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// One object.
    Get,
    /// A collection, or one of its objects by name.
    List,
    /// Its changes.
    Watch,
    /// A new object.
    Create,
    /// Any patch, and apply to what is there.
    Patch,
    /// One object.
    Delete,
    /// Acting as an account.
    Impersonate,
}

/// What one handler needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Its name.
    pub handler: String,
    /// Each with what it is for, in a word or two.
    pub needs: BTreeMap<Permission, BTreeSet<String>>,
    /// Kinds that nobody knew the resource of: what they need is not among the needs. As apiVersion and kind.
    pub unknown: BTreeSet<(String, String)>,
}

/// Which objects: None is all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    namespaces: Option<BTreeSet<String>>,
    names: Option<BTreeSet<String>>,
}

/// The kinds of which a handler's rights depend on the resource, as apiVersion and kind.
pub fn kinds(manifest: &Manifest) -> BTreeSet<(String, String)> {
    let watches = manifest.watches.iter().map(|it| (&it.api_version, &it.kind));
    let reads = manifest.reads.iter().map(|it| (&it.api_version, &it.kind));
    let writes = manifest.grants.write.iter().map(|it| (&it.api_version, &it.kind));
    watches.chain(reads).chain(writes).map(|(version, kind)| (version.clone(), kind.clone())).collect()
}

/// What the handler of `manifest` needs in a weir confined to `namespaces` (empty: not confined), where `resource` knows its kinds.
pub fn of(manifest: &Manifest, namespaces: &[String], resource: impl Fn(&str, &str) -> Option<Resource>) -> Rights {
    let rights = Rights { handler: manifest.name.clone(), needs: BTreeMap::new(), unknown: BTreeSet::new() };
    let account = manifest.service_account.as_ref();
    let mut finding = Finding { rights, namespaces, account, resource };
    for watch in &manifest.watches {
        finding.watch(watch);
    }
    for read in manifest.readable() {
        finding.definition(&read.api_version, &read.kind);
        if let Some(resource) = finding.resource(&read.api_version, &read.kind) {
            let scope = Scope::new(&read.namespaces, &[]);
            finding.act(&resource, None, &[Verb::List, Verb::Watch], &scope, "read");
        }
    }
    for grant in &manifest.grants.write {
        finding.write(grant, &manifest.watches);
    }
    finding.rights
}

/// The rights of one handler, while they are found.
struct Finding<'a, F> {
    rights: Rights,
    namespaces: &'a [String],
    /// As whom the handler acts.
    account: Option<&'a Account>,
    resource: F,
}

impl<F: Fn(&str, &str) -> Option<Resource>> Finding<'_, F> {
    fn watch(&mut self, watch: &Watch) {
        self.definition(&watch.api_version, &watch.kind);
        let Some(resource) = self.resource(&watch.api_version, &watch.kind) else { return };
        let scope = self.watched(watch, &resource);
        self.need(&resource, None, &[Verb::Get, Verb::List, Verb::Watch], &scope, "watch");
        // What weir gives up, and who fights over a field, it says on the object itself.
        let (events, scope) = events(&resource, &scope);
        let purpose = format!("weir's Events about {}", resource.kind);
        self.need(&events, None, &WRITE_EVENTS, &scope, &purpose);
    }

    fn write(&mut self, grant: &WriteGrant, watches: &[Watch]) {
        let Some(resource) = self.resource(&grant.api_version, &grant.kind) else { return };
        if !resource.namespaced && !grant.namespaces.is_empty() {
            // No object of the kind is in a namespace, so the grant allows nothing.
            return;
        }
        let granted = Scope::new(&grant.namespaces, &grant.names);
        let own: Vec<Scope> = watches
            .iter()
            .filter(|watch| watch.api_version == grant.api_version && watch.kind == grant.kind)
            .filter_map(|watch| granted.and(&self.watched(watch, &resource)))
            .collect();
        for action in &grant.actions {
            let subresources = grant.subresources.iter().map(String::as_str);
            match action.as_str() {
                "annotate" | "label" => {
                    own.iter().for_each(|scope| self.act(&resource, None, &[Verb::Patch], scope, action));
                }
                "set-status" => {
                    own.iter().for_each(|scope| self.act(&resource, Some("status"), &[Verb::Patch], scope, action));
                }
                "patch" => {
                    self.act(&resource, None, &[Verb::Patch], &granted, action);
                    subresources.for_each(|sub| self.act(&resource, Some(sub), &[Verb::Patch], &granted, action));
                }
                "apply" => {
                    self.act(&resource, None, &[Verb::Create, Verb::Patch], &granted, action);
                    subresources.for_each(|sub| self.act(&resource, Some(sub), &[Verb::Patch], &granted, action));
                }
                "create" => {
                    // A POST names its object in the body, where RBAC does not look.
                    let scope = Scope { names: None, ..granted.clone() };
                    self.act(&resource, None, &[Verb::Create], &scope, action);
                }
                "delete" => self.act(&resource, None, &[Verb::Delete], &granted, action),
                "emit" => {
                    let (events, scope) = events(&resource, &granted);
                    self.act(&events, None, &WRITE_EVENTS, &scope, &format!("emit about {}", resource.kind));
                }
                _ => {}
            }
        }
    }

    /// Which objects a watch has, as `weir run` confines it.
    fn watched(&self, watch: &Watch, resource: &Resource) -> Scope {
        let namespaces = match (resource.namespaced, watch.namespaces.is_empty()) {
            (false, _) => &[],
            (true, true) => self.namespaces,
            (true, false) => watch.namespaces.as_slice(),
        };
        let selector = FieldSelector::parse(&watch.field_selector).unwrap_or_default();
        let name = selector.exactly("metadata.name").filter(|name| !name.is_empty()).map(str::to_owned);
        Scope { names: name.map(|name| BTreeSet::from([name])), ..Scope::new(namespaces, &[]) }
    }

    /// Whether a kind that is missing, or gone, comes from a definition is asked of the definitions; also, and above all, where nobody knows the kind
    /// yet. The group of a definition has a dot.
    fn definition(&mut self, api_version: &str, kind: &str) {
        let (group, _) = api_version.split_once('/').unwrap_or(("", api_version));
        if group.contains('.') {
            let definitions = Resource {
                group: "apiextensions.k8s.io".to_owned(),
                version: "v1".to_owned(),
                kind: "CustomResourceDefinition".to_owned(),
                plural: "customresourcedefinitions".to_owned(),
                namespaced: false,
            };
            let verbs = [Verb::Get, Verb::List, Verb::Watch];
            let purpose = format!("whether {kind} comes or goes");
            self.need(&definitions, None, &verbs, &Scope::new(&[], &[]), &purpose);
        }
    }

    /// Something that the handler does, as the account it acts as.
    fn act(&mut self, resource: &Resource, subresource: Option<&str>, verbs: &[Verb], scope: &Scope, purpose: &str) {
        let account = self.account.cloned();
        if let Some(Account { namespace, name }) = &account {
            let accounts = Resource {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "ServiceAccount".to_owned(),
                plural: "serviceaccounts".to_owned(),
                namespaced: true,
            };
            let scope = Scope::new(std::slice::from_ref(namespace), std::slice::from_ref(name));
            self.need(&accounts, None, &[Verb::Impersonate], &scope, "act as it");
        }
        self.add(account, resource, subresource, verbs, scope, purpose);
    }

    /// Something that weir does for the handler.
    fn need(&mut self, resource: &Resource, subresource: Option<&str>, verbs: &[Verb], scope: &Scope, purpose: &str) {
        self.add(None, resource, subresource, verbs, scope, purpose);
    }

    fn add(
        &mut self,
        account: Option<Account>,
        resource: &Resource,
        subresource: Option<&str>,
        verbs: &[Verb],
        scope: &Scope,
        purpose: &str,
    ) {
        let slash = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        for namespace in each(scope.namespaces.as_ref().filter(|_| resource.namespaced)) {
            for name in each(scope.names.as_ref()) {
                for &verb in verbs {
                    let permission = Permission {
                        account: account.clone(),
                        namespace: namespace.clone(),
                        group: resource.group.clone(),
                        resource: format!("{}{slash}", resource.plural),
                        name: name.clone(),
                        verb,
                    };
                    self.rights.needs.entry(permission).or_default().insert(purpose.to_owned());
                }
            }
        }
    }

    fn resource(&mut self, api_version: &str, kind: &str) -> Option<Resource> {
        let found = (self.resource)(api_version, kind);
        if found.is_none() {
            self.rights.unknown.insert((api_version.to_owned(), kind.to_owned()));
        }
        found
    }
}

/// A series of Events goes on with a patch.
const WRITE_EVENTS: [Verb; 2] = [Verb::Create, Verb::Patch];

/// Where Events about objects of a scope are. Their names are made by weir as they are written, so no rule can name them.
fn events(about: &Resource, scope: &Scope) -> (Resource, Scope) {
    let namespaces = if about.namespaced {
        scope.namespaces.clone()
    } else {
        Some(BTreeSet::from([EVENTS_OF_THE_CLUSTER.to_owned()]))
    };
    let events = Resource {
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
    };
    (events, Scope { namespaces, names: None })
}

/// Each of a set, or once none where there is no set.
fn each(set: Option<&BTreeSet<String>>) -> Vec<Option<String>> {
    set.map_or_else(|| vec![None], |set| set.iter().cloned().map(Some).collect())
}

impl Scope {
    /// Of lists in which nothing means all.
    fn new(namespaces: &[String], names: &[String]) -> Scope {
        let some = |list: &[String]| (!list.is_empty()).then(|| list.iter().cloned().collect());
        Scope { namespaces: some(namespaces), names: some(names) }
    }

    /// What is in both; none if that is nothing.
    fn and(&self, other: &Scope) -> Option<Scope> {
        let both = |one: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| match (one, other) {
            (None, set) | (set, None) => Some(set.clone()),
            (Some(one), Some(other)) => {
                let both: BTreeSet<String> = one & other;
                (!both.is_empty()).then_some(Some(both))
            }
        };
        Some(Scope { namespaces: both(&self.namespaces, &other.namespaces)?, names: both(&self.names, &other.names)? })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::Impersonate => "impersonate",
        })
    }
}

#[cfg(test)]
mod tests;
