//! What is written of a lane, as bytes.
//!
//! Promises: a key tells handler, ledger and what is meant, and sorts by them; values are JSON in the shape of the types they come from, so that a later
//! version can read them; bytes that cannot be read are an error, never a guess.

use super::{
    Kept,
    disk::{Table, Write},
};
use crate::{
    dispatch::{
        dead::Letter,
        key::LaneKey,
        ledger::{Entry, WatchRecord},
    },
    watch::ObjectKey,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Parts of a key are divided by a byte that no name has.
const DIVIDER: u8 = 0;

/// Whose record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) handler: Arc<str>,
    /// A dry run has a ledger of its own.
    pub(super) dry_run: bool,
}

/// Which record of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Entry(LaneKey),
    Watch(Arc<str>),
    Letter(u64),
    Handler,
}

/// What it says.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Entry(Box<Entry>),
    Watch(Box<WatchRecord>),
    Letter(Box<Letter>),
    Handler(HandlerRecord),
}

/// What is known of a ledger as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::dispatch) struct HandlerRecord {
    /// Of the generation published last: when another one comes, dead letters get another chance.
    pub(in crate::dispatch) version: String,
    /// The number last given to a dead letter.
    pub(in crate::dispatch) last_letter: u64,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its key is none of weir's")]
    Key,
    #[error("its value is none of weir's")]
    Value(#[from] serde_json::Error),
}

/// A record to write; without a value it is removed.
pub(super) fn write(owner: &Owner, name: &Name, value: Option<&Value>) -> Result<Write, serde_json::Error> {
    let value = match value {
        None => None,
        Some(Value::Entry(entry)) => Some(serde_json::to_vec(entry)?),
        Some(Value::Watch(watch)) => Some(serde_json::to_vec(watch)?),
        Some(Value::Letter(letter)) => Some(serde_json::to_vec(letter)?),
        Some(Value::Handler(handler)) => Some(serde_json::to_vec(handler)?),
    };
    Ok(Write { table: table(name), key: key(owner, name), value })
}

/// Puts a record that was read where it belongs.
pub(super) fn read(table: Table, key: &[u8], value: &[u8], kept: &mut Kept) -> Result<Owner, Unreadable> {
    let (owner, rest) = owner(key).ok_or(Unreadable::Key)?;
    let half = kept.half(owner.dry_run);
    match table {
        Table::Entries => {
            let [watch, namespace, name] = &rest[..] else { return Err(Unreadable::Key) };
            let namespace = Some(Arc::from(&**namespace)).filter(|it: &Arc<str>| !it.is_empty());
            let object = ObjectKey { namespace, name: Arc::from(&**name) };
            half.entries.insert(LaneKey { watch: Arc::from(&**watch), object }, parse(value)?);
        }
        Table::Watches => {
            let [watch] = &rest[..] else { return Err(Unreadable::Key) };
            half.watches.insert(Arc::from(&**watch), parse(value)?);
        }
        Table::Letters => {
            let [number] = &rest[..] else { return Err(Unreadable::Key) };
            half.letters.insert(number.parse().map_err(|_| Unreadable::Key)?, parse(value)?);
        }
        Table::Handlers => half.handler = parse(value)?,
    }
    Ok(owner)
}

/// Whose a key is, and its other parts.
pub(super) fn owner(key: &[u8]) -> Option<(Owner, Vec<String>)> {
    let mut parts = key.split(|byte| *byte == DIVIDER).map(|part| String::from_utf8(part.to_vec()));
    let handler = parts.next()?.ok()?;
    let dry_run = match parts.next()?.ok()?.as_str() {
        "real" => false,
        "dry" => true,
        _ => return None,
    };
    Some((Owner { handler: handler.into(), dry_run }, parts.collect::<Result<_, _>>().ok()?))
}

