//! What is written stays, whatever happens to process, disk and files.

use super::*;
use std::collections::BTreeMap;

mod crash;
mod damage;

type State = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// So little that flushes and compactions go on all the time.
const TINY: DiskSettings = DiskSettings { memtable_bytes: 16 << 10 };

/// In memory where there is a place for that: a killed process finds the same there, and making a state directory takes some thirty fsyncs.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn put(table: Table, key: &str, value: impl Into<Vec<u8>>) -> Write {
    Write { table, key: key.into(), value: Some(value.into()) }
}

fn remove(table: Table, key: &str) -> Write {
    Write { table, key: key.into(), value: None }
}

fn open(dir: &Path) -> (Disk, State, Option<SetAside>) {
    let (disk, contents, aside) = Disk::open(dir, &TINY).unwrap();
    let records = contents.len();
    let state: State = contents.into_iter().map(|(table, key, value)| ((table, key), value)).collect();
    assert_eq!(state.len(), records, "each record is there once");
    (disk, state, aside)
}

/// Copies a directory, but for the room that a journal reserves.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if to.extension().is_some_and(|it| it == "jnl") {
            let bytes = fs::read(entry.path()).unwrap();
            fs::write(to, &bytes[..journal::whole(&bytes)]).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every file under a directory with its bytes, by its path there.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for path in fs::read_dir(next).unwrap().map(|it| it.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn aside_in(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    paths.filter(|it| it.file_name().unwrap().to_str().unwrap().starts_with("set-aside-")).collect()
}

#[test]
fn what_was_written_is_there_when_it_is_opened_again_and_what_was_removed_is_not() {
    let place = scratch();
    let dir = place.path().join("a/state");
    let (mut disk, state, aside) = open(&dir);
    assert!(state.is_empty() && aside.is_none());
    disk.write(ALL.map(|table| put(table, "k", name(table))).into(), false).unwrap();
    disk.write(vec![put(Table::Entries, "gone", "x"), put(Table::Letters, "k", "newer")], true).unwrap();
    disk.write(vec![remove(Table::Entries, "gone"), remove(Table::Watches, "never there")], false).unwrap();
    disk.write(Vec::new(), true).unwrap();
    disk.sync().unwrap();
    let expected: State = [
        ((Table::Entries, b"k".to_vec()), b"entries".to_vec()),
        ((Table::Watches, b"k".to_vec()), b"watches".to_vec()),
        ((Table::Letters, b"k".to_vec()), b"newer".to_vec()),
        ((Table::Handlers, b"k".to_vec()), b"handlers".to_vec()),
    ]
    .into();
    disk.reopen().unwrap();
    drop(disk);
    let (disk, state, aside) = open(&dir);
    assert_eq!(state, expected);
    assert!(aside.is_none());
    drop(disk);
    assert_eq!(aside_in(&dir), Vec::<PathBuf>::new());
}

#[test]
fn a_second_one_is_refused_and_told_the_pid_of_the_first() {
    let dir = scratch();
    let (mut disk, ..) = open(dir.path());
    let refused = |disk: Result<_, OpenError>| match disk {
        Err(OpenError::InUse { pid, .. }) => pid,
        Err(other) => panic!("{other}"),
        Ok::<(Disk, Contents, Option<SetAside>), _>(_) => panic!("two have it"),
    };
    assert_eq!(refused(Disk::open(dir.path(), &TINY)), std::process::id().to_string());
    disk.reopen().unwrap();
    assert_eq!(refused(Disk::open(dir.path(), &TINY)), std::process::id().to_string(), "kept while reopening");
    let words = Disk::open(dir.path(), &TINY).err().unwrap().to_string();
    assert!(words.starts_with(&format!("another weir (pid {}) uses the state dir", std::process::id())), "{words}");
    drop(disk);
    open(dir.path());
}

#[test]
fn what_is_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = scratch();
    let dir = place.path().join("state");
    open(&dir);
    let mode = |name: &str| dir.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(""), mode("ledger"), mode("lock"), mode("format")], [0o700, 0o700, 0o600, 0o600]);
    assert_eq!(fs::read_to_string(dir.join("format")).unwrap(), "{\"format\":1}\n");
}

#[test]
fn bytes_are_those_on_the_disk_and_not_what_a_new_journal_reserves() {
    let dir = scratch();
    let (mut disk, ..) = open(dir.path());
    assert!(disk.bytes() < 1 << 20, "{}", disk.bytes());
    let noise: Vec<u8> = (0..1_u32 << 19).flat_map(|it| (it.wrapping_mul(2_654_435_761) >> 9).to_le_bytes()).collect();
    disk.write(vec![put(Table::Letters, "big", noise)], true).unwrap();
    assert!(disk.bytes() > 1 << 20, "{}", disk.bytes());
}

#[test]
fn what_was_killed_being_made_is_made_again() {
    let dir = scratch();
    drop(open(dir.path()));
    // As it is before the last step of making it: a whole one, and one that was only begun.
    fs::rename(dir.path().join("ledger"), dir.path().join("ledger-new")).unwrap();
    let (_, _, aside) = open(dir.path());
    assert!(aside.is_none());
    fs::remove_dir_all(dir.path().join("ledger")).unwrap();
    fs::create_dir(dir.path().join("ledger-new")).unwrap();
    fs::write(dir.path().join("ledger-new/0.jnl"), "").unwrap();
    let (mut disk, _, aside) = open(dir.path());
    assert!(aside.is_none());
    disk.write(vec![put(Table::Entries, "k", "v")], false).unwrap();
}

#[test]
fn a_key_that_cannot_be_written_is_refused_and_spoils_nothing() {
    let dir = scratch();
    let (mut disk, ..) = open(dir.path());
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let error = disk.write(vec![put(Table::Entries, "before", "v"), put(Table::Entries, &long, "v")], false);
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    disk.write(vec![put(Table::Entries, &long[1..], "v")], false).unwrap();
    drop(disk);
    assert_eq!(open(dir.path()).1.len(), 1, "a group is whole or absent");
}

#[test]
fn what_the_operating_system_refuses_is_no_damage() {
    // ENOSPC, EROFS, EACCES, EMFILE, EIO, EDQUOT, EFBIG
    for code in [28, 30, 13, 24, 5, 122, 27] {
        let refusal = Refusal::from(fjall::Error::Io(io::Error::from_raw_os_error(code)));
        assert!(matches!(refusal, Refusal::Environment(_)), "{code}");
        let refusal = Refusal::from(fjall::Error::Storage(LsmError::Io(io::Error::from_raw_os_error(code))));
        assert!(matches!(refusal, Refusal::Environment(_)), "{code}");
    }
    // ENOENT, EEXIST, ENOTDIR, EISDIR: a file is missing, or another is in its place.
    for error in [2, 17, 20, 21].map(io::Error::from_raw_os_error) {
        assert!(matches!(Refusal::from(error), Refusal::Unusable(_)));
    }
    assert!(matches!(Refusal::from(io::Error::from(io::ErrorKind::UnexpectedEof)), Refusal::Unusable(_)));
}

#[test]
fn a_directory_that_everybody_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = scratch();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Disk::open(dir.path(), &TINY).err().unwrap();
    assert!(matches!(refused, OpenError::OpenToAll { mode: 0o777, .. }), "{refused}");
    // One that weir makes inside it is its own.
    open(&dir.path().join("weir"));
}
