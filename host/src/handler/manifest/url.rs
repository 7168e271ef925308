//! URLs as grants compare them.
//!
//! Promises: two texts that could mean different places to different servers are not both read; what is read has one normal form, and
//! that form is both what is compared and what is sent. Rather than mending a text as browsers do (WHATWG's URL standard), whatever has a
//! second reading is refused: user information, fragments, backslashes, dot segments in any encoding, encoded slashes, numbers that
//! some resolvers take for addresses. Internationalised names are written in their ASCII form (`xn--…`).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The longest URL, in bytes: what most servers take.
pub const MAX_URL: usize = 8 << 10;
/// How often a server might decode a path: a segment is looked at after each of so many.
const MAX_DECODINGS: usize = 3;

/// An absolute `http` or `https` URL in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `https`, else `http`.
    pub secure: bool,
    /// Where.
    pub host: Host,
    /// The scheme's own unless written.
    pub port: u16,
    /// Begins with a slash; unreserved characters decoded, others as `%XX` in capitals.
    pub path: String,
    /// What follows the question mark, as written.
    pub query: Option<String>,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name in lower case, without a trailing dot.
    Name(String),
    /// A literal address.
    Address(IpAddr),
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it. The text itself is not in the message.
    pub fn parse(text: &str) -> Result<Url, String> {
        if text.len() > MAX_URL {
            return Err(format!("it is {} bytes, more than the {MAX_URL} a URL may have", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
            return Err("it has a character that a URL cannot have; percent-encode it".to_owned());
        }
        let (scheme, rest) = text.split_once("://").ok_or("it has to begin with https:// or http://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("its scheme is neither https nor http".to_owned()),
        };
        if rest.contains('#') {
            return Err("it has a fragment (`#…`), which is never sent; remove it".to_owned());
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it has a user before the host; send an Authorization header instead".to_owned());
        }
        let (host, port) = authority_of(authority)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let path = if path.is_empty() { "/".to_owned() } else { normal(path)? };
        Ok(Url { secure, host, port: port.unwrap_or(if secure { 443 } else { 80 }), path, query })
    }

    /// Whether a grant of this URL allows `other`: same scheme, host and port, and a path that is this one or lies under it, segment by
    /// segment. A URL with a query allows itself alone.
    pub fn covers(&self, other: &Url) -> bool {
        let under = || match other.path.strip_prefix(self.path.as_str()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'),
            None => false,
        };
        self.has_origin_of(other)
            && match &self.query {
                Some(_) => self.path == other.path && self.query == other.query,
                None => under(),
            }
    }

    /// Whether scheme, host and port are the same.
    pub fn has_origin_of(&self, other: &Url) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }

    /// Where a `Location` of an answer to this URL leads (RFC 3986, 5.2, for what servers send).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, location: &str) -> Result<Url, String> {
        let location = location.split('#').next().unwrap_or_default();
        let scheme = if self.secure { "https" } else { "http" };
        let directory = &self.path[..self.path.rfind('/').map_or(0, |at| at + 1)];
        // Before the first slash a colon ends a scheme.
        let has_scheme = location.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
        let whole = match location {
            _ if has_scheme => location.to_owned(),
            _ if location.starts_with("//") => format!("{scheme}:{location}"),
            _ if location.starts_with('/') => format!("{scheme}://{}{location}", self.authority()),
            _ if location.starts_with('?') => format!("{scheme}://{}{}{location}", self.authority(), self.path),
            _ => format!("{scheme}://{}{directory}{location}", self.authority()),
        };
        Url::parse(&whole)
    }

    /// Host and, unless it is the scheme's own, port: what the `Host` header says.
    pub fn authority(&self) -> String {
        let own = if self.secure { 443 } else { 80 };
        if self.port == own { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Path and query: what the request line says.
    pub fn target(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.authority(), self.target())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn authority_of(authority: &str) -> Result<(Host, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or("its IPv6 address has no closing bracket")?;
            let address: Ipv6Addr = address.parse().map_err(|_| "what stands in brackets is no IPv6 address")?;
            (Host::Address(address.into()), rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(authority)?, Some("")),
        },
    };
    let port = match port {
        Some("") => None,
        // `u16` would read a plus sign, too.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().filter(|it| *it != 0),
        _ => None,
    }
    .map_or_else(
        || if port == Some("") { Ok(None) } else { Err("its port is not 1 to 65535") },
        |port| Ok(Some(port)),
    )?;
    Ok((host, port))
}

fn name(text: &str) -> Result<Host, String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err("its host is no DNS name or address".to_owned());
    }
    // `127.1`, `2130706433` and `0x7f.1` are 127.0.0.1 to many resolvers; no top-level domain is a number.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Err("its host is a number; write an address as four decimal numbers without leading zeros".to_owned());
    }
    Ok(Host::Name(name))
}

/// The normal form of a path.
fn normal(path: &str) -> Result<String, String> {
    let mut normal = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        refuse_ambiguous(segment)?;
        normal.push('/');
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('%') {
            let byte = octet(after).ok_or("it has a `%` that is not followed by two hexadecimal digits")?;
            normal.push_str(before);
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                normal.push(byte.into());
            } else {
                normal.push_str(&format!("%{byte:02X}"));
            }
            rest = &after[2..];
        }
        normal.push_str(rest);
    }
    Ok(normal)
}

