use super::*;
use crate::handler;
use std::path::Path;

/// Custom resources are those of a group with a dot that is not Kubernetes' own; all of them live in namespaces.
fn resource(api_version: &str, kind: &str) -> Option<Resource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if kind == "Unknown" {
        return None;
    }
    let plural = format!("{}s", kind.to_lowercase());
    let namespaced = kind != "Node";
    Some(Resource { group: group.into(), version: version.into(), kind: kind.into(), plural, namespaced })
}

/// The rights of a handler with this manifest under `spec`, in a weir confined to `namespaces`.
fn rights_in(name: &str, spec: &str, namespaces: &[&str]) -> Rights {
    let text = format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec: {spec}\n");
    let manifest = handler::merge("{ description: x, watches: [] }", Some((Path::new("x.yaml"), &text)), name, 1);
    let namespaces: Vec<String> = namespaces.iter().map(|&it| it.to_owned()).collect();
    of(&manifest.unwrap(), &namespaces, resource)
}

fn rights(name: &str, spec: &str) -> Rights {
    rights_in(name, spec, &[])
}

/// Rules in short: `NAMESPACE|GROUP|RESOURCE|NAMES|VERBS`, without those for Events and definitions, which have tests of their own.
fn short(rights: &[Rights]) -> Vec<String> {
    let own = |rule: &Rule| !["events.k8s.io", "apiextensions.k8s.io"].contains(&rule.group.as_str());
    rules(rights).iter().filter(|rule| own(rule)).map(one).collect()
}

fn one(rule: &Rule) -> String {
    let verbs: Vec<String> = rule.verbs.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = rule.names.iter().map(String::as_str).collect();
    let namespace = rule.namespace.as_deref().unwrap_or_default();
    format!("{namespace}|{}|{}|{}|{}", rule.group, rule.resource, names.join(","), verbs.join(","))
}

fn of_group(group: &str, rights: &[Rights]) -> Vec<String> {
    rules(rights).iter().filter(|rule| rule.group == group).map(one).collect()
}

const WATCH: &str = "watches: [{ name: w, apiVersion: v1, kind: ConfigMap }]";

/// A handler of ConfigMaps with one grant.
fn granted(grant: &str) -> Vec<String> {
    short(&[rights("h", &format!("{{ {WATCH}, grants: {{ write: [{{ apiVersion: v1, {grant} }}] }} }}"))])
}

#[test]
fn a_watch_is_read_and_followed() {
    assert_eq!(short(&[rights("h", &format!("{{ {WATCH} }}"))]), ["||configmaps||get,list,watch"]);
    let metadata = "{ watches: [{ name: w, apiVersion: apps/v1, kind: Deployment, fields: [] }] }";
    assert_eq!(short(&[rights("h", metadata)]), ["|apps|deployments||get,list,watch"]);
}

#[test]
fn a_watch_in_namespaces_needs_roles_there_and_one_without_those_of_the_host() {
    let named = "{ watches: [{ name: w, apiVersion: v1, kind: ConfigMap, namespaces: [b, a] }] }";
    let expected = ["a||configmaps||get,list,watch", "b||configmaps||get,list,watch"];
    assert_eq!(short(&[rights("h", named)]), expected);
    assert_eq!(short(&[rights_in("h", named, &["c"])]), expected);
    assert_eq!(short(&[rights_in("h", &format!("{{ {WATCH} }}"), &["c"])]), ["c||configmaps||get,list,watch"]);
    let nodes = "{ watches: [{ name: w, apiVersion: v1, kind: Node }] }";
    assert_eq!(short(&[rights_in("h", nodes, &["c"])]), ["||nodes||get,list,watch"]);
}

#[test]
fn a_watch_of_one_name_needs_that_name_alone() {
    let selects = |selector: &str| {
        short(&[rights(
            "h",
            &format!("{{ watches: [{{ name: w, apiVersion: v1, kind: ConfigMap, fieldSelector: {selector} }}] }}"),
        )])
    };
    assert_eq!(selects("metadata.name=a"), ["||configmaps|a|get,list,watch"]);
    assert_eq!(selects("\"metadata.name!=a\""), ["||configmaps||get,list,watch"]);
}

