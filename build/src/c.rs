//! C: zig's clang, or a clang with a sysroot for WASI, with bindings and the kit written into the folder's `.weir/c`.
//!
//! The author's sources are `handler.c` and the other `.c` files beside it, less those of tests (`…_test.c`).

use crate::{
    BuildError, Job,
    command::{answer, run},
    contract, files,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The version of zig's package for Python that the kit is tested with; another one on the PATH is used as it is.
pub const ZIGLANG: &str = "0.17.0";
/// The platform: WASI preview 1, which `preview1.wat` answers.
const TARGET: &str = "wasm32-wasi";

macro_rules! kit {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../sdk/c/", $file)))),*] };
}

/// The kit, as it is in `sdk/c`, with what the tests of handlers need.
const KIT: &[(&str, &str)] = kit![
    "actions.c",
    "arena.c",
    "bindings.c",
    "check.c",
    "component.c",
    "home.c",
    "internal.h",
    "json.c",
    "questions.c",
    "show.c",
    "time.c",
    "weir.h",
    "weir_json.h",
    "weir_test.h",
];
/// Of the kit, what is not compiled by itself: the host of tests.
const NOT_IN_A_COMPONENT: &str = "home.c";

/// Where one version of zig is kept under a directory of tools.
pub fn place(tools: &Path) -> PathBuf {
    tools.join(format!("ziglang-{ZIGLANG}"))
}

/// A compiler that can.
struct Compiler {
    program: PathBuf,
    /// What comes before its options.
    words: &'static [&'static str],
    identity: String,
    /// Where it keeps what it compiled of the C library, so that it does so once; none: where it does by itself.
    cache: Option<PathBuf>,
}

impl Compiler {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.words);
        if let Some(cache) = &self.cache {
            command.env("ZIG_GLOBAL_CACHE_DIR", cache).env("ZIG_LOCAL_CACHE_DIR", cache);
        }
        command
    }
}

/// The compiler: the one that was installed for weir, else what is on the PATH, zig before clang.
fn find(job: &Job) -> Result<Compiler, BuildError> {
    const ZIG: &[&str] = &["cc"];
    const PACKAGE: &[&str] = &["-m", "ziglang", "cc"];
    let own =
        job.tools.as_deref().map(|tools| (place(tools).join("bin/python"), PACKAGE, Some(place(tools).join("cache"))));
    let on_path = [("zig", ZIG), ("python3", PACKAGE), ("python", PACKAGE)];
    let on_path = on_path.map(|(program, words)| (PathBuf::from(program), words, None));
    let zig = own.into_iter().chain(on_path).find_map(|(program, words, cache)| {
        let version = answer(Command::new(&program).args(&words[..words.len() - 1]).arg("version"))?;
        Some(Compiler { program, words, identity: format!("zig {version}"), cache })
    });
    zig.or_else(clang).ok_or_else(|| BuildError::Missing {
        language: "C",
        what: "there is neither zig, nor Python's ziglang, nor a clang that knows a C library for wasm32-wasi".into(),
        install: format!("pip install ziglang=={ZIGLANG}"),
    })
}

/// A clang that finds a C library for the target, as that of the WASI SDK and of Debian's wasi-libc do.
fn clang() -> Option<Compiler> {
    let target = format!("--target={TARGET}");
    // Where it knows of no such file, it answers with the name alone.
    let library = answer(Command::new("clang").args([&target, "-print-file-name=libc.a"]))?;
    let version = answer(Command::new("clang").arg("--version"))?;
    let identity = version.lines().next()?.to_owned();
    let found = Path::new(&library).is_file();
    found.then(|| Compiler { program: "clang".into(), words: &[], identity, cache: None })
}

/// What decides what is made of a source, beside the source.
pub(crate) fn version(job: &Job) -> Result<String, BuildError> {
    find(job).map(|compiler| compiler.identity)
}

/// Compiles the folder to a core module that says which contract it is for.
pub(crate) fn compile(job: &Job, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let compiler = find(job)?;
    let own = job.directory.join(".weir");
    provide(&job.directory)?;
    let mut command = compiler.command();
    // Relative to the folder, as all names here: `assert` and `__FILE__` write them into what is made.
    command.current_dir(&job.directory);
    // zig leaves out what `assert` says where it optimises; other compilers leave that to the author.
    command.args(["-target", TARGET, "-mexec-model=reactor", "-std=gnu17", "-O2", "-UNDEBUG", "-s"]);
    // Where `assert` ends: the C library writes to standard error, which is lost.
    command.args(["-D__assert_fail=weir_assert_fail", "-Wall", "-I.weir/c"]);
    command.args(sources(&job.directory)?);
    let parts = KIT.iter().map(|(name, _)| *name);
    command.args(
        parts.filter(|name| name.ends_with(".c") && *name != NOT_IN_A_COMPONENT).map(|name| format!(".weir/c/{name}")),
    );
    command.args([".weir/c/plugin_component_type.o", "-o", ".weir/core.wasm"]);
    run(&mut command, true, say)?;
    Ok(own.join("core.wasm"))
}

/// Writes the kit, with bindings, into a folder, where the build and the author's tests look for it.
pub(crate) fn provide(directory: &Path) -> Result<(), BuildError> {
    files::provide(&directory.join(".weir/c"), &kit()?)
}

/// The author's sources, by name.
fn sources(directory: &Path) -> Result<Vec<String>, BuildError> {
    let entries = files::entries(directory)?;
    let names = entries.iter().filter(|entry| entry.is_file()).filter_map(|entry| entry.file_name()?.to_str());
    Ok(names.filter(|name| name.ends_with(".c") && !name.ends_with("_test.c")).map(str::to_owned).collect())
}

/// The kit with its bindings.
fn kit() -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let mut files = contract::c_bindings().map_err(|words| BuildError::Bindings { language: "C", words })?;
    files.extend(KIT.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())));
    Ok(files)
}

#[cfg(test)]
mod tests;
