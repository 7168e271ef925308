//! Good manifests and bad ones; each bad one with the whole message a person would read.

use super::*;
use crate::{contract::Change, handler::manifest::Instance};
use std::time::Duration;

const DESCRIBED: &str = "
description: Warns
watches:
  - { name: nodes, apiVersion: v1, kind: Node, fields: [/status/images], resync: 30s }
reads: [{ apiVersion: v1, kind: Pod }]
wants:
  write: [{ apiVersion: v1, kind: Node, actions: [annotate, emit] }]
  http: ['https://hooks.example.org/']
settingsSchema: { type: object, properties: { percent: { type: integer, default: 80 } } }
";

fn merged(operator: &str) -> Result<Manifest, String> {
    merge(DESCRIBED, Some((Path::new("n.yaml"), operator)), "n", 1).map_err(|error| error.to_string())
}

fn envelope(spec: &str) -> String {
    format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec:\n{spec}\n")
}

/// The message for an operator's file whose spec begins on line 4.
fn refusal(spec: &str) -> String {
    merged(&envelope(spec)).unwrap_err()
}

fn describe_refusal(described: &str) -> String {
    merge(described, None, "n", 1).unwrap_err().to_string()
}

#[test]
fn a_component_alone_is_a_handler_without_rights() {
    let manifest = merge(DESCRIBED, None, "node-images", 1).unwrap();
    assert_eq!(manifest.name, "node-images");
    assert_eq!(manifest.field_manager, "weir/node-images");
    assert_eq!(manifest.grants, Grants::default());
    assert_eq!(manifest.settings, serde_json::json!({ "percent": 80 }));
    let watch = &manifest.watches[0];
    assert_eq!(watch.resync, Some(Duration::from_secs(30)));
    assert!(watch.events.contains(&Change::Resync) && watch.events.contains(&Change::Deleted));
    assert_eq!((manifest.retry.limit, manifest.instance), (Some(25), Instance::Warm));
}

#[test]
fn the_operators_word_wins_key_by_key() {
    let manifest = merged(&format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Handler\nmetadata: {{ name: other }}\nspec:\n{}",
        "  watches: [{ name: pods, apiVersion: v1, kind: Pod, events: [deleted], labelSelector: 'app in (a,b)' }]
  settings: { percent: 90 }
  grants: { write: [{ apiVersion: v1, kind: Pod, actions: [annotate] }] }
  retry: { limit: forever, base: 1s }
  limits: { memory: 32Mi, time: 500ms, actions: 3 }
  workers: 4
  instance: fresh
  fieldManager: x
  dryRun: true
"
    ))
    .unwrap();
    assert_eq!(manifest.name, "other");
    assert_eq!(manifest.description, "Warns", "what the operator leaves out stays the component's");
    assert_eq!(manifest.watches.len(), 1, "watches are replaced whole");
    assert!(
        !manifest.watches[0].events.contains(&Change::Added) && manifest.watches[0].events.contains(&Change::Requeued)
    );
    assert_eq!(manifest.settings, serde_json::json!({ "percent": 90 }));
    assert_eq!((manifest.retry.limit, manifest.retry.base), (None, Duration::from_secs(1)));
    assert_eq!((manifest.limits.memory, manifest.limits.actions), (32 << 20, 3));
    assert_eq!((manifest.workers, manifest.instance, manifest.dry_run), (4, Instance::Fresh, true));
    assert_eq!(manifest.reads.len(), 1);
}

#[test]
fn wishes_are_shown_until_granted() {
    let mut manifest = merge(DESCRIBED, None, "n", 1).unwrap();
    let lines = "  grants:\n    write:\n      - { apiVersion: v1, kind: Node, actions: [annotate, emit] }\n    read:\n      \
                 - { apiVersion: v1, kind: Pod }\n    http: [\"https://hooks.example.org/\"]\n";
    assert_eq!(ungranted(&manifest), lines);
    grant_wishes(&mut manifest);
    assert_eq!(ungranted(&manifest), "");
    // As much of a wish as the operator thought right is an answer to it.
    let http = |url: &str| envelope(&format!("  grants: {{ http: ['{url}'] }}"));
    for (url, left) in [("https://hooks.example.org/T0/${env:HOOK}", false), ("https://other.example.org/", true)] {
        let manifest = merged(&http(url)).unwrap();
        assert_eq!(ungranted(&manifest).contains("http:"), left, "{url}");
    }
}