#[test]
fn what_is_read_from_a_cache_is_followed_and_never_asked_for() {
    let reads = |read: &str, grant: &str| {
        let pods = "apiVersion: v1, kind: Pod";
        short(&[rights(
            "h",
            &format!("{{ {WATCH}, reads: [{{ {pods}{read} }}], grants: {{ read: [{{ {pods}{grant} }}] }} }}"),
        )])
    };
    let watched = "||configmaps||get,list,watch".to_owned();
    assert_eq!(reads("", ""), [watched.clone(), "||pods||list,watch".into()]);
    assert_eq!(reads("", ", namespaces: [a]"), [watched.clone(), "a||pods||list,watch".into()]);
    assert_eq!(reads(", namespaces: [b]", ", namespaces: [a]"), [watched]);
}

#[test]
fn each_action_is_the_verb_it_is_sent_as() {
    let watched = "||configmaps||get,list,watch";
    for (action, expected) in [
        ("annotate", vec!["||configmaps||get,list,watch,patch"]),
        ("label", vec!["||configmaps||get,list,watch,patch"]),
        ("set-status", vec![watched, "||configmaps/status||patch"]),
        ("patch", vec!["||configmaps||get,list,watch,patch"]),
        ("apply", vec!["||configmaps||get,list,watch,create,patch"]),
        ("create", vec!["||configmaps||get,list,watch,create"]),
        ("delete", vec!["||configmaps||get,list,watch,delete"]),
        ("emit", vec![watched]),
    ] {
        assert_eq!(granted(&format!("kind: ConfigMap, actions: [{action}]")), expected, "{action}");
    }
    assert_eq!(handler::GRANTABLE.len(), 8, "an action came; say above which verbs it is sent with");
}

#[test]
fn subresources_are_patched_by_patch_and_apply_and_created_by_neither() {
    let scaled = granted("kind: ConfigMap, actions: [apply, patch], subresources: [scale]");
    assert_eq!(scaled, ["||configmaps||get,list,watch,create,patch", "||configmaps/scale||patch"]);
}

#[test]
fn an_action_on_the_own_object_alone_needs_nothing_where_nothing_is_watched() {
    assert_eq!(granted("kind: Pod, actions: [annotate, label, set-status]"), ["||configmaps||get,list,watch"]);
    let apart = "{ watches: [{ name: w, apiVersion: v1, kind: ConfigMap, namespaces: [a] }], \
                 grants: { write: [{ apiVersion: v1, kind: ConfigMap, actions: [annotate], namespaces: [b] }] } }";
    assert_eq!(short(&[rights("h", apart)]), ["a||configmaps||get,list,watch"]);
    let wide = "{ watches: [{ name: w, apiVersion: v1, kind: ConfigMap, namespaces: [a] }], \
                grants: { write: [{ apiVersion: v1, kind: ConfigMap, actions: [annotate] }] } }";
    assert_eq!(short(&[rights("h", wide)]), ["a||configmaps||get,list,watch,patch"]);
    // Another object may be anywhere that the grant names.
    let any = wide.replace("annotate", "patch");
    assert_eq!(short(&[rights("h", &any)]), ["||configmaps||patch", "a||configmaps||get,list,watch"]);
}

#[test]
fn namespaces_and_names_of_a_grant_are_as_narrow_as_rbac_can_say() {
    let watched = "||configmaps||get,list,watch".to_owned();
    let secret =
        |actions: &str| granted(&format!("kind: Secret, namespaces: [a], names: [y, x], actions: [{actions}]"));
    assert_eq!(secret("patch, delete"), [watched.clone(), "a||secrets|x,y|patch,delete".into()]);
    // An apply is authorised by name, a POST is not.
    assert_eq!(secret("apply"), [watched.clone(), "a||secrets|x,y|create,patch".into()]);
    assert_eq!(secret("create"), [watched.clone(), "a||secrets||create".into()]);
    assert_eq!(secret("apply, create"), [watched.clone(), "a||secrets||create".into(), "a||secrets|x,y|patch".into()]);
    // No object of a kind without namespaces is in the namespace that the grant names.
    assert_eq!(granted("kind: Node, namespaces: [a], actions: [patch]"), [watched]);
}

