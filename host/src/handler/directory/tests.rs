use super::*;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};
use tempfile::TempDir;

mod followed;

/// One directory and its reader, at times the test chooses. What the test writes carries the real time, which is never before
/// the desk's own, so to the desk it was written just now.
struct Desk {
    dir: TempDir,
    reader: Reader,
    now: Moment,
}

impl Desk {
    fn new(limits: Limits) -> Desk {
        let dir = TempDir::new().unwrap();
        let reader = Reader::new(dir.path(), limits);
        Desk { dir, reader, now: Moment { at: Instant::now(), wall: SystemTime::now() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// At the time of the last look.
    fn look(&mut self) -> Look {
        self.reader.look(&Default::default(), self.now)
    }

    /// So long after the last look that what still looks the same has settled.
    fn settled(&mut self) -> Look {
        self.now.at += SETTLE;
        self.look()
    }

    /// After everything had the time to settle.
    fn finally(&mut self) -> Snapshot {
        self.look();
        let look = self.settled();
        assert!(!look.unsettled);
        look.snapshot
    }

    /// At once, after these names were renamed into place.
    fn placed<const N: usize>(&mut self, names: [&str; N]) -> Look {
        self.reader.look(&names.map(str::to_owned).into(), self.now)
    }
}

fn contents(snapshot: &Snapshot) -> Vec<(&str, &str, Option<&str>)> {
    let text = |it: &Found| std::str::from_utf8(&it.bytes).unwrap().to_owned().leak() as &str;
    snapshot.files.iter().map(|it| (&*it.stem, text(it), it.manifest.as_ref().map(|it| &*it.1))).collect()
}

/// The one problem with this file.
fn problem<'a>(snapshot: &'a Snapshot, file: &str) -> &'a Problem {
    let mut named = snapshot.problems.iter().filter(|it| it.file.ends_with(file));
    let problem = named.next().unwrap_or_else(|| panic!("no problem with {file} in {:?}", snapshot.problems));
    assert!(named.next().is_none(), "several problems with {file}: {:?}", snapshot.problems);
    problem
}

#[test]
fn a_scan_finds_components_with_the_yaml_beside_them_and_their_hashes() {
    let desk = Desk::new(Limits::default());
    desk.write("b.wasm", "abc");
    desk.write("a.wasm", "one");
    desk.write("a.yaml", "spec: {}");
    let found = scan(desk.dir.path(), Limits::default());
    assert_eq!(contents(&found), [("a", "one", Some("spec: {}")), ("b", "abc", None)]);
    assert_eq!(found.problems, []);
    // FIPS 180-2, appendix B.1.
    assert_eq!(&*found.files[1].digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(found.files[1].manifest_digest, None);
    assert!(found.files[0].manifest_digest.is_some());
}

#[test]
fn a_handler_too_fresh_to_be_taken_is_counted_until_it_is() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "one");
    assert_eq!(desk.look().snapshot.settling, 1);
    let taken = desk.settled().snapshot;
    assert_eq!((taken.files.len(), taken.settling), (1, 0));
    // What it held before stands for it while it moves again.
    desk.write("a.wasm", "other");
    let moving = desk.look();
    assert!(moving.unsettled && moving.snapshot.settling == 0);
}

#[test]
fn hidden_and_temporary_files_and_subdirectories_are_ignored() {
    let desk = Desk::new(Limits::default());
    for name in [".a.wasm", ".~a.wasm", "#a.wasm", "~a.wasm", "a.wasm.tmp", "a.wasm~", "a.tmp", "notes.txt", "wasm"] {
        desk.write(name, "x");
    }
    fs::create_dir(desk.path("sub")).unwrap();
    fs::write(desk.path("sub/b.wasm"), "x").unwrap();
    assert_eq!(scan(desk.dir.path(), Limits::default()), Snapshot::default());
}

