//! A world in which weir is a service account with the rights that a scenario gives it, and no others.

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use super::{Api, On, World, compiled, guests};
use crate::{genuine::Genuine, proxy::Proxy};
use kube::Client;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use weir::{
    app::{self, KnownKinds},
    rights::{Account, Format, Roles, Rule, rules},
};
use weir_devapi::{DevApi, Options};

/// Who weir is.
pub const ACCOUNT: &str = "weir/weir";
const USER: &str = "system:serviceaccount:weir:weir";
/// What it shows to be that.
const TOKEN: &str = "the-accounts-own";

/// What makes weir an account, and not an admin.
pub(super) struct Holder {
    /// Where the API looks tokens up; gone with the world.
    _home: TempDir,
    /// Each start of weir gives the account the rules for the handlers that are then installed.
    least: bool,
}

impl Holder {
    pub(super) fn token(&self) -> &'static str {
        TOKEN
    }
}

impl World {
    /// A world as that of [`World::start_as_account`], where whenever weir starts the account has the rights that `weir rbac` prints for what is then installed,
    /// and nothing that weir then asks of the API may be refused.
    pub async fn start_with_least_rights(name: &str) -> Option<World> {
        let mut world = World::start_as_account(name).await?;
        world.account.as_mut().unwrap().least = true;
        Some(world)
    }

    pub(super) async fn allow_least(&self) {
        if self.account.as_ref().is_some_and(|holder| holder.least) {
            let rules = self.rules(&[flags_definition().await]).await;
            self.allow(&rules).await;
        }
    }

    pub(super) fn least_was_enough(&self) {
        if self.account.as_ref().is_some_and(|holder| holder.least) {
            let mut refused = self.requests();
            refused.retain(|it| it.user_agent.starts_with("weir") && matches!(it.status, 401 | 403));
            assert!(refused.is_empty(), "the rules lack what weir needs: {refused:#?}");
        }
    }

    /// A world on Kubernetes' own machinery where weir is [`ACCOUNT`], which may do nothing yet. None, said loudly, where that is not to be had.
    pub async fn start_as_account(name: &str) -> Option<World> {
        if guests().is_none() {
            eprintln!("SKIPPED {name}: the guests are not built; run `cargo xtask test`, which builds them");
            return None;
        }
        let home = TempDir::new().unwrap();
        let tokens = home.path().join("tokens");
        std::fs::write(&tokens, format!("{TOKEN},{USER}\n")).unwrap();
        let server = Genuine::start_with(name, &["--tokens", tokens.to_str().unwrap()]).await?;
        let proxy = Proxy::start(server.address()).await;
        let client = server.client().await;
        let api = Api::Genuine { server: Box::new(server), proxy };
        let plugins = TempDir::new().unwrap();
        let account = Some(Holder { _home: home, least: false });
        Some(World { client, on: On::Genuine, api, plugins, state: None, weir: None, account })
    }

    /// The rules that the handlers installed need, as `weir rbac` has them, where `definitions` are of custom kinds that the API does not serve yet.
    pub async fn rules(&self, definitions: &[Value]) -> Vec<Rule> {
        let manifests = app::manifests(self.plugins(), compiled()).await.unwrap();
        let mut kinds = KnownKinds::new(definitions).unwrap();
        let missing = kinds.look_up(&manifests).await;
        let missing = kinds.ask(&self.client, missing).await.unwrap();
        assert!(missing.is_empty(), "nobody knows {missing:?}");
        rules(&kinds.rights(&manifests, &[]))
    }

    /// From now on the account may do what these rules say, and nothing else. It counts when this returns.
    pub async fn allow(&self, rules: &[Rule]) {
        for path in ["clusterroles", "clusterrolebindings"] {
            self.forget_roles(&format!("/apis/rbac.authorization.k8s.io/v1/{path}")).await;
        }
        for namespace in self.list("/api/v1/namespaces").await {
            let namespace = namespace["metadata"]["name"].as_str().unwrap().to_owned();
            for path in ["roles", "rolebindings"] {
                let all = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{path}");
                self.forget_roles(&all).await;
            }
        }
        let account: Account = ACCOUNT.parse().unwrap();
        let roles =
            Roles { name: "weir".into(), account: Some(account), rules: rules.to_vec(), handlers: vec!["x".into()] };
        let documents: Value = serde_json::from_str(&roles.print(Format::Json)).unwrap();
        for document in documents["items"].as_array().unwrap() {
            let plural = format!("{}s", document["kind"].as_str().unwrap().to_lowercase());
            let namespace = document["metadata"]["namespace"].as_str().map(|it| format!("namespaces/{it}/"));
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{}{plural}", namespace.unwrap_or_default());
            self.create(&path, document.clone()).await;
        }
        self.eventually("the account's rights count", async || {
            for rule in rules {
                if !self.may(rule).await {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Whether the account may do all that a rule says.
    pub async fn may(&self, rule: &Rule) -> bool {
        let (resource, subresource) = rule.resource.split_once('/').unwrap_or((&rule.resource, ""));
        let names = rule.names.iter().map(String::as_str);
        for name in if rule.names.is_empty() { vec![""] } else { names.collect() } {
            for verb in &rule.verbs {
                let attributes = json!({
                    "verb": verb, "group": rule.group, "resource": resource, "subresource": subresource,
                    "namespace": rule.namespace.as_deref().unwrap_or_default(), "name": name,
                });
                // Whom it may not act as, it may not ask for either.
                if !self.review(attributes, rule.account.as_ref()).await.unwrap_or(false) {
                    return false;
                }
            }
        }
        true
    }

    /// Whether the account may ask what it may do.
    pub async fn may_ask(&self) -> bool {
        self.review(json!({ "verb": "get", "resource": "pods" }), None).await.is_ok()
    }

    async fn review(&self, attributes: Value, acting: Option<&Account>) -> Result<bool, kube::Error> {
        let Api::Genuine { server, proxy } = &self.api else { return Ok(true) };
        let client = server.client_as(proxy, TOKEN).await;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let mut request = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        if let Some(account) = acting {
            request = request.header("impersonate-user", account.user());
        }
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .unwrap();
        let answer: Value = client.request(request).await?;
        Ok(answer["status"]["allowed"] == true)
    }

    async fn forget_roles(&self, collection: &str) {
        for role in self.list(collection).await {
            let name = role["metadata"]["name"].as_str().unwrap();
            if name.starts_with("weir") {
                self.delete(&format!("{collection}/{name}")).await;
            }
        }
    }
}

/// The definition that flag-watch brings, as JSON.
pub async fn flags_definition() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/flag-watch/crd.yaml");
    let api = DevApi::new(Options::default());
    api.apply_yaml(&std::fs::read_to_string(file).unwrap()).unwrap();
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let list: Value = Client::new(api.service(), "default")
        .request(http::Request::get(path).body(Vec::new()).unwrap())
        .await
        .unwrap();
    let mut definition = list["items"][0].clone();
    definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
    definition["kind"] = json!("CustomResourceDefinition");
    definition
}
