//! What a handler says: log lines, stdout and stderr, bounded per call.
//!
//! Promises: no call makes the host write more than `limits.logBytes`; what is dropped is counted and said in one line at the
//! end; no line is longer than [`LINE_BYTES`]. Lines reach the sink at once, also if the call fails later. What a call wrote to
//! stderr is kept back: it belongs to the failure if there is one, and becomes log lines if there is none.
//!
//! Does not limit rates across calls: the number of calls is the queue's.

use crate::contract::{Level, LogLine};
use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The longest line kept, fields included; what is beyond is cut.
pub const LINE_BYTES: usize = 8 << 10;

/// How much of a call's stderr is kept: its end, because that is where tracebacks say what happened.
pub const STDERR_BYTES: usize = 8 << 10;

/// What each line costs of the budget beside its text, so that empty lines are not free.
const LINE_OVERHEAD: usize = 64;

/// Where a handler's lines go. Called from within calls: must not block.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// A sink that writes to tracing, under the target `weir::handler` with the field `handler`, so that nobody takes a handler's
/// words for the host's.
pub fn to_tracing(handler: &str) -> LogSink {
    let handler = handler.to_owned();
    Arc::new(move |line: &LogLine| {
        // Tracing's field names are fixed at compile time; a handler's are not, so they are one text.
        let mut fields = String::new();
        // Lines of the `log` action come here without having been cut.
        for (name, value) in &line.fields {
            let room = LINE_BYTES.saturating_sub(fields.len());
            if room == 0 {
                break;
            }
            if !fields.is_empty() {
                fields.push(' ');
            }
            fields.push_str(&one_line(cut(name, room)));
            fields.push('=');
            fields.push_str(&one_line(cut(value, room)));
        }
        let message = one_line(cut(&line.message, LINE_BYTES));
        macro_rules! write_at {
            ($level:ident) => {
                if fields.is_empty() {
                    tracing::event!(target: "weir::handler", tracing::Level::$level, %handler, "{message}")
                } else {
                    tracing::event!(target: "weir::handler", tracing::Level::$level, %handler, %fields, "{message}")
                }
            };
        }
        match line.level {
            Level::Trace => write_at!(TRACE),
            Level::Debug => write_at!(DEBUG),
            Level::Info => write_at!(INFO),
            Level::Warn => write_at!(WARN),
            Level::Error => write_at!(ERROR),
        }
    })
}

/// A guest's words as one line without control characters, so that a line of its own cannot pass for one of the host's.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    Cow::Owned(line)
}

/// One instance's output. Shared by the log import and the two streams; a guest has one thread, so the lock is never waited
/// for, and it is never held across an await.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Inner>>);

/// How a call's output ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The end of what it wrote to stderr, if it was to be kept.
    pub(super) stderr: String,
    /// Bytes of lines beyond the budget.
    pub(super) dropped: u64,
    /// A line was longer than [`LINE_BYTES`].
    pub(super) line_cut: bool,
    /// It wrote more than [`STDERR_BYTES`] to stderr.
    pub(super) stderr_cut: bool,
}

struct Inner {
    sink: LogSink,
    /// Bytes of lines a call may write.
    limit: usize,
    /// What is left of it.
    budget: usize,
    dropped_lines: u64,
    dropped_bytes: u64,
    line_cut: bool,
    stderr_cut: bool,
    /// The unfinished line, at most [`LINE_BYTES`].
    stdout: Vec<u8>,
    /// At most [`STDERR_BYTES`].
    stderr: VecDeque<u8>,
}

impl Output {
    /// An output that lets each call write `limit` bytes of lines.
    pub(super) fn new(sink: LogSink, limit: usize) -> Output {
        Output(Arc::new(Mutex::new(Inner {
            sink,
            limit,
            budget: limit,
            dropped_lines: 0,
            dropped_bytes: 0,
            line_cut: false,
            stderr_cut: false,
            stdout: Vec::new(),
            stderr: VecDeque::new(),
        })))
    }

    /// A call begins: a fresh budget, and nothing of the last call.
    pub(super) fn begin(&self) {
        let mut inner = self.lock();
        inner.budget = inner.limit;
        (inner.dropped_lines, inner.dropped_bytes) = (0, 0);
        (inner.line_cut, inner.stderr_cut) = (false, false);
        inner.stdout.clear();
        inner.stderr.clear();
    }

    /// One line.
    pub(super) fn line(&self, level: Level, message: &str, fields: &[(String, String)]) {
        self.lock().line(level, message, fields);
    }

