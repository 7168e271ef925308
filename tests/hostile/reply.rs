//! Replies laid out by hand: actions as the canonical ABI has them in a guest's memory, so that a reply may also be what no SDK would make.
//!
//! Every field of an action is aligned to four bytes, and an enum stands alone in its four: so an action is its case and its fields, one after the other.

use crate::guest::{DATA, Guest, LABEL, SET_STATUS};

/// Where the reply lies: behind the guest's own data and what the host gives it.
const AT: u32 = 128 << 10;
/// Bytes of an action.
const ACTION: usize = 80;

/// An action.
pub(crate) struct Action(u32, Vec<Field>);

/// A part of one.
pub(crate) enum Field {
    /// `string`.
    Text(Vec<u8>),
    /// `option<string>`.
    Maybe(Option<Vec<u8>>),
    /// A number, an enum, a flag, or the case of a variant or an option.
    Number(u32),
    /// A list of names and values.
    Entries(Vec<(Vec<u8>, Field)>),
}

pub(crate) use Field::{Entries, Maybe, Number};

/// A `string`, or what claims to be one.
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Field {
    Field::Text(bytes.as_ref().to_vec())
}

/// An action that is one of these.
pub(crate) fn action(case: u32, fields: Vec<Field>) -> Action {
    Action(case, fields)
}

pub(crate) fn annotate(key: &str, value: impl AsRef<[u8]>) -> Action {
    Action(0, vec![Entries(vec![(key.into(), Maybe(Some(value.as_ref().into())))])])
}

pub(crate) fn label(key: &str, value: &str) -> Action {
    Action(LABEL, vec![Entries(vec![(key.into(), Maybe(Some(value.into())))])])
}

pub(crate) fn set_status(status: impl AsRef<[u8]>) -> Action {
    Action(SET_STATUS, vec![text(status)])
}

/// An object, as apiVersion, kind, namespace (or empty) and name.
pub(crate) type Target<'a> = [&'a str; 4];

fn target(target: Option<Target<'_>>) -> Vec<Field> {
    let [version, kind, namespace, name] = target.unwrap_or_default();
    let namespace = (!namespace.is_empty()).then(|| namespace.into());
    vec![Number(target.is_some().into()), text(version), text(kind), Maybe(namespace), text(name)]
}

/// A merge patch.
pub(crate) fn merge(of: Option<Target<'_>>, body: impl AsRef<[u8]>) -> Action {
    patch(of, None, None, 1, body)
}

/// A JSON patch of the event's own object.
pub(crate) fn json_patch(body: impl AsRef<[u8]>) -> Action {
    patch(None, None, None, 0, body)
}

pub(crate) fn patch(
    of: Option<Target<'_>>,
    uid: Option<&str>,
    subresource: Option<&str>,
    format: u32,
    body: impl AsRef<[u8]>,
) -> Action {
    let maybe = |text: Option<&str>| Maybe(text.map(|text| text.into()));
    let mut fields = target(of);
    fields.extend([maybe(uid), maybe(subresource), Number(format), text(body)]);
    Action(3, fields)
}

pub(crate) fn apply(manifest: impl AsRef<[u8]>, manager: Option<&str>, force: bool) -> Action {
    Action(4, vec![text(manifest), Maybe(None), Maybe(manager.map(|it| it.into())), Number(force.into())])
}

pub(crate) fn create(manifest: impl AsRef<[u8]>) -> Action {
    Action(5, vec![text(manifest)])
}

pub(crate) fn delete(of: Option<Target<'_>>) -> Action {
    let mut fields = target(of);
    fields.push(Maybe(None));
    Action(6, fields)
}

pub(crate) fn emit(of: Option<Target<'_>>, reason: &str, message: impl AsRef<[u8]>) -> Action {
    let mut fields = target(of);
    fields.extend([Number(1), text(reason), text(message)]);
    Action(7, fields)
}

pub(crate) fn http(method: &str, url: &str, headers: Vec<(Vec<u8>, Field)>, body: impl AsRef<[u8]>) -> Action {
    Action(9, vec![text(method), text(url), Entries(headers), text(body), Maybe(None)])
}

pub(crate) fn requeue(ms: u32) -> Action {
    Action(10, vec![Number(ms)])
}

pub(crate) fn extension(name: &str, payload: &str) -> Action {
    Action(12, vec![text(name), text(payload)])
}

/// A guest that always answers so.
pub(crate) fn answers(actions: Vec<Action>) -> Guest {
    let count = actions.len();
    answers_list(actions, |at| format!("(call $reply (i32.const {at}) (i32.const {count}))"))
}

/// A guest with these actions in its memory, and what its `handle` does, given where they are.
pub(crate) fn answers_list(actions: Vec<Action>, handle: impl FnOnce(u32) -> String) -> Guest {
    let (mut memory, mut list) = (Vec::new(), Vec::new());
    for Action(case, fields) in actions {
        let begin = list.len();
        list.extend(case.to_le_bytes());
        fields.into_iter().for_each(|field| field.lower(&mut memory, &mut list));
        assert!(list.len() <= begin + ACTION, "an action has {ACTION} bytes");
        list.resize(begin + ACTION, 0);
    }
    let list = place(&mut memory, &list);
    let pages = 4 + u32::try_from(memory.len() >> 16).unwrap();
    Guest { pages, ..Guest::handling(&handle(list)) }.with(&data(AT, &memory))
}

/// A guest whose `describe` answers so.
pub(crate) fn describes(description: impl AsRef<[u8]>) -> Guest {
    let description = description.as_ref();
    let (length, more) = (description.len(), data(AT, description));
    let describe = format!("(call $ok_text (i32.const {AT}) (i32.const {length}))");
    let pages = 4 + u32::try_from(length >> 16).unwrap();
    Guest { describe, pages, ..Guest::default() }.with(&more)
}

fn data(at: u32, bytes: &[u8]) -> String {
    assert!(at >= DATA);
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")")
}

/// Puts bytes into the memory, aligned, and says where.
fn place(memory: &mut Vec<u8>, bytes: &[u8]) -> u32 {
    memory.resize(memory.len().next_multiple_of(4), 0);
    let at = AT + u32::try_from(memory.len()).unwrap();
    memory.extend(bytes);
    at
}

impl Field {
    fn lower(self, memory: &mut Vec<u8>, into: &mut Vec<u8>) {
        match self {
            Field::Text(bytes) => {
                into.extend(place(memory, &bytes).to_le_bytes());
                into.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            }
            Maybe(None) => into.extend([0; 12]),
            Maybe(Some(bytes)) => {
                into.extend(1_u32.to_le_bytes());
                Field::Text(bytes).lower(memory, into);
            }
            Number(number) => into.extend(number.to_le_bytes()),
            Entries(entries) => {
                let (count, mut list) = (u32::try_from(entries.len()).unwrap(), Vec::new());
                for (name, value) in entries {
                    Field::Text(name).lower(memory, &mut list);
                    value.lower(memory, &mut list);
                }
                into.extend(place(memory, &list).to_le_bytes());
                into.extend(count.to_le_bytes());
            }
        }
    }
}
