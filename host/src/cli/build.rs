//! `weir build`: a folder of source becomes NAME.wasm, with the language's own tools and nothing else to install.
//!
//! What comes out is what `weir check` would load, by its imports and exports; what it describes is looked at there.

use clap::Args;
use std::{
    error::Error,
    path::{Component, Path, PathBuf},
};
use weir_build::Job;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The folder with the handler's source: a cargo package, a Go module, an app.py, an app.js, an app.ts or a handler.c
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where to write the component. Default: NAME.wasm in DIR, NAME being the folder's own name
    #[arg(short, long, value_name = "FILE.wasm")]
    output: Option<PathBuf>,
    /// Do not show what the language's tools say, unless they fail
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(arguments: BuildArgs) -> Result<(), Box<dyn Error>> {
    let directory = arguments.directory;
    let job = Job {
        directory: directory.clone(),
        cargo_target: None,
        hidden: hidden(&directory),
        tools: None,
        examples: false,
    };
    let mut say = |line: &str| {
        if !arguments.quiet && !line.is_empty() {
            eprintln!("  {line}");
        }
    };
    let built = weir_build::build(&job, &mut say)?;
    let component = match &built[..] {
        [one] => one,
        several => {
            let names: Vec<_> = several.iter().map(|it| it.name.as_str()).collect();
            let found = names.join(", ");
            return Err(format!("{}: one handler is one library, and this makes {found}", directory.display()).into());
        }
    };
    let output = arguments.output.unwrap_or_else(|| directory.join(format!("{}.wasm", component.name)));
    weir_build::write(&output, &component.bytes)?;
    println!("{}: {} bytes", output.display(), component.bytes.len());
    Ok(())
}

/// Directories of this machine that a component need not name: the source's, and cargo's, which panics in libraries name. Short ones
/// such as `/src` in a container tell nobody anything, and are found in many a text.
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli` and nowhere else")]
fn hidden(directory: &Path) -> Vec<PathBuf> {
    let cargo = std::env::var("CARGO_HOME").ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let all = cargo.into_iter().chain(directory.canonicalize());
    all.filter(|path| telling(path)).collect()
}

/// Whether a path is long enough to be somebody's: two names at least.
fn telling(path: &Path) -> bool {
    path.components().filter(|part| matches!(part, Component::Normal(_))).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_directories_are_not_looked_for() {
        assert_eq!(["/", "/src", "/home/somebody"].map(|path| telling(Path::new(path))), [false, false, true]);
    }
}
