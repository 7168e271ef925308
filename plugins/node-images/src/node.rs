//! The part of a Node that the handler looks at.
//!
//! Reads what kubelets write and nothing else: unknown fields are skipped, absent ones are empty. A quantity that cannot be
//! read counts as not reported.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A Node, cut down to its images, its disk and its annotations.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Node {
    #[serde(default)]
    pub metadata: Metadata,
    #[serde(default)]
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    pub uid: String,
    pub annotations: BTreeMap<String, String>,
    /// Since when it is on its way out, if it is.
    pub deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Status {
    /// The API server writes an absent list as null.
    #[serde(default)]
    pub images: Option<Vec<Image>>,
    #[serde(default)]
    pub capacity: BTreeMap<String, String>,
}

/// One image: all the names it has on the node, digest and tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    #[serde(default)]
    pub names: Option<Vec<String>>,
    #[serde(default)]
    pub size_bytes: u64,
}

impl Node {
    pub fn images(&self) -> &[Image] {
        self.status.images.as_deref().unwrap_or_default()
    }

    pub fn total_bytes(&self) -> u64 {
        self.images().iter().fold(0, |sum, image| sum.saturating_add(image.size_bytes))
    }

    /// The size of the disk, if the node reports one above zero.
    pub fn disk_bytes(&self) -> Option<u64> {
        bytes(self.status.capacity.get("ephemeral-storage")?).filter(|bytes| *bytes > 0)
    }
}

impl Image {
    fn names(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }

    /// What makes it this image: its digest, or the first name where the runtime reports none.
    pub fn identity(&self) -> &str {
        let digest = self.names().iter().find(|name| name.contains('@'));
        digest.or(self.names().first()).map_or("", String::as_str)
    }

    /// What a person calls it: its first tag, else its identity.
    pub fn title(&self) -> &str {
        self.names().iter().find(|name| !name.contains('@')).map_or(self.identity(), String::as_str)
    }
}

/// Bytes of a Kubernetes quantity (`65786297344`, `61255492Ki`, `1.5Gi`, `20G`), rounded down. Units below one and exponents,
/// which no kubelet writes for a disk, are not read.
fn bytes(quantity: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 12] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, *factor)));
    let (number, factor) = unit.unwrap_or((quantity, 1));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Fifteen digits keep the product within 128 bits; what they cut off is less than a byte of any disk.
    let fraction = fraction.get(..15).unwrap_or(fraction);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let parts = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? * u128::from(factor) };
    let below_one = u64::try_from(parts / 10_u128.pow(u32::try_from(fraction.len()).ok()?)).ok()?;
    whole.checked_mul(factor)?.checked_add(below_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubelets_write_them() {
        let cases = [
            ("65786297344", Some(65_786_297_344)),
            ("61255492Ki", Some(61_255_492 << 10)),
            ("20Gi", Some(20 << 30)),
            ("1.5Gi", Some(3 << 29)),
            ("0.1k", Some(100)),
            ("20G", Some(20_000_000_000)),
            ("16Ei", None),
            ("", None),
            ("Gi", None),
            ("-1", None),
            ("1e3", None),
            ("1.2.3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn an_image_is_known_by_its_digest_and_shown_by_its_tag() {
        let image =
            |names: &[&str]| Image { names: Some(names.iter().map(|name| (*name).into()).collect()), size_bytes: 1 };
        let both = image(&["nginx@sha256:1", "nginx:1.27"]);
        assert_eq!((both.identity(), both.title()), ("nginx@sha256:1", "nginx:1.27"));
        let untagged = image(&["nginx@sha256:1"]);
        assert_eq!((untagged.identity(), untagged.title()), ("nginx@sha256:1", "nginx@sha256:1"));
        assert_eq!(Image::default().title(), "");
    }

    #[test]
    fn a_node_that_reports_nothing_has_no_images_and_no_disk() {
        for json in ["{}", r#"{"status":{"images":null}}"#] {
            let node: Node = serde_json::from_str(json).expect("every field may be absent");
            assert_eq!((node.images().len(), node.total_bytes(), node.disk_bytes()), (0, 0, None));
        }
    }
}
