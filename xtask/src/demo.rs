//! `cargo xtask demo`: the main job, in front of one's eyes.
//!
//! Promises: everything claimed is read back from the API, by plain requests, and the demo succeeds only if it was all seen; it
//! ends by itself unless asked to stay; what it started has ended when it ends. It works in `target/demo`, on an edited *copy* of
//! the handler.

mod chat;
mod cluster;
mod systems;

use crate::{
    guests, place,
    stage::{self, Done, Failed, Stages},
    test::cargo,
};
use chat::Chat;
use cluster::Cluster;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use systems::{SYSTEMS, Scene, System};

/// What is edited in the handler's source, and what it becomes: the first words of the Event that tells of a change.
const EDIT: (&str, &str) = ("\"{count} images, ", "\"(edited) {count} images, ");

/// The edited package's name. Not that of the original: for WebAssembly cargo names its output after the package alone, and would take the one for the
/// other when it next finds the original unchanged.
const EDITED: &str = "node-images-edited";

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long all handlers may take to be compiled to machine code, by a debug build on a busy machine.
const COMPILING: Duration = Duration::from_secs(300);

/// How the demo ends.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Keep it running afterwards, and print how to look around
    #[arg(long)]
    stay: bool,
}

/// weir, ended when this is dropped.
struct Weir(Child);

impl Drop for Weir {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds what it needs and shows it.
pub(crate) fn demo(options: &Options) -> Done {
    let mut stages = Stages::default();
    let root = place::root();
    let systems = stages.run("build the handlers", || build_handlers(&root))?;
    stages.run("build weir", build_weir)?;
    let place = Place::prepare(&root, &systems)?;
    stages.run("compile the handlers to machine code", || compile(&place, 1 + systems.len()))?;
    stages.run("show", || show(&place, &systems, options))
}

/// Builds `node-images`, and of the other systems those whose language's tools are here; which.
fn build_handlers(root: &Path) -> Done<Vec<&'static System>> {
    let names: Vec<String> =
        ["node-images"].into_iter().chain(SYSTEMS.iter().map(|system| system.name)).map(str::to_owned).collect();
    let built = guests::build(root, &names).map_err(|error| Failed(crate::chain(&error)))?;
    let is_built =
        |system: &&System| built.iter().any(|component| component.path.file_stem() == Some(system.name.as_ref()));
    Ok(SYSTEMS.iter().filter(is_built).collect())
}

/// With the test next to it cargo takes the dependencies as the tests have them, so that nothing is compiled twice.
fn build_weir() -> Done {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", "weir", "--test", "house"]);
    stage::run_quietly(&mut build, "building weir (a quarter of an hour the first time)", "see above")
}

/// Where the demo keeps what it shows.
struct Place {
    root: PathBuf,
    work: PathBuf,
    plugins: PathBuf,
    kubeconfig: PathBuf,
    log: PathBuf,
    chat: Chat,
}

