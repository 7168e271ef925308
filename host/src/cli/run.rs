//! `weir run`: the handlers of a directory against a cluster.

use super::{ClusterArgs, HostArgs, UsageError};
use crate::{
    action::Secrets,
    app::{App, Settings},
    ops::signals,
};
use clap::Args;
use std::{error::Error, future::pending};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What weir calls itself in requests: `command/version (os/arch)`, as client-go does.
pub(super) fn user_agent() -> String {
    format!("weir/{} ({}/{})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

pub(super) fn run(arguments: RunArgs) -> Result<(), Box<dyn Error>> {
    arguments.host.logs.start()?;
    // What can be seen without the cluster is said without waiting for it.
    let settings = arguments.host.settings(false)?;
    let choice = arguments.cluster.choice();
    super::runtime()?.block_on(async {
        let cluster = choice.connect(&user_agent()).await?;
        let version = cluster.client.apiserver_version().await.map_err(|error| {
            let what = format!("talking to {} (chosen by {})", cluster.url, cluster.because);
            format!("{what}: {}", unanswered(&error))
        })?;
        tracing::info!(cluster = %cluster.url, because = %cluster.because, version = %version.git_version, "connected");
        let name = format!("{} ({})", cluster.url, cluster.because);
        until_signal(App::start(settings, cluster.client, name).await?, pending()).await
    })
}

/// Why the first question was not answered as a Kubernetes API would, and what to do.
fn unanswered(error: &kube::Error) -> String {
    match error {
        // What is not a Kubernetes API answers with pages of its own, which kube passes on whole.
        kube::Error::Api(status) if status.reason == "Failed to parse error data" => {
            format!("it answered {} as no Kubernetes API would; check the address", status.code)
        }
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            format!(
                "it refused weir's credentials ({}: {}); check the user of the kubeconfig",
                status.code, status.message
            )
        }
        kube::Error::Api(status) => format!("it answered {}: {}; try again later", status.code, status.message),
        kube::Error::SerdeError(_) => "it answers, but not as a Kubernetes API would; check the address".to_owned(),
        other => format!("{}; check the address, and that it can be reached from here", super::chain(other)),
    }
}

/// Runs `app` until a signal, or until `beside`, which it cannot do without, ends; then stops it in order.
pub(super) async fn until_signal(
    app: App,
    beside: impl Future<Output = std::io::Result<()>>,
) -> Result<(), Box<dyn Error>> {
    let stop = CancellationToken::new();
    let mut listening = tokio::spawn(signals::listen(stop.clone()));
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        // It goes on listening until the process ends, unless it cannot.
        broken = &mut listening => broken.map_err(std::io::Error::other).flatten(),
        ended = beside => ended,
    };
    // A second signal still ends the process at once while the first one's order is carried out.
    app.stop().await;
    listening.abort();
    Ok(ended?)
}

/// The environment, for what manifests refer to in it. Variables that are no text cannot be referred to.
fn secrets() -> Secrets {
    Secrets::new(
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

impl HostArgs {
    pub(super) fn settings(&self, grant_wishes: bool) -> Result<Settings, UsageError> {
        if !self.plugins.is_dir() {
            let plugins = self.plugins.display();
            return Err(UsageError(format!(
                "--plugins {plugins}: there is no such directory; create it, or name another"
            )));
        }
        Ok(Settings {
            plugins: self.plugins.clone(),
            namespaces: self.namespaces.clone(),
            workers: usize::from(self.workers),
            listen: self.listen,
            grace: self.grace,
            cache_dir: self.cache_dir.clone(),
            state: self.state.settings()?,
            admin_token: self.admin_token_file.as_deref().map(super::token).transpose()?,
            grant_wishes,
            require_digest: self.require_digest,
            instance: super::instance(),
            secrets: secrets(),
        })
    }
}