#[test]
fn a_grant_of_requests_is_a_url_or_one_with_what_goes_along() {
    let manifest = merged(&envelope(
        "  grants:
    http:
      - https://a.example/
      - url: http://chat.default.svc/hook/${env:HOOK_PATH}
        headers: { Authorization: 'Bearer ${file:/run/secrets/token}' }
        private: true
  limits: { httpTime: 3s, httpConnections: 2, httpRequestBytes: 1Ki, httpAnswerBytes: 8Ki }",
    ))
    .unwrap();
    let [plain, whole] = &manifest.grants.http[..] else { panic!("{manifest:?}") };
    assert!(!plain.private && plain.headers.is_empty());
    assert!(whole.private);
    assert_eq!(whole.headers[0].0, "authorization");
    assert_eq!(
        serde_json::to_value(&manifest.grants.http).unwrap(),
        serde_json::json!(["https://a.example/", {
            "url": "http://chat.default.svc/hook/${env:HOOK_PATH}",
            "headers": { "authorization": "Bearer ${file:/run/secrets/token}" },
            "private": true,
        }]),
        "printed as written, with names in the place of secrets"
    );
    let limits = &manifest.limits;
    assert_eq!((limits.http_time, limits.http_connections), (Duration::from_secs(3), 2));
    assert_eq!((limits.http_request_bytes, limits.http_answer_bytes), (1 << 10, 8 << 10));
}

#[test]
fn each_mistake_has_one_clear_message() {
    for (spec, message) in [
        ("  watchs: []", "n.yaml:4: unknown key `watchs`, did you mean `watches`?"),
        ("  watches: []", "n.yaml: it watches nothing; give `watches` at least one entry"),
        ("  workers: 0", "n.yaml:4: workers must be 1 to 64"),
        ("  instance: hot", "n.yaml:4: instance `hot` is neither `warm` nor `fresh`"),
        ("  retry: { limit: never }", "n.yaml:4: retry.limit `never` is neither a number of retries nor `forever`"),
        ("  retry: { base: 5 }", "n.yaml:4: retry.base: `5` is no duration such as 30s, 5ms or 1h30m"),
        ("  retry: { base: 5s, cap: 1s }", "n.yaml:4: retry.cap (1s) is shorter than retry.base (5s)"),
        ("  retry: { base: 1h }", "n.yaml:4: retry.cap (1000s) is shorter than retry.base (3600s)"),
        (
            "  limits: { memory: 0 }",
            "n.yaml:4: limits.memory must be more than 0; there is no way to switch a limit off",
        ),
        (
            "  limits: { memory: 64MB }",
            "n.yaml:4: limits.memory: `64MB` is no quantity of bytes such as 64Mi or 1048576",
        ),
        ("  limits: { memory: 8Gi }", "n.yaml:4: limits.memory `8Gi` is more than the host allows, 256Mi"),
        (
            "  settings: { precent: 9 }",
            "n.yaml:4: settings has no `precent`, did you mean `percent`?; known are percent",
        ),
        ("  schedules: []", "n.yaml:4: `schedules` is not in this version of weir yet; remove it"),
        ("  fieldManager: ''", "n.yaml:4: fieldManager must have 1 to 96 printable characters and no spaces"),
        (
            "  grants: { write: [{ apiVersion: v1, kind: Node, actions: [anotate] }] }",
            "n.yaml:4: there is no action `anotate`, did you mean `annotate`?; there are annotate, label, set-status, patch, \
             apply, create, delete, emit",
        ),
        (
            "  grants: { http: [example.org] }",
            "n.yaml:4: `example.org` is no URL prefix such as `https://hooks.example.org/`: it has to begin with https:// or http://",
        ),
        (
            "  grants: { http: [{ url: 'https://a.example/', header: {} }] }",
            "n.yaml:4: a URL is expected here, or a mapping of `url`, `headers` and `private`",
        ),
        (
            "  grants: { http: [{ url: 'https://a.example/', headers: { Host: b.example } }] }",
            "n.yaml:4: `Host` is no header that a grant can set",
        ),
        (
            "  grants: { http: [{ url: 'https://a.example/', headers: { X: '${HOME}' } }] }",
            "n.yaml:4: header X: `${HOME}` is neither `${env:NAME}` nor `${file:/an/absolute/path}`",
        ),
        (
            "  grants: { http: ['https://${env:HOST}/'] }",
            "n.yaml:4: `https://${env:HOST}/`: a secret can only stand behind the host; write https://HOST/${env:NAME}",
        ),
        (
            "  wants: { http: ['https://a.example/${env:HOME}'] }",
            "n.yaml:4: `https://a.example/${env:HOME}`: secrets are the operator's to grant; a component may wish for the URL up to there",
        ),
        ("  limits: { httpTime: 2m }", "n.yaml:4: limits.httpTime `2m` is more than the host allows, 60s"),
        (
            "  limits: { httpAnswerBytes: 1Ki }",
            "n.yaml:4: limits.httpAnswerBytes must be at least 8192: an answer's head has to fit",
        ),
        ("  grants: 7", "n.yaml:4: a mapping is expected here, such as `key: value`"),
        ("  workers: 1\n  workers: 2", "n.yaml:5: duplicate mapping key: workers; remove one of them"),
    ] {
        assert_eq!(refusal(spec), message, "{spec}");
    }
}