impl Place {
    /// Empty but for the handlers, each with what its operator says.
    fn prepare(root: &Path, systems: &[&System]) -> Done<Place> {
        let work = place::target().join("demo");
        let plugins = work.join("plugins");
        let fails = |what: &str, error: std::io::Error| Failed(format!("{what}: {error}"));
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&plugins).map_err(|error| fails("creating target/demo/plugins", error))?;
        let chat = Chat::open()?;
        for name in ["node-images"].into_iter().chain(systems.iter().map(|system| system.name)) {
            let (component, manifest) = (format!("{name}.wasm"), format!("{name}.yaml"));
            fs::copy(guests::components_directory(root).join(&component), plugins.join(&component))
                .map_err(|error| fails("copying a handler", error))?;
            let written = fs::read_to_string(root.join("plugins").join(name).join(&manifest));
            let added = systems.iter().find(|it| it.name == name).map(|it| (it.operator)(&chat)).unwrap_or_default();
            written
                .and_then(|written| fs::write(plugins.join(&manifest), written + &added))
                .map_err(|error| fails("copying a manifest", error))?;
        }
        Ok(Place {
            root: root.to_owned(),
            kubeconfig: work.join("kubeconfig"),
            log: work.join("weir.log"),
            work,
            plugins,
            chat,
        })
    }

    /// Starts weir on free ports; it, its API's URL and its own.
    fn weir(&self) -> Done<(Weir, String, String)> {
        let (port, admin) = (free_port()?, free_port()?);
        let log = fs::File::create(&self.log).map_err(|error| Failed(format!("creating the log: {error}")))?;
        let mut command = Command::new(place::target().join("debug").join("weir"));
        command.arg("dev").arg("--plugins").arg(&self.plugins).arg("--kubeconfig-out").arg(&self.kubeconfig);
        command.arg("--cache-dir").arg(place::cache("")?.join("compiled"));
        command.args(["--port", &port.to_string(), "--listen", &format!("127.0.0.1:{admin}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|error| Failed(format!("starting weir dev: {error}")))?;
        Ok((Weir(child), format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{admin}")))
    }

    /// A problem with what weir said last.
    fn explained(&self, Failed(problem): Failed) -> Failed {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        Failed(format!("{problem}; weir's last words:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }
}

/// Starts weir once, so that the code it compiles is there when it counts: a language that brings its interpreter takes a debug build
/// of weir the better part of a minute, the first time.
fn compile(place: &Place, handlers: usize) -> Done {
    let (_weir, url, admin) = place.weir()?;
    Cluster::new(&url).until_up(&admin, handlers, COMPILING).map_err(|failed| place.explained(failed))
}

fn show(place: &Place, systems: &[&System], options: &Options) -> Done {
    let (mut weir, url, admin) = place.weir()?;
    say(&format!("weir dev runs: API {url}, status {admin}/, log {}", shown(&place.root, &place.log)));
    act(place, systems, Cluster::new(&url), &admin).map_err(|failed| place.explained(failed))?;
    say("everything that was claimed was seen");
    if options.stay {
        say("it goes on until Ctrl-C; look around in another terminal:");
        say(&format!("  kubectl --kubeconfig {} get nodes,events", shown(&place.root, &place.kubeconfig)));
        say(&format!("  target/debug/weir status --address {}", admin.trim_start_matches("http://")));
        weir.0.wait().map_err(|error| Failed(format!("waiting for weir: {error}")))?;
    }
    Ok(())
}

/// The show itself.
fn act(place: &Place, systems: &[&System], mut cluster: Cluster, admin: &str) -> Done {
    let (root, work, plugins) = (&place.root, &place.work, &place.plugins);
    cluster.until_up(admin, 1 + systems.len(), PATIENCE)?;
    say("\n1. nodes appear; the handler annotates each with its images, and records an Event");
    cluster.populate()?;
    for node in cluster.nodes() {
        let took = cluster.until_annotated(&node, PATIENCE)?;
        say(&format!("   {node}: {} (seen after {} ms)", cluster.annotation(&node)?, took.as_millis()));
    }

    say("\n2. images come and go, pods too; the handler keeps up");
    for _ in 0..6 {
        let (node, change) = cluster.change()?;
        let took = cluster.until_annotated(&node, PATIENCE)?;
        let event = cluster.until_event(&node, "", PATIENCE)?;
        say(&format!(
            "   {node}: {change} → {} → Event: {event} ({} ms)",
            cluster.annotation(&node)?,
            took.as_millis()
        ));
    }

    say("\n3. the handler's source is edited, built and renamed into place, while images go on changing");
    let source = edited_copy(root, work)?;
    let changing = cluster.keep_changing();
    let fresh_place = work.join("built");
    let built = guests::build_at(root, &source, &fresh_place).map_err(|error| Failed(crate::chain(&error)))?;
    let fresh = plugins.join(".node-images.new");
    let failed = |error: std::io::Error| Failed(format!("putting the new build into place: {error}"));
    fs::copy(&built.path, &fresh).map_err(failed)?;
    fs::rename(&fresh, plugins.join("node-images.wasm")).map_err(failed)?;
    let (event, took) = cluster.until_any_event("(edited)", PATIENCE)?;
    say(&format!("   the new build speaks {} ms after the rename: Event: {event}", took.as_millis()));
    let changes = changing.stop()?;

    say("\n4. nothing was missed: every node's annotations say what its status says now");
    for node in cluster.nodes() {
        cluster.until_annotated(&node, PATIENCE)?;
        say(&format!("   {node}: {}", cluster.annotation(&node)?));
    }
    let failures = cluster.failures(admin)?;
    if failures > 0 {
        return Err(Failed(format!("the handler failed {failures} times over {changes} changes")));
    }
    say(&format!("   {changes} changes while the handler was replaced, no call failed"));

    let scene = Scene { cluster: &cluster, chat: &place.chat, admin };
    for (number, system) in (5..).zip(systems) {
        say(&format!("\n{number}. {}, in {}", system.name, system.language));
        (system.show)(&scene)?;
    }
    Ok(())
}

/// A copy of the handler's package with the edit made, which depends on the SDK where it is.
fn edited_copy(root: &Path, work: &Path) -> Done<PathBuf> {
    let (from, to) = (root.join("plugins/node-images"), work.join(EDITED));
    let failed = |error: std::io::Error| Failed(format!("copying the handler's source: {error}"));
    fs::create_dir_all(to.join("src")).map_err(failed)?;
    for entry in fs::read_dir(from.join("src")).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.is_file() {
            let name = file.file_name().unwrap_or_default().to_owned();
            let text = fs::read_to_string(&file).map_err(failed)?;
            fs::write(to.join("src").join(name), text.replace(EDIT.0, EDIT.1)).map_err(failed)?;
        }
    }
    let sdk = root.join("sdk").join("rust");
    for file in ["Cargo.toml", "Cargo.lock"] {
        let text = fs::read_to_string(from.join(file)).map_err(failed)?;
        let text = text.replace("name = \"node-images\"", &format!("name = \"{EDITED}\""));
        fs::write(to.join(file), text.replace("../../sdk/rust", &sdk.to_string_lossy())).map_err(failed)?;
    }
    Ok(to)
}

fn free_port() -> Done<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| Failed(format!("finding a free port: {error}")))
}

fn say(line: &str) {
    println!("{line}");
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
