//! One list, one name for each bound, and a documentation that says the same.

use super::*;

#[test]
fn each_bound_stands_at_its_place_and_has_a_name_of_its_own() {
    for (place, bound) in BOUNDS.iter().enumerate() {
        assert_eq!(bound.limit as usize, place, "{}", bound.name);
        assert_eq!(bound.limit.name(), bound.name);
    }
    let names: std::collections::BTreeSet<_> = BOUNDS.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), BOUNDS.len());
    assert!(BOUNDS.iter().all(|it| it.set.default().number() > 0), "zero never means unlimited");
}

#[test]
fn amounts_are_shown_as_manifests_write_them() {
    let shown = |amount: Amount| amount.to_string();
    assert_eq!(
        [Bytes(64 << 20), Bytes(1000), Number(1000), seconds(2), seconds(60), seconds(600), seconds(86_400)].map(shown),
        ["64Mi", "1000", "1000", "2s", "60s", "10m", "24h"]
    );
    assert_eq!(shown(Time(Duration::from_millis(1500))), "1500ms");
}

#[test]
fn the_documentation_has_every_bound_as_it_is() {
    let mut expected = String::new();
    for keys in [true, false] {
        expected += if keys {
            "| key | default | most | what |\n|---|---|---|---|\n"
        } else {
            "\n| name | value | what |\n|---|---|---|\n"
        };
        for Bound { name, set, meaning, .. } in BOUNDS {
            match set {
                Set::Manifest { most, .. } if keys => {
                    expected += &format!("| `{name}` | {} | {most} | {meaning} |\n", set.default());
                }
                Set::Host(amount) if !keys => expected += &format!("| `{name}` | {amount} | {meaning} |\n"),
                _ => {}
            }
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../LIMITS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let tables: String = text.split_inclusive("\n\n").filter(|it| it.starts_with('|')).collect();
    assert_eq!(
        tables.trim_end(),
        expected.trim_end(),
        "LIMITS.md has other tables than the code; these are the code's:\n{expected}"
    );
}
