//! The program under test: a process of its own, so that it can be killed.
//!
//! Promises: what it wrote before it ended is read whole, because its log is a file that it writes line by line; it ends with the run. The program is the one that
//! cargo built beside this test, and no older than its sources.

use crate::log::{self, Line};
use kube::Client;
use rand::{Rng, rngs::StdRng};
use serde_json::Value;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::process::{Child, Command};
use weir_tests::{
    program::program,
    world::{component, manifest, plain_client},
};

/// How long weir may take to end in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every start of weir in one run has in common.
pub(crate) struct Program {
    binary: PathBuf,
    flags: Vec<String>,
    /// Where all of it is.
    pub(crate) scratch: PathBuf,
    plugins: PathBuf,
    pub(crate) state: PathBuf,
    logs: PathBuf,
    starts: u32,
}

/// A weir that runs, or has ended and was not read to the end.
pub(crate) struct Weir {
    child: Child,
    log: PathBuf,
    /// How much of it was read.
    read: u64,
    client: Option<Client>,
}

impl Program {
    /// With these flags, and a directory of its own for everything it leaves.
    ///
    /// # Panics
    /// If it is not built.
    pub(crate) fn new(scratch: &Path, flags: &[String]) -> Program {
        let (plugins, state, cache) = (scratch.join("plugins"), scratch.join("state"), scratch.join("cache"));
        let logs = scratch.join("logs");
        for directory in [&plugins, &logs] {
            std::fs::create_dir_all(directory).unwrap();
        }
        install(&plugins);
        let mut all: Vec<String> = vec![
            "run".to_owned(),
            format!("--plugins={}", plugins.display()),
            format!("--state-dir={}", state.display()),
            format!("--cache-dir={}", cache.display()),
            "--listen=127.0.0.1:0".to_owned(),
            "--log-format=json".to_owned(),
            "--log=warn,weir=info,weir::dispatch=debug".to_owned(),
        ];
        all.extend_from_slice(flags);
        Program { binary: program(), flags: all, scratch: scratch.to_owned(), plugins, state, logs, starts: 0 }
    }

    /// Gives one of the handlers another manifest, which says the same but how many calls there may be at once: it is reloaded.
    pub(crate) fn reload(&self, random: &mut StdRng) {
        let at = random.random_range(0..MANIFESTS.len() - 1);
        put(&self.plugins, &format!("{}.yaml", MANIFESTS[at].0), written(at, random.random_range(2..6)).as_bytes());
    }

    /// Starts it, with more flags for this once.
    pub(crate) fn start(&mut self, more: &[String]) -> Weir {
        self.starts += 1;
        let log = self.logs.join(format!("{:04}.jsonl", self.starts));
        let to = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(&self.binary)
            .args(&self.flags)
            .args(more)
            .env_remove("KUBECONFIG")
            .env_remove("WEIR_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(to)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {}: {error}", self.binary.display()));
        Weir { child, log, read: 0, client: None }
    }
}

impl Weir {
    /// The lines of evidence written since last asked. A line that is not complete is left for later.
    pub(crate) fn lines(&mut self) -> Vec<(String, Line)> {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines: Vec<_> = String::from_utf8_lossy(&bytes[..whole]).lines().filter_map(log::read).collect();
        for (_, line) in &lines {
            if let Line::Runs { address } = line {
                self.client = Some(plain_client(&format!("http://{address}"), "oracle"));
            }
        }
        lines
    }

    /// What `/status` says; none if it does not answer (yet).
    pub(crate) async fn status(&self) -> Option<Value> {
        let request = http::Request::get("/status").body(Vec::new()).unwrap();
        self.client.as_ref()?.request(request).await.ok()
    }

    /// Kills it, in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        // An error is that it has ended already.
        let _ = self.child.start_kill();
        self.child.wait().await.unwrap();
    }

    /// Waits for it to end by itself; none if it does not within `patience`.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(patience, self.child.wait()).await.ok().map(Result::unwrap)
    }

    /// Asks it to stop, and waits until it has; none if it does not.
    pub(crate) async fn stop(&mut self) -> Option<ExitStatus> {
        let pid = self.child.id()?.to_string();
        // There is no safe way to send this signal without another dependency.
        let asked = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(asked.success(), "kill -TERM {pid}");
        self.ended(PATIENCE).await
    }

    /// The last that it said of itself, for people.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let told = |line: &&str| line.contains("weir::handler") || line.contains("\"name\":\"claim\"");
        let lines: Vec<&str> = text.lines().filter(|line| !told(line)).collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// The handlers, which are the same guest with other settings; the judge's [`HANDLERS`](crate::rounds::HANDLERS): name, retries, watch, settings.
const MANIFESTS: [(&str, &str, &str, &str); 4] = [
    ("whole", "forever", "namespaces: [oracle-a, oracle-b]", "{ fail: 7, failures: 2, again: 11, againMs: 200 }"),
    (
        "chosen",
        "forever",
        "namespaces: [oracle-a, oracle-b], labelSelector: oracle=in, previous: true, fields: [/data/state, /metadata/labels], changed: [/data/state]",
        "{ fail: 9, failures: 1, again: 13, againMs: 300 }",
    ),
    ("marking", "forever", "namespaces: [oracle-a]", "{ fail: 11, failures: 1, mark: 3 }"),
    // The last: a new manifest gives its dead letters another chance, so it keeps the one it has.
    ("limited", "2", "namespaces: [oracle-b]", "{ fail: 5, failures: 1, never: 5 }"),
];

fn install(plugins: &Path) {
    for (at, (name, ..)) in MANIFESTS.iter().enumerate() {
        put(plugins, &format!("{name}.yaml"), written(at, 4).as_bytes());
        put(plugins, &format!("{name}.wasm"), &component("oracle"));
    }
}

/// A handler's manifest.
fn written(at: usize, workers: u32) -> String {
    let (_, limit, watch, settings) = MANIFESTS[at];
    manifest(&format!(
        "  watches: [{{ name: objects, apiVersion: v1, kind: ConfigMap, {watch} }}]
  settings: {settings}
  workers: {workers}
  retry: {{ limit: {limit}, cap: 1s }}
  limits: {{ requeueFloor: 100ms }}
  grants:
    write: [{{ apiVersion: v1, kind: ConfigMap, actions: [annotate] }}]"
    ))
}

/// Writes a file whole, by renaming.
fn put(plugins: &Path, file: &str, bytes: &[u8]) {
    let fresh = plugins.join(format!(".{file}.new"));
    std::fs::write(&fresh, bytes).unwrap();
    std::fs::rename(fresh, plugins.join(file)).unwrap();
}
