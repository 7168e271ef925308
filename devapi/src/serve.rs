//! The API on a port, for clients outside the process.
//!
//! Plain HTTP/1.1, meant for loopback: nobody is authenticated, and everything is allowed to everyone who can connect.

use std::io;

use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use tower::Service as _;

use crate::DevApi;

/// Serves until the future is dropped; open connections end with it.
pub(crate) async fn serve(api: &DevApi, listener: TcpListener) -> io::Result<()> {
    // Every connection's task, so that none outlives this future. As many as there are clients on the loopback.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = match accepted {
                    Ok(accepted) => accepted,
                    // A connection that ended before it was accepted is its client's affair.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                    Err(error) => return Err(error),
                };
                // Watch events are small and wanted at once.
                stream.set_nodelay(true)?;
                let service = api.service();
                let service = hyper::service::service_fn(move |request| service.clone().call(request));
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection to the development API ended early");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A kubeconfig for the server at a URL.
pub(crate) fn kubeconfig(server_url: &str) -> String {
    let server = serde_json::Value::from(server_url);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: weir-dev\nclusters:\n- name: weir-dev\n  cluster:\n    server: {server}\n\
         contexts:\n- name: weir-dev\n  context:\n    cluster: weir-dev\n    user: weir-dev\n    namespace: default\n\
         users:\n- name: weir-dev\n  user: {{}}\n"
    )
}
