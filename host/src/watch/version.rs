//! The order of resourceVersions.
//!
//! Promise: two versions are only ever ordered if both are decimal numbers, of any length; what is not a number is only ever equal
//! to itself. Kubernetes documents this comparison for objects of one resource since 1.35 (KEP-5504); all its servers have
//! numbered their states that way before.

/// Whether `a` is an earlier state than `b`. False if either is not a decimal number.
pub fn older(a: &str, b: &str) -> bool {
    match (digits(a), digits(b)) {
        (Some(a), Some(b)) => (a.len(), a) < (b.len(), b),
        _ => false,
    }
}

/// Whether the order of two versions can be told.
pub(super) fn comparable(a: &str, b: &str) -> bool {
    a == b || (digits(a).is_some() && digits(b).is_some())
}

/// Whether state `a` is `b` or a later one.
pub(super) fn at_least(a: &str, b: &str) -> bool {
    a == b || older(b, a) || (digits(a).is_some() && digits(a) == digits(b))
}

/// The number without leading zeros, if it is one.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_of_any_length() {
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(older("99999999999999999999999", "100000000000000000000000"));
        assert!(!older("007", "7") && !older("7", "007") && at_least("7", "007"));
        assert!(older("0", "1") && at_least("1", "0"));
    }

    #[test]
    fn what_is_not_a_number_has_no_order() {
        for (a, b) in [("a", "b"), ("1", "b"), ("", "1"), ("1", ""), ("-1", "1"), ("1.0", "2"), ("", "")] {
            assert!(!older(a, b) && !older(b, a), "{a} {b}");
        }
        assert!(at_least("abc", "abc") && !at_least("abc", "abd"));
    }
}
