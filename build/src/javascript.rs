//! JavaScript and TypeScript: `componentize-qjs`, with the kit, the contract and an entry written into the folder's `.weir/`.
//!
//! The author's module is `app.js`, or `app.ts`, which `tsc` checks and `esbuild` makes JavaScript of. It finds the kit as `#weir`, by
//! `imports` in its `package.json`, which Node, TypeScript and both tools read. What is imported from `node_modules` goes into the
//! component. Tools are looked for in the folder's `node_modules/.bin`, then where they were installed for weir, then on the PATH.

use crate::{
    BuildError, Job, Language,
    command::{answer, run},
    contract, files,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the kit is tested with. Another version in the folder's own `node_modules` is its author's decision.
pub const PACKAGES: [&str; 3] = ["componentize-qjs@0.4.5", "typescript@7.0.2", "esbuild@0.28.2"];
/// Each package's program.
pub const PROGRAMS: [&str; 3] = ["componentize-qjs", "tsc", "esbuild"];
/// Where npm puts programs.
const BIN: &str = "node_modules/.bin";
/// What makes `#weir` the kit, in Node and in all tools.
const IMPORTS: &str =
    "npm pkg set type=module 'imports.#weir=./.weir/js/weir.js' 'imports.#weir/testing=./.weir/js/testing.js'";

/// How `tsc` checks where there is no `tsconfig.json`: strictly, and without what only browsers have, as `setTimeout`.
const CHECKS: [&str; 9] =
    ["--strict", "--target", "es2022", "--lib", "es2023", "--module", "es2022", "--moduleResolution", "bundler"];

macro_rules! kit {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../sdk/js/", $file)))),*] };
}

/// The kit, as it is in `sdk/js`, less its tests and what is for npm.
const KIT: &[(&str, &str)] = kit![
    "actions.js",
    "component.js",
    "console.js",
    "errors.js",
    "event.js",
    "handler.js",
    "host.js",
    "testing.d.ts",
    "testing.js",
    "text.js",
    "time.js",
    "weir.d.ts",
    "weir.js",
    "wit/deps/cli.wit",
    "wit/deps/io.wit",
    "wit/plugin.wit",
];

/// Where these versions of the packages are kept under a directory of tools.
pub fn place(tools: &Path) -> PathBuf {
    tools.join(PACKAGES[0].replace('@', "-"))
}

/// Where their programs are, there.
pub fn programs(tools: &Path) -> PathBuf {
    place(tools).join(BIN)
}

/// Writes the kit to where a folder's `package.json` says that `#weir` is, as every build does.
///
/// # Errors
///
/// If a file cannot be written.
pub fn provide(directory: &Path) -> Result<(), BuildError> {
    let kit = KIT.iter().map(|(name, text)| (format!("js/{name}"), text.as_bytes().to_vec()));
    let contract = ("js/wit/deps/weir.wit".to_owned(), contract::TEXT.as_bytes().to_vec());
    files::provide(&directory.join(".weir"), &kit.chain([contract]).collect::<Vec<_>>())
}

/// One of [`PROGRAMS`], and the version of what it is from, as far as that can be told.
struct Program {
    path: PathBuf,
    version: String,
}

/// Finds the first programs of [`PROGRAMS`], as many as the language needs.
fn find(job: &Job, language: Language) -> Result<Vec<Program>, BuildError> {
    let count = if language == Language::TypeScript { PROGRAMS.len() } else { 1 };
    let bins: Vec<_> =
        [Some(job.directory.join(BIN)), job.tools.as_deref().map(programs)].into_iter().flatten().collect();
    let find = |name: &&str| {
        let installed = bins.iter().map(|bin| bin.join(name)).find(|program| program.is_file());
        let program = installed.and_then(|program| fs::canonicalize(program).ok()).map(|path| {
            let package = path.ancestors().map(|it| it.join("package.json")).find(|it| it.is_file());
            let text = package.and_then(|package| fs::read(package).ok()).unwrap_or_default();
            let package: Value = serde_json::from_slice(&text).unwrap_or_default();
            Program { path, version: told(&package) }
        });
        let of_the_path = || {
            answer(Command::new(name).arg("--help"))
                .map(|_| Program { path: name.into(), version: format!("{name} of the PATH") })
        };
        program.or_else(of_the_path)
    };
    let found: Vec<_> = PROGRAMS[..count].iter().map(|name| (name, find(name))).collect();
    let missing: Vec<&str> = found.iter().filter(|it| it.1.is_none()).map(|it| *it.0).collect();
    if missing.is_empty() {
        return Ok(found.into_iter().filter_map(|it| it.1).collect());
    }
    Err(BuildError::Missing {
        language: name_of(language),
        what: format!("there is no {} in its {BIN} or on the PATH", missing.join(", no ")),
        install: format!("npm install --save-dev {}", PACKAGES[..count].join(" ")),
    })
}

fn told(package: &Value) -> String {
    let said = |what: &str| package[what].as_str().unwrap_or("?").to_owned();
    format!("{}@{}", said("name"), said("version"))
}

fn name_of(language: Language) -> &'static str {
    if language == Language::TypeScript { "TypeScript" } else { "JavaScript" }
}

