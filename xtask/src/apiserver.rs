//! The genuine test server: built once per version of its sources, kept outside the target directory.

use crate::{
    place,
    stage::{self, Done, Failed},
};
use std::{fs, path::PathBuf, process::Command};

/// What the genuine suite can run on.
pub(crate) enum Server {
    /// Our own build.
    Built(PathBuf),
    /// kube-apiserver and etcd that are there already.
    Assets,
    /// Neither: the suite is skipped, and says so.
    Missing(String),
}

/// Builds the server if it is not there yet.
pub(crate) fn prepare() -> Done<Server> {
    if place::variable("KUBEBUILDER_ASSETS").is_some() {
        return Ok(Server::Assets);
    }
    let source = place::root().join("tests").join("apiserver");
    if Command::new("go").arg("version").output().is_err() {
        let why = "there is no Go (1.25 or newer) on PATH and KUBEBUILDER_ASSETS is not set; install Go from https://go.dev/dl";
        return Ok(Server::Missing(why.into()));
    }
    let failed = |error: std::io::Error| Failed(format!("reading {}: {error}", source.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(&source).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".go") || name == "go.mod" || name == "go.sum" {
            files.push(file);
        }
    }
    let binary = place::cache("apiserver")?.join(place::digest_of(&files)?).join("weir-test-apiserver");
    if binary.is_file() {
        eprintln!("  the genuine API server is built already");
        return Ok(Server::Built(binary));
    }
    // Built beside its place and moved there whole, so that an interrupted build leaves nothing half-made.
    let fresh = binary.with_extension("new");
    let mut build = Command::new("go");
    build.current_dir(&source).args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&fresh).arg(".");
    let or_else = "check that the Go module proxy can be reached (`go env GOPROXY`)";
    stage::run_quietly(&mut build, "building Kubernetes' API machinery (5 minutes the first time)", or_else)?;
    fs::rename(&fresh, &binary)
        .map_err(|error| Failed(format!("moving the server to {}: {error}", binary.display())))?;
    Ok(Server::Built(binary))
}
