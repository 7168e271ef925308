//! Which cluster, and why that one.
//!
//! The order is: flags, then `KUBECONFIG`, then the pod's service account, then the default kubeconfig. kube's own inference
//! prefers any kubeconfig over the service account, which picks the wrong cluster in a pod that carries one.

use http::{HeaderMap, HeaderName, HeaderValue};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{AuthInfo, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use tower::util::MapRequestLayer;

/// What flags and environment say about the cluster.
#[derive(Debug, Clone, Default)]
pub struct ClusterChoice {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--server`: overrides the URL of whatever was chosen; alone, it is talked to without credentials.
    pub server: Option<String>,
    /// `--in-cluster`.
    pub in_cluster: bool,
    /// The value of `KUBECONFIG`, if set and not empty.
    pub kubeconfig_variable: Option<String>,
    /// Whether `KUBERNETES_SERVICE_HOST` is set: weir runs in a pod.
    pub in_pod: bool,
    /// `~/.kube/config`, if there is a home.
    pub default_kubeconfig: Option<PathBuf>,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Nothing names a cluster.
    #[error(
        "no cluster to talk to: neither --kubeconfig, --server, --in-cluster nor KUBECONFIG is given, this is no pod, and {} does not exist; \
         give --kubeconfig FILE, or try `weir dev`, which needs no cluster",
        .0.as_deref().map_or("the default kubeconfig".to_owned(), |path| path.display().to_string())
    )]
    NoCluster(Option<PathBuf>),
    /// A kubeconfig cannot be used.
    #[error("{file}: {}; check the file with `kubectl --kubeconfig {file} config view`", first_line(.source))]
    Kubeconfig {
        /// Which file or variable.
        file: String,
        /// What is wrong with it.
        source: Box<KubeconfigError>,
    },
    /// Not in a pod, or the pod has no token.
    #[error("--in-cluster: {0}; it works only in a pod with a service account token")]
    InCluster(Box<InClusterError>),
    /// `--server` is no URL.
    #[error("--server {url}: {source}; give a URL such as https://127.0.0.1:6443")]
    Server {
        /// As given.
        url: String,
        /// What is wrong with it.
        source: http::uri::InvalidUri,
    },
    /// The server's URL lacks what a client needs; from `--server`, or from a kubeconfig.
    #[error("the server's address `{0}` is not complete; give a URL such as https://127.0.0.1:6443")]
    Address(String),
    /// The credentials or certificates in the configuration cannot be used.
    #[error("making a client for {url}: {source}")]
    Client {
        /// The server.
        url: String,
        /// What is wrong.
        source: Box<kube::Error>,
    },
}

/// A client, and where it came from.
pub struct Cluster {
    /// Sends each request once: whoever asks (informer, queue) brings its own patience, and a retry hidden under it would
    /// make a create that was carried out look like a conflict.
    pub client: Client,
    /// The server.
    pub url: String,
    /// Which source decided.
    pub because: Because,
    /// The namespace of the context or pod.
    pub namespace: String,
}

/// Which source decided on the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// `--kubeconfig`.
    KubeconfigFlag(PathBuf),
    /// `--server` alone.
    ServerFlag,
    /// `--in-cluster`.
    InClusterFlag,
    /// `KUBECONFIG`.
    Variable(String),
    /// Weir runs in a pod.
    Pod,
    /// `~/.kube/config`.
    DefaultKubeconfig(PathBuf),
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Because::KubeconfigFlag(path) => write!(f, "--kubeconfig {}", path.display()),
            Because::ServerFlag => f.write_str("--server"),
            Because::InClusterFlag => f.write_str("--in-cluster"),
            Because::Variable(value) => write!(f, "KUBECONFIG={value}"),
            Because::Pod => f.write_str("the pod's service account"),
            Because::DefaultKubeconfig(path) => write!(f, "the default kubeconfig {}", path.display()),
        }
    }
}

impl ClusterChoice {
    /// Which source decides; pure.
    ///
    /// # Errors
    /// [`ClusterError::NoCluster`] if none does.
    pub fn decide(&self) -> Result<Because, ClusterError> {
        if self.in_cluster {
            return Ok(Because::InClusterFlag);
        }
        if let Some(path) = &self.kubeconfig {
            return Ok(Because::KubeconfigFlag(path.clone()));
        }
        // A server alone is a cluster; with a context it overrides the URL of that context.
        if self.server.is_some() && self.context.is_none() {
            return Ok(Because::ServerFlag);
        }
        if let Some(value) = &self.kubeconfig_variable {
            return Ok(Because::Variable(value.clone()));
        }
        if self.in_pod && self.context.is_none() {
            return Ok(Because::Pod);
        }
        match &self.default_kubeconfig {
            Some(path) if path.is_file() => Ok(Because::DefaultKubeconfig(path.clone())),
            other => Err(ClusterError::NoCluster(other.clone())),
        }
    }

    /// Makes the client. Sends nothing.
    ///
    /// # Errors
    /// Any [`ClusterError`]; each says what to do.
    pub async fn connect(&self, user_agent: &str) -> Result<Cluster, ClusterError> {
        let because = self.decide()?;
        let mut config = match &because {
            Because::InClusterFlag | Because::Pod => {
                Config::incluster().map_err(|error| ClusterError::InCluster(Box::new(error)))?
            }
            Because::ServerFlag => Config::new(self.server_url()?.unwrap_or_default()),
            Because::KubeconfigFlag(path) | Because::DefaultKubeconfig(path) => self.read_file(path).await?,
            Because::Variable(value) => {
                // kube reads and merges the list of files in the variable.
                let failed =
                    |source| ClusterError::Kubeconfig { file: format!("KUBECONFIG={value}"), source: Box::new(source) };
                Config::from_kubeconfig(&self.options()).await.map_err(failed)?
            }
        };
        if let Some(url) = self.server_url()? {
            config.cluster_url = url;
        }
        let url = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let client = client(config, user_agent)?;
        Ok(Cluster { client, url, because, namespace })
    }

    async fn read_file(&self, path: &Path) -> Result<Config, ClusterError> {
        let failed = |source| ClusterError::Kubeconfig { file: path.display().to_string(), source: Box::new(source) };
        let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
        Config::from_custom_kubeconfig(kubeconfig, &self.options()).await.map_err(failed)
    }

    fn options(&self) -> KubeConfigOptions {
        KubeConfigOptions { context: self.context.clone(), cluster: None, user: None }
    }

    fn server_url(&self) -> Result<Option<http::Uri>, ClusterError> {
        let Some(url) = &self.server else { return Ok(None) };
        url.parse().map(Some).map_err(|source| ClusterError::Server { url: url.clone(), source })
    }
}

/// A client for a server that asks for no credentials, such as the embedded API.
///
/// # Errors
/// [`ClusterError::Server`] or [`ClusterError::Client`].
pub fn plain(url: &str, user_agent: &str) -> Result<Client, ClusterError> {
    let parsed = url.parse().map_err(|source| ClusterError::Server { url: url.to_owned(), source })?;
    client(Config::new(parsed), user_agent)
}

/// kube's words without the excerpt of the file that the reader of YAML appends: a kubeconfig holds secrets.
fn first_line(error: &KubeconfigError) -> String {
    let words = error.to_string();
    words.lines().next().unwrap_or_default().to_owned()
}

fn client(mut config: Config, user_agent: &str) -> Result<Client, ClusterError> {
    config.default_retry = false;
    if let Ok(value) = http::HeaderValue::from_str(user_agent) {
        config.headers.push((http::header::USER_AGENT, value));
    }
    let url = config.cluster_url.to_string();
    // kube panics at the first request to a URL without these.
    if !matches!(config.cluster_url.scheme_str(), Some("http" | "https")) || config.cluster_url.host().is_none() {
        return Err(ClusterError::Address(url));
    }
    let impersonated = impersonated(&mut config.auth_info);
    let builder =
        ClientBuilder::try_from(config).map_err(|source| ClusterError::Client { url, source: Box::new(source) })?;
    Ok(builder.with_layer(&MapRequestLayer::new(move |request| acting(request, &impersonated))).build())
}

/// Takes out of the credentials whom they act as (`as`, `as-groups`, …), as headers. kube would append them to every request, also to one that is made as another
/// account, which then had these groups.
fn impersonated(credentials: &mut AuthInfo) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: String, value: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    };
    if let Some(user) = credentials.impersonate.take() {
        add("impersonate-user".into(), &user);
    }
    if let Some(uid) = credentials.impersonate_uid.take() {
        add("impersonate-uid".into(), &uid);
    }
    for group in credentials.impersonate_groups.take().into_iter().flatten() {
        add("impersonate-group".into(), &group);
    }
    for (key, values) in credentials.impersonate_user_extra.take().into_iter().flatten() {
        for value in values {
            add(format!("impersonate-extra-{key}"), &value);
        }
    }
    headers
}

/// The request, made as whom the kubeconfig says, unless it is made as somebody already.
fn acting<B>(mut request: http::Request<B>, impersonated: &HeaderMap) -> http::Request<B> {
    if !request.headers().contains_key("impersonate-user") {
        request.headers_mut().extend(impersonated.clone());
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_first_then_the_variable_then_the_pod_then_the_default() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let everything = ClusterChoice {
            kubeconfig: Some("flag".into()),
            kubeconfig_variable: Some("variable".into()),
            in_pod: true,
            default_kubeconfig: Some(file.path().to_owned()),
            ..ClusterChoice::default()
        };
        assert_eq!(everything.decide().unwrap(), Because::KubeconfigFlag("flag".into()));
        let no_flag = ClusterChoice { kubeconfig: None, ..everything };
        assert_eq!(no_flag.decide().unwrap(), Because::Variable("variable".into()));
        let no_variable = ClusterChoice { kubeconfig_variable: None, ..no_flag };
        assert_eq!(no_variable.decide().unwrap(), Because::Pod);
        let no_pod = ClusterChoice { in_pod: false, ..no_variable };
        assert_eq!(no_pod.decide().unwrap(), Because::DefaultKubeconfig(file.path().to_owned()));
    }

    #[test]
    fn without_any_source_the_error_says_what_to_give() {
        let error = ClusterChoice { default_kubeconfig: Some("/nowhere/config".into()), ..Default::default() }
            .decide()
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/config does not exist") && error.contains("weir dev"), "{error}");
    }

    #[tokio::test]
    async fn a_bad_kubeconfig_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "clusters: 7").unwrap();
        let choice = ClusterChoice { kubeconfig: Some(file.path().to_owned()), ..Default::default() };
        let error = choice.connect("weir/test").await.err().unwrap().to_string();
        assert!(error.starts_with(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn whom_the_kubeconfig_acts_as_does_not_mix_with_a_handlers_account() {
        let mut credentials = AuthInfo {
            impersonate: Some("admin".into()),
            impersonate_uid: Some("7".into()),
            impersonate_groups: Some(vec!["system:masters".into(), "b".into()]),
            impersonate_user_extra: Some([("scopes".to_owned(), vec!["x".to_owned()])].into()),
            ..AuthInfo::default()
        };
        let impersonated = impersonated(&mut credentials);
        assert!(
            credentials.impersonate.is_none() && credentials.impersonate_groups.is_none(),
            "kube adds nothing more"
        );
        let named = |request: &http::Request<()>| {
            let pair = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
            request.headers().iter().map(pair).collect::<std::collections::BTreeSet<_>>()
        };
        let own = acting(http::Request::get("/").body(()).unwrap(), &impersonated);
        let all = [
            "impersonate-extra-scopes: x",
            "impersonate-group: b",
            "impersonate-group: system:masters",
            "impersonate-uid: 7",
            "impersonate-user: admin",
        ];
        assert_eq!(named(&own), all.map(str::to_owned).into());
        let account = http::Request::get("/").header("impersonate-user", "system:serviceaccount:team:worker");
        let account = acting(account.body(()).unwrap(), &impersonated);
        assert_eq!(named(&account), ["impersonate-user: system:serviceaccount:team:worker".to_owned()].into());
    }

    #[tokio::test]
    async fn a_server_that_is_no_url_is_named() {
        let choice = ClusterChoice { server: Some("http://[".into()), ..Default::default() };
        let error = choice.connect("weir/test").await.err().unwrap().to_string();
        assert!(error.starts_with("--server http://["), "{error}");
    }
}
