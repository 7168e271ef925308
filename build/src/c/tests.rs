use super::*;
use std::{fs, process::Command};

/// Where the kit is in the repository.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/c")
}

/// Runs a C compiler of this machine, whichever there is; false, loudly, if there is none.
fn compiled(arguments: &[&str], directory: &Path) -> bool {
    let candidates: [&[&str]; 4] = [&["cc"], &["clang"], &["zig", "cc"], &["python3", "-m", "ziglang", "cc"]];
    for words in candidates {
        let mut command = Command::new(words[0]);
        let Ok(ended) = command.args(&words[1..]).args(arguments).current_dir(directory).output() else { continue };
        let said = String::from_utf8_lossy(&ended.stderr);
        if said.contains("No module named") {
            continue;
        }
        assert!(ended.status.success(), "{words:?}: {said}");
        return true;
    }
    eprintln!("SKIPPED: the kit's tests in C; there is no C compiler on the PATH");
    false
}

#[test]
fn the_kit_is_whole() {
    let entries = files::entries(&home()).expect("readable");
    let sources = entries.iter().filter(|entry| entry.extension().is_some_and(|end| end == "c" || end == "h"));
    let found: Vec<_> = sources.filter_map(|entry| entry.file_name()).collect();
    let known: Vec<_> = KIT.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, known, "KIT names every source in sdk/c");
}

/// Compiles tests of this directory with the kit, for this machine, and runs them.
fn pass(directory: &Path, sources: &[&str]) {
    let place = tempfile::tempdir().expect("a directory");
    let program = place.path().join("tests");
    let program = program.to_str().expect("a temporary directory's name is text");
    let own = ["actions", "arena", "check", "home", "json", "questions", "show", "time"];
    let own = own.map(|name| home().join(format!("{name}.c")).to_str().expect("a path in the repository").to_owned());
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let include = format!("-I{}", home().display());
    let strict = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", &include];
    if !compiled(&[&strict[..], sources, &own, &["-lm", "-o", program]].concat(), directory) {
        return;
    }
    let ended = Command::new(program).output().expect("it runs");
    let said = [ended.stdout, ended.stderr].map(|words| String::from_utf8_lossy(&words).into_owned());
    assert!(ended.status.success(), "{}", said.join("\n"));
}

#[test]
fn the_kits_own_tests_pass() {
    pass(&home(), &["tests/kit_test.c"]);
}

#[test]
fn the_tests_of_the_example_pass() {
    let example = home().join("../../examples/node-images-c");
    pass(&example, &["handler.c", "node.c", "verdict.c", "handler_test.c"]);
}

#[test]
fn the_handler_in_the_readme_compiles() {
    let place = tempfile::tempdir().expect("a directory");
    let readme = fs::read_to_string(home().join("README.md")).expect("it is there");
    let source = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows one");
    let file = place.path().join("handler.c");
    fs::write(&file, source).expect("written");
    let file = file.to_str().expect("a temporary directory's name is text");
    compiled(&["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-I.", "-fsyntax-only", file], &home());
}

#[test]
fn the_kits_cases_are_the_contracts_in_its_order() {
    // The kit and the generated code number the cases alike, and component.c takes the one's number for the other's.
    let bindings = contract::c_bindings().expect("the contract generates");
    let header = bindings.iter().find(|(name, _)| name == "plugin.h").expect("a header");
    let header = String::from_utf8_lossy(&header.1);
    let kit = KIT.iter().map(|(_, text)| *text).collect::<String>();
    // What the contract calls a group of cases; how many cases of the kit's come before them; how the kit's begin.
    let groups = [
        ("ACTION", 0, "WEIR_ACTION_", "enum weir_action_kind {"),
        ("FAILURE", 0, "WEIR_", "enum weir_failure_kind {"),
        ("READ_ERROR", 1, "WEIR_READ_", "enum weir_read_error {"),
        ("CHANGE", 0, "WEIR_", "enum weir_change {"),
        ("PATCH_FORMAT", 0, "WEIR_", "enum weir_patch_format {"),
        ("PROPAGATION", 1, "WEIR_PROPAGATION_", "enum weir_propagation {"),
        ("SEVERITY", 0, "WEIR_", "enum weir_severity {"),
        ("LEVEL", 0, "WEIR_", "enum weir_level {"),
    ];
    for (group, skipped, prefix, opening) in groups {
        let define = format!("#define WEIR_API_TYPES_{group}_");
        let contracts: Vec<String> = header
            .lines()
            .filter_map(|line| line.strip_prefix(&define))
            .map(|line| format!("{prefix}{}", line.split(' ').next().unwrap_or_default()))
            .collect();
        let body = kit.split(opening).nth(1).and_then(|rest| rest.split('}').next()).expect("the kit has it");
        let cases: Vec<&str> = body
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("WEIR_"))
            .map(|line| line.trim_end_matches(','))
            .collect();
        assert_eq!(cases[skipped..], contracts, "{group}");
    }
}

#[test]
fn tests_beside_a_handler_are_not_compiled_into_it() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["handler.c", "more.c", "handler_test.c", "more.h", "README.md"] {
        fs::write(dir.path().join(name), "").expect("written");
    }
    assert_eq!(sources(dir.path()).expect("readable"), ["handler.c", "more.c"]);
}
