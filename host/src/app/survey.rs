//! What the handlers of a directory need of an API server, found without one where that can be: `weir rbac`.
//!
//! Promises: the files are taken as `weir run` takes them, and components are asked to `describe` and nothing else; what cannot be used is an error, because
//! rules for the rest alone would look whole; the kinds that Kubernetes itself has are known here, so a cluster is asked only for others.

use super::load;
use crate::{
    handler::{directory, manifest::Manifest},
    kinds::{Kinds, ResolveError, Resource},
    rights::{self, Rights},
    runtime::{Engine, EngineSettings},
};
use kube::Client;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_devapi::{DevApi, Options};

/// Where the resource of a kind is looked up.
pub struct KnownKinds {
    /// The embedded API's own kinds, and those of the definitions it was given.
    known: Kinds,
    /// Those that were asked for, by apiVersion and kind; as many as manifests name.
    found: BTreeMap<(String, String), Resource>,
}

/// The checked manifests of a directory, sorted by name.
///
/// # Errors
/// For people: every file that cannot be used, one a line.
pub async fn manifests(plugins: &Path, cache_dir: Option<PathBuf>) -> Result<Vec<Manifest>, String> {
    let engine = Engine::new(EngineSettings { cache_dir, ..EngineSettings::default() }).map_err(|it| it.to_string())?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut snapshots = directory::watch(plugins, directory::Limits::default(), &tasks, stop.clone()).await;
    // A file that was written just now is whole only a moment later.
    let snapshot = snapshots.wait_for(|snapshot| snapshot.settling == 0).await.map(|it| it.clone());
    stop.cancel();
    let snapshot = snapshot.map_err(|_| format!("{}: it could not be looked at", plugins.display()))?;
    let mut wrong: Vec<String> = snapshot.problems.iter().map(ToString::to_string).collect();
    let mut manifests: BTreeMap<String, (String, Manifest)> = BTreeMap::new();
    for found in &snapshot.files {
        match load::read(&engine, found, 1, false).await {
            Ok((_, manifest)) => match manifests.get(&manifest.name) {
                Some((first, _)) => {
                    let (name, first, second) = (manifest.name.clone(), first.clone(), found.stem.to_string());
                    wrong.push(crate::handler::reload::NameTaken { name, first, second }.to_string());
                }
                None => drop(manifests.insert(manifest.name.clone(), (found.stem.to_string(), manifest))),
            },
            Err(problem) => wrong.push(problem),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    if manifests.is_empty() {
        return Err(format!("{}: there is no handler in it; NAME.wasm is one", plugins.display()));
    }
    Ok(manifests.into_values().map(|(_, manifest)| manifest).collect())
}

impl KnownKinds {
    /// The kinds that the embedded API knows, and those of `definitions`, whole CustomResourceDefinitions.
    ///
    /// # Errors
    /// The definition that is none.
    pub fn new(definitions: &[Value]) -> Result<KnownKinds, String> {
        let api = DevApi::new(Options::default());
        for definition in definitions {
            // JSON is YAML.
            api.apply_yaml(&definition.to_string()).map_err(|error| error.why)?;
        }
        let known = Kinds::new(Client::new(api.service(), "default"));
        Ok(KnownKinds { known, found: BTreeMap::new() })
    }

    /// Looks up the kinds of these manifests; those that are not known here, as apiVersion and kind.
    pub async fn look_up(&mut self, manifests: &[Manifest]) -> BTreeSet<(String, String)> {
        let known = self.known.clone();
        let wanted = manifests.iter().flat_map(rights::kinds).collect();
        // The embedded API does not fail.
        self.look_in(&known, wanted).await.unwrap_or_default()
    }

    /// Asks a cluster for kinds; those that it does not serve.
    ///
    /// # Errors
    /// Discovery could not be asked.
    pub async fn ask(
        &mut self,
        client: &Client,
        kinds: BTreeSet<(String, String)>,
    ) -> Result<BTreeSet<(String, String)>, ResolveError> {
        self.look_in(&Kinds::new(client.clone()), kinds).await
    }

    /// What each of these handlers needs in a weir confined to `namespaces` (empty: not confined).
    pub fn rights(&self, manifests: &[Manifest], namespaces: &[String]) -> Vec<Rights> {
        let found = |version: &str, kind: &str| self.found.get(&(version.to_owned(), kind.to_owned())).cloned();
        manifests.iter().map(|manifest| rights::of(manifest, namespaces, found)).collect()
    }

    async fn look_in(
        &mut self,
        place: &Kinds,
        wanted: BTreeSet<(String, String)>,
    ) -> Result<BTreeSet<(String, String)>, ResolveError> {
        let mut missing = BTreeSet::new();
        for (api_version, kind) in wanted {
            match place.resolve(&api_version, &kind).await {
                Ok(resource) => drop(self.found.insert((api_version, kind), resource)),
                Err(ResolveError::NotServed { .. }) => drop(missing.insert((api_version, kind))),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }
}