#[test]
fn what_is_out_of_place_is_a_problem_that_says_what_to_do() {
    let desk = Desk::new(Limits::default());
    desk.write("orphan.yaml", "");
    desk.write("a.wasm", "a");
    desk.write("a.yml", "");
    desk.write("a.cwasm", "");
    fs::create_dir(desk.path("folder.wasm")).unwrap();
    symlink(desk.path("nowhere"), desk.path("dangling.wasm")).unwrap();
    symlink(desk.path("loop.wasm"), desk.path("loop.wasm")).unwrap();
    let found = scan(desk.dir.path(), Limits::default());
    assert_eq!(contents(&found), [("a", "a", None)]);
    for (file, fix) in [
        ("orphan.yaml", "add orphan.wasm"),
        ("a.yml", "rename it to a.yaml"),
        ("a.cwasm", "put the component itself here as a.wasm"),
        ("folder.wasm", "rename it"),
        ("dangling.wasm", "restore what it points to"),
        ("loop.wasm", "let the user that weir runs as read it"),
    ] {
        let problem = problem(&found, file).to_string();
        assert!(problem.contains(file) && problem.contains(fix), "{problem}");
    }
    assert_eq!(found.problems.len(), 6);
}

#[test]
fn a_file_beyond_its_bound_is_not_read_and_one_at_the_bound_is() {
    let limits = Limits { component_bytes: 4, manifest_bytes: 2, ..Limits::default() };
    let desk = Desk::new(limits);
    desk.write("fits.wasm", "1234");
    desk.write("fits.yaml", "12");
    desk.write("large.wasm", "12345");
    desk.write("wordy.wasm", "1");
    desk.write("wordy.yaml", "123");
    let found = scan(desk.dir.path(), limits);
    // Without what the operator wrote of it a handler might do more than they allowed.
    assert_eq!(contents(&found), [("fits", "1234", Some("12"))]);
    assert!(problem(&found, "large.wasm").what.contains("5 bytes, more than the 4"));
    assert!(problem(&found, "wordy.yaml").what.contains("3 bytes, more than the 2"));
    assert_eq!(problem(&found, "large.wasm").limit, Some(Limit::ComponentBytes));
    assert_eq!(problem(&found, "wordy.yaml").limit, Some(Limit::ManifestBytes));
}

#[test]
fn all_files_together_have_a_bound_too() {
    let limits = Limits { total_bytes: 6, ..Limits::default() };
    let mut desk = Desk::new(limits);
    desk.write("a.wasm", "1234");
    desk.write("b.wasm", "123");
    let found = desk.finally();
    assert_eq!(contents(&found), [("a", "1234", None)]);
    assert!(problem(&found, "b.wasm").what.contains("leave room for 2"));
    desk.write("a.wasm", "123");
    assert_eq!(contents(&desk.finally()).len(), 2, "what became free is given to others");
}

#[test]
fn beyond_the_bound_on_handlers_those_that_are_there_keep_their_places() {
    let mut desk = Desk::new(Limits { handlers: 2, ..Limits::default() });
    desk.write("y.wasm", "y");
    desk.write("z.wasm", "z");
    desk.finally();
    desk.write("a.wasm", "a");
    let found = desk.finally();
    assert_eq!(contents(&found), [("y", "y", None), ("z", "z", None)]);
    assert!(problem(&found, "a.wasm").what.contains("at most 2 handlers"));
}

#[test]
fn a_directory_with_too_many_entries_changes_nothing_any_more() {
    let mut desk = Desk::new(Limits { entries: 2, ..Limits::default() });
    desk.write("a.wasm", "a");
    desk.finally();
    for name in ["b.txt", "c.txt"] {
        desk.write(name, "");
    }
    fs::remove_file(desk.path("a.wasm")).unwrap();
    desk.write("d.wasm", "d");
    let found = desk.finally();
    assert_eq!(contents(&found), [("a", "a", None)]);
    assert!(found.problems[0].what.contains("more than 2 entries"));
}

