//! Files that are cut, flipped, foreign or from the future.

use super::*;
use std::os::unix::fs::FileExt as _;

/// Writes groups, and returns the state after each, the first of them empty.
fn history(disk: &mut Disk, groups: usize) -> Vec<State> {
    let mut states = vec![State::new()];
    for n in 0..groups {
        let key = format!("key-{}", n % 5);
        // Some of them long enough to be compressed.
        let value = format!("{n} ").repeat(if n % 3 == 2 { 3000 } else { 3 });
        disk.write(
            vec![
                put(Table::Entries, &key, value.clone()),
                put(Table::Handlers, "last", n.to_string()),
                if n % 4 == 3 { remove(Table::Letters, "l") } else { put(Table::Letters, "l", n.to_string()) },
            ],
            false,
        )
        .unwrap();
        let mut state = states[n].clone();
        state.insert((Table::Entries, key.into()), value.into());
        state.insert((Table::Handlers, "last".into()), n.to_string().into());
        if n % 4 == 3 {
            state.remove(&(Table::Letters, b"l".to_vec()));
        } else {
            state.insert((Table::Letters, "l".into()), n.to_string().into());
        }
        states.push(state);
    }
    states
}

fn flush(disk: &Disk) {
    for table in &disk.opened.as_ref().unwrap().tables {
        table.rotate_memtable_and_wait().unwrap();
    }
}

fn newest_journal(dir: &Path) -> PathBuf {
    place::journals(&dir.join("ledger")).unwrap().pop().unwrap()
}

/// A directory with a history in its journal, where each of its groups ends, and the journal's bytes up to there.
fn recorded(dir: &Path, groups: usize) -> (Vec<State>, Vec<usize>, Vec<u8>) {
    // Room enough that nothing is flushed: what is in a file of its own does not go with the journal. A directory keeps what it was made with.
    let (mut disk, ..) = Disk::open(dir, &DiskSettings { memtable_bytes: 4 << 20 }).unwrap();
    let states = history(&mut disk, groups);
    drop(disk);
    let bytes = fs::read(newest_journal(dir)).unwrap();
    let mut ends = vec![0];
    while let Some(rest) = journal::group(&bytes[*ends.last().unwrap()..]) {
        ends.push(bytes.len() - rest.len());
    }
    let mut bytes = bytes;
    assert!(bytes[*ends.last().unwrap()..].iter().all(|byte| *byte == 0), "nothing but groups and room for more");
    bytes.truncate(*ends.last().unwrap());
    assert!(ends.len() > groups, "each group is one in the journal");
    // Making the tables may have left some at the beginning.
    let ends = ends.split_off(ends.len() - groups - 1);
    (states, ends, bytes)
}

#[test]
fn a_group_is_whole_or_absent_wherever_the_journal_is_cut() {
    let place = scratch();
    let dir = place.path().join("state");
    let (states, ends, bytes) = recorded(&dir, 9);
    for cut in ends[0]..=bytes.len() {
        let expected = ends.iter().rev().find(|end| **end <= cut).unwrap();
        assert_eq!(journal::whole(&bytes[..cut]), *expected, "cut at {cut}");
    }
    // What comes of it: at each end, around it, and here and there between; what was reserved behind it there or not.
    let mut cuts: Vec<usize> = ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1, end + 20]).collect();
    cuts.extend((ends[0]..bytes.len()).step_by(211));
    cuts.retain(|cut| (ends[0]..=bytes.len()).contains(cut));
    for (n, cut) in cuts.into_iter().enumerate() {
        let name = newest_journal(&dir);
        let journal = fs::File::create(&name).unwrap();
        journal.write_all_at(&bytes[..cut], 0).unwrap();
        journal.set_len((if n % 2 == 0 { cut } else { cut + 100_000 }) as u64).unwrap();
        let (mut disk, state, aside) = open(&dir);
        let groups = ends.iter().rposition(|end| *end <= cut).unwrap();
        assert!(state == states[groups], "cut at {cut}, {groups} groups are whole, and {:?} is there", state.keys());
        assert!(aside.is_none(), "nobody was told that it is written: {aside:?}");
        disk.write(vec![put(Table::Watches, "after", "v")], false).unwrap();
        drop(disk);
        let (_, state, aside) = open(&dir);
        assert_eq!(state.len(), states[groups].len() + 1, "what is written behind a cut is there");
        assert!(aside.is_none());
    }
}

#[test]
fn a_bit_that_rotted_in_a_journal_costs_what_comes_after_it_and_that_is_kept() {
    let place = scratch();
    let dir = place.path().join("state");
    let (states, ends, bytes) = recorded(&dir, 6);
    for at in [ends[2], ends[2] + 1, ends[2] + 30, ends[3] - 20, ends[3] - 13, ends[3] - 1] {
        let mut rotten = bytes.clone();
        rotten[at] ^= 4;
        fs::write(newest_journal(&dir), &rotten).unwrap();
        let (_, state, aside) = open(&dir);
        let aside = aside.unwrap_or_else(|| panic!("groups after {at} are lost without a word"));
        assert!(!aside.begun_anew && aside.why.contains("damaged at byte"), "{aside:?}");
        assert!(state == states[2], "what was before {at} is there");
        assert_eq!(files(&aside.at).into_values().collect::<Vec<_>>(), [rotten]);
        let (_, again, nothing) = open(&dir);
        assert!(again == state && nothing.is_none());
    }
}

