//! What a handler is shown of an object, and which changes it can see.
//!
//! Promises: a projection always has apiVersion, kind and metadata.{name, namespace, uid}; a pointer that finds a value in the object
//! finds the same value in the projection, so an array of which only a later element is picked begins with nulls; what is not
//! there is left out, with everything above it that would be empty. Values are copied as the server wrote them.
//!
//! Bound: [`MAX_POINTER_BYTES`] for one pointer; serde_json's 128 levels.

use super::{
    fingerprint::{self, Fingerprint, Place},
    object::Object,
    raw::{Members, write_name},
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The longest JSON pointer that is accepted.
pub const MAX_POINTER_BYTES: usize = 4096;

/// The compiled `fields` and `changed` of a manifest's watch.
#[derive(Debug, Clone)]
pub struct View {
    /// None: the whole object.
    picked: Option<Pick>,
    /// None: whatever is handed over.
    changed: Option<Vec<Pointer>>,
}

/// Why a JSON pointer was refused.
#[derive(Debug, thiserror::Error)]
pub enum PointerError {
    /// Not as RFC 6901 has it.
    #[error("`{pointer}` is not a JSON pointer: {problem}")]
    Syntax {
        /// As given, cut.
        pointer: String,
        /// What to write instead.
        problem: &'static str,
    },
    /// The text that was to be looked into is not JSON.
    #[error("looking up `{pointer}`")]
    Json {
        /// As given.
        pointer: String,
        /// What is wrong and where.
        source: serde_json::Error,
    },
}

/// The decoded tokens of an RFC 6901 pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer(Vec<String>);

/// Which parts of a value are kept.
#[derive(Debug, Clone)]
enum Pick {
    Whole,
    Members(BTreeMap<String, Pick>),
}

impl View {
    /// Compiles a watch's `fields` (none: the whole object; empty: its metadata) and `changed` (none: what is handed over).
    ///
    /// # Errors
    /// [`PointerError::Syntax`] for the first pointer that is none.
    pub fn new(fields: Option<&[String]>, changed: Option<&[String]>) -> Result<View, PointerError> {
        let picked = match fields {
            None => None,
            Some(fields) => {
                let mut picked = Pick::Members(BTreeMap::new());
                for always in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid"] {
                    picked.add(&Pointer::parse(always)?.0);
                }
                if fields.is_empty() {
                    picked.add(&Pointer::parse("/metadata")?.0);
                }
                for field in fields {
                    picked.add(&Pointer::parse(field)?.0);
                }
                Some(picked)
            }
        };
        let changed =
            changed.map(|changed| changed.iter().map(|pointer| Pointer::parse(pointer)).collect()).transpose()?;
        Ok(View { picked, changed })
    }

    /// What is handed over, as JSON.
    pub fn project(&self, object: &Object) -> String {
        // `json` is what `Object` wrote from strings: the lossy way is the one without a panic, and never loses anything.
        let whole = String::from_utf8_lossy(object.json());
        match &self.picked {
            None | Some(Pick::Whole) => whole.into_owned(),
            Some(picked) => {
                let mut out = String::new();
                picked.copy(&whole, &mut out);
                out
            }
        }
    }

    /// A hash of what would make the handler see a change: of `changed` if given, else of what is handed over without its
    /// resourceVersion.
    pub fn fingerprint(&self, object: &Object) -> Fingerprint {
        Fingerprint(match (&self.changed, &self.picked) {
            (Some(changed), _) => {
                let whole = String::from_utf8_lossy(object.json());
                changed.iter().fold(0, |hash, pointer| {
                    let place = if pointer.0 == ["metadata"] { Place::Metadata } else { Place::Inside };
                    let place = if pointer.0.is_empty() { Place::Top } else { place };
                    let found = pointer.find(&whole).ok().flatten();
                    fingerprint::chain(hash, found.map_or(0, |found| fingerprint::of_json(found.as_bytes(), place)))
                })
            }
            (None, None | Some(Pick::Whole)) => fingerprint::of_json(object.json(), Place::Top),
            (None, Some(_)) => fingerprint::of_json(self.project(object).as_bytes(), Place::Top),
        })
    }

    /// The JSON text at a pointer; none if there is nothing.
    ///
    /// # Errors
    /// [`PointerError`] if `pointer` is no pointer or `json` is no JSON on the way to it.
    pub fn pointer(json: &[u8], pointer: &str) -> Result<Option<String>, PointerError> {
        let failed = |source| PointerError::Json { pointer: pointer.to_owned(), source };
        let compiled = Pointer::parse(pointer)?;
        let whole: &RawValue = serde_json::from_slice(json).map_err(failed)?;
        Ok(compiled.find(whole.get()).map_err(failed)?.map(str::to_owned))
    }
}

