//! One version of one handler, from bytes to a generation that can be published.

use super::{Settings, metrics::LoadMetrics, preflight::Reviews, reads::ReadSet};
use crate::{
    action::{ActionMetrics, Executor, ExecutorDeps, Outside, Pace},
    dispatch::{DispatchMetrics, Fights, Generation, Lane, Store},
    handler::{
        self,
        directory::Found,
        manifest::{Manifest, Watch},
    },
    kinds::{Kinds, Resource},
    queue::QueueMetrics,
    runtime::{self, Component, Engine},
    watch::{Informers, Mode, Source, WatchSpec},
};
use kube::Client;
use std::{path::Path, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What loading works with.
pub(super) struct Parts {
    pub(super) engine: Engine,
    pub(super) client: Client,
    pub(super) kinds: Kinds,
    pub(super) informers: Informers,
    pub(super) reviews: Reviews,
    pub(super) queues: QueueMetrics,
    pub(super) dispatch: DispatchMetrics,
    pub(super) store: Option<Store>,
    pub(super) fights: Fights,
    pub(super) actions: ActionMetrics,
    pub(super) loads: LoadMetrics,
    pub(super) outside: Outside,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) settings: Settings,
}

/// A component and its checked manifest, before anything is watched for it.
pub(super) struct Checked {
    /// Of all that decides what the handler does.
    version: String,
    pub(super) component: Component,
    pub(super) manifest: Manifest,
}

/// Compiles, asks `describe`, merges and checks. The error is for people: one line, naming the file.
pub(super) async fn check(parts: &Parts, found: &Found) -> Result<Checked, String> {
    let file = found.component.display();
    let (workers, require_digest) = (parts.settings.workers, parts.settings.require_digest);
    let (component, mut manifest) = read(&parts.engine, found, workers, require_digest).await?;
    for watch in &mut manifest.watches {
        confine(parts, watch).await.map_err(|problem| format!("{file}: {problem}"))?;
    }
    if let Err(problem) = parts.outside.secrets().check(&manifest.grants.http).await {
        let written = found.manifest.as_ref().map_or(file, |(path, _)| path.display());
        return Err(format!("{written}: {problem}"));
    }
    if parts.settings.grant_wishes {
        handler::grant_wishes(&mut manifest);
    } else {
        let ungranted = handler::ungranted(&manifest);
        if !ungranted.is_empty() {
            tracing::warn!(
                handler = manifest.name,
                "it wants more than it was granted; to grant it, add:\n{ungranted}"
            );
        }
    }
    let written = found.manifest_digest.as_deref().unwrap_or("no manifest");
    let granted = if parts.settings.grant_wishes { ", granted what it wants" } else { "" };
    let version = format!("{}, {written}{granted}", found.digest);
    Ok(Checked { version, component, manifest })
}

/// Whether the component is the one that its manifest names, or need not be named.
fn pinned(required: bool, found: &Found, operator: Option<(&Path, &str)>) -> Result<(), String> {
    let (file, digest) = (found.component.display().to_string(), &found.digest);
    let pin = operator.map(handler::pinned).transpose().map_err(|error| error.to_string())?.flatten();
    match pin {
        Some(pin) if *pin != **digest => Err(format!(
            "{file}: its digest is {digest}, and {} names {pin}; put the named component back, or name this one",
            operator.map_or_else(String::new, |(path, _)| path.display().to_string())
        )),
        None if required => Err(format!(
            "{file}: no manifest names its digest, which --require-digest asks for; to trust it, add to {} under `spec`: sha256: {digest}",
            found.component.with_extension("yaml").display()
        )),
        _ => Ok(()),
    }
}

/// Holds against the pin, compiles, asks `describe` and merges. The error is as that of [`check`].
pub(super) async fn read(
    engine: &Engine,
    found: &Found,
    workers: usize,
    require_digest: bool,
) -> Result<(Component, Manifest), String> {
    let file = found.component.display();
    let operator = found.manifest.as_ref().map(|(path, text)| (path.as_path(), &**text));
    pinned(require_digest, found, operator)?;
    let component = engine.load(&found.stem, found.bytes.clone()).await.map_err(|error| format!("{file}: {error}"))?;
    let described = component.describe().await.map_err(|error| format!("{file}: {error}"))?;
    let manifest = handler::merge(&described, operator, &found.stem, workers).map_err(|error| error.to_string())?;
    Ok((component, manifest))
}

