//! The command line: flags to typed settings, errors to one message and an exit code.
//!
//! Exit codes: 0 done, 1 it failed, 2 the command line is wrong. The environment is read here (through clap, and for the
//! choice of cluster) and nowhere else.

mod allow;
mod ask;
mod build;
mod call;
mod check;
mod dead;
mod dev;
mod new;
mod rbac;
mod run;
mod state;
mod status;

use crate::ops::{
    cluster::ClusterChoice,
    logs::{self, LogFormat},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    error::Error,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Where the admin port listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9943";

/// Wasm Event Informer Runtime: hands Kubernetes resource events to WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the handlers in a directory against a cluster
    Run(run::RunArgs),
    /// Run the handlers in a directory on an embedded Kubernetes API, granting what they want
    Dev(dev::DevArgs),
    /// Make a folder with a handler that builds and passes its test, to go on from
    New(new::NewArgs),
    /// Build a handler from a folder of source, with its language's own tools
    Build(build::BuildArgs),
    /// Check a component, with the manifest beside it, and show what it is
    Check(check::CheckArgs),
    /// Call a component once with objects from files, and show what it answers
    Call(call::CallArgs),
    /// Show what a component wants, and grant it in the manifest beside it
    Allow(allow::AllowArgs),
    /// Print the least RBAC roles with which weir can run the handlers of a directory
    Rbac(rbac::RbacArgs),
    /// Show what a running weir is doing
    Status(status::StatusArgs),
    /// List, show, retry or drop dead letters: events that were given up
    Dead(dead::DeadArgs),
    /// Clear all that is known of a handler; it begins anew with `initial`
    Forget(dead::ForgetArgs),
}

/// Which cluster.
#[derive(Debug, Args)]
struct ClusterArgs {
    /// Path to a kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Address of the API server; alone, it is talked to without credentials
    #[arg(short, long, value_name = "URL")]
    server: Option<String>,
    /// Use the pod's service account, whatever kubeconfig there is
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "server"])]
    in_cluster: bool,
}

impl ClusterArgs {
    #[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
    fn choice(self) -> ClusterChoice {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        ClusterChoice {
            kubeconfig: self.kubeconfig,
            context: self.context,
            server: self.server,
            in_cluster: self.in_cluster,
            kubeconfig_variable: variable("KUBECONFIG"),
            in_pod: variable("KUBERNETES_SERVICE_HOST").is_some(),
            default_kubeconfig: std::env::home_dir().map(|home| home.join(".kube").join("config")),
        }
    }
}

/// What `run` and `dev` share.
#[derive(Debug, Args)]
struct HostArgs {
    /// Directory of handlers: NAME.wasm, and NAME.yaml beside it; watched for changes
    #[arg(long, value_name = "DIR")]
    plugins: PathBuf,
    /// Confine handlers that name no namespaces to these; may be given more than once
    #[arg(short, long = "namespace", value_name = "NS")]
    namespaces: Vec<String>,
    /// Where /livez, /readyz, /metrics and /status answer; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// A file with the token that gives orders (`weir dead`, `weir forget`) at that address; without it they are taken only on the socket in the state directory
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Calls at once per handler, for handlers whose manifest does not say
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How long running calls may take to end on shutdown
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    grace: Duration,
    /// Directory for compiled components; private to this user. Default: none, compile at each start
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Run only components whose manifest names their digest (`sha256:`)
    #[arg(long)]
    require_digest: bool,
    #[command(flatten)]
    state: state::StateArgs,
    #[command(flatten)]
    logs: LogArgs,
}

/// How to log.
#[derive(Debug, Args)]
struct LogArgs {
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What to log, such as `debug` or `weir=debug,warn`
    #[arg(long, value_name = "FILTER", env = "WEIR_LOG", default_value = logs::DEFAULT_FILTER)]
    log: String,
}

impl LogArgs {
    fn start(&self) -> Result<(), UsageError> {
        logs::start(self.log_format, &self.log).map_err(|error| {
            UsageError(format!("--log {}: {error}; give a level such as `debug`, or `weir=debug,warn`", self.log))
        })
    }
}

/// How to print an answer: for people, or for programs.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Yaml,
}

/// The command line is wrong in a way that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Runs the program with `arguments`, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which is which, and where each is printed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
        Command::New(arguments) => new::run(arguments),
        Command::Build(arguments) => build::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Call(arguments) => call::run(arguments),
        Command::Allow(arguments) => allow::run(arguments),
        Command::Rbac(arguments) => rbac::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Dead(arguments) => dead::run(arguments),
        Command::Forget(arguments) => dead::forget(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            if error.is::<UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// An error and what it came from, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Beyond its first line, what an error says is an excerpt of what was read.
        let words = source.to_string();
        let words = words.lines().next().unwrap_or_default();
        if !text.contains(words) {
            text = format!("{text}: {words}");
        }
        next = source.source();
    }
    text
}

/// The token in a file: one line that only its owner may read.
fn token(file: &Path) -> Result<String, UsageError> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |what: &dyn std::fmt::Display| UsageError(format!("the token file {}: {what}", file.display()));
    let mode = std::fs::metadata(file).map_err(|error| wrong(&error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(&format!("others may read it (mode {:o}); run chmod 600 on it", mode & 0o777)));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let token = text.trim();
    if token.len() < crate::ops::admin::MIN_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(&format!(
            "it holds no token; give one line of at least {} printable characters",
            crate::ops::admin::MIN_TOKEN
        )));
    }
    Ok(token.to_owned())
}

/// What Events name as their reporter: in a pod, the host's name is the pod's.
#[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
fn instance() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "weir".to_owned())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::handler::duration::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_flags_exit_with_2_and_help_with_0() {
        let run = |line: &str| run(line.split(' ').map(OsString::from));
        assert_eq!(run("weir run --no-such-flag"), ExitCode::from(2));
        assert_eq!(run("weir --version"), ExitCode::SUCCESS);
        assert_eq!(run("weir run --plugins p --in-cluster --server http://x"), ExitCode::from(2));
    }
}
