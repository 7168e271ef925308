//! What the component describes and what the operator wrote, made one manifest.
//!
//! Promises: where both say something the operator's wins, key by key; lists of watches and reads are replaced whole; what
//! only the operator may say is refused from a component; the result is complete, defaults included.

use super::{
    document::{ManifestError, Origin},
    manifest::{Grants, HttpGrant, Manifest, Read, WriteGrant},
    partial::{self, Partial, is_dns_label, not_a_name},
    settings::{self, Fault},
};
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

/// Merges and checks. `described` is what `describe` answered, `operator` the file beside the component, `stem` the
/// component's file name without its ending, which names the handler unless the operator does; `workers` holds unless the
/// operator says otherwise.
///
/// # Errors
/// With the document, the line and the fix.
pub fn merge(
    described: &str,
    operator: Option<(&Path, &str)>,
    stem: &str,
    workers: usize,
) -> Result<Manifest, ManifestError> {
    let component = Origin::Component(stem);
    let theirs = partial::described(&component, described)?;
    let (ours_origin, ours) = match operator {
        Some((path, text)) => {
            let origin = Origin::Operator(path);
            let partial = partial::operators(&origin, text)?;
            (Some(origin), partial)
        }
        None => (None, Partial::default()),
    };
    // Whoever said it last is who has to mend it.
    let origin = ours_origin.as_ref().unwrap_or(&component);

    let name = ours.name.unwrap_or_else(|| stem.to_owned());
    if !is_dns_label(&name) {
        return Err(origin.wrong(format!("{}; set metadata.name in the YAML, or rename the file", not_a_name(&name))));
    }
    let watches_origin = if ours.watches.is_some() { origin } else { &component };
    let watches = ours.watches.or(theirs.watches).unwrap_or_default();
    if watches.is_empty() {
        return Err(watches_origin.wrong("it watches nothing; give `watches` at least one entry"));
    }
    let mut names = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for watch in &watches {
        if !names.insert(watch.name.as_str()) {
            return Err(watches_origin.wrong(format!("two watches are named `{}`; give each its own name", watch.name)));
        }
        if !kinds.insert((watch.api_version.as_str(), watch.kind.as_str())) {
            return Err(watches_origin.wrong(format!(
                "two watches are on {} {}; a handler may watch a kind once, write two handlers",
                watch.api_version, watch.kind
            )));
        }
    }
    let schema = ours.settings_schema.or(theirs.settings_schema);
    let settings =
        settings::fill(schema.as_ref(), ours.settings.as_ref().map(|it| &it.value)).map_err(|fault| match fault {
            Fault::Schema(problem) => component.wrong(problem),
            Fault::Settings(problem) => match &ours.settings {
                Some(at) => origin.wrong_at(at, problem),
                None => origin.wrong(problem),
            },
        })?;
    Ok(Manifest {
        description: ours.description.or(theirs.description).unwrap_or_default(),
        watches,
        reads: ours.reads.or(theirs.reads).unwrap_or_default(),
        wants: ours.wants.or(theirs.wants).unwrap_or_default(),
        grants: ours.grants.unwrap_or_default(),
        settings,
        workers: ours.workers.unwrap_or(workers),
        retry: ours.retry.unwrap_or_default(),
        limits: ours.limits.unwrap_or_default(),
        instance: ours.instance.unwrap_or_default(),
        field_manager: ours.field_manager.unwrap_or_else(|| format!("weir/{name}")),
        service_account: ours.service_account,
        dry_run: ours.dry_run.unwrap_or_default(),
        sha256: ours.sha256,
        name,
    })
}

/// Which component the operator's file is for, if it says so; asked before anything of the component is compiled.
///
/// # Errors
/// As [`merge`], as far as the operator's file alone can be wrong.
pub fn pinned(operator: (&Path, &str)) -> Result<Option<String>, ManifestError> {
    Ok(partial::operators(&Origin::Operator(operator.0), operator.1)?.sha256)
}

/// Grants what the handler wants, and every kind it would read; for `weir dev`.
pub fn grant_wishes(manifest: &mut Manifest) {
    let Grants { write, read, http } = manifest.wants.clone();
    manifest.grants.write.extend(write);
    manifest.grants.read.extend(read);
    manifest.grants.read.extend(manifest.reads.iter().cloned());
    manifest.grants.http.extend(http);
}

/// What the handler wants and was not granted, as the lines to add under `spec`; empty if there is nothing.
pub fn ungranted(manifest: &Manifest) -> String {
    let mut lines = String::new();
    let writes: Vec<&WriteGrant> = manifest
        .wants
        .write
        .iter()
        .filter(|want| {
            want.actions.iter().any(|action| {
                !manifest.grants.write.iter().any(|grant| {
                    (&grant.api_version, &grant.kind) == (&want.api_version, &want.kind)
                        && grant.actions.contains(action)
                })
            })
        })
        .collect();
    let reads: Vec<&Read> = (manifest.reads.iter().chain(&manifest.wants.read))
        .filter(|want| {
            !manifest
                .grants
                .read
                .iter()
                .any(|grant| (&grant.api_version, &grant.kind) == (&want.api_version, &want.kind))
        })
        .collect();
    let http: Vec<&str> = manifest
        .wants
        .http
        .iter()
        .filter(|want| !is_met(want, &manifest.grants.http))
        .map(|it| it.url.text())
        .collect();
    if writes.is_empty() && reads.is_empty() && http.is_empty() {
        return lines;
    }
    lines.push_str("  grants:\n");
    // Writing to a string does not fail.
    if !writes.is_empty() {
        lines.push_str("    write:\n");
        for want in writes {
            let _ = writeln!(lines, "      - {{ {} }}", write_line(want));
        }
    }
    if !reads.is_empty() {
        lines.push_str("    read:\n");
        for Read { api_version, kind, namespaces } in reads {
            let namespaces = list_of("namespaces", namespaces);
            let _ = writeln!(lines, "      - {{ apiVersion: {api_version}, kind: {kind}{namespaces} }}");
        }
    }
    if !http.is_empty() {
        let quoted = http.iter().map(|prefix| format!("{prefix:?}")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(lines, "    http: [{quoted}]");
    }
    lines
}

/// All that a wish to write says, and nothing wider.
fn write_line(want: &WriteGrant) -> String {
    let WriteGrant { api_version, kind, actions, namespaces, names, subresources, force } = want;
    let actions = actions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!(
        "apiVersion: {api_version}, kind: {kind}, actions: [{actions}]{}{}{}{}",
        list_of("namespaces", namespaces),
        list_of("names", names),
        list_of("subresources", subresources),
        if *force { ", force: true" } else { "" },
    )
}

/// `, key: [a, b]`, or nothing if there is none; quoted as JSON is, because a name may be anything.
fn list_of(key: &str, values: &[String]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let quoted: Vec<_> = values.iter().map(|value| serde_json::Value::from(value.as_str()).to_string()).collect();
    format!(", {key}: [{}]", quoted.join(", "))
}

/// Whether something was granted for a wish: all of it, or as much as the operator thought right.
fn is_met(want: &HttpGrant, granted: &[HttpGrant]) -> bool {
    let Ok(want) = want.shape() else { return false };
    granted.iter().filter_map(|grant| grant.shape().ok()).any(|grant| grant.covers(&want) || want.covers(&grant))
}

#[cfg(test)]
mod tests;