#[test]
fn events_are_written_where_what_they_are_about_is() {
    let events = |spec: &str| of_group("events.k8s.io", &[rights("h", spec)]);
    assert_eq!(events(&format!("{{ {WATCH} }}")), ["|events.k8s.io|events||create,patch"]);
    let nodes = "watches: [{ name: w, apiVersion: v1, kind: Node }]";
    assert_eq!(events(&format!("{{ {nodes} }}")), ["default|events.k8s.io|events||create,patch"]);
    let emits = "grants: { write: [{ apiVersion: v1, kind: Pod, namespaces: [a], names: [b], actions: [emit] }] }";
    let expected = ["a|events.k8s.io|events||create,patch", "default|events.k8s.io|events||create,patch"];
    assert_eq!(events(&format!("{{ {nodes}, {emits} }}")), expected);
}

#[test]
fn definitions_are_looked_at_only_for_kinds_that_may_have_one() {
    let definitions = |spec: &str| of_group("apiextensions.k8s.io", &[rights("h", spec)]);
    assert!(definitions(&format!("{{ {WATCH} }}")).is_empty());
    let widgets = "{ watches: [{ name: w, apiVersion: example.org/v1, kind: Widget }] }";
    let expected = ["|apiextensions.k8s.io|customresourcedefinitions||get,list,watch"];
    assert_eq!(definitions(widgets), expected);
    assert_eq!(definitions(&widgets.replace("Widget", "Unknown")), expected, "that is what its coming is seen by");
}

#[test]
fn a_kind_that_nobody_knows_is_said_and_the_rest_is_found() {
    let spec = format!(
        "{{ {WATCH}, grants: {{ write: [{{ apiVersion: example.org/v1, kind: Unknown, actions: [patch] }}] }} }}"
    );
    let rights = rights("h", &spec);
    assert_eq!(rights.unknown, BTreeSet::from([("example.org/v1".to_owned(), "Unknown".to_owned())]));
    assert_eq!(short(&[rights]), ["||configmaps||get,list,watch"]);
}

#[test]
fn what_a_wider_rule_allows_is_not_said_again_and_both_handlers_stand_at_it() {
    let narrow = rights("b", "{ watches: [{ name: w, apiVersion: v1, kind: ConfigMap, namespaces: [a] }] }");
    let wide = rights("a", &format!("{{ {WATCH} }}"));
    assert_eq!(short(&[narrow.clone(), wide.clone()]), ["||configmaps||get,list,watch"]);
    let both = rules(&[narrow.clone(), wide.clone()]);
    assert_eq!(both, rules(&[wide, narrow]));
    let handlers: Vec<&String> = both.iter().find(|it| it.resource == "configmaps").unwrap().because.keys().collect();
    assert_eq!(handlers, ["a", "b"]);
}

fn print(account: Option<&str>, format: Format) -> String {
    let spec = "{ watches: [{ name: w, apiVersion: v1, kind: Node }], grants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate] }] } }";
    let account = account.map(|it| it.parse().unwrap());
    let rules = rules(&[rights("h", spec)]);
    Roles { name: "weir".into(), account, rules, handlers: vec!["h".into()] }.print(format)
}

