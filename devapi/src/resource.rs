//! Which resources are served: a table of built-in ones, and one entry per served version of each custom resource definition.
//!
//! The table holds what handlers and kubectl usually meet, not all of Kubernetes, and nothing validates a built-in object's
//! `spec`: a row says only how the resource is called and which of the general rules apply to it.

use std::sync::Arc;

use serde_json::Value;

/// One version of one resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resource {
    /// The API group; empty for the core group.
    pub(crate) group: String,
    /// The version within the group.
    pub(crate) version: String,
    /// Such as `Pod`.
    pub(crate) kind: String,
    /// Such as `pods`, as in paths.
    pub(crate) plural: String,
    /// Such as `pod`.
    pub(crate) singular: String,
    /// What kubectl accepts instead of the name.
    pub(crate) short_names: Vec<String>,
    /// Groups of resources that kubectl knows, such as `all`.
    pub(crate) categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// Whether `status` is written through `/status` only.
    pub(crate) has_status: bool,
    /// Whether `/scale` is served.
    pub(crate) has_scale: bool,
    /// Whether `metadata.generation` counts changes.
    pub(crate) has_generation: bool,
    /// Whether a definition made it.
    pub(crate) custom: bool,
    /// The definition is being deleted: nothing new may be created.
    pub(crate) is_closing: bool,
    /// Under which name its objects are kept: `group/plural`, whatever the version.
    pub(crate) storage: String,
    /// `selectableFields` of a definition: the labels of field selectors beyond those every kind has.
    pub(crate) selectable: Vec<String>,
    /// The OpenAPI schema of a definition's version.
    pub(crate) schema: Option<Value>,
}

/// All resources served at a moment. It grows and shrinks with definitions; lookups walk it, it has a few dozen entries.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    resources: Vec<Arc<Resource>>,
}

/// Namespaced, and cluster-scoped.
const NS: bool = true;
const CLUSTER: bool = false;

/// group, version, plural, kind, namespaced, short names, and letters: `s` status, `c` scale, `g` generation, `a` category all.
type Row = (&'static str, &'static str, &'static str, &'static str, bool, &'static [&'static str], &'static str);

#[rustfmt::skip]
const BUILT_IN: &[Row] = &[
    ("", "v1", "namespaces", "Namespace", CLUSTER, &["ns"], "s"),
    ("", "v1", "nodes", "Node", CLUSTER, &["no"], "s"),
    ("", "v1", "pods", "Pod", NS, &["po"], "sga"),
    ("", "v1", "services", "Service", NS, &["svc"], "sa"),
    ("", "v1", "configmaps", "ConfigMap", NS, &["cm"], ""),
    ("", "v1", "secrets", "Secret", NS, &[], ""),
    ("", "v1", "serviceaccounts", "ServiceAccount", NS, &["sa"], ""),
    ("", "v1", "events", "Event", NS, &["ev"], ""),
    ("", "v1", "endpoints", "Endpoints", NS, &["ep"], ""),
    ("", "v1", "persistentvolumes", "PersistentVolume", CLUSTER, &["pv"], "s"),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", NS, &["pvc"], "s"),
    ("", "v1", "replicationcontrollers", "ReplicationController", NS, &["rc"], "scga"),
    ("", "v1", "resourcequotas", "ResourceQuota", NS, &["quota"], "s"),
    ("", "v1", "limitranges", "LimitRange", NS, &["limits"], ""),
    ("apps", "v1", "deployments", "Deployment", NS, &["deploy"], "scga"),
    ("apps", "v1", "replicasets", "ReplicaSet", NS, &["rs"], "scga"),
    ("apps", "v1", "statefulsets", "StatefulSet", NS, &["sts"], "scga"),
    ("apps", "v1", "daemonsets", "DaemonSet", NS, &["ds"], "sga"),
    ("apps", "v1", "controllerrevisions", "ControllerRevision", NS, &[], ""),
    ("batch", "v1", "jobs", "Job", NS, &[], "sga"),
    ("batch", "v1", "cronjobs", "CronJob", NS, &["cj"], "sga"),
    ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", NS, &["hpa"], "sa"),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", NS, &["ing"], "sg"),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", NS, &["netpol"], "g"),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", CLUSTER, &[], "g"),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", NS, &["pdb"], "sg"),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", NS, &[], ""),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", NS, &[], ""),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", CLUSTER, &[], ""),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", CLUSTER, &[], ""),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", CLUSTER, &["sc"], ""),
    ("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", CLUSTER, &[], "s"),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", CLUSTER, &["pc"], "g"),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", NS, &[], "g"),
    ("coordination.k8s.io", "v1", "leases", "Lease", NS, &[], ""),
    ("events.k8s.io", "v1", "events", "Event", NS, &["ev"], ""),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", CLUSTER, &["crd", "crds"], "sg"),
];

impl Resource {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `pods` or `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        crate::status::qualify(&self.plural, &self.group)
    }

    /// Whether this is that resource of the built-in ones.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

impl Registry {
    /// The built-in resources.
    pub(crate) fn new() -> Registry {
        Registry { resources: BUILT_IN.iter().map(|row| Arc::new(built_in(row))).collect() }
    }

    /// Replaces what a definition serves; an empty list ends it.
    pub(crate) fn define(&mut self, storage: &str, versions: Vec<Resource>) {
        self.resources.retain(|resource| !(resource.custom && resource.storage == storage));
        self.resources.extend(versions.into_iter().map(Arc::new));
    }

    /// The resource at a path.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.all().find(|r| r.plural == plural && r.group == group && r.version == version).cloned()
    }

    /// The resource of a kind, for documents that name only that.
    pub(crate) fn find_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.all().find(|r| r.kind == kind && r.group == group && r.version == version).cloned()
    }

    /// Any version of what is kept under a name.
    pub(crate) fn find_storage(&self, storage: &str) -> Option<Arc<Resource>> {
        self.all().find(|r| r.storage == storage).cloned()
    }

    /// Every resource, built-in ones first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// The groups with their versions, in the order they are served, the core group (an empty name) first.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for resource in &self.resources {
            let position = groups.iter().position(|(group, _)| *group == resource.group);
            let position = position.unwrap_or_else(|| {
                groups.push((resource.group.clone(), Vec::new()));
                groups.len() - 1
            });
            if !groups[position].1.contains(&resource.version) {
                groups[position].1.push(resource.version.clone());
            }
        }
        groups
    }
}

/// `v1` or `apps/v1`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn built_in(&(group, version, plural, kind, namespaced, short_names, letters): &Row) -> Resource {
    let storage_group = if plural == "events" { "" } else { group };
    Resource {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short_names: short_names.iter().map(|&name| name.into()).collect(),
        categories: letters.contains('a').then(|| "all".into()).into_iter().collect(),
        namespaced,
        has_status: letters.contains('s'),
        has_scale: letters.contains('c'),
        has_generation: letters.contains('g'),
        storage: format!("{storage_group}/{plural}"),
        ..Resource::default()
    }
}