    /// Bytes for stdout: complete lines are logged at `info`.
    pub(super) fn stdout(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            let room = LINE_BYTES - inner.stdout.len();
            inner.line_cut |= text.len() > room;
            inner.stdout.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                inner.end_line();
            }
        }
    }

    /// Bytes for stderr: kept until the call ends.
    pub(super) fn stderr(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        inner.stderr_cut |= inner.stderr.len() + bytes.len() > STDERR_BYTES;
        let bytes = &bytes[bytes.len().saturating_sub(STDERR_BYTES)..];
        let beyond = (inner.stderr.len() + bytes.len()).saturating_sub(STDERR_BYTES);
        inner.stderr.drain(..beyond);
        inner.stderr.extend(bytes);
    }

    /// A call ended. A failure takes stderr along; otherwise its lines are logged at `warn`.
    pub(super) fn end(&self, failed: bool) -> Written {
        let mut inner = self.lock();
        if !inner.stdout.is_empty() {
            inner.end_line();
        }
        let kept: Vec<u8> = inner.stderr.drain(..).collect();
        let kept = String::from_utf8_lossy(&kept);
        let mut stderr = String::new();
        if failed {
            stderr = kept.trim_end().to_owned();
        } else {
            for line in kept.lines().filter(|line| !line.trim().is_empty()) {
                inner.line(Level::Warn, line, &[]);
            }
        }
        let dropped = inner.dropped_bytes;
        if dropped > 0 {
            // Beyond the budget by one line, so that the handler's silence is explained where it is read.
            let message = format!(
                "{} log lines of this call were dropped: they exceed limits.logBytes, {} bytes",
                inner.dropped_lines, inner.limit
            );
            (inner.sink)(&LogLine { level: Level::Warn, message, fields: Vec::new() });
        }
        Written { stderr, dropped, line_cut: inner.line_cut, stderr_cut: inner.stderr_cut }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing below leaves the state half-changed, so a panic in a sink does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn line(&mut self, level: Level, message: &str, fields: &[(String, String)]) {
        let mut room = LINE_BYTES;
        self.line_cut |= message.len() > room;
        let message = cut(message, room);
        room -= message.len();
        let mut kept = Vec::new();
        for (name, value) in fields {
            if name.len() + value.len() > room {
                self.line_cut = true;
                break;
            }
            room -= name.len() + value.len();
            kept.push((name.clone(), value.clone()));
        }
        let cost = LINE_BYTES - room + LINE_OVERHEAD * (1 + kept.len());
        if cost > self.budget {
            // The rest of the call is silent: a short line after a long one that was dropped would mislead.
            self.budget = 0;
            self.dropped_lines += 1;
            self.dropped_bytes += cost as u64;
            return;
        }
        self.budget -= cost;
        (self.sink)(&LogLine { level, message: message.to_owned(), fields: kept });
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.stdout);
        self.line(Level::Info, String::from_utf8_lossy(&bytes).trim_end_matches('\r'), &[]);
    }
}

/// The longest beginning of `text` of at most `bytes` bytes that is whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(limit: usize) -> (Output, Arc<Mutex<Vec<LogLine>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        (Output::new(Arc::new(move |line| sink.lock().unwrap().push(line.clone())), limit), lines)
    }

    fn messages(lines: &Mutex<Vec<LogLine>>) -> Vec<String> {
        lines.lock().unwrap().iter().map(|line| line.message.clone()).collect()
    }

    #[test]
    fn in_the_hosts_log_a_handlers_line_is_marked_as_its_own() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Capture(Arc::clone(&writer))).finish();
        let line = LogLine { level: Level::Warn, message: "full".into(), fields: vec![("node".into(), "a".into())] };
        tracing::subscriber::with_default(subscriber, || to_tracing("images")(&line));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.contains("WARN weir::handler: full handler=images fields=node=a"), "{text}");
    }

    struct Capture(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn stdout_becomes_lines_however_it_is_split() {
        let (output, lines) = output(4096);
        for part in ["one\ntw", "o\r\n", "", "\nrest"] {
            output.stdout(part.as_bytes());
        }
        assert_eq!(messages(&lines), ["one", "two", ""]);
        output.end(false);
        assert_eq!(messages(&lines), ["one", "two", "", "rest"]);
    }

    #[test]
    fn stderr_is_kept_for_a_failure_and_logged_otherwise() {
        let (output, lines) = output(4096);
        output.stderr(b"Traceback\n  line 1\n");
        assert_eq!(output.end(true).stderr, "Traceback\n  line 1");
        assert!(messages(&lines).is_empty());
        output.begin();
        output.stderr(b"only a warning\n");
        assert_eq!(output.end(false).stderr, "");
        assert_eq!(lines.lock().unwrap()[0].level, Level::Warn);
        assert_eq!(messages(&lines), ["only a warning"]);
    }

    #[test]
    fn the_end_of_a_long_stderr_is_what_stays() {
        let (output, _) = output(4096);
        output.stderr(&vec![b'x'; 3 * STDERR_BYTES]);
        output.stderr(b"the last line");
        let kept = output.end(true).stderr;
        assert_eq!(kept.len(), STDERR_BYTES);
        assert!(kept.ends_with("xthe last line"));
    }

    #[test]
    fn a_flood_is_dropped_counted_and_said_once_and_the_next_call_starts_anew() {
        let (output, lines) = output(1000);
        for _ in 0..100 {
            output.line(Level::Info, "flood", &[]);
            output.stdout(b"\n");
        }
        let written = output.end(false);
        assert!(written.dropped > 0);
        let said = messages(&lines);
        assert!(said.len() < 20, "{} lines", said.len());
        assert!(said.last().unwrap().contains("exceed limits.logBytes, 1000 bytes"));
        output.begin();
        output.line(Level::Info, "again", &[]);
        assert_eq!(output.end(false), Written::default());
        assert_eq!(messages(&lines).last().unwrap(), "again");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_and_loses_the_fields_that_do_not_fit() {
        let (output, lines) = output(1 << 20);
        output.line(Level::Info, &"ü".repeat(LINE_BYTES), &[("a".into(), "b".into())]);
        output.line(Level::Info, "short", &[("a".into(), "b".into()), ("c".into(), "d".repeat(LINE_BYTES))]);
        let lines = lines.lock().unwrap();
        assert_eq!(lines[0].message, "ü".repeat(LINE_BYTES / 2));
        assert!(lines[0].fields.is_empty());
        assert_eq!(lines[1].fields, [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_guest_cannot_forge_a_line_of_the_hosts() {
        assert_eq!(one_line("fine, ü too"), "fine, ü too");
        assert_eq!(
            one_line("done\n2026 ERROR weir: all is lost\u{1b}[2J"),
            "done\\n2026 ERROR weir: all is lost\\u{1b}[2J"
        );
    }
}
