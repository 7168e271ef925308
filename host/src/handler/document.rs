//! Reading one document of a manifest: who wrote it, and errors that say where.

use super::written::{Envelope, Spec};
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;
use std::{fmt, path::Path};

/// The largest manifest, and the largest description, in bytes.
pub const MAX_MANIFEST: usize = 256 << 10;

/// The manifest's `apiVersion`.
pub const API_VERSION: &str = "weir.dev/v1alpha1";

/// The manifest's `kind`.
pub const KIND: &str = "Handler";

/// What is wrong with a manifest: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {problem}", .line.map_or(String::new(), |line| format!(":{line}")))]
pub struct ManifestError {
    /// The file, or `describe` and the component's name.
    pub origin: String,
    /// The line in it, from 1, where there is one.
    pub line: Option<u64>,
    /// What is wrong, and the fix.
    pub problem: String,
}

/// Who wrote a document.
#[derive(Debug, Clone)]
pub(super) enum Origin<'a> {
    /// The component `describe`d it.
    Component(&'a str),
    /// The operator's file.
    Operator(&'a Path),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Component(name) => write!(f, "describe of {name}"),
            Origin::Operator(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Origin<'_> {
    /// An error of the whole document.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> ManifestError {
        ManifestError { origin: self.to_string(), line: None, problem: problem.into() }
    }

    /// An error at the line of `value`.
    pub(super) fn wrong_at<T>(&self, value: &Spanned<T>, problem: impl Into<String>) -> ManifestError {
        let line = value.referenced.line();
        ManifestError { origin: self.to_string(), line: (line > 0).then_some(line), problem: problem.into() }
    }

    /// What the component described.
    pub(super) fn spec(&self, text: &str) -> Result<Spec, ManifestError> {
        self.read(text)
    }

    /// The operator's file.
    pub(super) fn envelope(&self, text: &str) -> Result<Envelope, ManifestError> {
        let envelope: Envelope = self.read(text)?;
        if envelope.api_version.value != API_VERSION {
            let found = &envelope.api_version;
            return Err(
                self.wrong_at(found, format!("apiVersion `{}` is not served; write `{API_VERSION}`", found.value))
            );
        }
        if envelope.kind.value != KIND {
            let found = &envelope.kind;
            return Err(
                self.wrong_at(found, format!("kind `{}` is not a handler's manifest; write `{KIND}`", found.value))
            );
        }
        Ok(envelope)
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, ManifestError> {
        if text.len() > MAX_MANIFEST {
            return Err(
                self.wrong(format!("it is {} bytes, more than the {MAX_MANIFEST} a manifest may have", text.len()))
            );
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
            ManifestError { origin: self.to_string(), line, problem: explain(&error.without_snippet().to_string()) }
        })
    }
}

/// The reader's words, without the position that stands before them anyway, and with the key that was probably meant.
fn explain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return match message {
            "expected sequence start" => "a list is expected here, such as `[a, b]`".into(),
            "expected mapping start" | "expected mapping" => "a mapping is expected here, such as `key: value`".into(),
            _ if message.starts_with("duplicate mapping key") => {
                format!("{}; remove one of them", message.split(',').next().unwrap_or(message))
            }
            _ if message.starts_with("multiple YAML documents") => {
                "there is more than one document; write one manifest a file".into()
            }
            _ if message.starts_with("missing field") => message.replace("missing field", "missing key"),
            other => other.to_owned(),
        };
    };
    let (key, expected) = rest.split_once('`').unwrap_or((rest, ""));
    let expected = expected.split_once("expected one of ").map_or("", |(_, keys)| keys);
    let keys: Vec<&str> = expected.split(", ").map(|key| key.trim_matches('`')).filter(|key| !key.is_empty()).collect();
    match nearest(key, &keys) {
        Some(meant) => format!("unknown key `{key}`, did you mean `{meant}`?"),
        None => format!("unknown key `{key}`; known here: {}", keys.join(", ")),
    }
}

/// The word among `words` that `word` is a slip of, if one is near: at most a third of its letters differ.
pub(super) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    words
        .iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
