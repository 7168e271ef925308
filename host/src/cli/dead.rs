//! `weir dead list|show|retry|drop` and `weir forget`: orders about what was given up and what is remembered, to a running weir or on its state directory.
//!
//! Promises: each order is carried out whole or, if a name is wrong, not at all; what is printed says what was done.

use super::{DEFAULT_LISTEN, UsageError, ask::At};
use crate::{
    app::{LetterLine, Order as Wanted, Orders, StateSettings},
    ops::admin::socket::SOCKET,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    error::Error,
    net::SocketAddr,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// The longest error in a table, in characters; `-o wide` shows it whole.
const ERROR_WIDTH: usize = 60;

#[derive(Debug, Args)]
pub(super) struct DeadArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// List dead letters, of one handler or of all
    List {
        /// Only this handler's
        handler: Option<String>,
        /// How to print
        #[arg(short, long, value_enum)]
        output: Option<Output>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show one dead letter whole: event, error, stderr, attempts, digest
    Show {
        /// Which one
        #[arg(value_name = "HANDLER/NUMBER")]
        name: String,
        /// How to print
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Format,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Have dead letters tried again
    Retry(WhichArgs),
    /// Drop dead letters for good
    Drop(WhichArgs),
}

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// Whose ledger and dead letters to clear
    handler: String,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct WhichArgs {
    /// Letters, or handlers for all of theirs
    #[arg(value_name = "HANDLER[/NUMBER]", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// All letters of all handlers
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// The state directory: the weir that runs on it is asked, or, if none does, the directory itself
    #[arg(long, value_name = "DIR", env = "WEIR_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// The admin port of the weir to ask, whatever --state-dir says; takes --token-file
    #[arg(long, value_name = "ADDR:PORT")]
    address: Option<SocketAddr>,
    /// A file with the token that it was given with --admin-token-file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Who is asked.
enum Desk {
    /// A running weir.
    Running { runtime: tokio::runtime::Runtime, at: At, token: Option<String> },
    /// A directory that none runs on.
    Here(Orders),
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Json,
    Yaml,
    Wide,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub(super) fn run(arguments: DeadArgs) -> Result<(), Box<dyn Error>> {
    match arguments.order {
        Order::List { handler, output, place } => {
            let lines: Vec<LetterLine> = serde_json::from_value(place.open()?.ask(&Wanted::List { handler })?)?;
            match output {
                Some(Output::Json) => println!("{}", serde_json::to_string_pretty(&lines)?),
                Some(Output::Yaml) => print!("{}", serde_saphyr::to_string(&lines)?),
                None | Some(Output::Wide) => print!("{}", table(&lines, output.is_some(), now_ms())),
            }
        }
        Order::Show { name, output, place } => {
            let (handler, number) = named(&name)?;
            let number =
                number.ok_or_else(|| UsageError(format!("{name}: give HANDLER/NUMBER, as `list` names it")))?;
            let letter = place.open()?.ask(&Wanted::Show { handler, number })?;
            match output {
                Format::Json => println!("{}", serde_json::to_string_pretty(&letter)?),
                Format::Yaml => print!("{}", serde_saphyr::to_string(&letter)?),
            }
        }
        Order::Retry(which) => carry_out(&which, "tried again", |handler, number| Wanted::Retry { handler, number })?,
        Order::Drop(which) => carry_out(&which, "dropped", |handler, number| Wanted::Drop { handler, number })?,
    }
    Ok(())
}

pub(super) fn forget(arguments: ForgetArgs) -> Result<(), Box<dyn Error>> {
    let mut desk = arguments.place.open()?;
    desk.ask(&Wanted::Forget { handler: arguments.handler.clone() })?;
    let when = desk.when();
    desk.close()?;
    println!("{} is forgotten{when}: it begins anew with `initial`", arguments.handler);
    Ok(())
}

impl PlaceArgs {
    fn open(&self) -> Result<Desk, Box<dyn Error>> {
        let token = self.token_file.as_deref().map(super::token).transpose()?;
        let running = |at, token| Ok(Desk::Running { runtime: super::runtime()?, at, token });
        if let Some(address) = self.address {
            return running(At::Tcp(address), token);
        }
        let Some(dir) = &self.state_dir else {
            return running(At::Tcp(DEFAULT_LISTEN.parse().map_err(|_| "the default address is none")?), token);
        };
        let socket = dir.join(SOCKET);
        if At::is_answered(&socket) {
            return running(At::Unix(socket), token);
        }
        Ok(Desk::Here(Orders::open(StateSettings::new(dir))?))
    }
}

impl Desk {
    fn ask(&mut self, order: &Wanted) -> Result<Value, Box<dyn Error>> {
        let (runtime, at, token) = match self {
            Desk::Here(orders) => return Ok(orders.carry_out(order)?),
            Desk::Running { runtime, at, token } => (runtime, at, token),
        };
        let body = serde_json::to_vec(order)?;
        let (code, answer) = runtime.block_on(at.ask("POST", "/orders", token.as_deref(), body))?;
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| format!("{at} is not weir's admin port: it answered {code}, and no JSON ({error})"))?;
        if code.is_success() {
            return Ok(answer);
        }
        Err(answer["error"].as_str().map_or_else(|| format!("{at} answered {code}"), str::to_owned).into())
    }

    /// When what was ordered is done, in words to append.
    fn when(&self) -> &'static str {
        match self {
            Desk::Running { .. } => "",
            Desk::Here(_) => " when weir runs next",
        }
    }

    fn close(self) -> Result<(), Box<dyn Error>> {
        match self {
            Desk::Running { .. } => Ok(()),
            Desk::Here(orders) => Ok(orders.close()?),
        }
    }
}

fn carry_out(
    which: &WhichArgs,
    done: &str,
    order: impl Fn(String, Option<u64>) -> Wanted,
) -> Result<(), Box<dyn Error>> {
    let mut wanted = which.names.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
    let mut desk = which.place.open()?;
    if which.all {
        let handlers: Vec<String> = serde_json::from_value(desk.ask(&Wanted::Handlers {})?)?;
        wanted = handlers.into_iter().map(|handler| (handler, None)).collect();
    }
    let wanted = without_repeats(wanted);
    // All names are looked at before anything is done.
    for (handler, number) in &wanted {
        let handler = handler.clone();
        desk.ask(&match number {
            Some(number) => Wanted::Show { handler, number: *number },
            None => Wanted::List { handler: Some(handler) },
        })?;
    }
    let mut said = Vec::new();
    let when = desk.when();
    let mut refused = None;
    for (handler, number) in &wanted {
        match (desk.ask(&order(handler.clone(), *number)), number) {
            (Ok(_), Some(number)) => said.push(format!("{handler}/{number} is {done}{when}")),
            (Ok(count), None) => said.push(format!("{handler}: {count} dead letters {done}{when}")),
            (Err(error), _) => {
                refused = Some(error);
                break;
            }
        }
    }
    desk.close()?;
    // What was done before something was refused was done.
    for line in said {
        println!("{line}");
    }
    refused.map_or(Ok(()), Err)
}

/// Each name once, and no letter of a handler that is named whole: it would be gone by the time it is asked for.
fn without_repeats(wanted: Vec<(String, Option<u64>)>) -> Vec<(String, Option<u64>)> {
    let whole: BTreeSet<String> = wanted.iter().filter(|it| it.1.is_none()).map(|it| it.0.clone()).collect();
    let mut seen = BTreeSet::new();
    let fresh = |it: &(String, Option<u64>)| (it.1.is_none() || !whole.contains(&it.0)) && seen.insert(it.clone());
    wanted.into_iter().filter(fresh).collect()
}

/// `HANDLER` or `HANDLER/NUMBER`.
fn named(text: &str) -> Result<(String, Option<u64>), UsageError> {
    let Some((handler, number)) = text.split_once('/') else { return Ok((text.to_owned(), None)) };
    let number = number.parse().map_err(|_| UsageError(format!("{text}: give HANDLER or HANDLER/NUMBER")))?;
    Ok((handler.to_owned(), Some(number)))
}

/// As kubectl prints tables: columns as wide as their widest cell, three spaces between.
fn table(lines: &[LetterLine], wide: bool, now_ms: u64) -> String {
    if lines.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let head = ["NAME", "WATCH", "OBJECT", "CHANGE", "ATTEMPTS", "AGE", "ERROR"].map(str::to_owned);
    let row = |line: &LetterLine| {
        // What a guest said may hold anything; a table has one line a letter and no control characters.
        let error = line.error.chars().map(|it| if it.is_control() { ' ' } else { it });
        let error: String = if wide { error.collect() } else { error.take(ERROR_WIDTH).collect() };
        let age = age(now_ms.saturating_sub(line.at_ms) / 1000);
        let attempts = line.attempts.to_string();
        [line.name.clone(), line.watch.clone(), line.object.clone(), line.change.clone(), attempts, age, error]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(lines.iter().map(row)).collect();
    let mut out = String::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|it| it[at].chars().count()).max().unwrap_or(0);
            if at + 1 < row.len() { out.push_str(&format!("{cell:width$}   ")) } else { out.push_str(cell) }
        }
        out.push('\n');
    }
    out
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_line_a_letter_whatever_the_guest_said() {
        let letter = LetterLine {
            name: "node-images/17".to_owned(),
            watch: "nodes".to_owned(),
            object: "a".to_owned(),
            change: "updated".to_owned(),
            attempts: 6,
            at_ms: 1_000,
            error: format!("no\n\u{1b}[31m{}", "x".repeat(100)),
        };
        let text = table(std::slice::from_ref(&letter), false, 181_000);
        assert_eq!(text.lines().next().unwrap(), "NAME             WATCH   OBJECT   CHANGE    ATTEMPTS   AGE   ERROR");
        assert!(
            text.lines()
                .nth(1)
                .unwrap()
                .starts_with("node-images/17   nodes   a        updated   6          3m    no ")
        );
        assert!(text.lines().count() == 2 && !text.contains('\u{1b}') && !text.contains(&"x".repeat(60)), "{text}");
        assert!(table(&[letter], true, 0).contains(&"x".repeat(100)));
    }

    #[test]
    fn what_is_named_twice_is_ordered_once() {
        let names = ["a/1", "a/1", "b", "b/2", "a/2"].map(|name| named(name).unwrap());
        let ordered = ["a/1", "b", "a/2"].map(|name| named(name).unwrap());
        assert_eq!(without_repeats(names.to_vec()), ordered);
    }

    #[test]
    fn a_letters_name_is_the_handler_and_a_number() {
        assert_eq!(named("a").unwrap(), ("a".to_owned(), None));
        assert_eq!(named("a/17").unwrap(), ("a".to_owned(), Some(17)));
        assert!(named("a/b").is_err() && named("a/1/2").is_err());
    }
}
