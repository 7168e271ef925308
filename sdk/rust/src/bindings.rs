//! The contract as wit-bindgen generates it, and nothing else: no other module of this crate is generated, and no code written
//! here is unsafe.
//!
//! Public only because the export macro names it from a handler's crate. Its types are no promise; everything a handler
//! touches is in the modules beside this one.

wit_bindgen::generate!({
    path: "../../wit/v0.1",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "weir_sdk::bindings",
});
