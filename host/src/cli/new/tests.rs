use super::*;
use std::path::PathBuf;

fn template(lang: &str) -> &'static Template {
    TEMPLATES.iter().find(|it| it.lang == lang).unwrap()
}

fn made(lang: &str, name: &str) -> (tempfile::TempDir, Result<(), String>) {
    let place = tempfile::tempdir().unwrap();
    let made = make(&place.path().join(name), name, template(lang)).map_err(|error| error.to_string());
    (place, made)
}

#[test]
fn a_folder_of_each_language_is_told_as_that_and_has_the_kit() {
    for template in TEMPLATES {
        let (place, made) = made(template.lang, "one-two");
        made.unwrap();
        let folder = place.path().join("one-two");
        let told = weir_build::Language::of(&folder).unwrap();
        assert_eq!(format!("{told:?}"), template.language);
        assert!(folder.join(".weir").is_dir(), "{}", template.lang);
        for file in [template.source, template.tests] {
            assert!(folder.join(file).is_file(), "{}: there is no {file}", template.lang);
        }
    }
}

#[test]
fn nothing_of_a_template_is_left_in_what_is_made_of_it() {
    for template in TEMPLATES {
        for (file, text) in files("one-two", template) {
            assert!(!file.contains(STAND_IN) && !text.contains(STAND_IN), "{}: {file}", template.lang);
            for word in ["{language}", "{source}", "{tests}", "{test}", "{needs}"] {
                assert!(!text.contains(word), "{}: {file} has {word}", template.lang);
            }
        }
    }
}

#[test]
fn every_file_among_the_templates_is_in_the_table() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("templates");
    let folder = |folder: &Path| weir_build::entries(folder).unwrap().into_iter().filter(|it| it.is_file()).count();
    assert_eq!(folder(&root), 2, "README.md and gitignore are what each language's folder gets");
    for template in TEMPLATES {
        let own = template.files.iter().filter(|(file, _)| root.join(template.lang).join(file).is_file()).count();
        assert_eq!(folder(&root.join(template.lang)), own, "{}", template.lang);
    }
}

#[test]
fn its_manifest_grants_what_it_wants() {
    let wants = "watches: [{ name: n, apiVersion: v1, kind: Node }]\nwants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate] }] }";
    let (_, text) = files("one-two", template("go")).into_iter().find(|(file, _)| file == "one-two.yaml").unwrap();
    let manifest = handler::merge(wants, Some((Path::new("one-two.yaml"), &text)), "one-two", 1).unwrap();
    assert_eq!((manifest.name.as_str(), handler::ungranted(&manifest).as_str()), ("one-two", ""));
}

#[test]
fn the_readme_says_what_is_to_be_installed_for_each_language() {
    let readme = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for Template { lang, language, source, test, needs, .. } in TEMPLATES {
        let row = format!("| {language} | `{lang}` | `{source}` | `{test}` | {needs} |");
        assert!(readme.contains(&row), "README.md, under \"A first handler\", lacks the row\n{row}");
    }
}

#[test]
fn the_versions_asked_for_are_those_that_weir_builds_with() {
    use weir_build::{c, javascript, python};
    assert!(template("python").needs.contains(&format!("componentize-py=={}", python::COMPONENTIZE)));
    assert!(template("c").needs.contains(&format!("ziglang=={}", c::ZIGLANG)));
    for (lang, packages) in [("js", &javascript::PACKAGES[..1]), ("ts", &javascript::PACKAGES[..])] {
        let (_, text) = template(lang).files.iter().find(|(file, _)| *file == "package.json").unwrap();
        let pins = packages.iter().map(|package| format!("\"{}\"", package.replace('@', "\": \"")));
        assert!(pins.into_iter().all(|pin| text.contains(&pin)), "{lang}: {text}");
    }
}

#[test]
fn what_is_there_is_not_touched_and_a_bad_name_makes_nothing() {
    let (place, first) = made("go", "one");
    first.unwrap();
    let file = place.path().join("one/main.go");
    fs::write(&file, "mine").unwrap();
    let again = make(&place.path().join("one"), "one", template("rust")).unwrap_err().to_string();
    assert!(again.ends_with("is there already; give another name, or remove it"), "{again}");
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    for (lang, name, words) in [
        ("go", "One", "`One` is no handler's name"),
        ("go", "../one", "is no handler's name"),
        ("go", "", "is no handler's name"),
        ("rust", "1a", "begin with a letter"),
        ("rust", "weir-sdk", "as its kit is"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let error = make(&place.path().join(name), name, template(lang)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