fn table(name: &Name) -> Table {
    match name {
        Name::Entry(_) => Table::Entries,
        Name::Watch(_) => Table::Watches,
        Name::Letter(_) => Table::Letters,
        Name::Handler => Table::Handlers,
    }
}

fn key(owner: &Owner, name: &Name) -> Vec<u8> {
    let number;
    let rest: Vec<&str> = match name {
        Name::Entry(key) => {
            vec![&key.watch, key.object.namespace.as_deref().unwrap_or_default(), &key.object.name]
        }
        Name::Watch(watch) => vec![watch],
        Name::Letter(letter) => {
            // As wide as the largest, so that they sort by age.
            number = format!("{letter:020}");
            vec![&number]
        }
        Name::Handler => Vec::new(),
    };
    let mut key = owner.handler.as_bytes().to_vec();
    for part in [if owner.dry_run { "dry" } else { "real" }].into_iter().chain(rest) {
        key.push(DIVIDER);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, Unreadable> {
    Ok(serde_json::from_slice(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::Change,
        dispatch::ledger::{First, Standing, Text, Timer},
        watch::Fingerprint,
    };

    fn keys() -> Vec<(Owner, Name)> {
        let key = |namespace: Option<&str>| LaneKey {
            watch: "pods".into(),
            object: ObjectKey { namespace: namespace.map(Into::into), name: "a.b".into() },
        };
        let owner = |dry_run| Owner { handler: "h".into(), dry_run };
        vec![
            (owner(false), Name::Entry(key(Some("n")))),
            (owner(true), Name::Entry(key(None))),
            (owner(false), Name::Watch("pods".into())),
            (owner(true), Name::Letter(17)),
            (owner(false), Name::Handler),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let entry = Entry {
            uid: "u".into(),
            resource_version: "7".into(),
            fingerprint: Fingerprint(u64::MAX),
            outcome: Standing::Open,
            change: Change::Updated,
            first: Some(First::Initial),
            attempts: 3,
            timer: Some(Timer { set_at_ms: 1, runs_for_ms: 2 }),
            counter: 4,
            rescoped: false,
            projection: Text::from(r#"{"a":"\u0000"}"#.to_owned()),
            acknowledged: Some(Text::default()),
        };
        for (owner, name) in keys().into_iter().filter(|(_, name)| matches!(name, Name::Entry(_))) {
            let write = write(&owner, &name, Some(&Value::Entry(Box::new(entry.clone())))).unwrap();
            let mut kept = Kept::default();
            let read = read(write.table, &write.key, &write.value.unwrap(), &mut kept).unwrap();
            assert_eq!(read, owner);
            let Name::Entry(key) = name else { unreachable!() };
            assert_eq!(kept.half(owner.dry_run).entries.remove(&key), Some(entry.clone()));
        }
    }

    #[test]
    fn keys_are_all_different_and_tell_their_owner() {
        let written: Vec<Vec<u8>> = keys().iter().map(|(owner, name)| key(owner, name)).collect();
        for (at, one) in written.iter().enumerate() {
            assert!(!written[at + 1..].contains(one));
            assert_eq!(owner(one).unwrap().0, keys()[at].0);
        }
    }

    #[test]
    fn letters_sort_by_their_number() {
        let owner = Owner { handler: "h".into(), dry_run: false };
        assert!(key(&owner, &Name::Letter(9)) < key(&owner, &Name::Letter(10)));
    }

    #[test]
    fn foreign_bytes_are_an_error() {
        let mut kept = Kept::default();
        for (table, key, value) in [
            (Table::Entries, &b"h\0real\0w\0n"[..], &b"{}"[..]),
            (Table::Entries, b"h\0real\0w\0n\0o", b"{}"),
            (Table::Letters, b"h\0real\0x", b"{}"),
            (Table::Watches, b"h\0other\0w", b"{}"),
            (Table::Handlers, b"\xff\0real", b"{}"),
        ] {
            assert!(read(table, key, value, &mut kept).is_err(), "{key:?}");
        }
    }
}
