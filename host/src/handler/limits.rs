//! `limits`, checked: a number for every bound, none of them zero and none beyond what the host allows.

use super::{
    document::{ManifestError, Origin},
    duration,
    manifest::{
        Limits,
        limit::{Amount, Limit, Set},
    },
    partial::period,
    written,
};
use serde_saphyr::Spanned;
use std::time::Duration;

/// The least `limits.httpAnswerBytes`: what hyper needs to read the head of an answer.
const LEAST_HTTP_ANSWER: u64 = 8 << 10;

pub(super) fn limits(origin: &Origin<'_>, written: &written::Limits) -> Result<Limits, ManifestError> {
    let number = |limit: Limit, it: &Option<Spanned<String>>| value(origin, limit, it.as_ref());
    let size = |limit: Limit, it: &Option<Spanned<String>>| {
        number(limit, it).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
    };
    let small = |limit: Limit, it: &Option<Spanned<String>>| {
        number(limit, it).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
    };
    let time = |limit: Limit, it: &Option<Spanned<String>>| number(limit, it).map(Duration::from_millis);
    let http_answer_bytes = size(Limit::HttpAnswerBytes, &written.http_answer_bytes)?;
    if (http_answer_bytes as u64) < LEAST_HTTP_ANSWER
        && let Some(at) = &written.http_answer_bytes
    {
        let problem =
            format!("limits.httpAnswerBytes must be at least {LEAST_HTTP_ANSWER}: an answer's head has to fit");
        return Err(origin.wrong_at(at, problem));
    }
    Ok(Limits {
        memory: number(Limit::Memory, &written.memory)?,
        time: time(Limit::Time, &written.time)?,
        actions: size(Limit::Actions, &written.actions)?,
        reply_bytes: size(Limit::ReplyBytes, &written.reply_bytes)?,
        action_bytes: size(Limit::ActionBytes, &written.action_bytes)?,
        json_depth: size(Limit::JsonDepth, &written.json_depth)?,
        log_bytes_per_second: small(Limit::LogBytesPerSecond, &written.log_bytes_per_second)?,
        log_burst: small(Limit::LogBurst, &written.log_burst)?,
        log_bytes: size(Limit::LogBytes, &written.log_bytes)?,
        imports: small(Limit::Imports, &written.imports)?,
        read_bytes: size(Limit::ReadBytes, &written.read_bytes)?,
        writes_per_second: small(Limit::WritesPerSecond, &written.writes_per_second)?,
        write_burst: small(Limit::WriteBurst, &written.write_burst)?,
        http_time: time(Limit::HttpTime, &written.http_time)?,
        http_connections: size(Limit::HttpConnections, &written.http_connections)?,
        http_request_bytes: size(Limit::HttpRequestBytes, &written.http_request_bytes)?,
        http_answer_bytes,
        calls_per_instance: small(Limit::CallsPerInstance, &written.calls_per_instance)?,
        idle: time(Limit::Idle, &written.idle)?,
        requeue_floor_ms: small(Limit::RequeueFloor, &written.requeue_floor)?,
        dead_letters: size(Limit::DeadLetters, &written.dead_letters)?,
        dead_letter_bytes: size(Limit::DeadLetterBytes, &written.dead_letter_bytes)?,
    })
}

/// What is written for one bound, in its unit, or its default.
fn value(origin: &Origin<'_>, limit: Limit, written: Option<&Spanned<String>>) -> Result<u64, ManifestError> {
    let bound = limit.bound();
    let (key, most) = match &bound.set {
        Set::Manifest { most, .. } => (bound.name, *most),
        Set::Host(amount) => return Ok(amount.number()),
    };
    let Some(at) = written else { return Ok(bound.set.default().number()) };
    let value = match most {
        Amount::Time(_) => period(origin, at, &format!("limits.{key}"))?.as_millis().try_into().unwrap_or(u64::MAX),
        // Numbers and bytes alike: plain digits are a quantity too.
        Amount::Bytes(_) | Amount::Number(_) => {
            duration::parse_bytes(&at.value).map_err(|error| origin.wrong_at(at, format!("limits.{key}: {error}")))?
        }
    };
    if value == 0 {
        return Err(
            origin.wrong_at(at, format!("limits.{key} must be more than 0; there is no way to switch a limit off"))
        );
    }
    if value > most.number() {
        let problem = format!("limits.{key} `{}` is more than the host allows, {most}", at.value);
        return Err(origin.wrong_at(at, problem));
    }
    Ok(value)
}