#[test]
fn a_file_is_taken_once_two_looks_find_it_unchanged() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "ha");
    assert!(desk.look().unsettled && desk.look().snapshot.files.is_empty());
    desk.write("a.wasm", "half");
    let second = desk.settled();
    assert!(second.unsettled && second.snapshot.files.is_empty(), "it moved between the looks");
    let third = desk.settled();
    assert!(!third.unsettled);
    assert_eq!(contents(&third.snapshot), [("a", "half", None)]);
}

#[test]
fn while_a_file_is_rewritten_its_last_content_stays() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "old");
    let old = desk.finally();
    desk.write("a.wasm", "");
    assert_eq!(desk.look().snapshot, old);
    desk.write("a.wasm", "new!");
    assert_eq!(desk.settled().snapshot, old);
    assert_eq!(contents(&desk.settled().snapshot), [("a", "new!", None)]);
}

#[test]
fn what_was_renamed_into_place_is_taken_at_first_sight() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    desk.write("b.wasm", "b");
    let look = desk.placed(["a.wasm"]);
    assert_eq!(contents(&look.snapshot), [("a", "a", None)]);
    assert!(look.unsettled, "the other one still has to settle");
}

#[test]
fn what_nobody_touched_for_long_is_taken_at_first_sight() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    desk.now.wall = SystemTime::now() + 2 * QUIET;
    let look = desk.look();
    assert!(!look.unsettled && look.snapshot.files.len() == 1);
}

#[test]
fn a_component_and_its_manifest_are_taken_together() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "old");
    desk.write("a.yaml", "old");
    let old = desk.finally();
    desk.write("a.wasm", "new");
    desk.write("a.yaml", "ne");
    assert_eq!(desk.look().snapshot, old);
    desk.write("a.yaml", "new");
    assert_eq!(desk.settled().snapshot, old, "the component has settled, its manifest has not");
    assert_eq!(contents(&desk.settled().snapshot), [("a", "new", Some("new"))]);
}

#[test]
fn a_removed_file_goes_once_it_stays_away() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    desk.write("a.yaml", "a");
    let there = desk.finally();
    // Removed and written anew, as some copy programs do, is not removed.
    fs::remove_file(desk.path("a.wasm")).unwrap();
    assert_eq!(desk.look().snapshot, there);
    desk.write("a.wasm", "a");
    assert_eq!(desk.finally(), there);

    fs::remove_file(desk.path("a.wasm")).unwrap();
    let gone = desk.finally();
    assert_eq!(contents(&gone), []);
    assert!(problem(&gone, "a.yaml").fix.contains("add a.wasm"));
    fs::remove_file(desk.path("a.yaml")).unwrap();
    assert_eq!(desk.finally(), Snapshot::default());
}

#[test]
fn a_removed_manifest_leaves_the_component_alone() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    desk.write("a.yaml", "a");
    desk.finally();
    fs::remove_file(desk.path("a.yaml")).unwrap();
    assert_eq!(contents(&desk.finally()), [("a", "a", None)]);
}

#[test]
fn what_becomes_too_large_or_unreadable_keeps_its_last_content() {
    let mut desk = Desk::new(Limits { component_bytes: 4, ..Limits::default() });
    desk.write("a.wasm", "good");
    desk.write("a.yaml", "good");
    let good = desk.finally();
    desk.write("a.wasm", "too large");
    desk.write("a.yaml", [0xff, 0xfe]);
    let kept = desk.finally();
    assert_eq!(kept.files, good.files);
    for file in ["a.wasm", "a.yaml"] {
        assert!(problem(&kept, file).what.ends_with("so what it held before is kept"), "{:?}", kept.problems);
    }
    desk.write("a.wasm", "fine");
    desk.write("a.yaml", "fine");
    let mended = desk.finally();
    assert_eq!((contents(&mended), mended.problems.len()), (vec![("a", "fine", Some("fine"))], 0));
}