/// What decides what is made of a source, beside the source.
pub(crate) fn version(job: &Job, language: Language) -> Result<String, BuildError> {
    let found = find(job, language)?;
    Ok(found.iter().map(|it| it.version.as_str()).collect::<Vec<_>>().join(" "))
}

/// Makes a component of the folder.
pub(crate) fn compile(job: &Job, language: Language, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let found = find(job, language)?;
    let source = if language == Language::TypeScript { "app.ts" } else { "app.js" };
    imports_the_kit(&job.directory, language, source)?;
    provide(&job.directory)?;
    let own = job.directory.join(".weir");
    // The kit first: it brings the `console` that the author's modules may name.
    let entry = format!(
        "import {{ component }} from \"./js/component.js\";\nimport * as app from \"../{source}\";\n\nexport const handler = component(app);\n"
    );
    files::write(&own.join("entry.js"), entry.as_bytes())?;
    // Run in the folder and given names relative to it, so that no directory of this machine gets into the component.
    let tool = |program: &Program| {
        let mut tool = Command::new(&program.path);
        tool.current_dir(&job.directory);
        tool
    };
    let mut script = ".weir/entry.js";
    if let [_, tsc, esbuild] = &found[..] {
        let mut check = tool(tsc);
        check.arg("--noEmit");
        // What the author decided, or else what is strict.
        if !job.directory.join("tsconfig.json").is_file() {
            check.args(CHECKS).arg(source);
        }
        run(&mut check, true, say)?;
        script = ".weir/bundle.js";
        let mut bundle = tool(esbuild);
        bundle.args([
            "--bundle",
            "--format=esm",
            "--target=es2022",
            "--external:weir:*",
            "--external:wasi:*",
            "--log-level=warning",
        ]);
        run(bundle.args([".weir/entry.js", &format!("--outfile={script}")]), true, say)?;
    }
    let mut componentize = tool(&found[0]);
    // Without `--sync` the component asks for an asynchronous ABI that no handler needs.
    componentize.args([
        "--wit",
        ".weir/js/wit",
        "-n",
        "plugin",
        "--sync",
        "--js",
        script,
        "-o",
        ".weir/component.wasm",
    ]);
    run(&mut componentize, true, say)?;
    Ok(own.join("component.wasm"))
}

