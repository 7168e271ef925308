//! `limits`, checked: a number for every bound, none of them zero and none beyond what the host allows.

use super::{
    document::{ManifestError, Origin},
    duration,
    manifest::Limits,
    partial::period,
    written,
};
use serde_saphyr::Spanned;
use std::time::Duration;

/// The least `limits.httpAnswerBytes`: what hyper needs to read the head of an answer.
const LEAST_HTTP_ANSWER: usize = 8 << 10;

pub(super) fn limits(origin: &Origin<'_>, written: written::Limits) -> Result<Limits, ManifestError> {
    let bytes = |it: &Option<Spanned<String>>, key: &str, default: u64, most: u64| {
        let Some(it) = it else { return Ok(default) };
        let value =
            duration::parse_bytes(&it.value).map_err(|error| origin.wrong_at(it, format!("limits.{key}: {error}")))?;
        within(origin, it, key, value, most)
    };
    let time = |it: &Option<Spanned<String>>, key: &str, default: Duration, most: Duration| {
        let Some(it) = it else { return Ok(default) };
        let value = period(origin, it, &format!("limits.{key}"))?;
        within(
            origin,
            it,
            key,
            value.as_millis().try_into().unwrap_or(u64::MAX),
            most.as_millis().try_into().unwrap_or(u64::MAX),
        )
        .map(Duration::from_millis)
    };
    let d = Limits::default();
    // Numbers, and bytes alike: plain digits are a quantity too.
    let number = |it: &Option<Spanned<String>>, key: &str, default: u64, most: u64| bytes(it, key, default, most);
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let million = 1_000_000;
    let http_answer_bytes =
        size(bytes(&written.http_answer_bytes, "httpAnswerBytes", d.http_answer_bytes as u64, 16 << 20)?);
    if http_answer_bytes < LEAST_HTTP_ANSWER
        && let Some(at) = &written.http_answer_bytes
    {
        let problem =
            format!("limits.httpAnswerBytes must be at least {LEAST_HTTP_ANSWER}: an answer's head has to fit");
        return Err(origin.wrong_at(at, problem));
    }
    Ok(Limits {
        memory: bytes(&written.memory, "memory", d.memory, 256 << 20)?,
        time: time(&written.time, "time", d.time, Duration::from_secs(600))?,
        actions: size(number(&written.actions, "actions", d.actions as u64, 10_000)?),
        reply_bytes: size(bytes(&written.reply_bytes, "replyBytes", d.reply_bytes as u64, 64 << 20)?),
        log_bytes: size(bytes(&written.log_bytes, "logBytes", d.log_bytes as u64, 16 << 20)?),
        imports: small(number(&written.imports, "imports", d.imports.into(), million)?),
        read_bytes: size(bytes(&written.read_bytes, "readBytes", d.read_bytes as u64, 1 << 30)?),
        writes_per_second: small(number(
            &written.writes_per_second,
            "writesPerSecond",
            d.writes_per_second.into(),
            million,
        )?),
        write_burst: small(number(&written.write_burst, "writeBurst", d.write_burst.into(), million)?),
        http_time: time(&written.http_time, "httpTime", d.http_time, Duration::from_secs(60))?,
        http_connections: size(number(&written.http_connections, "httpConnections", d.http_connections as u64, 64)?),
        http_request_bytes: size(bytes(
            &written.http_request_bytes,
            "httpRequestBytes",
            d.http_request_bytes as u64,
            16 << 20,
        )?),
        http_answer_bytes,
        calls_per_instance: small(number(
            &written.calls_per_instance,
            "callsPerInstance",
            d.calls_per_instance.into(),
            million,
        )?),
        idle: time(&written.idle, "idle", d.idle, Duration::from_secs(86_400))?,
        requeue_floor_ms: small(
            time(
                &written.requeue_floor,
                "requeueFloor",
                Duration::from_millis(d.requeue_floor_ms.into()),
                Duration::from_secs(86_400),
            )?
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX),
        ),
        dead_letters: size(number(&written.dead_letters, "deadLetters", d.dead_letters as u64, million)?),
        dead_letter_bytes: size(bytes(
            &written.dead_letter_bytes,
            "deadLetterBytes",
            d.dead_letter_bytes as u64,
            1 << 30,
        )?),
    })
}

fn within(origin: &Origin<'_>, at: &Spanned<String>, key: &str, value: u64, most: u64) -> Result<u64, ManifestError> {
    if value == 0 {
        return Err(
            origin.wrong_at(at, format!("limits.{key} must be more than 0; there is no way to switch a limit off"))
        );
    }
    if value > most {
        return Err(origin.wrong_at(at, format!("limits.{key} `{}` is more than the host allows", at.value)));
    }
    Ok(value)
}
