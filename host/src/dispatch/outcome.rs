//! The retry policy: what the end of a call means.
//!
//! Promises: [`judge`] is one match over everything a call can end as, and the only place that decides whether a key is done, called
//! again, slowed, or given up. It knows nothing of the attempts so far: [`Outcome::within`] turns a counted retry beyond the limit into
//! a dead letter. Nothing here waits or remembers.

use crate::{
    action::{ActionError, Applied, Class},
    contract::Failure,
    runtime::{CallFailure, FailureKind},
};
use std::time::Duration;

/// How a call went.
#[derive(Debug)]
pub enum Attempt {
    /// There was no reply.
    NoReply(CallFailure),
    /// There was, and its actions were carried out, or not all.
    Acted(Result<Applied, ActionError>),
}

/// What it means for the key and the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Done,
    /// Acknowledged, and to be called again after so long.
    Again(Duration),
    /// To be called again for the same change.
    Retry(Retry),
    /// The world is away: not counted, and the whole lane waits, at least so long if the server said so.
    World {
        /// `Retry-After`.
        at_least: Option<Duration>,
        /// What went wrong.
        cause: Cause,
    },
    /// Trying again cannot help, or was tried often enough.
    Dead(Cause),
}

/// To be called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// When.
    pub pace: Pace,
    /// Whether it counts towards the retry limit.
    pub counted: bool,
    /// What went wrong.
    pub cause: Cause,
}

/// How long a key waits before it is called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// The key's exponential backoff, and the lane's share of retries.
    Backoff,
    /// The same, from a second on: what the API refuses does not change in milliseconds.
    Slow,
    /// As long as the handler said.
    After(Duration),
    /// Backoff, and not before the cache has this resourceVersion; where none is known, not before it took in one GET.
    CaughtUp(Option<String>),
}

/// What went wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// One line; a guest's words are quoted as the guest's.
    pub message: String,
    /// What the call wrote to stderr; empty if nothing.
    pub stderr: String,
    /// A word for metrics and status.
    pub class: CauseClass,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseClass {
    /// The handler said so.
    Answered,
    /// It trapped, ran out of memory, or broke the contract: repeated, these slow the lane.
    Trapped,
    /// It did not end in time: repeated, this slows the lane.
    TimedOut,
    /// An action was not carried out.
    Action,
}

impl CauseClass {
    /// Whether the component itself misbehaved, rather than said no.
    pub fn is_fault(self) -> bool {
        matches!(self, CauseClass::Trapped | CauseClass::TimedOut)
    }
}

/// The whole retry policy. An `ending` call (`left`, `deleted`) has no object left to be called again for.
pub fn judge(attempt: &Attempt, ending: bool) -> Outcome {
    match attempt {
        Attempt::NoReply(failure) => {
            let cause = |class| Cause { message: failure.message.clone(), stderr: failure.stderr.clone(), class };
            match &failure.kind {
                FailureKind::Answered(answer) => answered(answer, cause(CauseClass::Answered)),
                FailureKind::TimedOut => retry(Pace::Backoff, cause(CauseClass::TimedOut)),
                FailureKind::Trapped | FailureKind::OutOfMemory | FailureKind::Broken => {
                    retry(Pace::Backoff, cause(CauseClass::Trapped))
                }
                FailureKind::ReplyTooLarge | FailureKind::TooManyReads => {
                    retry(Pace::Backoff, cause(CauseClass::Answered))
                }
            }
        }
        Attempt::Acted(Ok(applied)) => match (&applied.fail, applied.requeue_after_ms) {
            (Some(answer), _) => {
                let message = format!("the handler answered: {}", answer.reason());
                answered(answer, Cause { message, stderr: String::new(), class: CauseClass::Answered })
            }
            (None, Some(after)) if !ending => Outcome::Again(Duration::from_millis(after.into())),
            (None, _) => Outcome::Done,
        },
        Attempt::Acted(Err(error)) => {
            let cause = Cause { message: error.message.clone(), stderr: String::new(), class: CauseClass::Action };
            // Who was reached outside the cluster is asked again each time, so whatever failed after that counts.
            let outside = error.before.reached_outside;
            match &error.class {
                Class::Behind { counted, at_least } => {
                    let counted = *counted || outside;
                    Outcome::Retry(Retry { pace: Pace::CaughtUp(at_least.clone()), counted, cause })
                }
                Class::World { .. } if outside => retry(Pace::Slow, cause),
                Class::Outside { retry_after: Some(seconds) } => {
                    retry(Pace::After(Duration::from_secs((*seconds).into())), cause)
                }
                Class::Outside { retry_after: None } => retry(Pace::Backoff, cause),
                Class::Handler => retry(Pace::Backoff, cause),
                Class::Key => retry(Pace::Slow, cause),
                Class::World { retry_after } => {
                    Outcome::World { at_least: retry_after.map(|s| Duration::from_secs(s.into())), cause }
                }
                Class::Permanent => Outcome::Dead(cause),
            }
        }
    }
}

impl Outcome {
    /// The outcome, given how many counted calls failed before this one: `limit` retries are allowed (none: any number).
    #[must_use]
    pub fn within(self, limit: Option<u32>, failed_before: u32) -> Outcome {
        match self {
            Outcome::Retry(retry) if retry.counted && limit.is_some_and(|limit| failed_before >= limit) => {
                Outcome::Dead(retry.cause)
            }
            outcome => outcome,
        }
    }

    /// `result` of `controller_runtime_reconcile_total`.
    pub fn result(&self) -> &'static str {
        match self {
            Outcome::Done => "success",
            Outcome::Again(_) => "requeue_after",
            Outcome::Retry(Retry { counted: false, .. }) => "requeue",
            Outcome::Retry(_) | Outcome::World { .. } | Outcome::Dead(_) => "error",
        }
    }

    /// What went wrong, if anything did.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Outcome::Done | Outcome::Again(_) => None,
            Outcome::Retry(Retry { cause, .. }) | Outcome::World { cause, .. } | Outcome::Dead(cause) => Some(cause),
        }
    }
}

