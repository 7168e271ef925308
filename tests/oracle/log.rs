//! weir's log as evidence: what handlers were told, and how weir says that ended.
//!
//! Promises: a line is evidence only if it is whole and means what the program and the `oracle` guest mean by it; every other line is passed over. What
//! handlers do not control (that a call ended well, that weir is in trouble) is taken from weir's own lines alone.

use serde_json::Value;

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// weir listens here.
    Runs { address: String },
    /// The guest was called.
    Begins { place: Place, call: Call },
    /// The guest answers; `marks`: with the annotation that [`MARK`] names.
    Ends { place: Place, uid: String, answer: Answer, marks: bool },
    /// The answer was carried out, and its end is on disk.
    Acknowledged { place: Place, uid: String },
    /// It ended otherwise; it will be called again, unless the next line says that it was given up.
    Failed { place: Place, error: String },
    /// It was given up: a dead letter has it.
    GaveUp { place: Place },
    /// weir complains of itself or of the handler, at the level `error`.
    Trouble { text: String },
}

/// The annotation by which the guest marks an object with its state.
pub(crate) const MARK: &str = "oracle.weir.dev/mark";

/// One object of one handler's watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) handler: String,
    /// `NAMESPACE/NAME`.
    pub(crate) key: String,
}

/// What a handler was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) change: String,
    pub(crate) attempt: u64,
    /// The final state of something deleted is not known.
    pub(crate) unknown: bool,
    /// `data.state`.
    pub(crate) state: String,
    /// All of it, see the guest's `seen`.
    pub(crate) seen: String,
    /// `data.state` of the previous state that was handed over too.
    pub(crate) previous: Option<String>,
}

/// What the guest answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// Done, and wants to be called again.
    Again,
    Fails,
}

impl Call {
    /// Whether the object is, for its watch, no more.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.change.as_str(), "deleted" | "left")
    }
}

/// Reads one line; none if it is no evidence. With it comes when it was written, as RFC 3339 with microseconds.
pub(crate) fn read(text: &str) -> Option<(String, Line)> {
    let line: Value = serde_json::from_str(text).ok()?;
    let at = line["timestamp"].as_str()?.to_owned();
    let word = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (message, target) = (word("/message")?, word("/target")?);
    let handler = word("/handler");
    let read = match (target.as_str(), message.as_str()) {
        ("weir::handler", said) => {
            let said: Value = serde_json::from_str(said).ok()?;
            said_by(handler?, &said)?
        }
        (_, "weir runs") => Line::Runs { address: word("/address")? },
        (_, "handled an event") => Line::Acknowledged { place: claimed(&line)?, uid: word("/uid")? },
        (_, "a call failed") => Line::Failed { place: claimed(&line)?, error: word("/error")? },
        (_, "gave up on an event: it is a dead letter now") => Line::GaveUp { place: claimed(&line)? },
        // A library's complaint is weir's affair, and not evidence.
        (own, _) if own.starts_with("weir") && line["level"] == "ERROR" => Line::Trouble { text: text.to_owned() },
        _ => return None,
    };
    Some((at, read))
}

/// The place that weir's own line is about: its span's.
fn claimed(line: &Value) -> Option<Place> {
    let spans = line["spans"].as_array()?;
    let claim = spans.iter().find(|span| span["name"] == "claim")?;
    // `WATCH NAMESPACE/NAME`; a handler of the oracle has one watch.
    let key = claim["key"].as_str()?.split_once(' ')?.1.to_owned();
    Some(Place { handler: claim["handler"].as_str()?.to_owned(), key })
}

fn said_by(handler: String, said: &Value) -> Option<Line> {
    let word = |name: &str| said[name].as_str().map(str::to_owned);
    let place = Place { handler, key: word("key")? };
    match said["call"].as_str()? {
        "begins" => {
            let call = Call {
                uid: word("uid")?,
                version: word("version")?.parse().ok()?,
                change: word("change")?,
                attempt: said["attempt"].as_u64()?,
                unknown: said["unknown"].as_bool()?,
                state: word("state")?,
                seen: word("seen")?,
                previous: word("previous"),
            };
            Some(Line::Begins { place, call })
        }
        "ends" => {
            let answer = match said["answer"].as_str()? {
                "done" => Answer::Done,
                "again" => Answer::Again,
                "fails" => Answer::Fails,
                _ => return None,
            };
            Some(Line::Ends { place, uid: word("uid")?, answer, marks: said["marks"].as_bool()? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn weirs(message: &str) -> Value {
        let span = json!({ "name": "claim", "handler": "whole", "key": "objects oracle-a/m3", "attempt": 1 });
        json!({
            "timestamp": "2026-11-21T06:00:00.000001Z", "level": "DEBUG", "target": "weir::dispatch::worker",
            "message": message, "uid": "u", "error": "no", "span": span, "spans": [span],
        })
    }

    #[test]
    fn weirs_own_lines_name_the_claim_they_are_about() {
        let place = Place { handler: "whole".into(), key: "oracle-a/m3".into() };
        let (at, line) = read(&weirs("handled an event").to_string()).unwrap();
        assert_eq!(at, "2026-11-21T06:00:00.000001Z");
        assert_eq!(line, Line::Acknowledged { place: place.clone(), uid: "u".into() });
        let failed = read(&weirs("a call failed").to_string()).unwrap().1;
        assert_eq!(failed, Line::Failed { place, error: "no".into() });
    }

    #[test]
    fn a_handler_cannot_acknowledge_for_weir_and_half_a_line_says_nothing() {
        let mut forged = weirs("handled an event");
        forged["target"] = "weir::handler".into();
        assert_eq!(read(&forged.to_string()), None);
        let whole = weirs("handled an event").to_string();
        assert_eq!(read(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn what_the_guest_says_is_read_back() {
        let said = json!({
            "call": "begins", "watch": "objects", "key": "oracle-a/m3", "uid": "u", "version": "12", "change": "added", "attempt": 1,
            "unknown": false, "state": "a", "seen": "a oracle=in",
        });
        let line = json!({
            "timestamp": "t", "level": "INFO", "target": "weir::handler", "handler": "whole", "message": said.to_string(),
        });
        let Some((_, Line::Begins { place, call })) = read(&line.to_string()) else { panic!("it begins") };
        assert_eq!((place.handler.as_str(), call.version, call.seen.as_str()), ("whole", 12, "a oracle=in"));
    }

    #[test]
    fn what_weir_logs_as_an_error_is_trouble() {
        let error = |message: &str| {
            let mut line = weirs(message);
            line["level"] = "ERROR".into();
            read(&line.to_string()).unwrap().1
        };
        assert!(matches!(error("weir itself panicked"), Line::Trouble { .. }));
        assert!(matches!(error("gave up on an event: it is a dead letter now"), Line::GaveUp { .. }));
    }
}
