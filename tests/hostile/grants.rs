//! Actions that are not the handler's to do: on other objects, kinds, namespaces, subresources, and on what makes an object this one.

use crate::{
    attack::Attack,
    reply::{
        Target, annotate, answers, apply, create, delete, emit, json_patch, label, merge, patch, requeue, set_status,
    },
};

/// May patch, apply, create and delete whatever is a ConfigMap of the namespace.
const HERE: &str = "{ apiVersion: v1, kind: ConfigMap, namespaces: [default], actions: [patch, apply] }";
const OTHER: Option<Target<'static>> = Some(["v1", "ConfigMap", "elsewhere", "bait"]);
const SECRET: Option<Target<'static>> = Some(["v1", "Secret", "default", "bait"]);
const STEAL: &str = r#"{"data":{"a":null}}"#;
const BINDING: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: { name: mine }\n\
    roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }\n\
    subjects: [{ kind: ServiceAccount, name: default, namespace: default }]";

corpus! {
    patches_an_object_elsewhere => Attack::given_up(
        &answers(vec![merge(OTHER, STEAL)]), &["not granted: patch on ConfigMap elsewhere/bait", "namespaces: [elsewhere]"],
    ).granted(HERE);
    patches_another_kind => Attack::given_up(&answers(vec![merge(SECRET, STEAL)]), &["not granted: patch on Secret default/bait", "kind: Secret"]).granted(HERE);
    patches_another_version => Attack::given_up(
        &answers(vec![merge(Some(["v2", "ConfigMap", "default", "victim-0"]), STEAL)]), &["not granted: patch on ConfigMap default/victim-0", "apiVersion: v2"],
    ).granted(HERE);
    patches_a_subresource => Attack::given_up(
        &answers(vec![patch(None, None, Some("status"), 1, STEAL)]), &["not granted: patch on ConfigMap default/victim-", "subresources: [status]"],
    ).granted(HERE);
    patches_after_what_is_granted => Attack::given_up(
        &answers(vec![annotate("hostile/first", "x"), merge(SECRET, STEAL)]), &["not granted: patch on Secret default/bait"],
    );
    sets_a_status => Attack::given_up(&answers(vec![set_status("{}")]), &["not granted: set-status on ConfigMap default/victim-"]);
    sets_a_label => Attack::given_up(&answers(vec![label("hostile/a", "x")]), &["not granted: label on ConfigMap default/victim-"]);
    deletes_its_object => Attack::given_up(&answers(vec![delete(None)]), &["not granted: delete on ConfigMap default/victim-"]);
    deletes_a_namespace => Attack::given_up(
        &answers(vec![delete(Some(["v1", "Namespace", "", "default"]))]), &["not granted: delete on Namespace default"],
    );
    records_an_event_about_another => Attack::given_up(&answers(vec![emit(SECRET, "Mine", "all mine")]), &["not granted: emit on Secret default/bait"]);
    binds_itself_to_a_role => Attack::given_up(&answers(vec![create(BINDING)]), &["not granted: create on ClusterRoleBinding mine"]);
    applies_by_force => Attack::given_up(
        &answers(vec![apply("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: victim-0, namespace: default }", None, true)]), &["not granted: apply", "force: true"],
    ).granted(HERE);
    creates_an_object_elsewhere => Attack::given_up(
        &answers(vec![apply("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: new, namespace: elsewhere }", None, false)]),
        &["not granted: apply on ConfigMap elsewhere/new"],
    ).granted(HERE);
    climbs_out_of_its_path_by_a_name => Attack::given_up(
        &answers(vec![merge(Some(["v1", "ConfigMap", "default", "../secrets/bait"]), STEAL)]), &["\"../secrets/bait\" is no name of an object"],
    ).granted(HERE);
    climbs_out_of_its_path_by_a_namespace => Attack::given_up(
        &answers(vec![merge(Some(["v1", "ConfigMap", "default/secrets/bait?", "x"]), STEAL)]), &["is no name of a namespace"],
    ).granted(HERE);
    climbs_out_of_its_path_by_a_version => Attack::given_up(
        &answers(vec![merge(Some(["v1/namespaces/x", "ConfigMap", "default", "x"]), STEAL)]), &["is no apiVersion"],
    ).granted(HERE);
    climbs_out_of_its_path_by_a_kind => Attack::given_up(
        &answers(vec![merge(Some(["v1", "ConfigMap/../Secret", "default", "bait"]), STEAL)]), &["is no kind"],
    ).granted(HERE);
    climbs_out_of_its_path_by_a_subresource => Attack::given_up(
        &answers(vec![patch(None, None, Some("status/../../../secrets"), 1, STEAL)]), &["is no subresource"],
    ).granted(HERE);
    says_another_uid => Attack::given_up(
        &answers(vec![patch(None, Some("0-0-0"), None, 1, STEAL)]), &["it names uid \"0-0-0\", but the event's own object has"],
    ).granted(HERE);
    moves_its_object_to_another_name => Attack::given_up(
        &answers(vec![merge(None, r#"{"metadata":{"name":"other"}}"#)]), &["the patch changes \"/metadata/name\", which says what object this is"],
    ).granted(HERE);
    moves_its_object_to_another_namespace => Attack::given_up(
        &answers(vec![json_patch(r#"[{"op":"replace","path":"/metadata/namespace","value":"elsewhere"}]"#)]), &["the patch changes \"/metadata/namespace\", which says what object this is"],
    ).granted(HERE);
    gives_its_object_another_uid => Attack::given_up(
        &answers(vec![json_patch(r#"[{"op":"replace","path":"/metadata/uid","value":"0-0-0"}]"#)]), &["the patch changes \"/metadata/uid\", which says what object this is"],
    ).granted(HERE);
    makes_its_object_another_kind => Attack::given_up(
        &answers(vec![merge(None, r#"{"kind":"Secret"}"#)]), &["the patch changes \"/kind\", which says what object this is"],
    ).granted(HERE);
    waits_and_does_what_it_may_not => Attack::given_up(&answers(vec![requeue(1), delete(SECRET)]), &["not granted: delete on Secret default/bait"]);
}
