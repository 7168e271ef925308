//! `weir allow`: what a component wants and was not granted, and the manifest that grants it.
//!
//! Promises: nothing is written before it was shown and agreed to; what the operator wrote stays as it is, comments included, and the lines are added only where
//! that surely means what was shown; else they are shown to be added by hand.

use crate::{
    handler,
    runtime::{Engine, EngineSettings},
};
use clap::Args;
use std::{
    error::Error,
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct AllowArgs {
    /// The component; the manifest is NAME.yaml beside it
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Write without asking
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(arguments: AllowArgs) -> Result<(), Box<dyn Error>> {
    let file = &arguments.file;
    let bytes = super::check::component(file)?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_extension("yaml");
    let written = if beside.is_file() { Some(std::fs::read_to_string(&beside)?) } else { None };
    let described = super::runtime()?.block_on(async {
        let within = |error: &dyn Error| format!("{}: {error}", file.display());
        let component =
            Engine::new(EngineSettings::default())?.load(&stem, bytes.into()).await.map_err(|error| within(&error))?;
        component.describe().await.map_err(|error| Box::<dyn Error>::from(within(&error)))
    })?;
    let missing = |text: Option<&str>| -> Result<String, Box<dyn Error>> {
        let manifest = handler::merge(&described, text.map(|text| (beside.as_path(), text)), &stem, 1)?;
        Ok(handler::ungranted(&manifest))
    };
    let wanted = missing(written.as_deref())?;
    if wanted.is_empty() {
        println!("{stem} has all that it wants");
        return Ok(());
    }
    println!("{stem} wants, and was not granted; under `spec` of {}:\n\n{wanted}", beside.display());
    let text = with_grants(written.as_deref(), &stem, &wanted);
    // Only what surely grants what was shown, and all of it, is written.
    let Some(text) = text.filter(|text| missing(Some(text)).is_ok_and(|left| left.is_empty())) else {
        return Err(format!("{} has grants already; add these lines to them by hand", beside.display()).into());
    };
    if !arguments.yes && !agreed()? {
        return Err("nothing was written".into());
    }
    replace(&beside, &text)?;
    println!("{} written; a running weir takes it at once", beside.display());
    Ok(())
}

/// The manifest with the lines at the end of its `spec`, if that is its last part and has no grants.
fn with_grants(written: Option<&str>, name: &str, lines: &str) -> Option<String> {
    let Some(text) = written else {
        return Some(format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Handler\nmetadata: {{ name: {name} }}\nspec:\n{lines}"
        ));
    };
    let mut top = text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()));
    let granted = text.lines().any(|line| line.trim_start().starts_with("grants:"));
    let last = top.next_back()?;
    if granted || last.trim_end() != "spec:" {
        return None;
    }
    Some(format!("{}\n{lines}", text.trim_end()))
}

fn agreed() -> std::io::Result<bool> {
    if !std::io::stdin().is_terminal() {
        eprintln!("there is nobody to ask; say --yes to write it");
        return Ok(false);
    }
    print!("Grant it? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Whole or not at all: a running weir watches the directory. Who may read it stays as it was, and so does a link to it.
fn replace(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let there = std::fs::canonicalize(file).ok();
    let real = there.as_deref().unwrap_or(file);
    let fresh = real.with_extension("yaml.new");
    let write = || {
        std::fs::write(&fresh, "")?;
        if let Some(there) = &there {
            std::fs::set_permissions(&fresh, std::fs::metadata(there)?.permissions())?;
        }
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, real)
    };
    Ok(write().map_err(|error| format!("writing {}: {error}", file.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "  grants:\n    write:\n      - { apiVersion: v1, kind: Node, actions: [annotate] }\n";

    #[test]
    fn the_lines_go_to_the_end_of_a_spec_without_grants() {
        let fresh = with_grants(None, "h", LINES).unwrap();
        assert!(fresh.ends_with(&format!("spec:\n{LINES}")), "{fresh}");
        let text = "kind: Handler # mine\nspec:\n  workers: 2\n\n";
        assert_eq!(
            with_grants(Some(text), "h", LINES).unwrap(),
            format!("kind: Handler # mine\nspec:\n  workers: 2\n{LINES}")
        );
    }

    #[test]
    fn a_manifest_that_is_replaced_stays_private_and_where_it_was() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.yaml"), dir.path().join("link.yaml"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("real.yaml", &link).unwrap();
        replace(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        replace(&dir.path().join("none.yaml"), "first").unwrap();
    }

    #[test]
    fn where_that_would_not_surely_do_nothing_is_made_up() {
        for text in ["spec: {}\n", "spec:\n  workers: 2\nmetadata: {}\n", "spec:\n  grants: {}\n", ""] {
            assert_eq!(with_grants(Some(text), "h", LINES), None, "{text}");
        }
    }
}
