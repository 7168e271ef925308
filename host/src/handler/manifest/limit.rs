//! Every bound on what one handler may use, by name: the one list that the manifest's keys, the metric and the documentation are made from.
//!
//! Promises: each bound has one name, the same as the manifest's key under `limits` (if it has one), as the label `limit` of
//! `weir_limit_hits_total`, and in `LIMITS.md`; each has a default and a largest value, and none can be switched off. Where a bound is enforced,
//! it is counted by [`LimitHits::hit`], once for each call or request that met it.

use super::Limits;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use std::{fmt, time::Duration};

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is documented in BOUNDS, for people who never see this file")]
pub enum Limit {
    Memory,
    Time,
    Actions,
    ReplyBytes,
    ActionBytes,
    JsonDepth,
    LogBytes,
    LogBytesPerSecond,
    LogBurst,
    Imports,
    ReadBytes,
    WritesPerSecond,
    WriteBurst,
    HttpTime,
    HttpConnections,
    HttpRequestBytes,
    HttpAnswerBytes,
    CallsPerInstance,
    Idle,
    RequeueFloor,
    DeadLetters,
    DeadLetterBytes,
    Stack,
    Memories,
    Tables,
    TableElements,
    CoreInstances,
    Handles,
    LineBytes,
    StderrBytes,
    ComponentBytes,
    CompileTime,
    DescribeTime,
    ManifestBytes,
    Instances,
}

/// A bound's value, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Written as a quantity.
    Bytes(u64),
    /// Written in milliseconds, seconds or minutes.
    Time(Duration),
    /// How many.
    Number(u64),
}

/// What is known of one bound.
#[derive(Debug)]
pub struct Bound {
    /// Which.
    pub limit: Limit,
    /// The manifest's key under `limits`, if `set` says so, and the metric's label.
    pub name: &'static str,
    /// By whom.
    pub set: Set,
    /// For people: what it bounds, and what happens beyond it.
    pub meaning: &'static str,
}

/// Who sets a bound.
#[derive(Debug)]
pub enum Set {
    /// The manifest.
    Manifest {
        /// Unless the manifest says otherwise.
        default: fn(&Limits) -> Amount,
        /// The largest that a manifest may say.
        most: Amount,
    },
    /// The host, for every handler alike.
    Host(Amount),
}

use Amount::{Bytes, Number, Time};

const fn manifest(
    limit: Limit,
    name: &'static str,
    default: fn(&Limits) -> Amount,
    most: Amount,
    meaning: &'static str,
) -> Bound {
    Bound { limit, name, set: Set::Manifest { default, most }, meaning }
}

const fn host(limit: Limit, name: &'static str, amount: Amount, meaning: &'static str) -> Bound {
    Bound { limit, name, set: Set::Host(amount), meaning }
}

const fn seconds(seconds: u64) -> Amount {
    Time(Duration::from_secs(seconds))
}

const MILLION: Amount = Number(1_000_000);

