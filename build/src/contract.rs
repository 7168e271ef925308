//! The contract, compiled in: what components are made for.

use wit_bindgen_core::Files;
use wit_parser::{Resolve, WorldId};

/// The text of contract 0.1.
pub(crate) const TEXT: &str = include_str!("../../wit/v0.1/weir.wit");

/// The contract, parsed, and its world. A mistake in it would be the repository's, not the author's.
pub(crate) fn resolve() -> Result<(Resolve, WorldId), String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("weir.wit", TEXT).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], None).map_err(|error| format!("{error:#}"))?;
    Ok((resolve, world))
}

/// Go packages under `package`: `imports/…` and `exports/wit_exports`.
pub(crate) fn go_bindings(package: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let (mut resolve, world) = resolve()?;
    let mut files = Files::default();
    let options = wit_bindgen_go::Opts { pkg_name: Some(package.to_owned()), ..Default::default() };
    options.build().generate(&mut resolve, world, &mut files).map_err(|error| format!("{error:#}"))?;
    Ok(files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_owned())).collect())
}

/// C's `plugin.h`, `plugin.c`, and the object that says in a section which contract it is for.
pub(crate) fn c_bindings() -> Result<Vec<(String, Vec<u8>)>, String> {
    let (mut resolve, world) = resolve()?;
    let mut files = Files::default();
    let options = wit_bindgen_c::Opts::default();
    options.build().generate(&mut resolve, world, &mut files).map_err(|error| format!("{error:#}"))?;
    Ok(files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_owned())).collect())
}
