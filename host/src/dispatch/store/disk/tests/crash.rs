//! Processes that are killed, and disks that are full.

use super::*;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

/// How many keys are written in turn; fewer than groups, so that records are overwritten.
const KEYS: usize = 40;

fn key(n: usize) -> String {
    format!("key-{:02}", n % KEYS)
}

/// Unlike the values before and after it, and long enough that flushes and compactions go on.
fn value(n: usize) -> Vec<u8> {
    format!("{n} ").repeat(n * 37 % 500 + 1).into()
}

fn group(n: usize) -> Vec<Write> {
    ALL.iter().flat_map(|table| [put(*table, &key(n), value(n)), put(*table, "last", n.to_string())]).collect()
}

/// What is there after the groups up to this one.
fn after(last: usize) -> State {
    let mut state = State::new();
    for n in last.saturating_sub(KEYS - 1)..=last {
        for table in ALL {
            state.insert((table, key(n).into()), value(n));
        }
    }
    state.extend(ALL.map(|table| ((table, b"last".to_vec()), last.to_string().into_bytes())));
    state
}

fn last(state: &State) -> Option<usize> {
    let last = state.get(&(Table::Entries, b"last".to_vec()))?;
    Some(String::from_utf8_lossy(last).parse().unwrap())
}

/// Not a test: what the next one starts and kills. Without the file `go` in its directory it does nothing.
#[test]
#[ignore = "a part of the test below it"]
fn a_process_that_writes_until_it_is_killed() {
    if !Path::new("go").exists() {
        return;
    }
    let (mut disk, state, aside) = open(Path::new("state"));
    assert!(aside.is_none(), "{aside:?}");
    let mut out = io::stdout();
    for n in last(&state).map_or(0, |it| it + 1).. {
        disk.write(group(n), n % 50 == 49).unwrap();
        writeln!(out, "\nwrote {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn kill_9_in_the_midst_of_writing_loses_nothing_that_was_acknowledged() {
    let place = scratch();
    fs::write(place.path().join("go"), "").unwrap();
    let child = concat!(module_path!(), "::a_process_that_writes_until_it_is_killed");
    let child = child.split_once("::").unwrap().1;
    let mut acknowledged = None;
    for round in 0..12 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", child, "--nocapture", "--test-threads", "1"])
            .current_dir(place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut left = round * round * 7 + 1;
        for line in lines {
            let Some(n) = line.strip_prefix("wrote ") else { continue };
            // Also what it wrote between the order to kill it and its end.
            acknowledged = Some(n.parse::<usize>().unwrap());
            left -= 1;
            if left == 0 {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        assert!(left <= 0, "round {round}: it ended by itself");
        let (disk, state, aside) = open(&place.path().join("state"));
        assert!(aside.is_none(), "{aside:?}");
        let (last, acknowledged) = (last(&state).unwrap(), acknowledged.unwrap());
        assert!(last == acknowledged || last == acknowledged + 1, "{acknowledged} was acknowledged, {last} is there");
        assert!(state == after(last), "round {round}: groups are whole, in order");
        drop(disk);
    }
}

/// A small file system of its own.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(bytes: u64) -> Option<Small> {
        let dir = scratch();
        let options = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        mounted.is_ok_and(|it| it.success()).then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_fails_the_write_and_loses_nothing_and_is_no_damage() {
    let Some(small) = Small::mount(6 << 20) else {
        eprintln!("SKIPPED: mounting a small file system takes root; what a full disk does was not tested");
        return;
    };
    let dir = small.0.path().join("state");
    let ballast = small.0.path().join("ballast");
    let (mut disk, ..) = open(&dir);
    let mut next = 0;
    for round in 0..6 {
        // Room for about as many groups as differ from round to round; the failure then hits journals, flushes and compactions.
        let room = disk.bytes() + (400_000 + round * 130_000);
        fs::write(&ballast, vec![1; (6_u64 << 20).saturating_sub(room) as usize]).unwrap();
        let error = loop {
            match disk.write(group(next), false) {
                Ok(()) => next += 1,
                Err(error) => break error,
            }
            assert!(next < 100_000, "the disk never got full");
        };
        assert!(error.kind() != io::ErrorKind::InvalidData, "a full disk is no damage: {error}");
        assert!(disk.write(group(next), false).is_err(), "it takes no more until it is opened again");
        // Still full: whether it opens or not, nothing is damaged by it.
        if let Err(error) = disk.reopen() {
            assert!(error.kind() != io::ErrorKind::InvalidData, "{error}");
        }
        drop(disk);
        match Disk::open(&dir, &TINY) {
            Ok((_, _, aside)) => assert!(aside.is_none(), "{aside:?}"),
            Err(OpenError::Directory { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        fs::remove_file(&ballast).unwrap();
        let (again, state, aside) = open(&dir);
        assert!(aside.is_none(), "{aside:?}");
        let last = last(&state).unwrap();
        assert!(last + 1 == next || last == next, "{next} groups were acknowledged, {last} is the last there");
        assert!(state == after(last), "groups are whole");
        disk = again;
        next = last + 1;
        disk.write(group(next), true).unwrap();
        next += 1;
    }
}

#[test]
fn after_a_failed_write_reopening_is_enough() {
    let Some(small) = Small::mount(4 << 20) else {
        eprintln!("SKIPPED: mounting a small file system takes root; what a full disk does was not tested");
        return;
    };
    let dir = small.0.path().join("state");
    let ballast = small.0.path().join("ballast");
    let (mut disk, ..) = open(&dir);
    fs::write(&ballast, vec![1; 3 << 20]).unwrap();
    let mut next = 0;
    while disk.write(group(next), false).is_ok() {
        next += 1;
    }
    fs::remove_file(&ballast).unwrap();
    disk.reopen().unwrap();
    // As the store does: what failed is written again, with what came since.
    for n in next..next + 100 {
        disk.write(group(n), false).unwrap();
    }
    disk.sync().unwrap();
    drop(disk);
    let (_, state, aside) = open(&dir);
    assert!(aside.is_none() && state == after(next + 99));
}