/// Refuses what some server or proxy might take for another path: dot segments, also with parameters (`..;x`), and separators or
/// control characters in disguise, also if they appear only when it is decoded more than once.
fn refuse_ambiguous(segment: &str) -> Result<(), String> {
    let mut text = segment.as_bytes().to_vec();
    for _ in 0..=MAX_DECODINGS {
        let name = text.split(|&byte| byte == b';').next().unwrap_or_default();
        if name == b"." || name == b".." {
            return Err("its path has `.` or `..` segments; write the path that is meant".to_owned());
        }
        if text.iter().any(|byte| b"/\\".contains(byte) || byte.is_ascii_control()) {
            return Err("its path has an encoded slash, backslash or control character".to_owned());
        }
        let decoded = decoded(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    Ok(())
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(octet) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// The byte that the first two characters say in hexadecimal.
fn octet(text: &str) -> Option<u8> {
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal_form(text: &str) -> String {
        Url::parse(text).unwrap().to_string()
    }

    fn covers(grant: &str, url: &str) -> bool {
        Url::parse(grant).unwrap().covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn texts_that_mean_the_same_have_one_form() {
        for (text, form) in [
            ("https://example.org", "https://example.org/"),
            ("HTTPS://Example.ORG.:443/A", "https://example.org/A"),
            ("http://example.org:80/", "http://example.org/"),
            ("http://example.org:443/", "http://example.org:443/"),
            ("https://example.org:/a", "https://example.org/a"),
            ("https://example.org/%61%2d%2a", "https://example.org/a-%2A"),
            ("https://example.org?a=%2e", "https://example.org/?a=%2e"),
            ("http://[::FFFF:7f00:1]:8080/", "http://[::ffff:127.0.0.1]:8080/"),
            ("http://10.0.0.1/", "http://10.0.0.1/"),
        ] {
            assert_eq!(normal_form(text), form, "{text}");
        }
    }

    #[test]
    fn whatever_has_a_second_reading_is_refused() {
        for text in [
            "",
            "example.org",
            "//example.org/",
            "ftp://example.org/",
            "https:example.org",
            "https:///a",
            "https://",
            "https://good.example@evil.example/",
            "https://good.example:80@evil.example/",
            "https://a.example/#@b.example",
            "https://a.example\\@b.example/",
            "https://a.example/\\..",
            "https://a.example/ b",
            "https://a.example/\u{e4}",
            "https://a.example/\n",
            "https://a.example:0/",
            "https://a.example:65536/",
            "https://a.example:+80/",
            "https://a.example:80:80/",
            "https://a..example/",
            "https://-a.example/",
            "https://a_%62.example/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.01/",
            "http://[::1",
            "http://[::1]x/",
            "http://[fe80::1%25eth0]/",
            "http://[127.0.0.1]/",
            "http://a.example/${env:X}",
            "https://a.example/b/../c",
            "https://a.example/b/.",
            "https://a.example/%2e%2e/c",
            "https://a.example/.%2E",
            "https://a.example/%252e%252e/c",
            "https://a.example/%25252e./c",
            "https://a.example/..;x/c",
            "https://a.example/%2e%2e%3bx/c",
            "https://a.example/b%2fc",
            "https://a.example/b%5Cc",
            "https://a.example/b%252fc",
            "https://a.example/b%00",
            "https://a.example/%zz",
            "https://a.example/%",
            "https://a.example/%4",
            "https://a.example/%+1",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?} was read as {}", normal_form(text));
        }
        assert!(Url::parse(&format!("https://a.example/{}", "a".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn a_grant_covers_its_path_and_what_lies_under_it() {
        for (grant, url) in [
            ("https://a.example/", "https://a.example/b?c=d"),
            ("https://a.example", "https://A.example:443"),
            ("https://a.example/b", "https://a.example/b"),
            ("https://a.example/b", "https://a.example/b/c"),
            ("https://a.example/b", "https://a.example/b?c"),
            ("https://a.example/b/", "https://a.example/b/c"),
            ("https://a.example/b/", "https://a.example/%62/c"),
            ("https://a.example/b?c=d", "https://a.example/b?c=d"),
        ] {
            assert!(covers(grant, url), "{grant} {url}");
        }
        for (grant, url) in [
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "https://a.example:444/"),
            ("https://a.example/", "https://a.example.evil.example/"),
            ("https://a.example/", "https://b.a.example/"),
            ("https://a.example/b", "https://a.example/bc"),
            ("https://a.example/b/", "https://a.example/b"),
            ("https://a.example/b/", "https://a.example//b/"),
            ("https://a.example/b/", "https://a.example/B/"),
            ("https://a.example/b?c=d", "https://a.example/b?c=e"),
            ("https://a.example/b?c=d", "https://a.example/b"),
            ("http://127.0.0.1/", "http://[::ffff:127.0.0.1]/"),
        ] {
            assert!(!covers(grant, url), "{grant} {url}");
        }
    }

    #[test]
    fn a_location_leads_where_it_says() {
        let url = Url::parse("https://a.example:8443/b/c?d").unwrap();
        for (location, expected) in [
            ("HTTP://x.example/y#z", "http://x.example/y"),
            ("//x.example/y", "https://x.example/y"),
            ("/y", "https://a.example:8443/y"),
            ("y", "https://a.example:8443/b/y"),
            ("?e", "https://a.example:8443/b/c?e"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), expected, "{location}");
        }
        for location in ["../y", "https://b.example@c.example/", "ftp://x.example/", "https:x"] {
            assert!(url.join(location).is_err(), "{location}");
        }
    }
}
