//! Python: `componentize-py`, with the kit, the contract and an entry written into the folder's `.weir/`.
//!
//! The author's module is `app.py`. What is imported there may lie beside it; packages with compiled parts cannot be used.

use crate::{
    BuildError, Job,
    command::{answer, run},
    contract, files,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The one version that the kit is tested with: the bindings it generates are not the same in another.
pub const COMPONENTIZE: &str = "0.25.1";
/// What the component begins with: the author's module registers its functions, the kit's class answers for them.
const ENTRY: &str = "import app\nfrom weir._component import Handler\n";

macro_rules! kit {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../sdk/python/weir/", $file)))),*] };
}

/// The kit, as it is in `sdk/python/weir`.
const KIT: &[(&str, &str)] =
    kit!["__init__.py", "_actions.py", "_component.py", "_describe.py", "_errors.py", "_event.py", "_host.py",];

/// Where one version of componentize-py is kept under a directory of tools.
pub fn place(tools: &Path) -> PathBuf {
    tools.join(format!("componentize-py-{COMPONENTIZE}"))
}

/// The program: the one that was installed for weir, else the one on the PATH if it is of the version.
fn find(job: &Job) -> Result<PathBuf, BuildError> {
    let own = job.tools.as_deref().map(|tools| place(tools).join("bin/componentize-py"));
    let candidates = own.into_iter().chain([PathBuf::from("componentize-py")]);
    let fits = |program: &PathBuf| {
        answer(Command::new(program).arg("--version")).is_some_and(|said| said.ends_with(COMPONENTIZE))
    };
    candidates.into_iter().find(fits).ok_or_else(|| BuildError::Missing {
        language: "Python",
        what: format!("there is no componentize-py {COMPONENTIZE} on the PATH"),
        install: format!("pip install componentize-py=={COMPONENTIZE}"),
    })
}

/// What decides what is made of a source, beside the source.
pub(crate) fn version(job: &Job) -> Result<String, BuildError> {
    find(job).map(|_| format!("componentize-py {COMPONENTIZE}"))
}

/// Writes the kit, the contract and the entry into a folder, where the build and the author's tests look for the kit.
pub(crate) fn provide(directory: &Path) -> Result<(), BuildError> {
    let mut parts = vec![
        ("wit/weir.wit".to_owned(), contract::TEXT.as_bytes().to_vec()),
        ("python/weir_entry.py".to_owned(), ENTRY.as_bytes().to_vec()),
    ];
    parts.extend(KIT.iter().map(|(name, text)| (format!("python/weir/{name}"), text.as_bytes().to_vec())));
    files::provide(&directory.join(".weir"), &parts)
}

/// Makes a component of the folder.
pub(crate) fn compile(job: &Job, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let program = find(job)?;
    provide(&job.directory)?;
    let mut componentize = Command::new(program);
    // Relative to the folder, so that no directory of this machine gets into the component.
    componentize.current_dir(&job.directory).args(["-d", ".weir/wit", "-w", "plugin", "componentize"]);
    componentize.args(["-p", ".weir/python", "-p", ".", "weir_entry", "-o", ".weir/component.wasm"]);
    run(&mut componentize, true, say)?;
    Ok(job.directory.join(".weir/component.wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/python/weir");
        let entries = files::entries(&root).expect("readable");
        let found: Vec<_> =
            entries.iter().filter(|entry| entry.is_file()).filter_map(|entry| entry.file_name()).collect();
        let known: Vec<_> = KIT.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, known, "KIT names every file of sdk/python/weir");
    }
}
