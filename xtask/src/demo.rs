//! `cargo xtask demo`: the main job, in front of one's eyes.
//!
//! Promises: everything claimed is read back from the API, by plain requests, and the demo succeeds only if it was all seen; it
//! ends by itself unless asked to stay; what it started has ended when it ends. It works in `target/demo`, on an edited *copy* of
//! the handler.

mod cluster;

use crate::{
    guests, place,
    stage::{self, Done, Failed, Stages},
    test::cargo,
};
use cluster::Cluster;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What is edited in the handler's source, and what it becomes: the first words of the Event that tells of a change.
const EDIT: (&str, &str) = ("\"{count} images, ", "\"(edited) {count} images, ");

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

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
    stages.run("build the handler", || build_handler(&root))?;
    stages.run("build weir", build_weir)?;
    stages.run("show", || show(&root, options))
}

fn build_handler(root: &Path) -> Done {
    guests::build(root, &["node-images".into()]).map(drop).map_err(|error| Failed(crate::chain(&error)))
}

/// With the test next to it cargo takes the dependencies as the tests have them, so that nothing is compiled twice.
fn build_weir() -> Done {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", "weir", "--test", "house"]);
    stage::run_quietly(&mut build, "building weir (a quarter of an hour the first time)", "see above")
}

fn show(root: &Path, options: &Options) -> Done {
    let work = place::target().join("demo");
    let plugins = work.join("plugins");
    let fails = |what: &str, error: std::io::Error| Failed(format!("{what}: {error}"));
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&plugins).map_err(|error| fails("creating target/demo/plugins", error))?;
    let built = guests::components_directory(root).join("node-images.wasm");
    fs::copy(&built, plugins.join("node-images.wasm")).map_err(|error| fails("copying the handler", error))?;
    let manifest = root.join("plugins/node-images/node-images.yaml");
    fs::copy(manifest, plugins.join("node-images.yaml")).map_err(|error| fails("copying its manifest", error))?;

    let (port, admin) = (free_port()?, free_port()?);
    let kubeconfig = work.join("kubeconfig");
    let log = work.join("weir.log");
    let log_file = fs::File::create(&log).map_err(|error| fails("creating the log", error))?;
    let mut command = Command::new(place::target().join("debug").join("weir"));
    command.arg("dev").arg("--plugins").arg(&plugins).arg("--kubeconfig-out").arg(&kubeconfig);
    command.args(["--port", &port.to_string(), "--listen", &format!("127.0.0.1:{admin}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
    let child = command.spawn().map_err(|error| fails("starting weir dev", error))?;
    let mut weir = Weir(child);
    let url = format!("http://127.0.0.1:{port}");
    say(&format!("weir dev runs: API {url}, status http://127.0.0.1:{admin}/, log {}", shown(root, &log)));

    let seen = act(root, &work, &plugins, Cluster::new(&url), &format!("http://127.0.0.1:{admin}"));
    if let Err(Failed(problem)) = seen {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        return Err(Failed(format!(
            "{problem}; weir's last words:\n{}",
            last.into_iter().rev().collect::<Vec<_>>().join("\n")
        )));
    }
    say("everything that was claimed was seen");
    if options.stay {
        say("it goes on until Ctrl-C; look around in another terminal:");
        say(&format!("  kubectl --kubeconfig {} get nodes,events", shown(root, &kubeconfig)));
        say(&format!("  target/debug/weir status --address 127.0.0.1:{admin}"));
        weir.0.wait().map_err(|error| fails("waiting for weir", error))?;
    }
    Ok(())
}

/// The show itself.
fn act(root: &Path, work: &Path, plugins: &Path, mut cluster: Cluster, admin: &str) -> Done {
    cluster.until_up(admin, PATIENCE)?;
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
    let place = work.join("built");
    let built = guests::build_at(root, &source, &place).map_err(|error| Failed(crate::chain(&error)))?;
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
    Ok(())
}

/// A copy of the handler's package with the edit made, which depends on the SDK where it is.
fn edited_copy(root: &Path, work: &Path) -> Done<PathBuf> {
    let (from, to) = (root.join("plugins/node-images"), work.join("node-images"));
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
    fs::copy(from.join("Cargo.lock"), to.join("Cargo.lock")).map_err(failed)?;
    let cargo = fs::read_to_string(from.join("Cargo.toml")).map_err(failed)?;
    let sdk = root.join("sdk").join("rust");
    fs::write(to.join("Cargo.toml"), cargo.replace("../../sdk/rust", &sdk.to_string_lossy())).map_err(failed)?;
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