#[test]
fn the_yaml_says_at_each_rule_who_needs_it_for_what() {
    let expected = "\
# What weir needs for the handlers h, and nothing else; written by `weir rbac`.
# Discovery and reviews of one's own rights are not here: every account has them, by system:discovery and system:basic-user.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: weir
rules:
  # h: annotate, watch
  - apiGroups: [\"\"]
    resources: [nodes]
    verbs: [get, list, watch, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: weir
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: weir
subjects:
  - kind: ServiceAccount
    name: weir
    namespace: ns
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: weir
  namespace: default
rules:
  # h: weir's Events about Node
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: weir
  namespace: default
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: weir
subjects:
  - kind: ServiceAccount
    name: weir
    namespace: ns
";
    assert_eq!(print(Some("ns/weir"), Format::Yaml), expected);
}

#[test]
fn json_and_yaml_are_the_same_documents() {
    for account in [Some("ns/weir"), None] {
        let yaml: Vec<serde_json::Value> = serde_saphyr::from_multiple(&print(account, Format::Yaml)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&print(account, Format::Json)).unwrap();
        assert_eq!(json["items"], serde_json::Value::Array(yaml));
    }
}

#[test]
fn what_stands_in_a_manifest_stays_in_its_value_or_comment() {
    let names = "names: [\"x]\\n- verbs: ['*']\", \"true\", \"A:b\"]";
    let spec = format!(
        "{{ {WATCH}, grants: {{ write: [{{ apiVersion: v1, kind: ConfigMap, {names}, actions: [delete] }}] }} }}"
    );
    let mut rights = rights("h", &spec);
    rights.handler = "evil\n- verbs: ['*']\u{2028}x".into();
    let rules = rules(&[rights]);
    let text = Roles { name: "weir".into(), account: None, rules, handlers: vec!["a\nb".into()] }.print(Format::Yaml);
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
    let rules = documents[0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 3, "{text}");
    assert_eq!(rules[1]["resourceNames"], serde_json::json!(["A:b", "true", "x]\n- verbs: ['*']"]), "{text}");
}

#[test]
fn what_a_handler_does_as_an_account_is_the_accounts_to_be_allowed_and_weir_may_act_as_it() {
    let grants = "grants: { write: [{ apiVersion: v1, kind: ConfigMap, actions: [annotate, emit] }], read: [{ apiVersion: v1, kind: Pod }] }";
    let spec =
        format!("{{ serviceAccount: team/worker, {WATCH}, reads: [{{ apiVersion: v1, kind: Pod }}], {grants} }}");
    let all = rules(&[rights("h", &spec)]);
    let of = |account: Option<&str>| -> Vec<String> {
        all.iter()
            .filter(|rule| rule.account.as_ref().map(ToString::to_string).as_deref() == account)
            .map(one)
            .collect()
    };
    assert_eq!(
        of(None),
        [
            "||configmaps||get,list,watch",
            "|events.k8s.io|events||create,patch",
            "team||serviceaccounts|worker|impersonate"
        ]
    );
    let its = ["||configmaps||patch", "||pods||list,watch", "|events.k8s.io|events||create,patch"];
    assert_eq!(of(Some("team/worker")), its);

    // Its roles are its own, and bound to it whoever weir is.
    let roles = Roles { name: "weir".into(), account: None, rules: all, handlers: vec!["h".into()] };
    let list: serde_json::Value = serde_json::from_str(&roles.print(Format::Json)).unwrap();
    let names = |kind: &str| -> Vec<&str> {
        let items = list["items"].as_array().unwrap().iter().filter(|it| it["kind"] == kind);
        items.map(|it| it["metadata"]["name"].as_str().unwrap()).collect()
    };
    assert_eq!(names("ClusterRole"), ["weir", "weir:team:worker"]);
    assert_eq!(names("RoleBinding"), ["weir"]);
    let bound =
        list["items"].as_array().unwrap().iter().find(|it| it["roleRef"]["name"] == "weir:team:worker").unwrap();
    assert_eq!(bound["subjects"][0]["name"], "worker");
    // An account that does nothing need not be acted as.
    assert!(of_group("", &[rights("h", &format!("{{ serviceAccount: team/worker, {WATCH} }}"))]).len() == 1);
}
