//! One step of a longer job: says what it does, shows that it is alive, and how long it took.

#![expect(clippy::disallowed_types, reason = "a tool for people measures real time; there is no clock to pause")]

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    ffi::OsStr,
    fmt,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Why a job stopped: what was attempted, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// What a job returns.
pub(crate) type Done<T = ()> = Result<T, Failed>;

/// How long each stage took, in order.
#[derive(Default)]
pub(crate) struct Stages {
    took: Vec<(String, Duration)>,
}

impl Stages {
    /// Runs `work` as the stage `name`.
    pub(crate) fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Done<T>) -> Done<T> {
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let done = work();
        let took = start.elapsed();
        eprintln!("--- {name}: {} in {}", if done.is_ok() { "done" } else { "failed" }, minutes(took));
        self.took.push((name.to_owned(), took));
        done
    }

    /// Prints minutes per stage.
    pub(crate) fn print(&self) {
        eprintln!("\nminutes per stage");
        for (name, took) in &self.took {
            eprintln!("  {:>6}  {name}", minutes(*took));
        }
        eprintln!("  {:>6}  in all", minutes(self.took.iter().map(|(_, took)| *took).sum()));
    }
}

/// `m:ss`.
pub(crate) fn minutes(took: Duration) -> String {
    format!("{}:{:02}", took.as_secs() / 60, took.as_secs() % 60)
}

/// Runs `command` with its output shown.
pub(crate) fn run(command: &mut Command, or_else: &str) -> Done {
    let shown = show(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("{shown}: {status}; {or_else}"))),
        Err(error) => Err(Failed(format!("{shown}: {error}; {or_else}"))),
    }
}

/// Runs `command` behind a spinner that shows its latest line; its output is printed only if it fails.
pub(crate) fn run_quietly(command: &mut Command, what: &str, or_else: &str) -> Done {
    let shown = show(command);
    let failed = |error: std::io::Error| Failed(format!("{shown}: {error}; {or_else}"));
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    let style = ProgressStyle::with_template("{spinner} [{elapsed}] {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .spawn()
        .map_err(failed)?;
    // The command still holds the pipe's other end; without this the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lines = Vec::new();
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        bar.set_message(format!("{what}: {}", line.chars().take(80).collect::<String>()));
        lines.push(line);
    }
    let status = child.wait().map_err(failed)?;
    bar.finish_and_clear();
    if status.success() {
        eprintln!("  {what}: done in {}", minutes(bar.elapsed()));
        return Ok(());
    }
    for line in lines {
        eprintln!("  | {line}");
    }
    Err(Failed(format!("{shown}: {status}; {or_else}")))
}

fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
