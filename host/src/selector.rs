//! Label and field selectors: checked when a manifest is read, matched where weir itself selects from a cache.
//!
//! The syntax is Kubernetes' own: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1` for labels
//! (apimachinery `pkg/labels/selector.go`), `a=b`, `a==b`, `a!=b` for fields. `!=` and `notin` also match objects without the
//! key. Watches send selectors to the server; what is checked here is that they mean something.

use std::collections::BTreeMap;

/// The longest selector, in bytes; longer ones do not fit a request line everywhere.
pub const MAX_SELECTOR: usize = 4096;

/// Why a selector means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("selector `{selector}`: {problem}")]
pub struct SelectorError {
    selector: String,
    problem: String,
}

/// A label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// A field selector: dotted paths, such as `metadata.name` or `spec.nodeName`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Path, whether it must be equal, value.
    terms: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Parses Kubernetes' text form; empty text selects everything.
    ///
    /// # Errors
    /// Says which part means nothing.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        let failed = |problem: String| SelectorError { selector: cut(text), problem };
        check_length(text)?;
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text).map_err(&failed)? {
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(failed("a part between commas is empty".into()));
            }
            requirements.push(requirement(part).map_err(&failed)?);
        }
        Ok(LabelSelector { requirements })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Greater(bound) => number(value).is_some_and(|value| value > *bound),
                Test::Less(bound) => number(value).is_some_and(|value| value < *bound),
            }
        })
    }
}

impl FieldSelector {
    /// Parses Kubernetes' text form; empty text selects everything. Which fields a kind can be selected by, only the
    /// server knows.
    ///
    /// # Errors
    /// Says which part means nothing.
    pub fn parse(text: &str) -> Result<FieldSelector, SelectorError> {
        let failed = |problem: String| SelectorError { selector: cut(text), problem };
        check_length(text)?;
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(failed("a part between commas is empty".into()));
            }
            let (path, equal, value) = if let Some((path, value)) = part.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, true, value)
            } else {
                return Err(failed(format!("`{part}` compares nothing; write `{part}=VALUE` or `{part}!=VALUE`")));
            };
            let path = path.trim();
            if path.is_empty() || !path.chars().all(|char| char.is_ascii_alphanumeric() || ".-_/".contains(char)) {
                return Err(failed(format!("`{path}` is no field path such as `metadata.name`")));
            }
            terms.push((path.to_owned(), equal, value.trim().to_owned()));
        }
        Ok(FieldSelector { terms })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object is selected; `field` gives the text at a path. As on the server, a missing field equals `""`.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.terms.iter().all(|(path, equal, value)| (field(path).unwrap_or_default() == *value) == *equal)
    }

    /// The one value that this field has to have, if it has to have one.
    pub fn exactly(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|(path, equal, _)| *equal && path == field).map(|(_, _, value)| value.as_str())
    }
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement { key: checked_key(key)?, test: Test::Missing });
    }
    if let Some(open) = part.find('(') {
        let inside =
            part[open + 1..].strip_suffix(')').ok_or_else(|| format!("`{part}` does not end with its parenthesis"))?;
        let values = inside.split(',').map(|value| checked_value(value.trim())).collect::<Result<Vec<_>, _>>()?;
        let mut words = part[..open].split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(Requirement { key: checked_key(key)?, test: Test::In(values) }),
            (Some(key), Some("notin"), None) => Ok(Requirement { key: checked_key(key)?, test: Test::NotIn(values) }),
            _ => Err(format!("`{part}` should read `KEY in (A,B)` or `KEY notin (A,B)`")),
        };
    }
    let equals = |key: &str, value: &str, not: bool| {
        let values = vec![checked_value(value.trim())?];
        Ok(Requirement { key: checked_key(key)?, test: if not { Test::NotIn(values) } else { Test::In(values) } })
    };
    if let Some((key, value)) = part.split_once("!=") {
        return equals(key, value, true);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return equals(key, value, false);
    }
    let bound = |value: &str| value.trim().parse().map_err(|_| format!("`{}` is no whole number", value.trim()));
    if let Some((key, value)) = part.split_once('>') {
        return Ok(Requirement { key: checked_key(key)?, test: Test::Greater(bound(value)?) });
    }
    if let Some((key, value)) = part.split_once('<') {
        return Ok(Requirement { key: checked_key(key)?, test: Test::Less(bound(value)?) });
    }
    Ok(Requirement { key: checked_key(part)?, test: Test::Exists })
}

