//! More of the event's own object than the event carries: as much as its watch keeps.

use crate::ReadError;
use serde::de::DeserializeOwned;

/// The value at an RFC 6901 pointer (`/spec/nodeName`), or none if there is nothing.
///
/// # Errors
///
/// [`ReadError::Invalid`] if the pointer is wrong or the value is of another type; [`ReadError::Denied`] for what the watch
/// does not keep.
pub fn get<T: DeserializeOwned>(pointer: &str) -> Result<Option<T>, ReadError> {
    get_json(pointer)?.as_deref().map(|json| crate::cluster::parse(json, pointer)).transpose()
}

/// The values at several pointers, in their order, in one crossing.
///
/// # Errors
///
/// As [`get`], for the first that fails.
pub fn get_many<T: DeserializeOwned>(pointers: &[&str]) -> Result<Vec<Option<T>>, ReadError> {
    let found = get_many_json(pointers)?;
    let parse =
        |(json, pointer): (Option<String>, &&str)| json.map(|json| crate::cluster::parse(&json, pointer)).transpose();
    found.into_iter().zip(pointers).map(parse).collect()
}

#[cfg(target_family = "wasm")]
fn get_json(pointer: &str) -> Result<Option<String>, ReadError> {
    crate::bindings::weir::api::subject::get(pointer).map_err(Into::into)
}

#[cfg(target_family = "wasm")]
fn get_many_json(pointers: &[&str]) -> Result<Vec<Option<String>>, ReadError> {
    let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
    crate::bindings::weir::api::subject::get_many(&pointers).map_err(Into::into)
}

#[cfg(not(target_family = "wasm"))]
fn get_json(_: &str) -> Result<Option<String>, ReadError> {
    Err(crate::cluster::outside())
}

#[cfg(not(target_family = "wasm"))]
fn get_many_json(_: &[&str]) -> Result<Vec<Option<String>>, ReadError> {
    Err(crate::cluster::outside())
}
