//! What names, keys and values may look like, checked before a request is built.
//!
//! Promises: what passes cannot leave the path segment or query it is put into; what Kubernetes would refuse for its form
//! is refused here, in the words of the handler's author. The rules are those of Kubernetes'
//! `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/validation/path`. Not checked: what only the server knows, such as
//! which kinds want stricter names.

/// The longest label value, and the longest name part of a label or annotation key, in bytes.
const MAX_SEGMENT: usize = 63;
/// The longest DNS subdomain, in bytes: object names and the prefixes of keys.
pub(super) const MAX_NAME: usize = 253;
/// All annotations of an object together, keys and values, in bytes.
pub(super) const MAX_ANNOTATIONS: usize = 256 << 10;
/// The longest field manager, in bytes.
const MAX_MANAGER: usize = 128;

/// Whether `name` can be the name of an object, as one segment of a path: no separator, nothing that is encoded or that
/// ends a path, and neither `.` nor `..`.
pub(super) fn is_path_segment(name: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~@+!$&'()*,;=".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name != "." && name != ".." && name.bytes().all(safe)
}

/// Whether `name` can be a namespace or one part of a subresource: a DNS label.
pub(super) fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= MAX_SEGMENT && name.bytes().all(inner) && ends_alphanumeric(name)
}

/// What is wrong with `api_version`, or nothing: `v1` or `group/v1`.
pub(super) fn is_api_version(api_version: &str) -> bool {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    is_subdomain(group) && is_dns_label(version)
}

/// Whether `kind` can be a kind: letters and digits.
pub(super) fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.len() <= MAX_SEGMENT && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What is wrong with the key of a label, or nothing. Annotation keys follow the same rules in lower case.
pub(super) fn wrong_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Some(format!("the part of the key {key:?} before the slash is not a DNS name"));
    }
    (!is_qualified(name) || name.is_empty()).then(|| {
        format!(
            "the key {key:?} needs a name of at most {MAX_SEGMENT} letters, digits, '-', '_' and '.', that begins and ends with a letter or digit"
        )
    })
}

/// What is wrong with the value of a label, or nothing.
pub(super) fn wrong_label_value(value: &str) -> Option<String> {
    (!is_qualified(value)).then(|| {
        format!(
            "the label value {value:?} may have at most {MAX_SEGMENT} letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
        )
    })
}

/// Whether `suffix` may be appended to the field manager `base`, with a slash between them.
pub(super) fn is_manager_suffix(base: &str, suffix: &str) -> bool {
    is_qualified(suffix) && !suffix.is_empty() && base.len() + 1 + suffix.len() <= MAX_MANAGER
}

/// `text`, cut to at most `bytes` bytes at the border of a character.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('.').all(|label| !label.is_empty() && is_dns_label(label))
}

/// Empty, or at most 63 of the characters that label values may have.
fn is_qualified(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.is_empty() || text.len() <= MAX_SEGMENT && text.bytes().all(inner) && ends_alphanumeric(text)
}

fn ends_alphanumeric(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    end(text.as_bytes().first()) && end(text.as_bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_path_segment_are_refused() {
        for name in ["a", "system:node", "a.b-c", "my_key"] {
            assert!(is_path_segment(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä", "a\n", &long] {
            assert!(!is_path_segment(name), "{name}");
        }
        assert!(is_api_version("v1") && is_api_version("apps/v1"));
        for version in ["", "/v1", "apps/", "a/b/c", "v1?x", "../v1"] {
            assert!(!is_api_version(version), "{version}");
        }
        assert!(is_dns_label("kube-system") && !is_dns_label("-a") && !is_dns_label("A") && !is_dns_label(""));
        assert!(is_kind("Node") && !is_kind("No de") && !is_kind(""));
    }

    #[test]
    fn keys_and_values_follow_the_rules_of_labels() {
        for key in ["a", "example.org/a", "example.org/A_b.c-d"] {
            assert_eq!(wrong_key(key), None, "{key}");
        }
        let long = "a".repeat(64);
        for key in ["", "/a", "a/", "a/b/c", "-a", "EXAMPLE.org/a", "a b", &long] {
            assert!(wrong_key(key).is_some(), "{key}");
        }
        assert_eq!(wrong_label_value(""), None);
        assert_eq!(wrong_label_value("a.b_c"), None);
        for value in ["a b", "-a", "a/b", &long] {
            assert!(wrong_label_value(value).is_some(), "{value}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("äö", 3), "ä");
        assert_eq!(cut("abc", 9), "abc");
    }

    #[test]
    fn a_manager_with_its_suffix_stays_within_the_servers_limit() {
        assert!(is_manager_suffix("weir/a", "images"));
        assert!(!is_manager_suffix("weir/a", "") && !is_manager_suffix("weir/a", "a/b"));
        assert!(!is_manager_suffix(&"a".repeat(128), "b"));
    }
}
