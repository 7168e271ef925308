//! `weir new`: a folder with a handler in one language that builds, passes its own test and does something that can be seen.
//!
//! Promises: what it makes is what [`TEMPLATES`] says, files of this repository that are tested as they stand, with the handler's name for
//! [`STAND_IN`]; weir's kit for the language is in the folder, so its test runs before the first build; nothing that is there already is
//! touched. Does not promise that the language's tools are there: `weir build` says what is missing.

use crate::handler;
use clap::{Args, builder::PossibleValuesParser};
use std::{error::Error, fs, io, path::Path};

/// What handlers are called in the templates. A whole name, so that the templates are sound files themselves.
const STAND_IN: &str = "first-handler";

/// The folder of one language.
struct Template {
    /// As `--lang` says it.
    lang: &'static str,
    /// As people say it.
    language: &'static str,
    /// The file to begin reading with.
    source: &'static str,
    /// The file with the test.
    tests: &'static str,
    /// The command that runs the test, in the folder.
    test: &'static str,
    /// What has to be installed, for the README.
    needs: &'static str,
    /// Names in the folder, and texts; [`SHARED`] come to these.
    files: &'static [(&'static str, &'static str)],
}

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../templates/", $file))
    };
}

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../examples/", $file))
    };
}

/// What each folder has, in whatever language.
const SHARED: &[(&str, &str)] = &[
    ("README.md", template!("README.md")),
    (".gitignore", template!("gitignore")),
    ("first-handler.yaml", example!("first-handler/first-handler.yaml")),
    ("objects/nodes.yaml", example!("objects/nodes.yaml")),
];

/// All languages. What the README says of each, under "A first handler", is compared with this by a test.
const TEMPLATES: &[Template] = &[
    Template {
        lang: "rust",
        language: "Rust",
        source: "src/lib.rs",
        tests: "src/lib.rs",
        test: "cargo test",
        needs: "`rustup target add wasm32-wasip2`",
        files: &[
            ("Cargo.toml", template!("rust/Cargo.toml")),
            // The versions that weir was tested with.
            ("Cargo.lock", example!("first-handler/Cargo.lock")),
            ("src/lib.rs", example!("first-handler/src/lib.rs")),
        ],
    },
    Template {
        lang: "python",
        language: "Python",
        source: "app.py",
        tests: "test_app.py",
        test: "python3 -m unittest",
        needs: "`pip install componentize-py==0.25.1`",
        files: &[("app.py", template!("python/app.py")), ("test_app.py", template!("python/test_app.py"))],
    },
    Template {
        lang: "js",
        language: "JavaScript",
        source: "app.js",
        tests: "app.test.js",
        test: "node --test",
        needs: "Node 20 or newer, and `npm install` in the folder",
        files: &[
            ("package.json", template!("js/package.json")),
            ("app.js", template!("js/app.js")),
            ("app.test.js", template!("js/app.test.js")),
        ],
    },
    Template {
        lang: "ts",
        language: "TypeScript",
        source: "app.ts",
        tests: "app.test.ts",
        test: "npm test",
        needs: "Node 20 or newer, and `npm install` in the folder",
        files: &[
            ("package.json", template!("ts/package.json")),
            ("tsconfig.json", template!("ts/tsconfig.json")),
            ("app.ts", template!("ts/app.ts")),
            ("app.test.ts", template!("js/app.test.js")),
        ],
    },
    Template {
        lang: "go",
        language: "Go",
        source: "main.go",
        tests: "main_test.go",
        test: "go test",
        needs: "Go 1.25 or newer",
        files: &[
            ("go.mod", template!("go/go.mod")),
            ("main.go", template!("go/main.go")),
            ("main_test.go", template!("go/main_test.go")),
        ],
    },
    Template {
        lang: "c",
        language: "C",
        source: "handler.c",
        tests: "handler_test.c",
        test: "make test",
        needs: "`pip install ziglang==0.17.0`",
        files: &[
            ("Makefile", template!("c/Makefile")),
            ("handler.c", template!("c/handler.c")),
            ("handler_test.c", template!("c/handler_test.c")),
        ],
    },
];

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The handler's name, which its folder gets: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// The language to write it in
    #[arg(short, long, value_name = "LANGUAGE", value_parser = PossibleValuesParser::new(TEMPLATES.iter().map(|it| it.lang)))]
    lang: String,
}

pub(super) fn run(arguments: NewArgs) -> Result<(), Box<dyn Error>> {
    let NewArgs { name, lang } = arguments;
    let template = TEMPLATES.iter().find(|it| it.lang == lang).ok_or("there is no such language")?;
    make(Path::new(&name), &name, template)?;
    println!("{name}: a handler in {}, with a test and objects to try it on. Next:\n", template.language);
    for command in [&format!("cd {name}"), "weir build", template.test, "weir dev --plugins . -f objects"] {
        println!("  {command}");
    }
    println!("\n{name}/README.md says more.");
    Ok(())
}

/// Makes the folder.
fn make(folder: &Path, name: &str, template: &Template) -> Result<(), Box<dyn Error>> {
    handler::check_name(name)?;
    // Its package is called as it is, and cargo takes no digit there.
    if template.lang == "rust" && !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(format!("a handler in Rust cannot be called `{name}`; begin with a letter").into());
    }
    if template.lang == "rust" && name == "weir-sdk" {
        return Err("a handler in Rust cannot be called `weir-sdk`, as its kit is; give another name".into());
    }
    // Not `create_dir_all`: that there is none yet and that it is ours is one step.
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already; give another name, or remove it", folder.display())
        }
        _ => format!("cannot make the folder {}: {error}", folder.display()),
    })?;
    for (file, text) in files(name, template) {
        weir_build::write(&folder.join(file), text.as_bytes())?;
    }
    weir_build::provide(folder)?;
    Ok(())
}

/// The folder's files under a handler's name.
fn files(name: &str, template: &Template) -> Vec<(String, String)> {
    let own = |text: &str| {
        let text = text.replace(STAND_IN, name);
        let words = [
            ("{language}", template.language),
            ("{source}", template.source),
            ("{tests}", template.tests),
            ("{test}", template.test),
            ("{needs}", template.needs),
        ];
        words.iter().fold(text, |text, (word, meaning)| text.replace(word, meaning))
    };
    let all = SHARED.iter().chain(template.files);
    all.map(|(file, text)| (file.replace(STAND_IN, name), own(text))).collect()
}

#[cfg(test)]
mod tests;
