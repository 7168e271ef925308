//! Which kinds the API serves, and under which paths.
//!
//! Promises: an answer is what discovery said, remembered until [`Kinds::forget`]; "not served" is never remembered, so a
//! kind that is defined later is found at the next question; one question is one request (`/api/v1` or
//! `/apis/GROUP/VERSION`), and its answer serves every kind of that group version. Nothing here waits or retries.
//!
//! Bound: [`MAX_GROUP_VERSIONS`] remembered group versions; beyond it the memory starts afresh.

use kube::Client;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, RwLock},
};

/// How many group versions are remembered at most.
pub const MAX_GROUP_VERSIONS: usize = 512;

/// One resource of the API: enough to name its objects and to build their paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    /// `v1`, …
    pub version: String,
    /// `Node`, …
    pub kind: String,
    /// `nodes`, as paths say it.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of the collection, in one namespace or in all.
    pub fn collection_path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace {
            Some(namespace) if self.namespaced => format!("{root}/namespaces/{namespace}/{}", self.plural),
            _ => format!("{root}/{}", self.plural),
        }
    }

    /// The path of one object.
    pub fn object_path(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.plural) } else { write!(f, "{}.{}", self.plural, self.group) }
    }
}

/// Why a kind could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Discovery answered, and the kind is not in it.
    #[error("the API serves no kind {kind} in {api_version}")]
    NotServed {
        /// As asked.
        api_version: String,
        /// As asked.
        kind: String,
    },
    /// Discovery did not answer.
    #[error("asking the API for the kinds of {api_version}")]
    Api {
        /// As asked.
        api_version: String,
        /// What went wrong.
        source: kube::Error,
    },
}

/// Discovery, remembered. Cheap to clone; clones share the memory.
#[derive(Clone)]
pub struct Kinds {
    client: Client,
    /// By api version. Held only for a look-up or an insert, never across an await.
    known: Arc<RwLock<HashMap<String, Arc<Vec<Resource>>>>>,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
struct ApiResource {
    name: String,
    kind: String,
    namespaced: bool,
}

impl Kinds {
    /// Asks through `client`.
    pub fn new(client: Client) -> Kinds {
        Kinds { client, known: Arc::default() }
    }

    /// The resource that serves `kind` in `api_version`.
    ///
    /// # Errors
    /// [`ResolveError::NotServed`] if discovery does not know it, [`ResolveError::Api`] if discovery could not be asked.
    pub async fn resolve(&self, api_version: &str, kind: &str) -> Result<Resource, ResolveError> {
        let find = |resources: &[Resource]| resources.iter().find(|resource| resource.kind == kind).cloned();
        let known = self.known.read().ok().and_then(|known| known.get(api_version).cloned());
        if let Some(found) = known.as_deref().and_then(|resources| find(resources)) {
            return Ok(found);
        }
        let resources = self.ask(api_version).await?;
        let found = find(&resources);
        if let Ok(mut known) = self.known.write() {
            if known.len() >= MAX_GROUP_VERSIONS {
                known.clear();
            }
            known.insert(api_version.to_owned(), Arc::new(resources));
        }
        found.ok_or_else(|| ResolveError::NotServed { api_version: api_version.to_owned(), kind: kind.to_owned() })
    }

    /// Forgets what was learnt of `api_version`; for a 404 on a path that discovery promised.
    pub fn forget(&self, api_version: &str) {
        if let Ok(mut known) = self.known.write() {
            known.remove(api_version);
        }
    }

    async fn ask(&self, api_version: &str) -> Result<Vec<Resource>, ResolveError> {
        let path =
            if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
        let failed = |source| ResolveError::Api { api_version: api_version.to_owned(), source };
        let request =
            http::Request::get(path).body(Vec::new()).map_err(|error| failed(kube::Error::HttpError(error)))?;
        let list: ResourceList = match self.client.request(request).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(list
            .resources
            .into_iter()
            // Subresources are listed beside their parents, as `pods/status`.
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| Resource {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: resource.kind,
                plural: resource.name,
                namespaced: resource.namespaced,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn client(asked: Arc<AtomicUsize>) -> Client {
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            asked.fetch_add(1, Ordering::Relaxed);
            let (code, body) = match request.uri().path() {
                "/api/v1" => (
                    200,
                    r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[
                        {"name":"nodes","singularName":"","namespaced":false,"kind":"Node","verbs":["get"]},
                        {"name":"nodes/status","singularName":"","namespaced":false,"kind":"Node","verbs":["get"]}]}"#,
                ),
                _ => (
                    404,
                    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"no","code":404}"#,
                ),
            };
            let response =
                http::Response::builder().status(code).body(kube::client::Body::from(body.as_bytes().to_vec()));
            std::future::ready(response)
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_known_kind_is_asked_for_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let kinds = Kinds::new(client(asked.clone()));
        for _ in 0..3 {
            let node = kinds.resolve("v1", "Node").await.unwrap();
            assert_eq!(node.object_path(None, "a"), "/api/v1/nodes/a");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_kind_that_is_not_served_is_asked_for_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let kinds = Kinds::new(client(asked.clone()));
        for _ in 0..2 {
            let error = kinds.resolve("example.org/v1", "Foo").await.unwrap_err();
            assert_eq!(error.to_string(), "the API serves no kind Foo in example.org/v1");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn paths_follow_group_and_scope() {
        let deployment = Resource {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespaced: true,
        };
        assert_eq!(deployment.collection_path(None), "/apis/apps/v1/deployments");
        assert_eq!(deployment.object_path(Some("a"), "b"), "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(deployment.to_string(), "deployments.apps");
    }
}