#[test]
fn a_touched_file_with_the_same_content_is_the_same_snapshot() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    let before = desk.finally();
    let inode = |desk: &Desk| std::os::unix::fs::MetadataExt::ino(&fs::metadata(desk.path("a.wasm")).unwrap());
    let was = inode(&desk);
    desk.write("a.wasm.tmp", "a");
    fs::rename(desk.path("a.wasm.tmp"), desk.path("a.wasm")).unwrap();
    assert_ne!(inode(&desk), was);
    assert_eq!(desk.finally(), before);
}

#[test]
fn a_change_that_leaves_size_and_times_alone_is_seen() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "one");
    desk.finally();
    let times = fs::FileTimes::new().set_modified(fs::metadata(desk.path("a.wasm")).unwrap().modified().unwrap());
    desk.write("a.wasm", "two");
    fs::File::options().write(true).open(desk.path("a.wasm")).unwrap().set_times(times).unwrap();
    assert_eq!(contents(&desk.finally()), [("a", "two", None)]);
}

#[test]
fn a_directory_that_vanishes_keeps_what_was_found() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    let before = desk.finally();
    fs::remove_dir_all(desk.dir.path()).unwrap();
    let look = desk.settled();
    assert_eq!(look.snapshot.files, before.files);
    assert!(!look.listed && look.snapshot.problems[0].what.contains("so what was found before is kept"));
    // An empty directory in its place says that there are no handlers.
    fs::create_dir(desk.dir.path()).unwrap();
    assert_eq!(desk.finally(), Snapshot::default());
}

#[test]
fn every_name_that_is_looked_at_is_a_reason_to_look() {
    let reasons: BTreeSet<_> =
        ["a.wasm", "a.yaml", "a.yml", "a.cwasm", "..data", ".a.wasm", "a.wasm.tmp", "notes.txt", "..2026_01_01"]
            .into_iter()
            .filter(|name| look::matters(name))
            .collect();
    assert_eq!(reasons, ["..data", "a.cwasm", "a.wasm", "a.yaml", "a.yml"].into());
}

#[test]
fn what_everybody_may_write_to_and_what_lies_elsewhere_is_not_taken() {
    let desk = Desk::new(Limits::default());
    let mode = |name: &str, mode| fs::set_permissions(desk.path(name), fs::Permissions::from_mode(mode)).unwrap();
    let elsewhere = TempDir::new().unwrap();
    fs::write(elsewhere.path().join("x.wasm"), "x").unwrap();
    symlink(elsewhere.path().join("x.wasm"), desk.path("out.wasm")).unwrap();
    for name in ["open.wasm", "group.wasm", "pair.wasm", "pair.yaml"] {
        desk.write(name, "x");
    }
    for (dir, modes) in [("hers", 0o755), ("theirs", 0o757)] {
        fs::create_dir(desk.path(dir)).unwrap();
        desk.write(&format!("{dir}/x.wasm"), "x");
        mode(dir, modes);
        symlink(format!("{dir}/x.wasm"), desk.path(&format!("by-{dir}.wasm"))).unwrap();
    }
    mode("open.wasm", 0o646);
    mode("pair.yaml", 0o602);
    mode("group.wasm", 0o664);
    let found = scan(desk.dir.path(), Limits::default());
    assert_eq!(contents(&found), [("by-hers", "x", None), ("group", "x", None)]);
    for (file, words) in [
        ("out.wasm", "outside its directory"),
        ("open.wasm", "mode 646"),
        ("pair.yaml", "mode 602"),
        ("by-theirs.wasm", "theirs may be written to by everybody (mode 757)"),
    ] {
        let problem = problem(&found, file).to_string();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn a_directory_that_becomes_everybodys_keeps_what_was_found_and_says_so() {
    let mut desk = Desk::new(Limits::default());
    desk.write("a.wasm", "a");
    let before = desk.finally();
    fs::set_permissions(desk.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    desk.write("b.wasm", "b");
    let look = desk.settled();
    assert_eq!(look.snapshot.files, before.files);
    assert!(look.snapshot.problems[0].fix.contains("chmod o-w"), "{:?}", look.snapshot.problems);
    fs::set_permissions(desk.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(desk.finally().files.len(), 2);
}