/// Without this the tools' answer would be that they cannot resolve `#weir`.
fn imports_the_kit(directory: &Path, language: Language, source: &str) -> Result<(), BuildError> {
    let package = fs::read(directory.join("package.json")).ok();
    let package: Value = package.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let source = fs::read_to_string(directory.join(source)).unwrap_or_default();
    if !source.contains("\"#weir\"") || package["imports"]["#weir"].is_string() {
        return Ok(());
    }
    let create = if directory.join("package.json").is_file() { "" } else { "npm init -y && " };
    Err(BuildError::Missing {
        language: name_of(language),
        what: "its package.json does not say what #weir is".into(),
        install: format!("{create}{IMPORTS}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(directory: &Path) -> Job {
        Job { directory: directory.to_owned(), cargo_target: None, hidden: Vec::new(), tools: None, examples: false }
    }

    #[test]
    fn the_kit_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/js");
        let mut found = Vec::new();
        for folder in ["", "wit", "wit/deps"] {
            let entries = files::entries(&root.join(folder)).expect("readable");
            let files =
                entries.iter().filter(|entry| entry.is_file()).filter_map(|entry| entry.strip_prefix(&root).ok());
            found.extend(files.map(|file| file.to_string_lossy().into_owned()));
        }
        found.retain(|name| [".js", ".ts", ".wit"].iter().any(|end| name.ends_with(end)));
        found.sort();
        let mut known: Vec<_> = KIT.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(found, known, "KIT names every file of sdk/js but its tests and what is for npm");
    }

    #[test]
    fn the_kits_world_is_the_contracts_with_a_place_for_stacks() {
        let dir = tempfile::tempdir().expect("a directory");
        provide(dir.path()).expect("written");
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_dir(dir.path().join(".weir/js/wit")).expect("the kit's WIT parses");
        let world = resolve.select_world(&[package], Some("plugin")).expect("it has the world");
        let (contract, plugin) = contract::resolve().expect("the contract parses");
        let names = |resolve: &wit_parser::Resolve, world: wit_parser::WorldId| {
            let world = &resolve.worlds[world];
            let names = world.imports.keys().chain(world.exports.keys()).map(|key| resolve.name_world_key(key));
            names.filter(|name| !name.starts_with("wasi:")).collect::<Vec<_>>()
        };
        assert_eq!(names(&resolve, world), names(&contract, plugin));
    }

    #[test]
    fn a_folder_that_does_not_say_what_the_kit_is_called_is_told_how() {
        let dir = tempfile::tempdir().expect("a directory");
        let said = || imports_the_kit(dir.path(), Language::JavaScript, "app.js").map_err(|error| error.to_string());
        fs::write(dir.path().join("app.js"), "export const description = {};").expect("written");
        assert_eq!(said(), Ok(()), "the kit is not used");
        fs::write(dir.path().join("app.js"), "import { log } from \"#weir\";").expect("written");
        assert!(said().is_err_and(|words| words.contains("to install it: npm init -y && npm pkg set type=module")));
        fs::write(dir.path().join("package.json"), "{}").expect("written");
        assert!(said().is_err_and(|words| words.contains("to install it: npm pkg set type=module")));
        let imports = r##"{ "imports": { "#weir": "./.weir/js/weir.js" } }"##;
        fs::write(dir.path().join("package.json"), imports).expect("written");
        assert_eq!(said(), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn tools_of_the_folder_are_taken_first_and_their_versions_told() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, version) in [("componentize-qjs", "0.4.4"), ("tsc", "7"), ("esbuild", "0.1")] {
            let package = dir.path().join("node_modules").join(name);
            files::write(&package.join(name), b"").expect("written");
            let text = format!(r#"{{ "name": "{name}", "version": "{version}" }}"#);
            files::write(&package.join("package.json"), text.as_bytes()).expect("written");
            fs::create_dir_all(dir.path().join(BIN)).expect("made");
            std::os::unix::fs::symlink(package.join(name), dir.path().join(BIN).join(name)).expect("linked");
        }
        let version = version(&job(dir.path()), Language::TypeScript).expect("all are there");
        assert_eq!(version, "componentize-qjs@0.4.4 tsc@7 esbuild@0.1");
    }
}