/// Every bound, in the order of the documentation, which is that of [`Limit`].
pub const BOUNDS: &[Bound] = &[
    manifest(
        Limit::Memory,
        "memory",
        |it| Bytes(it.memory),
        Bytes(256 << 20),
        "the sum of an instance's linear memories and tables; growth beyond it is refused, and a failure after that says so: out of memory",
    ),
    manifest(
        Limit::Time,
        "time",
        |it| Time(it.time),
        seconds(600),
        "one call, what it computes and what it waits for in host functions; the call fails: timed out",
    ),
    manifest(
        Limit::Actions,
        "actions",
        |it| Number(it.actions as u64),
        Number(10_000),
        "actions of one reply; the call fails: reply too large",
    ),
    manifest(
        Limit::ReplyBytes,
        "replyBytes",
        |it| Bytes(it.reply_bytes as u64),
        Bytes(64 << 20),
        "one reply, and what a call gives to one host function, in the host's memory; the call fails: reply too large",
    ),
    manifest(
        Limit::ActionBytes,
        "actionBytes",
        |it| Bytes(it.action_bytes as u64),
        Bytes(64 << 20),
        "one action: its texts, added up; the reply is refused: a dead letter",
    ),
    manifest(
        Limit::JsonDepth,
        "jsonDepth",
        |it| Number(it.json_depth as u64),
        Number(100),
        "how deep arrays and objects nest in a status, a patch or a manifest; the reply is refused: a dead letter",
    ),
    manifest(
        Limit::LogBytes,
        "logBytes",
        |it| Bytes(it.log_bytes as u64),
        Bytes(16 << 20),
        "log lines of one call, from the `log` import, stdout and stderr together; the rest is dropped, and one line says how many",
    ),
    manifest(
        Limit::LogBytesPerSecond,
        "logBytesPerSecond",
        |it| Bytes(it.log_bytes_per_second.into()),
        Bytes(16 << 20),
        "log lines of all calls, `log` actions and what weir says of its failures included, after the burst; the rest is dropped, and one line says so",
    ),
    manifest(
        Limit::LogBurst,
        "logBurst",
        |it| Bytes(it.log_burst.into()),
        Bytes(256 << 20),
        "log lines at once before `logBytesPerSecond` holds; counted there",
    ),
    manifest(
        Limit::Imports,
        "imports",
        |it| Number(it.imports.into()),
        MILLION,
        "questions to the host in one call; the call fails: asked too much",
    ),
    manifest(
        Limit::ReadBytes,
        "readBytes",
        |it| Bytes(it.read_bytes as u64),
        Bytes(1 << 30),
        "what the host answers to the questions of one call; the call fails: asked too much",
    ),
    manifest(
        Limit::WritesPerSecond,
        "writesPerSecond",
        |it| Number(it.writes_per_second.into()),
        MILLION,
        "requests to the API and outside it, after the burst; further ones wait, and no other handler waits with them",
    ),
    manifest(
        Limit::WriteBurst,
        "writeBurst",
        |it| Number(it.write_burst.into()),
        MILLION,
        "requests at once before `writesPerSecond` holds; counted there",
    ),
    manifest(
        Limit::HttpTime,
        "httpTime",
        |it| Time(it.http_time),
        seconds(60),
        "one `http` action, redirects included; the action fails, and is tried again like any failure",
    ),
    manifest(
        Limit::HttpConnections,
        "httpConnections",
        |it| Number(it.http_connections as u64),
        Number(64),
        "`http` actions under way at once; further ones wait",
    ),
    manifest(
        Limit::HttpRequestBytes,
        "httpRequestBytes",
        |it| Bytes(it.http_request_bytes as u64),
        Bytes(16 << 20),
        "one `http` request: method, URL, headers and body; the reply is refused: a dead letter",
    ),
    manifest(
        Limit::HttpAnswerBytes,
        "httpAnswerBytes",
        |it| Bytes(it.http_answer_bytes as u64),
        Bytes(16 << 20),
        "an answer's head, and its body; a longer head fails the action, the rest of a longer body is not read. At least 8Ki",
    ),
    manifest(
        Limit::CallsPerInstance,
        "callsPerInstance",
        |it| Number(it.calls_per_instance.into()),
        MILLION,
        "calls of one warm instance; the next call gets a new one",
    ),
    manifest(
        Limit::Idle,
        "idle",
        |it| Time(it.idle),
        seconds(86_400),
        "how long a warm instance waits for a call; then its memory is given back",
    ),
    manifest(
        Limit::RequeueFloor,
        "requeueFloor",
        |it| Time(Duration::from_millis(it.requeue_floor_ms.into())),
        seconds(86_400),
        "the smallest `requeue-after-ms`; smaller ones are raised to it",
    ),
    manifest(
        Limit::DeadLetters,
        "deadLetters",
        |it| Number(it.dead_letters as u64),
        MILLION,
        "dead letters kept; the oldest go first",
    ),
    manifest(
        Limit::DeadLetterBytes,
        "deadLetterBytes",
        |it| Bytes(it.dead_letter_bytes as u64),
        Bytes(1 << 30),
        "what dead letters take; the oldest go first",
    ),
    host(
        Limit::Stack,
        "stack",
        Bytes(512 << 10),
        "the stack of a call; the call fails: it trapped, call stack exhausted",
    ),
    host(Limit::Memories, "memories", Number(8), "linear memories of a component; more are refused at load"),
    host(Limit::Tables, "tables", Number(64), "tables of a component; more are refused at load"),
    host(
        Limit::TableElements,
        "tableElements",
        Number(100_000),
        "elements of one table; growth beyond it is refused as memory is",
    ),
    host(Limit::CoreInstances, "coreInstances", Number(128), "core instances of a component; more are refused at load"),
    host(
        Limit::Handles,
        "handles",
        Number(1_000),
        "resources that an instance holds, and what the host keeps behind them; the call fails: too many handles",
    ),
    host(Limit::LineBytes, "lineBytes", Bytes(8 << 10), "one log line with its fields; the rest is cut off"),
    host(
        Limit::StderrBytes,
        "stderrBytes",
        Bytes(8 << 10),
        "what one call writes to stderr; its end is kept, the rest is cut off",
    ),
    host(Limit::ComponentBytes, "componentBytes", Bytes(64 << 20), "a component's file; it is refused"),
    host(
        Limit::CompileTime,
        "compileTime",
        seconds(300),
        "compiling one component; it is refused, and the same bytes are not compiled again until weir restarts",
    ),
    host(Limit::DescribeTime, "describeTime", seconds(2), "one `describe`; the component is refused"),
    host(
        Limit::ManifestBytes,
        "manifestBytes",
        Bytes(256 << 10),
        "a manifest's file, and what `describe` answers; it is refused",
    ),
    host(
        Limit::Instances,
        "instances",
        Number(256),
        "instances at once, of all handlers; a call that finds no room fails, and is tried again",
    ),
];

