//! The rules that `weir rbac` prints, on Kubernetes' own machinery: with them and no others handlers do their work, and nothing of it is refused.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;
use weir_tests::{
    program::program,
    world::{CONFIG_MAPS, PODS, World, compiled, component, flags_definition, guests, manifest, plugin_manifest, pod},
};

/// A handler of the one object with its name, that does something and then marks the object.
fn handler(name: &str, kind: &str, mode: &str, grant: &str, settings: &str) -> String {
    manifest(&format!(
        "  watches: [{{ name: objects, apiVersion: v1, kind: {kind}, namespaces: [default], fieldSelector: metadata.name={name} }}]
  reads: [{{ apiVersion: v1, kind: Node }}]
  grants:
    write: [{{ apiVersion: v1, kind: {kind}, actions: [annotate] }}{grant}]
    read: [{{ apiVersion: v1, kind: Node }}]
  settings: {{ modes: [{mode}, annotate]{settings} }}"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_rules_that_are_printed_every_action_is_carried_out_and_nothing_is_refused() {
    let Some(mut world) = World::start_as_account("rights-actions").await else { return };
    let node = "target: { apiVersion: v1, kind: Node, name: n1 }";
    let made = |name: &str| {
        format!(
            ", manifest: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: {name}, namespace: default }}, data: {{ a: b }} }}"
        )
    };
    let on = |name: &str, action: &str| {
        format!(", {{ apiVersion: v1, kind: ConfigMap, namespaces: [default], names: [{name}], actions: [{action}] }}")
    };
    for (name, kind, mode, grant, settings) in [
        (
            "labels",
            "ConfigMap",
            "label",
            ", { apiVersion: v1, kind: ConfigMap, actions: [label] }".to_owned(),
            String::new(),
        ),
        ("applies", "ConfigMap", "apply", on("applied", "apply"), made("applied")),
        ("creates", "ConfigMap", "create", on("created", "create"), made("created")),
        (
            "deletes",
            "ConfigMap",
            "delete",
            on("victim", "delete"),
            ", target: { apiVersion: v1, kind: ConfigMap, namespace: default, name: victim }".into(),
        ),
        (
            "patches",
            "ConfigMap",
            "patch",
            ", { apiVersion: v1, kind: Node, names: [n1], actions: [patch], subresources: [status] }".into(),
            format!(", {node}, subresource: status, body: {{ status: {{ phase: Running }} }}"),
        ),
        ("emits", "ConfigMap", "emit", ", { apiVersion: v1, kind: Node, actions: [emit] }".into(), format!(", {node}")),
        ("reads", "ConfigMap", "get-cluster", String::new(), format!(", {node}")),
        (
            "status",
            "Pod",
            "set-status",
            ", { apiVersion: v1, kind: Pod, actions: [set-status] }".into(),
            ", body: { message: seen }".into(),
        ),
    ] {
        world.install(name, "echo", &handler(name, kind, mode, &grant, &settings));
    }
    let rules = world.rules(&[]).await;
    assert!(rules.iter().all(|rule| rule.resource == "nodes" || rule.namespace.is_some() || !rule.names.is_empty()));
    world.allow(&rules).await;

    world.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } })).await;
    world.create_text("victim", "one").await;
    world.run().await;
    let configured = ["labels", "applies", "creates", "deletes", "patches", "emits", "reads"];
    for name in configured {
        world.create_text(name, "one").await;
    }
    world.create(PODS, pod("status", json!({}), 0)).await;
    for name in configured {
        world.await_mark(name, "change", "added").await;
    }
    world
        .eventually("the pod has its status", async || {
            let pod = world.get(&format!("{PODS}/status")).await?;
            (pod["status"]["message"] == "seen").then_some(())
        })
        .await;
    assert!(world.get(&format!("{CONFIG_MAPS}/applied")).await.is_some());
    assert!(world.get(&format!("{CONFIG_MAPS}/created")).await.is_some());
    assert!(world.get(&format!("{CONFIG_MAPS}/victim")).await.is_none());
    world.quiet().await;
    refused_nothing(&world);
    world.stop().await;
}

