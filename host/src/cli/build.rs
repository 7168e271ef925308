//! `weir build`: a folder of source becomes NAME.wasm, with the language's own tools and nothing else to install.
//!
//! What comes out is what `weir check` would load, by its imports and exports; what it describes is looked at there.

use clap::Args;
use std::{error::Error, path::PathBuf};
use weir_build::Job;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The folder with the handler's source: a cargo package or a Go module
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
    let job = Job { directory: directory.clone(), cargo_target: None, hidden: hidden(), examples: false };
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

/// Where cargo and rustup keep the sources that panics name: of no use to a reader, and this machine's business.
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli` and nowhere else")]
fn hidden() -> Vec<PathBuf> {
    let set = std::env::var("CARGO_HOME").ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || Some(std::env::home_dir()?.join(".cargo"));
    let own = std::env::current_dir().ok();
    set.or_else(usual).into_iter().chain(own).collect()
}