impl Limit {
    /// What is known of it.
    pub fn bound(self) -> &'static Bound {
        // A test holds that each stands at its own place.
        &BOUNDS[self as usize]
    }

    /// How it is called: `memory`, `replyBytes`, …
    pub fn name(self) -> &'static str {
        self.bound().name
    }
}

impl Set {
    /// What holds unless the manifest says otherwise.
    pub fn default(&self) -> Amount {
        match self {
            Set::Manifest { default, .. } => default(&Limits::default()),
            Set::Host(amount) => *amount,
        }
    }
}

impl Amount {
    /// Bytes, milliseconds, or how many.
    pub fn number(self) -> u64 {
        match self {
            Bytes(number) | Number(number) => number,
            Time(time) => time.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// As a manifest has it.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut unit) = (self.number(), "");
        let steps: &[(u64, &str)] = match self {
            Number(_) => &[],
            Bytes(_) => &[(1 << 10, "Ki"), (1 << 10, "Mi"), (1 << 10, "Gi")],
            Time(_) => {
                unit = "ms";
                &[(1000, "s"), (60, "m"), (60, "h")]
            }
        };
        for (size, next) in steps {
            // 60s is read more easily than 1m, and 300s no less than 5m.
            if !number.is_multiple_of(*size) || (*size == 60 && number < 600) {
                break;
            }
            (number, unit) = (number / size, next);
        }
        write!(f, "{number}{unit}")
    }
}

/// `weir_limit_hits_total`: how often each handler met each of its bounds. Clones count into the same numbers.
#[derive(Debug, Clone, Default)]
pub struct LimitHits(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    handler: String,
    limit: &'static str,
}

impl LimitHits {
    /// Makes the numbers readable; once per registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("weir_limit_hits", "How often a handler met one of its bounds (LIMITS.md)", self.0.clone());
    }

    /// A handler met one of its bounds; where the handler has no name yet, its file's is taken.
    pub fn hit(&self, handler: &str, limit: Limit) {
        self.0.get_or_create(&Labels { handler: handler.to_owned(), limit: limit.name() }).inc();
    }

    /// How often it did.
    #[cfg(test)]
    pub fn of(&self, handler: &str, limit: Limit) -> u64 {
        self.0.get_or_create(&Labels { handler: handler.to_owned(), limit: limit.name() }).get()
    }
}

#[cfg(test)]
mod tests;