/// Splits at commas that stand outside parentheses, and trims.
fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, char) in text.char_indices() {
        match char {
            '(' if inside => return Err("a parenthesis opens inside another".into()),
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("a parenthesis is not closed".into());
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

/// A label key: an optional DNS prefix and a name of at most 63 characters.
fn checked_key(key: &str) -> Result<String, String> {
    let key = key.trim();
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= 253
            && prefix.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || ".-".contains(char))
    });
    if prefix_fits && !name.is_empty() && is_name(name) {
        Ok(key.to_owned())
    } else {
        Err(format!("`{key}` is no label key such as `app` or `example.org/app`"))
    }
}

fn checked_value(value: &str) -> Result<String, String> {
    if value.is_empty() || is_name(value) { Ok(value.to_owned()) } else { Err(format!("`{value}` is no label value")) }
}

/// At most 63 letters, digits, `-`, `_`, `.`, beginning and ending with a letter or digit.
fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
        && text.starts_with(|char: char| char.is_ascii_alphanumeric())
        && text.ends_with(|char: char| char.is_ascii_alphanumeric())
}

fn number(value: Option<&String>) -> Option<i64> {
    value.and_then(|value| value.parse().ok())
}

fn check_length(text: &str) -> Result<(), SelectorError> {
    if text.len() <= MAX_SELECTOR {
        return Ok(());
    }
    Err(SelectorError { selector: cut(text), problem: format!("it is longer than {MAX_SELECTOR} bytes") })
}

/// A selector as an error quotes it.
fn cut(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_owned() } else { text.chars().take(79).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_label_operator_matches_as_kubernetes_does() {
        let labels = [("app", "web"), ("tier", "3"), ("example.org/x", "")];
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "app in (web, db)",
            "app notin (db)",
            "app",
            "!gone",
            "tier>2",
            "tier<4",
            "gone!=x",
            "gone notin (x)",
            "app=web,tier>2,example.org/x",
            "example.org/x=",
        ] {
            assert!(selects(yes, &labels), "{yes}");
        }
        for no in
            ["app=db", "app!=web", "app in (db)", "app notin (web,db)", "gone", "!app", "tier>3", "app>1", "gone=x"]
        {
            assert!(!selects(no, &labels), "{no}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_part() {
        let message = |text: &str| LabelSelector::parse(text).unwrap_err().to_string();
        assert_eq!(message("a=b,,c"), "selector `a=b,,c`: a part between commas is empty");
        assert_eq!(message("a in (b"), "selector `a in (b`: a parenthesis is not closed");
        assert_eq!(
            message("a within (b)"),
            "selector `a within (b)`: `a within (b)` should read `KEY in (A,B)` or `KEY notin (A,B)`"
        );
        assert_eq!(message("-a"), "selector `-a`: `-a` is no label key such as `app` or `example.org/app`");
        assert_eq!(message("a=b c"), "selector `a=b c`: `b c` is no label value");
        assert_eq!(message("a>x"), "selector `a>x`: `x` is no whole number");
        assert!(message(&"a".repeat(5000)).ends_with("it is longer than 4096 bytes"));
    }

    #[test]
    fn fields_compare_text_and_a_missing_one_is_empty() {
        let field = |path: &str| (path == "spec.nodeName").then(|| "n1".to_owned());
        for yes in ["", "spec.nodeName=n1", "spec.nodeName==n1", "spec.nodeName!=n2,status.phase="] {
            assert!(FieldSelector::parse(yes).unwrap().matches(field), "{yes}");
        }
        assert!(!FieldSelector::parse("status.phase=Running").unwrap().matches(field));
        assert_eq!(
            FieldSelector::parse("spec.nodeName").unwrap_err().to_string(),
            "selector `spec.nodeName`: `spec.nodeName` compares nothing; write `spec.nodeName=VALUE` or `spec.nodeName!=VALUE`"
        );
    }
}
