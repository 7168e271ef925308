//! A hash of what a handler can see of an object.
//!
//! Promises: equal content has an equal fingerprint whatever the order of members, the spacing and the escapes; it is the
//! same in every run and on every machine, so it may be stored. `metadata.resourceVersion` and `metadata.managedFields` never count.
//! Two different states of one object collide once in 2^64; it is no protection against an author who looks for a collision in his own
//! object, who would only keep his own change to himself.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// A content hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The hash of one JSON text; of what is not JSON, the hash of its bytes.
pub(super) fn of_json(json: &[u8], place: Place) -> u64 {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    place.deserialize(&mut deserializer).unwrap_or_else(|_| bytes(b'x', json))
}

/// Adds a hash to an ordered sequence of hashes.
pub(super) fn chain(before: u64, next: u64) -> u64 {
    mix(before.rotate_left(5) ^ next)
}

/// Where in an object a value stands, because two members of `metadata` do not count.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// The object itself.
    Top,
    /// Its metadata.
    Metadata,
    /// Anywhere else.
    Inside,
}

impl Place {
    fn member(self, name: &str) -> Option<Place> {
        match (self, name) {
            (Place::Top, "metadata") => Some(Place::Metadata),
            (Place::Metadata, "resourceVersion" | "managedFields") => None,
            _ => Some(Place::Inside),
        }
    }
}

/// The hash of a string of bytes: FNV-1a, 64 bit (draft-eastlake-fnv), with a tag so that "1" and 1 differ, and mixed at the end because
/// FNV's high bits depend on too little of the input.
fn bytes(tag: u8, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(step(0xcbf2_9ce4_8422_2325, &tag), step))
}

/// The finaliser of MurmurHash3's 64-bit variant (`fmix64`, public domain): every input bit reaches every output bit.
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(bytes(b'n', &[]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<u64, E> {
        Ok(bytes(b'b', &[u8::from(value)]))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(bytes(b'i', &i128::from(value).to_le_bytes()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        Ok(bytes(b'i', &i128::from(value).to_le_bytes()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        Ok(bytes(b'f', &value.to_le_bytes()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
        Ok(bytes(b's', value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut hash = bytes(b'a', &[]);
        while let Some(item) = items.next_element_seed(Place::Inside)? {
            hash = chain(hash, item);
        }
        Ok(hash)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        // A sum does not depend on the order, and needs no sorting; each summand is mixed from name and value.
        let mut sum = 0_u64;
        while let Some(name) = members.next_key_seed(MemberName(self))? {
            match name {
                (hash, Some(place)) => sum = sum.wrapping_add(chain(hash, members.next_value_seed(place)?)),
                (_, None) => {
                    members.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(chain(bytes(b'o', &[]), sum))
    }
}

/// Reads a member's name: its hash, and where its value stands; none if it does not count.
struct MemberName(Place);

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = (u64, Option<Place>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = (u64, Option<Place>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok((bytes(b'k', name.as_bytes()), self.0.member(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> u64 {
        of_json(json.as_bytes(), Place::Top)
    }

    #[test]
    fn order_spacing_and_escapes_do_not_count() {
        assert_eq!(of(r#"{"a":1,"b":{"c":[1,2],"d":"x"}}"#), of(r#"{ "b":{"d":"\u0078","c":[1, 2]}, "a":1 }"#));
    }

    #[test]
    fn every_difference_in_content_counts() {
        let texts = [
            "null",
            "true",
            "false",
            "1",
            "-1",
            "1.5",
            "\"1\"",
            "\"\"",
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "[1,2]",
            "[2,1]",
            "[12]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":null}"#,
            r#"{"a":{"b":1},"c":{}}"#,
            r#"{"a":{},"c":{"b":1}}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
        ];
        let hashes: std::collections::HashSet<u64> = texts.iter().map(|text| of(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    #[test]
    fn the_resource_version_of_the_object_does_not_count_and_any_other_does() {
        let with = |rv: u32, inner: u32| {
            of(&format!(
                r#"{{"metadata":{{"name":"a","resourceVersion":"{rv}","managedFields":[{rv}]}},
                    "spec":{{"resourceVersion":"{inner}","metadata":{{"resourceVersion":"{inner}"}}}}}}"#
            ))
        };
        assert_eq!(with(1, 1), with(2, 1));
        assert_ne!(with(1, 1), with(1, 2));
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_run() {
        // The numbers are what this code gave first; a change would wake every handler for every object after an upgrade.
        assert_eq!(Fingerprint(of(r#"{"kind":"Pod","metadata":{"name":"a"}}"#)).to_string(), "4768587cd9007765");
    }
}
