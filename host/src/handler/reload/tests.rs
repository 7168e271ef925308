use super::*;

fn found(stem: &str, digest: &str, manifest: Option<&str>) -> Found {
    Found {
        stem: stem.into(),
        component: format!("{stem}.wasm").into(),
        bytes: Default::default(),
        digest: digest.into(),
        manifest: manifest.map(|it| (format!("{stem}.yaml").into(), it.into())),
        manifest_digest: manifest.map(Into::into),
    }
}

fn snapshot(files: &[Found]) -> Snapshot {
    Snapshot { files: files.to_vec(), problems: Vec::new(), settling: 0 }
}

fn loaded<const N: usize>(entries: [(&str, Loaded); N]) -> BTreeMap<String, Loaded> {
    entries.into_iter().map(|(stem, it)| (stem.to_owned(), it)).collect()
}

fn remove(stem: &str, name: Option<&str>) -> Step {
    Step::Remove { stem: stem.into(), name: name.map(Into::into) }
}

#[test]
fn a_new_file_is_loaded_and_a_loaded_one_is_left_alone() {
    let (a, b) = (found("a", "1", None), found("b", "2", None));
    let known = loaded([("a", Loaded::running(&a, "a"))]);
    assert_eq!(plan(&snapshot(&[a, b.clone()]), &known), [Step::Load(b)]);
}

#[test]
fn a_changed_component_and_a_changed_manifest_are_each_a_reload() {
    let known = loaded([("a", Loaded::running(&found("a", "1", Some("m")), "a"))]);
    for changed in [found("a", "2", Some("m")), found("a", "1", Some("n")), found("a", "1", None)] {
        assert_eq!(plan(&snapshot(std::slice::from_ref(&changed)), &known), [Step::Reload(changed)]);
    }
}

#[test]
fn removals_come_first_and_name_the_lane_that_ends() {
    let (old, never_ran, new) = (found("z", "1", None), found("y", "1", None), found("a", "1", None));
    let known = loaded([("z", Loaded::running(&old, "nodes")), ("y", Loaded::failed(&never_ran, None))]);
    let steps = plan(&snapshot(std::slice::from_ref(&new)), &known);
    assert_eq!(steps, [remove("y", None), remove("z", Some("nodes")), Step::Load(new)]);
}

#[test]
fn a_version_that_failed_is_tried_again_only_when_it_changes() {
    let broken = found("a", "1", None);
    let known = loaded([("a", Loaded::failed(&broken, None))]);
    assert_eq!(plan(&snapshot(&[broken]), &known), []);
    let mended = found("a", "1", Some("m"));
    assert_eq!(plan(&snapshot(std::slice::from_ref(&mended)), &known), [Step::Load(mended)]);
}

#[test]
fn a_failed_reload_keeps_the_last_good_version_and_its_name() {
    let good = Loaded::running(&found("a", "1", None), "nodes");
    let broken = found("a", "2", None);
    let after = Loaded::failed(&broken, Some(&good));
    assert_eq!(after.name.as_deref(), Some("nodes"));
    let known = loaded([("a", after)]);
    assert_eq!(plan(&snapshot(&[broken]), &known), []);
    assert!(conflict("nodes", "b", &known).is_some(), "its name is still taken");
    // Going back to the good version is a change like any other.
    let good = found("a", "1", None);
    assert_eq!(plan(&snapshot(std::slice::from_ref(&good)), &known), [Step::Reload(good)]);
}

#[test]
fn a_taken_name_is_refused_naming_both_files() {
    let known = loaded([("a", Loaded::running(&found("a", "1", None), "nodes"))]);
    let refused = conflict("nodes", "b", &known).unwrap().to_string();
    assert!(refused.contains("a.wasm") && refused.contains("b.wasm") && refused.contains("\"nodes\""), "{refused}");
    assert_eq!(conflict("nodes", "a", &known), None, "its own name is no conflict");
    assert_eq!(conflict("pods", "b", &known), None);
}

#[test]
fn when_the_first_file_goes_the_one_that_waits_for_its_name_is_loaded() {
    let (a, b) = (found("a", "1", None), found("b", "2", None));
    let mut known = loaded([("a", Loaded::running(&a, "nodes")), ("b", Loaded::waiting(&b, None, "nodes"))]);
    assert_eq!(plan(&snapshot(&[a, b.clone()]), &known), [], "while the first is there the second waits");
    let steps = plan(&snapshot(std::slice::from_ref(&b)), &known);
    assert_eq!(steps, [remove("a", Some("nodes")), Step::Load(b.clone())]);
    known = loaded([("b", Loaded::running(&b, "nodes"))]);
    assert_eq!(plan(&snapshot(&[b]), &known), []);
}

#[test]
fn a_file_that_wants_another_name_keeps_its_own_until_that_is_free() {
    let (a, b) = (found("a", "1", None), found("b", "2", None));
    let before = Loaded::running(&found("b", "1", None), "pods");
    let known = loaded([("a", Loaded::running(&a, "nodes")), ("b", Loaded::waiting(&b, Some(&before), "nodes"))]);
    assert!(conflict("pods", "c", &known).is_some(), "its last good version runs on under its old name");
    // The first file takes another name: no removal, yet the name is free.
    let renamed = loaded([("a", Loaded::running(&a, "images")), ("b", known["b"].clone())]);
    assert_eq!(plan(&snapshot(&[a, b.clone()]), &renamed), [Step::Reload(b)]);
}

/// Any files, any names, any failures: rounds of planning and carrying out come to an end, and no name is ever held twice.
#[test]
fn carrying_out_plans_ends_and_never_gives_a_name_twice() {
    for seed in 0..500_u64 {
        let mut state = seed;
        let mut random = |below: u64| {
            // The constants are Knuth's, for a 64-bit linear congruential generator (MMIX).
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut known = BTreeMap::new();
        for _ in 0..6 {
            let mut files = Vec::new();
            for stem in ["a", "b", "c", "d", "e"] {
                if random(4) > 0 {
                    files.push(found(stem, &random(3).to_string(), None));
                }
            }
            let now = snapshot(&files);
            // What a version is called, and whether it works, is its own, as it is for a component.
            let salt = random(7);
            let nature =
                |it: &Found| (u64::from(it.stem.as_bytes()[0]) * u64::from(it.digest.as_bytes()[0]) + salt) % 3;
            let mut rounds = 0;
            loop {
                let steps = plan(&now, &known);
                if steps.is_empty() {
                    break;
                }
                rounds += 1;
                assert!(rounds < 20, "seed {seed}: no end with {steps:?}");
                for step in steps {
                    match step {
                        Step::Remove { stem, .. } => drop(known.remove(&stem)),
                        Step::Load(it) | Step::Reload(it) => {
                            let (stem, before) = (it.stem.to_string(), known.get(&*it.stem));
                            let name = format!("name-{}", nature(&it));
                            let after = match conflict(&name, &stem, &known) {
                                _ if it.digest.as_ref() == "2" => Loaded::failed(&it, before),
                                Some(_) => Loaded::waiting(&it, before, name),
                                None => Loaded::running(&it, name),
                            };
                            known.insert(stem, after);
                        }
                    }
                }
                let names: Vec<_> = known.values().filter_map(|it| it.name.as_ref()).collect();
                let distinct: BTreeSet<_> = names.iter().collect();
                assert_eq!(names.len(), distinct.len(), "seed {seed}: {known:?}");
            }
        }
    }
}
