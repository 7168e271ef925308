use super::*;

/// A workspace with one plugin, one package of examples, and things that are no guests.
fn workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (path, text) in [
        ("Cargo.toml", "[workspace]"),
        ("sdk/rust/Cargo.toml", ""),
        ("sdk/rust/src/lib.rs", "// sdk"),
        ("wit/v0.1/weir.wit", "package weir:api;"),
        ("plugins/one-two/Cargo.toml", ""),
        ("plugins/one-two/src/lib.rs", "// one"),
        ("plugins/one-two/target/debris", "x"),
        ("plugins/README.md", "no package"),
        ("plugins/in-go/go.mod", ""),
        ("plugins/in-go/.weir/core.wasm", "x"),
        ("tests/guests/Cargo.toml", ""),
        ("tests/guests/examples/echo.rs", ""),
        ("tests/guests/examples/broken.rs", ""),
    ] {
        write(&root.path().join(path), text.as_bytes()).expect("written");
    }
    root
}

#[test]
fn packages_are_found_by_place_and_components_by_example() {
    let root = workspace();
    let found = find(root.path()).expect("readable");
    let names: Vec<(&str, Vec<&str>)> = found
        .iter()
        .map(|package| (package.name.as_str(), package.components.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(names, [("guests", vec!["broken", "echo"]), ("in-go", vec!["in-go"]), ("one-two", vec!["one-two"])]);
}

#[test]
fn the_cache_key_follows_every_input_and_nothing_else() {
    let root = workspace();
    let package = find(root.path()).expect("readable").remove(2);
    let key = |version: &str| inputs(root.path(), &package, version).expect("readable");
    let before = key("1");
    assert_eq!(key("1"), before);
    assert_ne!(key("2"), before);
    for (path, counts) in [
        ("plugins/one-two/target/more-debris", false),
        ("tests/guests/examples/echo.rs", false),
        ("plugins/one-two/one-two.yaml", true),
        ("plugins/one-two/.weir/core.wasm", false),
        ("sdk/go/weir.go", false),
        ("sdk/rust/src/lib.rs", true),
        ("wit/v0.1/weir.wit", true),
    ] {
        let before = key("1");
        write(&root.path().join(path), b"// changed").expect("written");
        assert_eq!(key("1") != before, counts, "{path}");
    }
}

#[test]
fn a_name_that_is_no_guest_is_answered_with_those_there_are() {
    let root = workspace();
    let error = build(root.path(), &["three".into()]).expect_err("there is no three");
    assert_eq!(error.to_string(), "there is no handler called three; there are guests, in-go, one-two");
}
