//! `weir dev`: the handlers of a directory on an embedded Kubernetes API, with what they want granted.

use super::{
    HostArgs,
    run::{until_signal, user_agent},
};
use crate::{app::App, ops::cluster};
use clap::Args;
use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use weir_devapi::{DevApi, Options};

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    #[command(flatten)]
    host: HostArgs,
    /// Objects to start with: a YAML or JSON file, or a directory of them; may be given more than once
    #[arg(short = 'f', long = "filename", value_name = "OBJECTS")]
    files: Vec<PathBuf>,
    /// The port of the embedded API, on loopback; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
    /// Where to write a kubeconfig for kubectl
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
}

pub(super) fn run(arguments: DevArgs) -> Result<(), Box<dyn Error>> {
    arguments.host.logs.start()?;
    let settings = arguments.host.settings(true)?;
    super::runtime()?.block_on(async {
        let api = DevApi::new(Options::default());
        for file in object_files(&arguments.files)? {
            let text = std::fs::read_to_string(&file).map_err(|error| format!("-f {}: {error}", file.display()))?;
            let loaded = api.apply_yaml(&text).map_err(|error| format!("-f {}: {error}", file.display()))?;
            tracing::info!(file = %file.display(), objects = loaded.len(), "loaded objects");
        }
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)))
            .await
            .map_err(|error| format!("--port {}: {error}; choose another, or 0 for a free one", arguments.port))?;
        let url = format!("http://{}", listener.local_addr()?);
        if let Some(file) = &arguments.kubeconfig_out {
            std::fs::write(file, DevApi::kubeconfig(&url))
                .map_err(|error| format!("--kubeconfig-out {}: {error}", file.display()))?;
            tracing::info!(url, try_it = %format_args!("kubectl --kubeconfig {} get nodes", file.display()), "embedded API");
        } else {
            tracing::info!(url, try_it = %format_args!("kubectl --server {url} get nodes"), "embedded API");
        }
        let mut serving = tokio::spawn({
            let api = api.clone();
            async move { api.serve(listener).await }
        });
        tracing::warn!("weir dev grants every handler what it wants; weir run grants what its manifest says");
        // Weir itself goes through the port too, so that what it sees is what kubectl sees.
        let client = cluster::plain(&url, &user_agent())?;
        let app = App::start(settings, client, format!("{url} (embedded)")).await?;
        let ended = until_signal(app, async { (&mut serving).await.map_err(std::io::Error::other).flatten() }).await;
        serving.abort();
        ended
    })
}

/// The files meant by `-f`: itself, or the YAML and JSON files of a directory in order of name.
pub(super) fn object_files(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in given {
        let failed = |error| format!("-f {}: {error}", path.display());
        if path.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let file = entry.map_err(failed)?.path();
                if is_object_file(&file) {
                    inside.push(file);
                }
            }
            inside.sort();
            files.append(&mut inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn is_object_file(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_means_its_yaml_and_json_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.json", "c.txt"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let files = object_files(&[dir.path().to_owned()]).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.json", "b.yaml"]);
    }
}
