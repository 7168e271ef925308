//! Where a handler may send requests, and what is added to them that it never sees.
//!
//! Promises: a secret is known here by its name alone, so a manifest can be printed, compared and logged; a secret stands behind the
//! host of a URL, so a reader of the manifest sees where it goes; what a handler asks for is admitted by one grant as a whole.

use super::url::Url;
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{fmt, path::PathBuf};

/// Headers that weir writes itself, or that speak to the next hop alone.
pub const RESERVED_HEADERS: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One line of `grants.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// A URL and all that lies under its path. A handler asks for one with secrets by the very text that stands here.
    pub url: Template,
    /// Sent with every request that this line admits, instead of the handler's own headers of these names.
    pub headers: Vec<(String, Template)>,
    /// Whether the host may have a private address, such as a Service of the cluster. A literal address is its own permission.
    pub private: bool,
}

/// A text with `${env:NAME}` and `${file:/path}` in it, for secrets that the operator keeps elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Template {
    text: String,
    #[serde(skip)]
    parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// What stands there is elsewhere.
    Secret(SecretRef),
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In an environment variable of weir's process.
    Env(String),
    /// In a file, less the line's end; read anew for every request.
    File(PathBuf),
}

impl HttpGrant {
    /// A grant of a URL without secrets, headers or private addresses: what a component may wish for.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn plain(url: &str) -> Result<HttpGrant, String> {
        Url::parse(url)?;
        let url = Template { text: url.to_owned(), parts: vec![Part::Text(url.to_owned())] };
        Ok(HttpGrant { url, headers: Vec::new(), private: false })
    }

    /// The URL, with `x` for each secret.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn shape(&self) -> Result<Url, String> {
        Url::parse(&self.url.shape())
    }

    /// What of `asked`, a URL as a handler wrote it, stands behind this grant's; none if this grant does not admit it.
    pub fn admits(&self, asked: &str) -> Option<Admitted> {
        let shape = self.shape().ok()?;
        if !self.url.has_secrets() {
            let url = Url::parse(asked).ok().filter(|url| shape.covers(url))?;
            return Some(Admitted::Plain(url));
        }
        let rest = asked.strip_prefix(&self.url.text)?;
        let url = Url::parse(&format!("{}{rest}", self.url.shape())).ok()?;
        shape.covers(&url).then(|| Admitted::Under(rest.to_owned()))
    }
}

/// A URL that a grant admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// As it will be sent.
    Plain(Url),
    /// The grant's URL, secrets and all, with this behind it.
    Under(String),
}

/// The grant that admits `asked`, the most specific one if there are several.
pub fn admitting<'a>(grants: &'a [HttpGrant], asked: &str) -> Option<(&'a HttpGrant, Admitted)> {
    let fitting = grants.iter().filter_map(|grant| grant.admits(asked).map(|admitted| (grant, admitted)));
    // By what they say, not how: a port that is written out makes a text longer, and no grant narrower. The first of those alike.
    let narrow = |grant: &HttpGrant| grant.shape().map(|url| (url.query.is_some(), url.path.len())).unwrap_or_default();
    fitting.reduce(|best, other| if narrow(other.0) > narrow(best.0) { other } else { best })
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with a reference in it.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (reference, behind) = after.split_once('}').ok_or("a `${` has no `}` behind it")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Secret(SecretRef::parse(reference)?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its pieces, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(secret) => Some(secret),
            Part::Text(_) => None,
        })
    }

    /// Whether it refers to anything.
    pub fn has_secrets(&self) -> bool {
        self.secrets().next().is_some()
    }

    fn shape(&self) -> String {
        let piece = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Secret(_) => "x".to_owned(),
        };
        self.parts.iter().map(piece).collect()
    }
}

impl SecretRef {
    fn parse(reference: &str) -> Result<SecretRef, String> {
        let word = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
                && !name.starts_with(|it: char| it.is_ascii_digit())
        };
        match reference.split_once(':') {
            Some(("env", name)) if word(name) => Ok(SecretRef::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(SecretRef::File(path.into())),
            _ => Err(format!("`${{{reference}}}` is neither `${{env:NAME}}` nor `${{file:/an/absolute/path}}`")),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "${{env:{name}}}"),
            SecretRef::File(path) => write!(f, "${{file:{}}}", path.display()),
        }
    }
}

impl Serialize for HttpGrant {
    /// As an operator would write it: a text if there is nothing but the URL.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.headers.is_empty() && !self.private {
            return self.url.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("url", &self.url)?;
        if !self.headers.is_empty() {
            let headers: serde_json::Map<String, serde_json::Value> =
                self.headers.iter().map(|(name, value)| (name.clone(), value.text.clone().into())).collect();
            map.serialize_entry("headers", &headers)?;
        }
        if self.private {
            map.serialize_entry("private", &true)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(url: &str) -> HttpGrant {
        HttpGrant { url: Template::parse(url).unwrap(), headers: Vec::new(), private: false }
    }

    #[test]
    fn a_url_with_secrets_is_asked_for_by_the_text_of_its_grant() {
        let hook = grant("https://a.example/hook/${env:PATH_1}");
        for (asked, rest) in
            [("", Some("")), ("/more", Some("/more")), ("?x=1", Some("?x=1")), ("more", None), ("/../b", None)]
        {
            let expected = rest.map(|rest| Admitted::Under(rest.to_owned()));
            assert_eq!(hook.admits(&format!("https://a.example/hook/${{env:PATH_1}}{asked}")), expected, "{asked}");
        }
        for asked in [
            "https://a.example/hook/x",
            "https://a.example/hook/${env:HOME}",
            "https://a.example/hook/",
            "${env:PATH_1}",
        ] {
            assert_eq!(hook.admits(asked), None, "{asked}");
        }
        let token = grant("https://a.example/?token=${file:/run/token}");
        assert_eq!(token.admits("https://a.example/?token=${file:/run/token}"), Some(Admitted::Under(String::new())));
        assert_eq!(
            token.admits("https://a.example/?token=${file:/run/token}&x=1"),
            None,
            "a query is granted as it stands"
        );
    }

    #[test]
    fn a_handler_cannot_name_a_secret_that_its_grant_does_not() {
        let plain = grant("https://a.example/");
        assert_eq!(plain.admits("https://a.example/${env:HOME}"), None);
        assert!(plain.admits("https://a.example/b").is_some());
    }

    #[test]
    fn the_most_specific_grant_admits() {
        let grants = [grant("https://a.example/"), grant("https://a.example/b/"), grant("https://b.example/")];
        let of = |asked: &str| admitting(&grants, asked).map(|(grant, _)| grant.url.text().to_owned());
        assert_eq!(of("https://a.example/b/c").as_deref(), Some("https://a.example/b/"));
        assert_eq!(of("https://a.example/c").as_deref(), Some("https://a.example/"));
        assert_eq!(of("https://c.example/"), None);
        let grants = [grant("https://a.example:443/"), grant("https://a.example/b/")];
        let (admitting, _) = admitting(&grants, "https://a.example/b/x").unwrap();
        assert_eq!(admitting.url.text(), "https://a.example/b/", "a written port makes none more specific");
    }

    #[test]
    fn a_reference_is_read_or_refused_with_what_to_write() {
        let template = Template::parse("Bearer ${env:A_1}.${file:/b c}").unwrap();
        let expected = ["${env:A_1}", "${file:/b c}"];
        assert_eq!(template.secrets().map(ToString::to_string).collect::<Vec<_>>(), expected);
        for wrong in ["${env:}", "${env:A-B}", "${env:1A}", "${file:b}", "${A}", "${vault:x}"] {
            assert!(Template::parse(wrong).unwrap_err().contains("is neither `${env:NAME}` nor"), "{wrong}");
        }
        assert!(Template::parse("${env:A").is_err());
    }
}
