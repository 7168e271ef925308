//! What a newcomer does: the commands that README.md shows under "A first handler", as they stand there, for each language of its
//! table, from a folder that is not there to a handler that was seen to act. What the API holds is asserted on, and how long each command took is printed.
//!
//! Three things are not as the README has them, so that the test hurts nobody: the admin port is a free one, what cargo compiled and weir
//! compiled is kept between runs, and what xtask installed for languages is on the PATH. One language at a time, also among processes,
//! so that the times mean something.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, where it stands")]

use kube::{
    Api, Client,
    api::DynamicObject,
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};
use tokio::time::Instant;
use weir_tests::program::program;

/// How long the handler may take to act once weir was started. A debug build compiles a component in Python for most of a minute.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);

/// What the handler writes on the node that the README looks at.
const ANNOTATION: (&str, &str) = ("example.com/images", "2");

/// One row of the README's table.
struct Language {
    lang: String,
    test: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The README's section, as far as it is about the folder that `weir new` makes.
fn section() -> String {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = text.split_once("\n## A first handler\n").expect("the section is there");
    let (section, _) = section.split_once("\n`weir dev` grants a handler what it wants.").expect("and ends there");
    section.to_owned()
}

/// The commands it shows, less what is said about them.
fn commands(section: &str) -> Vec<String> {
    let shown = section.lines().filter_map(|line| line.strip_prefix("$ "));
    shown.map(|line| line.split(" # ").next().unwrap().trim().to_owned()).collect()
}

fn languages(section: &str) -> Vec<Language> {
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    rows.skip(1).map(cells).map(|row| Language { lang: row[2].clone(), test: row[4].clone() }).collect()
}

#[test]
fn the_readme_shows_the_handler_that_weir_new_makes_in_rust() {
    let section = section();
    let (_, code) = section.split_once("```rust\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let source = fs::read_to_string(root().join("examples/first-handler/src/lib.rs")).unwrap();
    let (handler, _) = source.split_once("\n#[cfg(test)]").unwrap();
    assert_eq!(code, handler);
}

#[test]
fn each_language_of_the_readme_is_tried_here() {
    let source = fs::read_to_string(root().join("tests/tests/newcomer.rs")).unwrap();
    let languages = languages(&section());
    assert!(languages.len() > 2, "the table is read");
    for Language { lang, .. } in languages {
        assert!(source.contains(&format!("newcomer(\"{lang}\").await")), "there is no test for {lang}");
    }
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_rust_act() {
    newcomer("rust").await;
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_python_act() {
    newcomer("python").await;
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_javascript_act() {
    newcomer("js").await;
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_typescript_act() {
    newcomer("ts").await;
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_go_act() {
    newcomer("go").await;
}

#[tokio::test]
async fn a_newcomer_sees_a_handler_in_c_act() {
    newcomer("c").await;
}

/// Where a newcomer types.
struct Terminal {
    /// The folder that the next command runs in.
    folder: PathBuf,
    /// Where things are kept between runs.
    place: PathBuf,
    path: String,
    /// What took how long.
    times: Vec<String>,
}

async fn newcomer(lang: &str) {
    let section = section();
    let language = languages(&section).into_iter().find(|it| it.lang == lang).expect("it is in the table");
    let place = cache().join("newcomer");
    fs::create_dir_all(&place).unwrap();
    let alone = File::create(place.join("lock")).unwrap();
    alone.lock().unwrap();
    let folder = place.join(lang);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut terminal = Terminal { folder, place, path: path(), times: Vec::new() };
    let mut dev = None;
    for shown in commands(&section) {
        let typed = shown.replace("--lang rust", &format!("--lang {lang}")).replace("cargo test", &language.test);
        if let Some(folder) = typed.strip_prefix("cd ") {
            terminal.folder.push(folder);
            compare(&terminal.folder.join("README.md"), &language.test);
        } else if typed.starts_with("weir dev ") {
            dev = Some((terminal.start(&typed), Instant::now()));
        } else if typed.starts_with("kubectl ") {
            let (child, began) = dev.as_mut().expect("weir runs");
            terminal.seen(child).await;
            terminal.times.push(format!("until it was seen to act {:.1} s", began.elapsed().as_secs_f64()));
            terminal.with_kubectl(&typed);
        } else if lang == "python" && (typed.starts_with("weir call ") || typed.starts_with("weir check ")) {
            // Each compiles 18 MB of component anew, which takes a debug build a minute on a busy machine. Others show that they work.
        } else if terminal.run(&typed).is_none() {
            return;
        }
    }
    assert!(dev.is_some(), "the README starts weir");
    // As somebody has it who clones the folder: what is ignored is not there.
    fs::remove_dir_all(terminal.folder.join(".weir")).unwrap();
    fs::remove_file(terminal.folder.join("hello.wasm")).unwrap();
    terminal.run("weir build");
    terminal.run(&language.test);
    eprintln!("a newcomer with {lang}: {}", terminal.times.join(", "));
}

/// The folder's own README shows the same commands.
fn compare(readme: &Path, test: &str) {
    let own = commands(&fs::read_to_string(readme).unwrap());
    let dev = "weir dev --plugins . -f objects --kubeconfig-out kubeconfig";
    let look = "kubectl --kubeconfig kubeconfig get node node-a -o yaml";
    assert_eq!(own, ["weir build", test, dev, look]);
}

impl Terminal {
    fn shell(&self, typed: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", typed]).current_dir(&self.folder).env("PATH", &self.path);
        shell.env("CARGO_TARGET_DIR", self.place.join("cargo"));
        shell
    }

    /// Runs a command to its end, which is to be a good one. None, loudly, if what it needs is not installed.
    fn run(&mut self, typed: &str) -> Option<()> {
        let began = Instant::now();
        let Output { status, stdout, stderr } = self.shell(typed).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if said.contains("; to install it: ") || status.code() == Some(127) {
            eprintln!("SKIPPED: `{typed}` says: {}", said.trim());
            return None;
        }
        assert!(status.success(), "`{typed}` in {}:\n{said}", self.folder.display());
        self.times.push(format!("`{typed}` {:.1} s", began.elapsed().as_secs_f64()));
        Some(())
    }

    /// Starts a command that goes on until it is dropped.
    fn start(&self, typed: &str) -> tokio::process::Child {
        let compiled = self.place.join("compiled");
        let typed = format!("exec {typed} --listen 127.0.0.1:0 --cache-dir '{}'", compiled.display());
        let log = File::create(self.place.join("weir-dev.log")).unwrap();
        let mut shell = tokio::process::Command::from(self.shell(&typed));
        shell.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true).spawn().unwrap()
    }

    /// Waits until the node is annotated, as the API says that `kubeconfig` leads to.
    async fn seen(&self, weir: &mut tokio::process::Child) {
        let nodes = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
        let began = Instant::now();
        loop {
            let log = || fs::read_to_string(self.place.join("weir-dev.log")).unwrap();
            assert!(weir.try_wait().unwrap().is_none(), "weir ended:\n{}", log());
            assert!(began.elapsed() < PATIENCE, "the node was not annotated:\n{}", log());
            tokio::time::sleep(POLL).await;
            let Ok(config) = Kubeconfig::read_from(self.folder.join("kubeconfig")) else { continue };
            let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
            let api = Api::<DynamicObject>::all_with(Client::try_from(config).unwrap(), &nodes);
            let Ok(node) = api.get("node-a").await else { continue };
            let annotations = node.metadata.annotations.unwrap_or_default();
            if annotations.get(ANNOTATION.0).is_some_and(|value| value == ANNOTATION.1) {
                return;
            }
        }
    }

    /// The same with the README's own words, where there is a kubectl.
    fn with_kubectl(&self, typed: &str) {
        let Output { status, stdout, .. } = self.shell(typed).output().unwrap();
        if status.code() == Some(127) {
            eprintln!("SKIPPED: there is no kubectl for `{typed}`");
            return;
        }
        let said = String::from_utf8_lossy(&stdout);
        assert!(said.contains(&format!("{}: \"{}\"", ANNOTATION.0, ANNOTATION.1)), "`{typed}` says:\n{said}");
    }
}

#[expect(clippy::disallowed_methods, reason = "only the PATH and the cache's place are asked for")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where this repository keeps what it made between runs.
fn cache() -> PathBuf {
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from);
    base.unwrap_or_else(|| std::env::home_dir().expect("there is a home").join(".cache")).join("weir")
}

/// The PATH with weir and what was installed for languages on it.
fn path() -> String {
    let mut directories = vec![program().parent().unwrap().to_owned()];
    let tools = fs::read_dir(cache().join("tools")).into_iter().flatten().flatten();
    let mut tools: Vec<_> = tools.map(|it| it.path()).collect();
    // Several bring a `python3`; the one that has ziglang is to be the first.
    tools.sort_by_key(|tool| !tool.to_string_lossy().contains("ziglang"));
    let inside = tools.iter().flat_map(|tool| ["bin", "node_modules/.bin"].map(|it| tool.join(it)));
    directories.extend(inside.filter(|it| it.is_dir()));
    directories.extend(std::env::split_paths(&variable("PATH").unwrap_or_default()));
    std::env::join_paths(directories).unwrap().into_string().unwrap()
}
