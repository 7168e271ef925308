//! How the parts of an object are owned and merged: which lists are sets, which are keyed, which are taken as a whole.
//!
//! For custom resources the schema of their definition says it (`x-kubernetes-list-type` and its like); for built-in kinds
//! a table by field name does, which covers the lists that people meet (the markers in k8s.io/api `types.go`). What neither
//! names is: maps by key, lists as a whole, as the genuine server has it for what it has no schema for.

use serde_json::{Map, Value};

/// The shape of one value within an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    schema: Option<&'a Value>,
    is_custom: bool,
    depth: usize,
    parent: &'a str,
    field: &'a str,
}

/// How a list is merged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ListKind {
    /// As a whole.
    Atomic,
    /// By value; scalars only.
    Set,
    /// By the values of these members of its items.
    Keyed(Vec<String>),
}

/// Lists of built-in kinds that are keyed: field name, the name of the field above it (empty for any), keys.
const KEYED: &[(&str, &str, &[&str])] = &[
    ("conditions", "", &["type"]),
    ("ownerReferences", "metadata", &["uid"]),
    ("containers", "spec", &["name"]),
    ("initContainers", "spec", &["name"]),
    ("ephemeralContainers", "spec", &["name"]),
    ("volumes", "spec", &["name"]),
    ("imagePullSecrets", "", &["name"]),
    ("resourceClaims", "spec", &["name"]),
    ("schedulingGates", "spec", &["name"]),
    ("hostAliases", "spec", &["ip"]),
    ("topologySpreadConstraints", "spec", &["topologyKey", "whenUnsatisfiable"]),
    ("env", "containers", &["name"]),
    ("env", "initContainers", &["name"]),
    ("env", "ephemeralContainers", &["name"]),
    ("ports", "containers", &["containerPort", "protocol"]),
    ("ports", "initContainers", &["containerPort", "protocol"]),
    ("ports", "spec", &["port", "protocol"]),
    ("volumeMounts", "", &["mountPath"]),
    ("volumeDevices", "", &["devicePath"]),
    ("addresses", "status", &["type"]),
    ("podIPs", "status", &["ip"]),
    ("secrets", "", &["name"]),
    ("claims", "resources", &["name"]),
];

/// Maps with keys of their users' choice; all other maps of built-in kinds are structures.
const OPEN_MAPS: &[&str] = &["labels", "annotations", "data", "binaryData", "stringData", "matchLabels"];

/// Maps of built-in kinds that are taken as a whole, by field name; for items of a list by the list's.
const ATOMIC_MAPS: &[&str] =
    &["ownerReferences", "selector", "nodeSelector", "secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"];

impl<'a> Shape<'a> {
    /// The shape of a whole object; `schema` is that of a custom resource.
    pub(crate) fn root(is_custom: bool, schema: Option<&'a Value>) -> Shape<'a> {
        Shape { schema, is_custom, depth: 0, parent: "", field: "" }
    }

    /// The shape of a member.
    pub(crate) fn member<'b>(&self, name: &'b str) -> Shape<'b>
    where
        'a: 'b,
    {
        let schema = self.schema.and_then(|schema| {
            schema.get("properties").and_then(|all| all.get(name)).or_else(|| schema.get("additionalProperties"))
        });
        // Every object's metadata is built in, whatever a schema says.
        let is_metadata = self.depth == 0 && name == "metadata";
        let is_custom = self.is_custom && !is_metadata;
        Shape {
            schema: schema.filter(|_| is_custom),
            is_custom,
            depth: self.depth + 1,
            parent: self.field,
            field: name,
        }
    }

    /// The shape of an item of a list.
    pub(crate) fn item(&self) -> Shape<'a> {
        // An item's members see the list's name above them.
        Shape { schema: self.schema.and_then(|schema| schema.get("items")), depth: self.depth + 1, ..*self }
    }

    /// How a list here is merged.
    pub(crate) fn list(&self) -> ListKind {
        if self.is_custom {
            let marker = |name: &str| self.schema.and_then(|schema| schema.get(name));
            let keys = marker("x-kubernetes-list-map-keys").and_then(Value::as_array);
            return match (marker("x-kubernetes-list-type").and_then(Value::as_str), keys) {
                (Some("set"), _) => ListKind::Set,
                (Some("map"), Some(keys)) => {
                    ListKind::Keyed(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                }
                _ => ListKind::Atomic,
            };
        }
        if (self.parent, self.field) == ("metadata", "finalizers") {
            return ListKind::Set;
        }
        let row = KEYED.iter().find(|row| row.0 == self.field && (row.1.is_empty() || row.1 == self.parent));
        row.map_or(ListKind::Atomic, |row| ListKind::Keyed(row.2.iter().map(|&key| key.to_owned()).collect()))
    }

    /// Whether a value here is something that can be there and empty, so that it may be owned apart from what is in it. The
    /// members of a structure are all there always; a list of containers is, too.
    pub(crate) fn is_container(&self, value: &Value) -> bool {
        match value {
            Value::Array(_) => self.list() != ListKind::Atomic && !matches!(self.field, "containers" | "conditions"),
            Value::Object(_) if self.is_custom => {
                self.depth > 0 && self.schema.is_none_or(|schema| schema.get("properties").is_none())
            }
            Value::Object(_) => OPEN_MAPS.contains(&self.field),
            _ => false,
        }
    }

    /// Whether a map here is taken as a whole.
    pub(crate) fn is_atomic_map(&self) -> bool {
        if self.is_custom {
            return self.schema.is_some_and(|schema| schema.get("x-kubernetes-map-type") == Some(&"atomic".into()));
        }
        ATOMIC_MAPS.contains(&self.field)
    }
}

impl ListKind {
    /// How an item is named within its list, in the notation of `fieldsV1`. `None`: the list is taken as a whole, or the item
    /// has none of its keys.
    pub(crate) fn step(&self, item: &Value) -> Option<String> {
        match self {
            ListKind::Atomic => None,
            ListKind::Set => Some(format!("v:{item}")),
            ListKind::Keyed(keys) => {
                let mut names = Map::new();
                for key in keys {
                    match item.get(key) {
                        Some(value) => names.insert(key.clone(), value.clone()),
                        // The one key that the kinds' defaulting fills in.
                        None if key == "protocol" => names.insert(key.clone(), "TCP".into()),
                        None => None,
                    };
                }
                names.sort_keys();
                (!names.is_empty()).then(|| format!("k:{}", Value::Object(names)))
            }
        }
    }
}