impl Pointer {
    fn parse(text: &str) -> Result<Pointer, PointerError> {
        let refused = |problem| PointerError::Syntax { pointer: text.chars().take(80).collect(), problem };
        if text.len() > MAX_POINTER_BYTES {
            return Err(refused("it is longer than 4096 bytes"));
        }
        if text.is_empty() {
            return Ok(Pointer(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(refused("start it with `/`, as in `/status/phase`"));
        };
        rest.split('/')
            .map(|token| {
                let mut escapes = token.split('~').skip(1);
                if escapes.any(|after| !after.starts_with(['0', '1'])) {
                    return Err(refused("write `~0` for `~` and `~1` for `/`"));
                }
                Ok(token.replace("~1", "/").replace("~0", "~"))
            })
            .collect::<Result<_, _>>()
            .map(Pointer)
    }

    fn find<'a>(&self, json: &'a str) -> Result<Option<&'a str>, serde_json::Error> {
        let mut here = json.trim();
        for token in &self.0 {
            let next = match here.as_bytes().first() {
                Some(b'{') => serde_json::from_str::<Members<'_>>(here)?.get(token),
                Some(b'[') => match index(token) {
                    Some(index) => serde_json::from_str::<Vec<&RawValue>>(here)?.get(index).copied(),
                    None => None,
                },
                _ => None,
            };
            match next {
                Some(value) => here = value.get(),
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }
}

/// An array index as RFC 6901 has it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    (token == "0" || !token.starts_with(['0', '+'])).then(|| token.parse().ok()).flatten()
}

impl Pick {
    fn add(&mut self, tokens: &[String]) {
        match (tokens.split_first(), &mut *self) {
            (_, Pick::Whole) => {}
            (None, _) => *self = Pick::Whole,
            (Some((first, rest)), Pick::Members(members)) => {
                members.entry(first.clone()).or_insert_with(|| Pick::Members(BTreeMap::new())).add(rest);
            }
        }
    }

    /// Appends what is picked of `json`; false, and nothing appended, if there is nothing.
    fn copy(&self, json: &str, out: &mut String) -> bool {
        let members = match self {
            Pick::Whole => {
                out.push_str(json);
                return true;
            }
            Pick::Members(members) => members,
        };
        let begin = out.len();
        let found = match json.as_bytes().first() {
            Some(b'{') => copy_members(members, json, out),
            Some(b'[') => copy_elements(members, json, out),
            _ => false,
        };
        if !found {
            out.truncate(begin);
        }
        found
    }
}

fn copy_members(picked: &BTreeMap<String, Pick>, json: &str, out: &mut String) -> bool {
    let Ok(object) = serde_json::from_str::<Members<'_>>(json) else { return false };
    let mut found = false;
    out.push('{');
    for (name, value) in &object.0 {
        let Some(pick) = picked.get(name.as_ref()) else { continue };
        let before = out.len();
        if found {
            out.push(',');
        }
        write_name(out, name);
        if pick.copy(value.get(), out) {
            found = true;
        } else {
            out.truncate(before);
        }
    }
    out.push('}');
    found
}

fn copy_elements(picked: &BTreeMap<String, Pick>, json: &str, out: &mut String) -> bool {
    let Ok(array) = serde_json::from_str::<Vec<&RawValue>>(json) else { return false };
    let mut picks: Vec<(usize, &Pick)> =
        picked.iter().filter_map(|(token, pick)| index(token).map(|index| (index, pick))).collect();
    picks.sort_by_key(|(index, _)| *index);
    let mut written = 0;
    out.push('[');
    for (index, pick) in picks {
        let Some(value) = array.get(index) else { break };
        let before = out.len();
        for position in written..=index {
            if position > 0 {
                out.push(',');
            }
            if position < index {
                out.push_str("null");
            }
        }
        if pick.copy(value.get(), out) {
            written = index + 1;
        } else {
            out.truncate(before);
        }
    }
    out.push(']');
    written > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::pods;

    const POD: &str = r#"{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5","labels":{"x/y":"1","t~":"2"}},
        "spec":{"containers":[{"name":"c0","image":"i0"},{"name":"c1","image":"i1"}],"n":1},"status":{"phase":"Running"}}"#;

    fn object(json: &str) -> Object {
        Object::parse(json.as_bytes(), &pods()).unwrap()
    }

    fn view(fields: &[&str]) -> View {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        View::new(Some(&fields), None).unwrap()
    }

    const ALWAYS: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","uid":"u""#;

