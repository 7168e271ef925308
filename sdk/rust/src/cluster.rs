//! Other objects: kinds declared under `reads` and granted. Answered from weir's cache, which a watch keeps current; no
//! request is sent for a read.
//!
//! ```no_run
//! # use weir_sdk::{cluster::{self, Query}, Error};
//! # fn f() -> Result<(), Error> {
//! let pods = Query { api_version: "v1".into(), kind: "Pod".into(), namespace: Some("web".into()), ..Query::default() };
//! for pod in cluster::list::<serde_json::Value>(pods) {
//!     let pod = pod?;
//!     // …
//! }
//! # Ok(()) }
//! ```

use crate::{ObjectKey, ReadError};
use serde::de::DeserializeOwned;
use std::{marker::PhantomData, vec};

/// Which objects to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Pod`, …
    pub kind: String,
    /// None: all namespaces.
    pub namespace: Option<String>,
    /// Kubernetes' syntax; empty: all.
    pub label_selector: String,
    /// Kubernetes' syntax; empty: all.
    pub field_selector: String,
    /// At most so many a page; 0 takes the host's default, 500. [`list`] asks for the next page by itself.
    pub page_size: u32,
}

/// The objects of a [`list`], page by page: memory holds one page, whatever the cluster's size.
///
/// After an error it ends: the page that failed is not tried again within this call.
#[derive(Debug)]
pub struct List<T> {
    query: Query,
    page: vec::IntoIter<String>,
    next: Next,
    items: PhantomData<fn() -> T>,
}

/// Where the next page comes from.
#[derive(Debug)]
enum Next {
    First,
    After(String),
    End,
}

/// One object, or none if there is none of that name.
///
/// # Errors
///
/// [`ReadError::Denied`] if the kind was not declared or not granted; the text says what to add. [`ReadError::Invalid`] if the
/// object is not of the type asked for.
pub fn get<T: DeserializeOwned>(key: &ObjectKey) -> Result<Option<T>, ReadError> {
    get_json(key)?.as_deref().map(|json| parse(json, &key.to_string())).transpose()
}

/// All objects that match, lazily: stop iterating and no further page is read.
///
/// Each item is an object or the reason why it, or its page, could not be read; see [`get`].
pub fn list<T: DeserializeOwned>(query: Query) -> List<T> {
    List { query, page: Vec::new().into_iter(), next: Next::First, items: PhantomData }
}

impl<T: DeserializeOwned> Iterator for List<T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(json) = self.page.next() {
                return Some(parse(&json, &self.query.kind));
            }
            // A page may be empty and not the last, so this is a loop; the token alone says whether there is more.
            let token = match std::mem::replace(&mut self.next, Next::End) {
                Next::First => None,
                Next::After(token) => Some(token),
                Next::End => return None,
            };
            match list_page(&self.query, token) {
                Ok((items, token)) => {
                    self.page = items.into_iter();
                    self.next = token.map_or(Next::End, Next::After);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for List<T> {}

pub(crate) fn parse<T: DeserializeOwned>(json: &str, what: &str) -> Result<T, ReadError> {
    serde_json::from_str(json).map_err(|error| {
        let kind = std::any::type_name::<T>();
        ReadError::Invalid(format!("cannot read {what} as {kind}: {error}"))
    })
}

#[cfg(target_family = "wasm")]
fn get_json(key: &ObjectKey) -> Result<Option<String>, ReadError> {
    crate::bindings::weir::api::cluster::get(&key.clone().into()).map_err(Into::into)
}

#[cfg(target_family = "wasm")]
fn list_page(query: &Query, token: Option<String>) -> Result<(Vec<String>, Option<String>), ReadError> {
    use crate::bindings::weir::api::cluster;
    let query = cluster::Query {
        api_version: query.api_version.clone(),
        kind: query.kind.clone(),
        namespace: query.namespace.clone(),
        label_selector: query.label_selector.clone(),
        field_selector: query.field_selector.clone(),
        limit: query.page_size,
        continue_token: token,
    };
    let page = cluster::list_page(&query)?;
    Ok((page.items, page.continue_token))
}

#[cfg(not(target_family = "wasm"))]
fn get_json(_: &ObjectKey) -> Result<Option<String>, ReadError> {
    Err(outside())
}

#[cfg(not(target_family = "wasm"))]
fn list_page(_: &Query, _: Option<String>) -> Result<(Vec<String>, Option<String>), ReadError> {
    Err(outside())
}

/// The answer to every read on the author's machine.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn outside() -> ReadError {
    ReadError::Unavailable("there is no cluster outside weir: pass what was read to the function under test".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_fails_says_so_once_and_ends() {
        let mut list =
            list::<serde_json::Value>(Query { api_version: "v1".into(), kind: "Pod".into(), ..Query::default() });
        assert!(matches!(list.next(), Some(Err(ReadError::Unavailable(_)))));
        assert!(list.next().is_none());
    }

    #[test]
    fn an_object_of_another_shape_is_invalid_and_named() {
        let error = parse::<u32>(r#"{"a":1}"#, "Pod web/a").expect_err("a map is not a number");
        assert!(
            matches!(&error, ReadError::Invalid(reason) if reason.starts_with("cannot read Pod web/a as u32: ")),
            "{error}"
        );
    }
}