/// Gives a watch the host's namespaces, unless it names its own or its kind has none.
async fn confine(parts: &Parts, watch: &mut Watch) -> Result<(), String> {
    if watch.namespaces.is_empty() && parts.settings.namespaces.is_empty() {
        return Ok(());
    }
    // A kind that is not served, or an API that does not answer, is waited for later; a kind to come is taken for a
    // namespaced one, as most custom resources are.
    let cluster_scoped =
        matches!(parts.kinds.resolve(&watch.api_version, &watch.kind).await, Ok(Resource { namespaced: false, .. }));
    if cluster_scoped && !watch.namespaces.is_empty() {
        return Err(format!(
            "watch {}: {} objects live in no namespace; remove its `namespaces`",
            watch.name, watch.kind
        ));
    }
    if !cluster_scoped && watch.namespaces.is_empty() {
        watch.namespaces.clone_from(&parts.settings.namespaces);
    }
    Ok(())
}

/// Follows what the handler watches and reads, starts a first instance, and waits for the caches: for those it reads always,
/// for those it watches if an older generation runs meanwhile.
pub(super) async fn prepare(
    parts: &Parts,
    checked: Checked,
    lane: &Lane,
    number: u64,
    pace: Pace,
) -> Result<Generation, String> {
    let Checked { version, component, manifest } = checked;
    let manifest = Arc::new(manifest);
    let sources: Vec<(String, Source)> = manifest
        .watches
        .iter()
        .map(|watch| {
            let listener = lane.listener(number, &watch.name);
            (watch.name.clone(), parts.informers.resume(&spec_of(watch), &lane.known(watch), listener))
        })
        .collect();
    let reads = Arc::new(ReadSet::follow(&manifest, &parts.informers));
    let lines = lane.lines(runtime::to_tracing(&manifest.name));
    let invoke = component.handler(&manifest.name, &manifest, reads.clone().functions(), lines.clone());
    invoke.warm().await.map_err(|failure| format!("starting {}: {failure}", manifest.name))?;
    reads.synced().await;
    if lane.status().generation.is_some() {
        for (_, source) in &sources {
            source.synced().await;
        }
    }
    let executor = Arc::new(Executor::new(ExecutorDeps {
        outside: parts.outside.clone(),
        client: parts.client.clone(),
        kinds: parts.kinds.clone(),
        manifest: manifest.clone(),
        instance: parts.settings.instance.clone(),
        pace,
        lines,
        metrics: parts.actions.clone(),
    }));
    Ok(Generation { number, digest: component.digest().to_owned(), version, manifest, invoke, executor, sources })
}

fn spec_of(watch: &Watch) -> WatchSpec {
    WatchSpec {
        api_version: watch.api_version.clone(),
        kind: watch.kind.clone(),
        namespaces: watch.namespaces.clone(),
        label_selector: watch.label_selector.clone(),
        field_selector: watch.field_selector.clone(),
        mode: if watch.fields.as_ref().is_some_and(Vec::is_empty) { Mode::Metadata } else { Mode::Whole },
        // Shared by all who watch the same: what a handler is called for is the operator's to say.
        as_user: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_component_that_its_manifest_does_not_name_is_refused_where_that_is_asked_for() {
        let found = |pin: Option<&str>| Found {
            stem: "a".into(),
            component: "p/a.wasm".into(),
            bytes: "abc".into(),
            digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
            manifest: pin.map(|pin| {
                let text = format!("apiVersion: weir.dev/v1alpha1\nkind: Handler\nspec: {{ sha256: {pin} }}\n");
                (PathBuf::from("p/a.yaml"), text.into())
            }),
            manifest_digest: None,
        };
        let judge = |required: bool, pin: Option<&str>| {
            let found = found(pin);
            pinned(required, &found, found.manifest.as_ref().map(|(path, text)| (path.as_path(), &**text)))
        };
        let (right, wrong) = (found(None).digest, "0".repeat(64));
        assert_eq!(judge(true, Some(&right)), Ok(()));
        assert_eq!(judge(false, None), Ok(()));
        for required in [true, false] {
            let said = judge(required, Some(&wrong)).unwrap_err();
            assert!(said.contains(&*right) && said.contains(&wrong) && said.contains("p/a.yaml"), "{said}");
        }
        let said = judge(true, None).unwrap_err();
        assert!(said.ends_with(&format!("add to p/a.yaml under `spec`: sha256: {right}")), "{said}");
    }
}