#[test]
fn each_mistake_in_a_watch_has_one_clear_message() {
    for (extra, message) in [
        ("kind: node", "kind `node` is not of the form `Node` or `Deployment`"),
        ("apiVersion: 1", "apiVersion `1` is not of the form `v1` or `apps/v1`"),
        (
            "labelSelector: 'a in b'",
            "labelSelector: selector `a in b`: `a in b` is no label key such as `app` or `example.org/app`",
        ),
        ("fieldSelector: x", "fieldSelector: selector `x`: `x` compares nothing; write `x=VALUE` or `x!=VALUE`"),
        ("events: [add]", "there is no event `add`; there are initial, added, updated, left, deleted"),
        (
            "events: [delete]",
            "there is no event `delete`, did you mean `deleted`?; there are initial, added, updated, left, deleted",
        ),
        ("events: [resync]", "the event `resync` needs a period; add `resync: 30s` to the watch"),
        ("resync: 10ms", "resync `10ms` is shorter than 1 s, the shortest there is"),
        (
            "fields: [status]",
            "fields: `status` is no JSON pointer such as `/status/images` (a `/` in a name is written `~1`, a `~` is `~0`)",
        ),
        (
            "fields: [/a~2]",
            "fields: `/a~2` is no JSON pointer such as `/status/images` (a `/` in a name is written `~1`, a `~` is `~0`)",
        ),
        ("fields: [/metadata/managedFields]", "fields: managedFields are never handed over"),
        (
            "fields: []\n      changed: [/spec]",
            "changed `/spec` lies outside /metadata, but `fields: []` watches metadata only",
        ),
        ("namespaces: [A]", "`A` is no namespace's name"),
        ("when: 'true'", "`when` is not in this version of weir yet; remove it"),
        ("finalizer: true", "`finalizer` is not in this version of weir yet; remove it"),
        ("mapTo: {}", "`mapTo` is not in this version of weir yet; remove it"),
        ("namespaceSelector: a=b", "`namespaceSelector` is not in this version of weir yet; remove it"),
    ] {
        let mut watch = String::from("  watches:\n    - name: w\n");
        for (key, value) in [("apiVersion", "v1"), ("kind", "Node")] {
            if !extra.starts_with(key) {
                watch.push_str(&format!("      {key}: {value}\n"));
            }
        }
        watch.push_str(&format!("      {extra}"));
        let refused = refusal(&watch);
        let (place, problem) = refused.split_once(": ").unwrap();
        assert!(place.starts_with("n.yaml:"), "{refused}");
        assert_eq!(problem, message, "{extra}");
    }
}

#[test]
fn each_mistake_of_the_whole_file_has_one_clear_message() {
    for (file, message) in [
        ("apiVersion: v1\nkind: Handler\n", "n.yaml:1: apiVersion `v1` is not served; write `weir.dev/v1alpha1`"),
        (
            "apiVersion: weir.dev/v1alpha1\nkind: Plugin\n",
            "n.yaml:2: kind `Plugin` is not a handler's manifest; write `Handler`",
        ),
        (
            "apiVersion: weir.dev/v1alpha1\nkind: Handler\nmetadata: { name: A_b }\n",
            "n.yaml:3: `A_b` is no handler's name; use at most 63 lower-case letters, digits and `-`, such as `node-images`",
        ),
        (
            "apiVersion: weir.dev/v1alpha1\nkind: Handler\n---\nkind: Handler\n",
            "n.yaml:4: there is more than one document; write one manifest a file",
        ),
        ("kind: Handler\n", "n.yaml:1: missing key `apiVersion`"),
    ] {
        assert_eq!(merged(file).unwrap_err(), message);
    }
}

#[test]
fn a_component_may_not_say_what_is_the_operators() {
    for key in [
        "settings: {}",
        "grants: {}",
        "workers: 2",
        "retry: {}",
        "limits: {}",
        "instance: warm",
        "fieldManager: x",
        "serviceAccount: a/b",
        "dryRun: true",
        "sha256: abc",
    ] {
        let name = key.split(':').next().unwrap();
        let refused = describe_refusal(&format!("watches: []\n{key}\n"));
        assert_eq!(
            refused,
            format!(
                "describe of n:2: `{name}` is the operator's to say, not the component's; write it in the YAML beside the component"
            )
        );
    }
}

