//! An embedded Kubernetes API for tests and local development: a tower service, in process or on a loopback port.
//!
//! It keeps objects in memory and treats them as the genuine API does where clients can tell: resource versions, watches,
//! paging, selectors, patches, server-side apply, finalizers, namespaces, custom resources. What it promises is that its answers have
//! the codes, reasons and order of events that Kubernetes' own machinery gives; a client that is correct here is correct
//! there. And it fails on demand: see [`Faults`].
//!
//! It deliberately does not validate or default the `spec` of built-in kinds, prune or validate custom resources by their
//! schema, authenticate, authorise, run controllers, collect garbage (so `propagationPolicy` changes nothing), or read
//! protobuf.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let api = weir_devapi::DevApi::new(weir_devapi::Options::default());
//! api.apply_yaml("{ apiVersion: v1, kind: ConfigMap, metadata: { name: a }, data: { k: v } }")?;
//! // With kube: let client = kube::Client::new(api.service(), "default");
//! # Ok(()) }
//! ```

use std::{io, sync::Arc, time::Duration};

pub use fault::{Effect, Fault, Faults};
pub use load::LoadError;
pub use service::{DevService, Received, ResponseBody};

mod apply;
mod crd;
mod delete;
mod discovery;
mod event;
mod fault;
mod fields;
mod lifecycle;
mod load;
mod managed;
mod metadata;
mod object;
mod openapi;
mod patch;
mod read;
mod render;
mod request;
mod resource;
mod review;
mod route;
mod scale;
mod selector;
mod serve;
mod service;
mod shape;
mod status;
mod store;
mod strategic;
#[cfg(test)]
mod tests;
mod watch;
mod write;

/// An API with its objects. Clones are the same API.
#[derive(Debug, Clone)]
pub struct DevApi {
    pub(crate) shared: Arc<Shared>,
}

/// The bounds and the pace of a [`DevApi`].
#[derive(Debug, Clone)]
pub struct Options {
    /// How many of the last changes are kept: for watches to go on from, and for pages of lists. At least 1; default 10,000.
    pub watch_window: usize,
    /// How often a watch that wants bookmarks gets one, if there is something to tell. Default 60 s, as kube-apiserver.
    pub bookmark_every: Duration,
    /// How many received requests are remembered. At least 1; default 10,000.
    pub request_log: usize,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<store::Store>,
    pub(crate) faults: Faults,
    pub(crate) log: service::RequestLog,
    pub(crate) options: Options,
}

impl Default for Options {
    fn default() -> Options {
        Options { watch_window: 10_000, bookmark_every: Duration::from_secs(60), request_log: 10_000 }
    }
}

impl DevApi {
    /// An API with the namespaces `default`, `kube-system`, `kube-public` and `kube-node-lease` and nothing else.
    pub fn new(options: Options) -> DevApi {
        let store = store::Store::new(options.watch_window);
        load::first_namespaces(&store);
        let log = service::RequestLog::new(options.request_log);
        DevApi { shared: Arc::new(Shared { store, faults: Faults::default(), log, options }) }
    }

    /// The API as a tower service, for `kube::Client::new(api.service(), "default")`. It has to be called within a tokio
    /// runtime. An error of the service stands for a connection that broke, which happens on demand only.
    pub fn service(&self) -> DevService {
        DevService { api: self.clone() }
    }

    /// Serves plain HTTP on a listener, which should be on the loopback: everything is allowed to everyone. It ends when the
    /// future is dropped, and its connections with it, or with the error of a listener that broke.
    pub async fn serve(&self, listener: tokio::net::TcpListener) -> io::Result<()> {
        serve::serve(self, listener).await
    }

    /// A kubeconfig, as YAML, for the API served at a URL such as `http://127.0.0.1:8001`.
    pub fn kubeconfig(server_url: &str) -> String {
        serve::kubeconfig(server_url)
    }

    /// Creates or replaces every object of a YAML text, and names them as `node/worker` or `pod/default/web`. Unlike a
    /// request a document may set a status along with the rest.
    ///
    /// # Errors
    /// The first document that cannot be read, names a kind that is not served, or is refused. Those before it stay loaded.
    pub fn apply_yaml(&self, text: &str) -> Result<Vec<String>, LoadError> {
        load::load(&self.shared.store, text)
    }

    /// The script of failures.
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// The requests received last, oldest first, each logged when its answer began. Bounded by `Options::request_log`, and
    /// by 32 MiB of bodies.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.log.entries()
    }

    /// Lets everything up to now fall out of the window: watches from older resourceVersions get a 410, and so do the
    /// `continue` tokens that exist. Open watches that have read up to now go on.
    pub fn compact(&self) {
        self.shared.store.write(store::State::compact);
    }

    /// The resourceVersion of the newest write.
    pub fn resource_version(&self) -> u64 {
        self.shared.store.read(store::State::revision)
    }
}