fn retry(pace: Pace, cause: Cause) -> Outcome {
    Outcome::Retry(Retry { pace, counted: true, cause })
}

fn answered(answer: &Failure, cause: Cause) -> Outcome {
    match answer {
        Failure::Retry(_) => retry(Pace::Backoff, cause),
        Failure::RetryLater { after_ms, .. } => retry(Pace::After(Duration::from_millis((*after_ms).into())), cause),
        Failure::Permanent(_) => Outcome::Dead(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One word per outcome, so that the tables below can be read.
    fn word(attempt: &Attempt, ending: bool) -> String {
        match judge(attempt, ending) {
            Outcome::Done => "done".into(),
            Outcome::Again(after) => format!("again {after:?}"),
            Outcome::Retry(Retry { pace, counted, .. }) => format!("{pace:?} counted={counted}"),
            Outcome::World { at_least, .. } => format!("world {at_least:?}"),
            Outcome::Dead(_) => "dead".into(),
        }
    }

    fn failure(kind: FailureKind) -> Attempt {
        Attempt::NoReply(CallFailure { kind, message: "m".into(), stderr: "s".into() })
    }

    fn error(class: Class) -> Attempt {
        Attempt::Acted(Err(ActionError { class, message: "m".into(), before: Applied::default() }))
    }

    #[test]
    fn every_call_without_a_reply_is_judged() {
        let later = Failure::RetryLater { after_ms: 1500, reason: "r".into() };
        for (kind, expected) in [
            (FailureKind::Answered(Failure::Retry("r".into())), "Backoff counted=true"),
            (FailureKind::Answered(later), "After(1.5s) counted=true"),
            (FailureKind::Answered(Failure::Permanent("r".into())), "dead"),
            (FailureKind::Trapped, "Backoff counted=true"),
            (FailureKind::TimedOut, "Backoff counted=true"),
            (FailureKind::OutOfMemory, "Backoff counted=true"),
            (FailureKind::ReplyTooLarge, "Backoff counted=true"),
            (FailureKind::TooManyReads, "Backoff counted=true"),
            (FailureKind::Broken, "Backoff counted=true"),
        ] {
            assert_eq!(word(&failure(kind.clone()), false), expected, "{kind:?}");
        }
    }

    #[test]
    fn every_class_of_an_action_error_is_judged() {
        for (class, expected) in [
            (Class::Behind { counted: false, at_least: None }, "CaughtUp(None) counted=false"),
            (Class::Behind { counted: true, at_least: Some("7".into()) }, "CaughtUp(Some(\"7\")) counted=true"),
            (Class::Handler, "Backoff counted=true"),
            (Class::Key, "Slow counted=true"),
            (Class::Outside { retry_after: None }, "Backoff counted=true"),
            (Class::Outside { retry_after: Some(7) }, "After(7s) counted=true"),
            (Class::World { retry_after: None }, "world None"),
            (Class::World { retry_after: Some(3) }, "world Some(3s)"),
            (Class::Permanent, "dead"),
        ] {
            assert_eq!(word(&error(class.clone()), false), expected, "{class:?}");
        }
    }

    #[test]
    fn once_a_request_went_outside_every_failure_of_that_call_counts() {
        let before = || Applied { reached_outside: true, ..Applied::default() };
        let word =
            |class| word(&Attempt::Acted(Err(ActionError { class, message: "m".into(), before: before() })), false);
        assert_eq!(word(Class::World { retry_after: Some(3) }), "Slow counted=true");
        assert_eq!(word(Class::Behind { counted: false, at_least: None }), "CaughtUp(None) counted=true");
        assert_eq!(word(Class::Handler), "Backoff counted=true");
    }

    #[test]
    fn what_was_carried_out_is_judged_by_what_the_reply_asked_for() {
        let applied =
            |requeue_after_ms, fail| Attempt::Acted(Ok(Applied { requeue_after_ms, fail, ..Applied::default() }));
        assert_eq!(word(&applied(None, None), false), "done");
        assert_eq!(word(&applied(Some(2000), None), false), "again 2s");
        assert_eq!(word(&applied(Some(2000), None), true), "done", "nothing is left to call again for");
        assert_eq!(word(&applied(Some(2000), Some(Failure::Retry("r".into()))), false), "Backoff counted=true");
        assert_eq!(word(&applied(None, Some(Failure::Permanent("r".into()))), false), "dead");
    }

    #[test]
    fn a_limit_of_five_is_five_retries_after_the_first_call() {
        let mut calls = 0;
        for failed_before in 0.. {
            calls += 1;
            if let Outcome::Dead(_) = judge(&failure(FailureKind::Trapped), false).within(Some(5), failed_before) {
                break;
            }
        }
        assert_eq!(calls, 6);
    }

    #[test]
    fn forever_never_ends_and_zero_allows_no_retry() {
        let trapped = || judge(&failure(FailureKind::Trapped), false);
        assert!(matches!(trapped().within(None, u32::MAX), Outcome::Retry(_)));
        assert!(matches!(trapped().within(Some(0), 0), Outcome::Dead(_)));
    }

    #[test]
    fn what_is_not_counted_never_becomes_a_dead_letter() {
        let behind = judge(&error(Class::Behind { counted: false, at_least: None }), false);
        assert!(matches!(behind.within(Some(0), 99), Outcome::Retry(_)));
        let world = judge(&error(Class::World { retry_after: None }), false);
        assert!(matches!(world.within(Some(0), 99), Outcome::World { .. }));
    }
}