/// What `/status` says that a handler lacks, as `ROLE: RULE`; none before it is known.
fn lacking(world: &World, handler: &str) -> Option<Vec<String>> {
    let rights = world.lane(handler)["rights"].clone();
    assert_eq!(rights["unchecked"], Value::Null, "{rights:#}");
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
    Some(
        rights["lacks"]
            .as_array()?
            .iter()
            .map(|rule| format!("{}: {}", text(rule, "in"), text(rule, "rule")))
            .collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_lacks_a_rule_is_shown_as_that_and_another_runs() {
    let Some(mut world) = World::start_as_account("rights-lacking").await else { return };
    let pods = handler(
        "lacking",
        "ConfigMap",
        "create",
        ", { apiVersion: v1, kind: Pod, namespaces: [default], actions: [create] }",
        "",
    );
    world.install("lacking", "echo", &pods);
    world.install(
        "whole",
        "echo",
        &handler("whole", "ConfigMap", "label", ", { apiVersion: v1, kind: ConfigMap, actions: [label] }", ""),
    );
    let mut rules = world.rules(&[]).await;
    rules.retain(|rule| rule.resource != "pods");
    world.allow(&rules).await;
    world.run().await;
    world.create_text("whole", "one").await;
    world.await_mark("whole", "change", "added").await;
    let lacks = world
        .eventually("it is known what the handler lacks", async || {
            lacking(&world, "lacking").filter(|it| !it.is_empty())
        })
        .await;
    assert_eq!(lacks, ["a Role in namespace default: { apiGroups: [\"\"], resources: [pods], verbs: [create] }"]);
    world
        .eventually("it is known that the other lacks nothing", async || lacking(&world, "whole").filter(Vec::is_empty))
        .await;
    assert_eq!(world.metric("weir_handler_missing_rights{handler=\"lacking\"}"), 1.0);
    assert_eq!(world.metric("weir_handler_missing_rights{handler=\"whole\"}"), 0.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_even_ask_runs_all_the_same() {
    let Some(mut world) = World::start_as_account("rights-unasked").await else { return };
    let label = ", { apiVersion: v1, kind: ConfigMap, actions: [label] }";
    world.install("whole", "echo", &handler("whole", "ConfigMap", "label", label, ""));
    let rules = world.rules(&[]).await;
    world.allow(&rules).await;
    world.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user").await;
    world.eventually("it may not ask", async || (!world.may_ask().await).then_some(())).await;
    world.run().await;
    world.create_text("whole", "one").await;
    world.await_mark("whole", "change", "added").await;
    let why = world
        .eventually("it is said that the rights are not known", async || {
            world.lane("whole")["rights"]["unchecked"].as_str().map(str::to_owned)
        })
        .await;
    assert!(why.contains("403"), "{why}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_with_an_account_reads_and_writes_as_that_and_what_weir_may_do_does_not_help_it() {
    let Some(mut world) = World::start_as_account("rights-acting").await else { return };
    world.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } })).await;
    // So weir itself may patch every ConfigMap here.
    let watch = "  watches: [{ name: objects, apiVersion: v1, kind: ConfigMap, namespaces: [default], labelSelector: its=own }]";
    let grants = "  grants: { write: [{ apiVersion: v1, kind: ConfigMap, actions: [annotate] }] }";
    world.install("plain", "echo", &manifest(&format!("{watch}\n{grants}")));
    let worker = handler(
        "worker",
        "ConfigMap",
        "get-cluster, emit",
        ", { apiVersion: v1, kind: ConfigMap, actions: [emit] }",
        "",
    );
    let target = "settings: { target: { apiVersion: v1, kind: Node, name: n1 },";
    let worker = worker
        .replace("settings: {", target)
        .replace("actions: [emit]", "actions: [emit] }, { apiVersion: v1, kind: Node, actions: [emit]");
    world.install("worker", "echo", &worker.replace("  watches:", "  serviceAccount: team/worker\n  watches:"));
    world
        .create(
            "/api/v1/namespaces",
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "team" } }),
        )
        .await;
    let rules = world.rules(&[]).await;
    assert!(rules.iter().any(|rule| rule.to_string().contains("[impersonate]") && rule.names.contains("worker")));
    world.allow(&rules).await;
    world.run().await;
    world.create_text("worker", "one").await;
    world.await_mark("worker", "change", "added").await;
    world.quiet().await;
    refused_nothing(&world);
    let user = "system:serviceaccount:team:worker";
    let mut requests = world.requests();
    requests.retain(|request| request.user_agent.starts_with("weir"));
    let acted = |method: &str, path: &str| -> Vec<&str> {
        requests.iter().filter(|it| it.method == method && it.path == path).map(|it| it.impersonate.as_str()).collect()
    };
    let (own, events) = (format!("{CONFIG_MAPS}/worker"), "/apis/events.k8s.io/v1/namespaces/default/events");
    for (method, path) in [("PATCH", own.as_str()), ("POST", events), ("GET", "/api/v1/nodes")] {
        let acted = acted(method, path);
        assert!(!acted.is_empty() && acted.iter().all(|it| *it == user), "{method} {path}: {acted:?}");
    }
    assert!(acted("GET", CONFIG_MAPS).iter().all(|it| it.is_empty()), "watches are weir's own, and shared");

    // Taken from the account, what weir itself may do is of no use.
    let mut rest = rules.clone();
    rest.retain(|rule| rule.account.is_none() || rule.resource != "configmaps");
    assert!(rest.len() < rules.len());
    world.allow(&rest).await;
    world.change_text("worker", "two").await;
    let error = world
        .eventually("the write is refused", async || {
            let lane = world.lane("worker").to_string();
            lane.contains("the role of team/worker may lack").then_some(lane)
        })
        .await;
    assert!(error.contains("annotate on ConfigMap default/worker"), "{error}");
    world.stop().await;
}