#[test]
fn an_account_is_a_namespace_and_a_name() {
    let file = |account: &str| {
        let watches = "watches: [{ name: a, apiVersion: v1, kind: Pod }]";
        format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec:\n  serviceAccount: {account}\n  {watches}\n")
    };
    let account =
        |text: &str| merge("watches: []", Some((Path::new("n.yaml"), text)), "n", 1).map(|it| it.service_account);
    assert_eq!(account(&file("team/worker")).unwrap().unwrap().user(), "system:serviceaccount:team:worker");
    let refused = account(&file("worker")).unwrap_err().to_string();
    assert_eq!(refused, "n.yaml:4: `worker` is no service account; write NAMESPACE/NAME, such as weir/weir");
}

#[test]
fn one_kind_is_watched_once() {
    let two = "watches:\n- { name: a, apiVersion: v1, kind: Pod }\n- { name: b, apiVersion: v1, kind: Pod }\n";
    assert_eq!(
        describe_refusal(two),
        "describe of n: two watches are on v1 Pod; a handler may watch a kind once, write two handlers"
    );
}

#[test]
fn a_description_may_be_json() {
    let manifest =
        merge(r#"{"watches":[{"name":"a","apiVersion":"apps/v1","kind":"Deployment"}]}"#, None, "n", 1).unwrap();
    assert_eq!(manifest.watches[0].kind, "Deployment");
}

#[test]
fn a_pin_is_a_sha256_and_can_be_asked_for_alone() {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let file = |pin: &str| format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec:\n  sha256: {pin}\n");
    let pin = |text: &str| pinned((Path::new("n.yaml"), text)).map_err(|error| error.to_string());
    for written in [hex.to_owned(), hex.to_uppercase(), format!("sha256:{hex}")] {
        assert_eq!(pin(&file(&written)), Ok(Some(hex.to_owned())), "{written}");
    }
    assert_eq!(pin("apiVersion: weir.dev/v1alpha1\nkind: Handler\n"), Ok(None));
    for wrong in ["abc", &hex[1..], &hex.replace('b', "x")] {
        assert!(pin(&file(wrong)).is_err_and(|said| said.starts_with("n.yaml:4: sha256 is not the 64 hex")), "{wrong}");
    }
}

#[test]
fn what_is_shown_to_be_granted_is_the_wish_and_nothing_wider() {
    let described = r#"{
        "watches": [{ "name": "a", "apiVersion": "v1", "kind": "Node" }],
        "reads": [{ "apiVersion": "v1", "kind": "Pod", "namespaces": ["x", "y"] }],
        "wants": { "write": [
            { "apiVersion": "v1", "kind": "Secret", "names": ["a", "b: [c]"], "namespaces": ["x"], "actions": ["patch"] },
            { "apiVersion": "apps/v1", "kind": "Deployment", "actions": ["apply"], "subresources": ["scale"], "force": true }
        ] }
    }"#;
    let shown = ungranted(&merge(described, None, "n", 1).unwrap());
    let text = format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec:\n{shown}");
    let granted = merge(described, Some((Path::new("n.yaml"), &text)), "n", 1).unwrap();
    assert_eq!(granted.grants.write, granted.wants.write, "{shown}");
    assert_eq!(granted.grants.read, granted.reads, "{shown}");
}

#[test]
fn every_bound_of_the_manifests_can_be_written_up_to_its_most_and_not_beyond() {
    use crate::handler::manifest::{
        Limits,
        limit::{Amount, BOUNDS, Set},
    };
    let under = |name: &str, value: &str| merged(&envelope(&format!("  limits: {{ {name}: {value} }}")));
    for bound in BOUNDS {
        let Set::Manifest { most, .. } = bound.set else { continue };
        let (default, name) = (bound.set.default(), bound.name);
        assert_eq!(under(name, &default.to_string()).unwrap().limits, Limits::default(), "{name}");
        under(name, &most.to_string()).unwrap_or_else(|error| panic!("{error}"));
        let beyond = match most {
            Amount::Time(_) => format!("{}ms", most.number() + 1),
            _ => (most.number() + 1).to_string(),
        };
        let error = under(name, &beyond).unwrap_err();
        assert!(error.ends_with(&format!("limits.{name} `{beyond}` is more than the host allows, {most}")), "{error}");
        let error = under(name, "0").unwrap_err();
        assert!(error.contains(&format!("limits.{name} must be more than 0")), "{error}");
    }
}