#[test]
fn what_is_not_weirs_or_from_the_future_is_set_aside_with_its_bytes() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 10] = [
        ("newer", |dir| fs::write(dir.join("format"), "{\"format\":2,\"more\":true}").unwrap()),
        ("garbage", |dir| fs::write(dir.join("format"), [0xff, 0, 1]).unwrap()),
        ("empty", |dir| fs::write(dir.join("format"), "").unwrap()),
        ("no format", |dir| fs::remove_file(dir.join("format")).unwrap()),
        ("a file", |dir| {
            fs::remove_dir_all(dir.join("ledger")).unwrap();
            fs::write(dir.join("ledger"), "accounts of 1848").unwrap();
        }),
        ("foreign files", |dir| {
            fs::remove_dir_all(dir.join("ledger")).unwrap();
            fs::create_dir(dir.join("ledger")).unwrap();
            fs::write(dir.join("ledger/CURRENT"), "MANIFEST-000001").unwrap();
        }),
        ("another major", |dir| fs::write(dir.join("ledger/version"), "FJL\x02").unwrap()),
        ("a foreign journal", |dir| fs::write(dir.join("ledger/notes.jnl"), "dear diary").unwrap()),
        ("a table without its list", |dir| fs::remove_file(dir.join("ledger/keyspaces/2/current")).unwrap()),
        ("a foreign table", |dir| fs::create_dir(dir.join("ledger/keyspaces/holiday")).unwrap()),
    ];
    for (what, spoil) in cases {
        let place = scratch();
        let dir = place.path().join("state");
        let (mut disk, ..) = open(&dir);
        history(&mut disk, 3);
        drop(disk);
        fs::write(dir.join("mine"), "stays").unwrap();
        spoil(&dir);
        let mut before = files(&dir);
        before.retain(|path, _| path.starts_with("ledger") || path.starts_with("format"));
        let (mut disk, state, aside) = open(&dir);
        let aside = aside.unwrap_or_else(|| panic!("{what}: nothing is said"));
        assert!(aside.begun_anew && state.is_empty() && !aside.why.is_empty(), "{what}: {aside:?}");
        assert!(files(&aside.at) == before, "{what}: its bytes are what they were");
        assert_eq!(fs::read_to_string(dir.join("mine")).unwrap(), "stays");
        let states = history(&mut disk, 3);
        drop(disk);
        let (_, state, aside) = open(&dir);
        assert!(state == states[3] && aside.is_none(), "{what}: what is begun can be used");
    }
}

#[test]
fn flipped_bits_in_tables_are_seen_and_set_aside() {
    let place = scratch();
    let whole = place.path().join("whole");
    let (mut disk, ..) = open(&whole);
    let states = history(&mut disk, 8);
    flush(&disk);
    drop(disk);
    let tables: Vec<PathBuf> =
        files(&whole).into_keys().filter(|it| it.components().any(|part| part.as_os_str() == "tables")).collect();
    assert!(tables.len() >= 3, "{tables:?}");
    let (mut seen, mut harmless) = (0, 0);
    for table in &tables {
        let length = fs::metadata(whole.join(table)).unwrap().len() as usize;
        for at in [3, length / 3, length / 2, length - 40] {
            let dir = place.path().join("flipped");
            copy(&whole, &dir);
            let mut bytes = fs::read(dir.join(table)).unwrap();
            bytes[at] ^= 1;
            fs::write(dir.join(table), &bytes).unwrap();
            let (_, state, aside) = open(&dir);
            match aside {
                Some(aside) => {
                    assert!(aside.begun_anew && state.is_empty(), "{aside:?}");
                    assert!(fs::read(aside.at.join(table)).unwrap() == bytes, "its bytes are what they were");
                    seen += 1;
                }
                // Filters and such, which are not needed to read all there is.
                None => {
                    assert!(state == states[8], "{} at {at}: wrong records and no word", table.display());
                    harmless += 1;
                }
            }
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(seen > harmless, "{seen} seen, {harmless} harmless");
}

#[test]
fn a_list_of_tables_with_a_flipped_bit_is_seen_before_tables_are_taken_for_strays() {
    let place = scratch();
    let whole = place.path().join("whole");
    let (mut disk, ..) = open(&whole);
    history(&mut disk, 8);
    flush(&disk);
    drop(disk);
    assert!(place::shape(&whole.join("ledger")).is_ok());
    // That of the tables' names, and one of records.
    for keyspace in ["ledger/keyspaces/0", "ledger/keyspaces/1"].map(Path::new) {
        let current = fs::read(whole.join(keyspace).join("current")).unwrap();
        let list = keyspace.join(format!("v{}", current[0]));
        let bytes = fs::read(whole.join(&list)).unwrap();
        // Each byte of what lists them, which comes first, and some of the rest.
        for at in (0..80).chain((80..bytes.len()).step_by(17)) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(whole.join(&list), &flipped).unwrap();
            assert!(matches!(place::shape(&whole.join("ledger")), Err(Refusal::Unusable(_))), "{at}");
        }
        let dir = place.path().join("flipped");
        copy(&whole, &dir);
        let before = files(&dir.join("ledger"));
        let aside = open(&dir).2.unwrap();
        assert!(files(&aside.at.join("ledger")) == before, "its bytes are what they were");
        fs::remove_dir_all(&dir).unwrap();
        fs::write(whole.join(&list), &bytes).unwrap();
    }
}