/// The handlers of `plugins/` that are built, installed with the manifests they bring.
fn install_plugins(world: &World) -> Vec<String> {
    let mut built = Vec::new();
    for entry in std::fs::read_dir(repository().join("plugins")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if guests().is_some_and(|guests| guests.join(format!("{name}.wasm")).is_file()) {
            world.install(&name, &name, &plugin_manifest(&name));
            built.push(name);
        }
    }
    built.sort();
    built
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_rule_is_taken_from_the_handlers_of_plugins_weir_says_that_it_is_missing() {
    let Some(mut world) = World::start_as_account("rights-plugins").await else { return };
    let built = install_plugins(&world);
    // Of a kind that is not there yet the API cannot be asked.
    world.define_flags().await;
    let rules = world.rules(&[flags_definition().await]).await;
    assert!(rules.len() >= 2, "{built:?} need {rules:#?}");
    world.allow(&rules).await;
    world.run().await;
    for name in &built {
        world.eventually(format!("{name} lacks nothing"), async || lacking(&world, name).filter(Vec::is_empty)).await;
    }
    for missing in &rules {
        let rest: Vec<_> = rules.iter().filter(|rule| *rule != missing).cloned().collect();
        world.allow(&rest).await;
        world.eventually("the rule is gone", async || (!world.may(missing).await).then_some(())).await;
        let resource = format!("resources: [{}]", missing.resource);
        for name in missing.because.keys() {
            let looks = AtomicU32::new(0);
            world
                .eventually(format!("{name} is said to lack {missing:#}"), async || {
                    // What was asked within the last seconds stands, so one reload may be too early.
                    let look = looks.fetch_add(1, Ordering::Relaxed);
                    if look.is_multiple_of(100) {
                        let same = format!("{}\n# {look} without {missing:#}\n", plugin_manifest(name));
                        world.put(&format!("{name}.yaml"), same.as_bytes());
                    }
                    lacking(&world, name)?.iter().any(|rule| rule.contains(&resource)).then_some(())
                })
                .await;
        }
    }
    world.stop().await;
}

fn refused_nothing(world: &World) {
    let mut refused = world.requests();
    refused.retain(|request| request.user_agent.starts_with("weir") && matches!(request.status, 401 | 403));
    assert!(refused.is_empty(), "the rules lack what weir needs: {refused:#?}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `weir rbac` on a directory.
fn rbac(plugins: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("rbac").arg(plugins).args(more).env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    if let Some(compiled) = compiled() {
        command.arg("--cache-dir").arg(compiled);
    }
    command.output().unwrap()
}

/// `deploy/rbac.yaml` names the handlers it is for in its first line. Those that are not built here make this a skip.
#[test]
fn the_roles_in_deploy_are_those_that_weir_rbac_prints() {
    let file = repository().join("deploy/rbac.yaml");
    let deployed = std::fs::read_to_string(&file).unwrap();
    let named = deployed.lines().next().and_then(|line| line.split_once("handlers ")).and_then(|(_, rest)| {
        let (names, _) = rest.split_once(", and nothing else")?;
        Some(names.split(", ").collect::<Vec<_>>())
    });
    let named = named.unwrap_or_else(|| panic!("{}: its first line names no handlers", file.display()));
    let plugins = TempDir::new().unwrap();
    for name in named {
        if !guests().is_some_and(|guests| guests.join(format!("{name}.wasm")).is_file()) {
            eprintln!("SKIPPED: {name} is not built; `cargo xtask test` builds it and says what it needs");
            return;
        }
        std::fs::write(plugins.path().join(format!("{name}.yaml")), plugin_manifest(name)).unwrap();
        std::fs::write(plugins.path().join(format!("{name}.wasm")), component(name)).unwrap();
    }
    let definition = repository().join("plugins/flag-watch/crd.yaml");
    let printed = rbac(plugins.path(), &["--service-account", "weir/weir", "-f", definition.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&printed.stderr);
    assert!(printed.status.success(), "{words}");
    let printed = String::from_utf8_lossy(&printed.stdout);
    assert_eq!(
        printed, deployed,
        "deploy/rbac.yaml is not what its handlers need now; write it anew: weir rbac DIR --service-account weir/weir -f plugins/flag-watch/crd.yaml > deploy/rbac.yaml"
    );
}

#[test]
fn a_kind_that_nobody_knows_is_one_message_that_says_what_to_give_and_a_definition_makes_it_known() {
    if guests().is_none() {
        eprintln!("SKIPPED: the guests are not built; run `cargo xtask test`, which builds them");
        return;
    }
    let home = TempDir::new().unwrap();
    let (plugins, definition) = (home.path().join("plugins"), home.path().join("widgets.yaml"));
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(plugins.join("h.wasm"), component("echo")).unwrap();
    let watch = "  watches: [{ name: w, apiVersion: example.org/v1, kind: Widget, namespaces: [a] }]";
    std::fs::write(plugins.join("h.yaml"), manifest(watch)).unwrap();

    let asked = rbac(&plugins, &[]);
    let words = String::from_utf8_lossy(&asked.stderr);
    assert_eq!((asked.status.code(), words.lines().count()), (Some(1), 1), "{words}");
    for word in ["example.org/v1 Widget", "-f FILE", "--kubeconfig", "--server", "--in-cluster"] {
        assert!(words.contains(word), "{word}: {words}");
    }

    let version = "{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }";
    let names = "{ plural: widgetries, kind: Widget }";
    let text = format!(
        "kind: Secret\napiVersion: v1\nmetadata: {{ name: something-else }}\n---\n\
         apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: widgetries.example.org }}\n\
         spec: {{ group: example.org, scope: Namespaced, names: {names}, versions: [{version}] }}\n"
    );
    std::fs::write(&definition, text).unwrap();
    let asked = rbac(&plugins, &["-f", definition.to_str().unwrap(), "-o", "json"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let list: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let roles = list["items"].as_array().unwrap().iter().filter(|it| it["metadata"]["namespace"] == "a");
    let rule = roles.filter_map(|it| it["rules"][1].as_object()).next().unwrap();
    assert_eq!(rule["resources"], json!(["widgetries"]));
    assert_eq!(rule["verbs"], json!(["get", "list", "watch"]));
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_nothing_is_printed() {
    if guests().is_none() {
        eprintln!("SKIPPED: the guests are not built; run `cargo xtask test`, which builds them");
        return;
    }
    let plugins = TempDir::new().unwrap();
    std::fs::write(plugins.path().join("good.wasm"), component("echo")).unwrap();
    std::fs::write(plugins.path().join("good.yaml"), manifest("  watches: [{ name: w, apiVersion: v1, kind: Node }]"))
        .unwrap();
    std::fs::write(plugins.path().join("bad.wasm"), "no component").unwrap();
    let asked = rbac(plugins.path(), &[]);
    let words = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1), "{words}");
    assert!(words.contains("bad.wasm") && asked.stdout.is_empty(), "{words}");
    let empty = rbac(TempDir::new().unwrap().path(), &[]);
    assert!(String::from_utf8_lossy(&empty.stderr).contains("there is no handler in it"));
    assert_eq!(rbac(Path::new("/nonexistent"), &[]).status.code(), Some(2));
}
