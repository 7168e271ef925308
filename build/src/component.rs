//! From what the compiler left to a component that weir would load.
//!
//! A core module becomes a component; a component stays as it is. Either is then held to the contract. In process and in
//! milliseconds: no other program is needed. A module that does not say which contract it is for (Go's) is for this one, and one
//! that asks for WASI preview 1 (Go's and C's) is given `preview1.wat`, which imports nothing.

use crate::contract;
use std::path::PathBuf;
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};

/// What every handler exports.
const EXPORT: &str = "weir:api/handler@0.1.0";
/// What a module calls WASI preview 1, and what answers it.
const PREVIEW1: (&str, &str) = ("wasi_snapshot_preview1", include_str!("preview1.wat"));
/// How the section begins in which bindings leave the contract.
const CONTRACT_SECTION: &[u8] = b"component-type";
/// What weir offers: the contract's imports, and WASI with nothing granted.
const OFFERED: [&str; 2] = ["weir:api/", "wasi:"];

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why something is no component for weir.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The module does not fit the contract it carries.
    #[error("cannot make a component of the module")]
    Encode(#[source] Source),
    /// Not readable as a component.
    #[error("cannot read its imports and exports")]
    Decode(#[source] Source),
    /// A WIT package instead of a component, or a component without the export.
    #[error("it does not export {EXPORT}; does its source say what the handler is (in Rust `weir_sdk::export!`)?")]
    NoHandler,
    /// Needs something weir does not offer.
    #[error("it imports {0}, which weir does not offer")]
    Import(String),
    /// A directory of the build machine is in it.
    #[error("it names {}, a directory of this machine: a path that --remap-path-prefix did not catch", .0.display())]
    MachinePath(PathBuf),
}

/// The first bytes of a core module: magic, version 1, layer 0. A component has layer 1.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Makes a component of what the compiler left, and checks it.
pub(crate) fn finish(compiled: &[u8], machine_paths: &[PathBuf]) -> Result<Vec<u8>, ComponentError> {
    let component = if compiled.starts_with(MODULE) {
        encode(compiled).map_err(ComponentError::Encode)?
    } else {
        compiled.to_vec()
    };
    check(&component)?;
    let names = |path: &&PathBuf| {
        let path = path.as_os_str().as_encoded_bytes();
        component.windows(path.len()).any(|window| window == path)
    };
    match machine_paths.iter().find(names) {
        Some(path) => Err(ComponentError::MachinePath(path.clone())),
        None => Ok(component),
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, Source> {
    let mut module = module.to_vec();
    if !module.windows(CONTRACT_SECTION.len()).any(|window| window == CONTRACT_SECTION) {
        let (resolve, world) = contract::resolve()?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    }
    // Where the module asks for nothing of preview 1, nothing of the adapter is left in the component.
    let adapter = wat::parse_str(PREVIEW1.1)?;
    let mut encoder = ComponentEncoder::default();
    Ok(encoder.validate(true).module(&module)?.adapter(PREVIEW1.0, &adapter)?.encode()?)
}

fn check(component: &[u8]) -> Result<(), ComponentError> {
    let decoded = wit_component::decode(component).map_err(|error| ComponentError::Decode(error.into()))?;
    let DecodedWasm::Component(resolve, world) = decoded else { return Err(ComponentError::NoHandler) };
    let world = &resolve.worlds[world];
    if !world.exports.keys().any(|key| resolve.name_world_key(key) == EXPORT) {
        return Err(ComponentError::NoHandler);
    }
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key));
    match imports.into_iter().find(|import| !OFFERED.iter().any(|offered| import.starts_with(offered))) {
        Some(import) => Err(ComponentError::Import(import)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use wit_component::dummy_module;
    use wit_parser::{ManglingAndAbi, Resolve};

    /// A core module that fits the world `plugin` of the repository's contract, or of this text.
    fn module(other: Option<&str>) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(Path::new("../wit/v0.1")).expect("the contract parses");
        let package = match other {
            Some(text) => resolve.push_str("other.wit", text).expect("the test's WIT parses"),
            None => package,
        };
        let world = resolve.select_world(&[package], None).expect("one world");
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .expect("the module takes it");
        module
    }

    #[test]
    fn a_module_becomes_a_component_and_a_component_stays_as_it_is() {
        let component = finish(&module(None), &[]).expect("fits the contract");
        assert!(!component.starts_with(MODULE));
        assert_eq!(finish(&component, &[]).expect("fits the contract"), component);
    }

    #[test]
    fn a_module_that_does_not_say_its_contract_is_for_this_one() {
        let (resolve, world) = contract::resolve().expect("the contract parses");
        let module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        assert!(finish(&module, &[]).is_ok());
    }

    #[test]
    fn a_component_without_the_export_is_refused() {
        let refused = finish(&module(Some("package a:b; world w { import weir:api/host@0.1.0; }")), &[]);
        assert!(matches!(refused, Err(ComponentError::NoHandler)), "{refused:?}");
    }

    #[test]
    fn an_import_that_weir_does_not_offer_is_named() {
        let world = "package a:b; interface secrets { all: func() -> string; }
                     world w { import secrets; export weir:api/handler@0.1.0; }";
        let refused = finish(&module(Some(world)), &[]);
        assert!(matches!(&refused, Err(ComponentError::Import(name)) if name == "a:b/secrets"), "{refused:?}");
    }

    #[test]
    fn a_directory_of_the_build_machine_is_found() {
        // Any text that is in the component will do for a directory's name.
        let refused = finish(&module(None), &[PathBuf::from("/elsewhere"), PathBuf::from("describe")]);
        assert!(
            matches!(&refused, Err(ComponentError::MachinePath(path)) if path == Path::new("describe")),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_neither_module_nor_component_is_refused() {
        assert!(matches!(finish(b"not wasm", &[]), Err(ComponentError::Decode(_))));
    }
}