    #[test]
    fn a_projection_has_its_identity_and_what_was_asked_for() {
        let pod = object(POD);
        for (fields, rest) in [
            (vec!["/status/phase"], r#"},"status":{"phase":"Running"}}"#),
            (vec!["/metadata/labels/x~1y", "/metadata/labels/t~0"], r#","labels":{"x/y":"1","t~":"2"}}}"#),
            (vec!["/spec/containers/1/image"], r#"},"spec":{"containers":[null,{"image":"i1"}]}}"#),
            (vec!["/spec/n", "/spec/containers/0/name"], r#"},"spec":{"containers":[{"name":"c0"}],"n":1}}"#),
            (vec!["/nothing/here", "/status/none", "/spec/containers/7", "/spec/n/m"], r#"}}"#),
        ] {
            assert_eq!(view(&fields).project(&pod), format!("{ALWAYS}{rest}"), "{fields:?}");
        }
    }

    #[test]
    fn no_fields_means_metadata_and_absent_fields_mean_everything() {
        let pod = object(POD);
        let metadata: serde_json::Value = serde_json::from_str(&view(&[]).project(&pod)).unwrap();
        assert_eq!(metadata["metadata"]["labels"]["x/y"], "1");
        assert!(metadata.get("spec").is_none());
        assert_eq!(View::new(None, None).unwrap().project(&pod).as_bytes(), pod.json().as_ref());
        assert_eq!(view(&[""]).project(&pod).as_bytes(), pod.json().as_ref());
    }

    #[test]
    fn a_pointer_finds_in_the_projection_what_it_finds_in_the_object() {
        let pod = object(POD);
        for pointer in ["/spec/containers/1/image", "/metadata/labels/x~1y", "/status", "/metadata/uid"] {
            let projected = view(&[pointer]).project(&pod);
            let found = View::pointer(pod.json(), pointer).unwrap();
            assert!(found.is_some());
            assert_eq!(found, View::pointer(projected.as_bytes(), pointer).unwrap(), "{pointer}");
        }
    }

    #[test]
    fn a_handler_is_woken_by_what_it_can_see_and_by_nothing_else() {
        let pod = object(POD);
        let elsewhere =
            object(&POD.replace(r#""resourceVersion":"5""#, r#""resourceVersion":"6""#).replace("i1", "i2"));
        let phase = view(&["/status/phase"]);
        assert_eq!(phase.fingerprint(&pod), phase.fingerprint(&elsewhere));
        let whole = View::new(None, None).unwrap();
        assert_ne!(whole.fingerprint(&pod), whole.fingerprint(&elsewhere));
        assert_ne!(phase.fingerprint(&pod), phase.fingerprint(&object(&POD.replace("Running", "Failed"))));
        let same = object(&POD.replace(r#""resourceVersion":"5""#, r#""resourceVersion":"6""#));
        assert_eq!(whole.fingerprint(&pod), whole.fingerprint(&same));
        assert_eq!(view(&[]).fingerprint(&pod), view(&[]).fingerprint(&same));
        assert_eq!(view(&["/metadata"]).fingerprint(&pod), view(&["/metadata"]).fingerprint(&same));
    }

    #[test]
    fn changed_narrows_what_wakes_without_narrowing_what_is_handed_over() {
        let changed = ["/status/phase".to_owned(), "/status/reason".to_owned()];
        let view = View::new(None, Some(&changed)).unwrap();
        let pod = object(POD);
        assert_eq!(view.project(&pod).as_bytes(), pod.json().as_ref());
        assert_eq!(view.fingerprint(&pod), view.fingerprint(&object(&POD.replace("i1", "i2"))));
        assert_ne!(view.fingerprint(&pod), view.fingerprint(&object(&POD.replace("Running", "Failed"))));
        // A value that moves from one path to the other is a change, and so is one that appears.
        assert_ne!(view.fingerprint(&pod), view.fingerprint(&object(&POD.replace("phase", "reason"))));
        assert_ne!(view.fingerprint(&pod), view.fingerprint(&object(&POD.replace("phase", "other"))));
    }

    #[test]
    fn pointers_that_are_none_are_refused_with_what_to_write() {
        for (pointer, message) in [
            ("status", "`status` is not a JSON pointer: start it with `/`, as in `/status/phase`"),
            ("/a~b", "`/a~b` is not a JSON pointer: write `~0` for `~` and `~1` for `/`"),
            ("/a~", "`/a~` is not a JSON pointer: write `~0` for `~` and `~1` for `/`"),
        ] {
            assert_eq!(View::new(Some(&[pointer.to_owned()]), None).unwrap_err().to_string(), message);
            assert_eq!(View::pointer(b"{}", pointer).unwrap_err().to_string(), message);
        }
        assert!(View::pointer(b"{}", &"/a".repeat(MAX_POINTER_BYTES)).is_err());
        assert!(View::pointer(b"{", "/a").is_err());
    }

    #[test]
    fn array_indexes_have_no_signs_and_no_leading_zeros() {
        for (pointer, found) in
            [("/0", Some("7")), ("/1", None), ("/00", None), ("/+0", None), ("/-", None), ("/a", None)]
        {
            assert_eq!(View::pointer(b" [7] ", pointer).unwrap().as_deref(), found, "{pointer}");
        }
    }
}
