//! Write a weir handler in Rust.
//!
//! A handler is a function from one event to a list of actions. weir watches the cluster, calls the handler for every change
//! of the objects it asked for, and carries out what it answers, as far as the operator granted it.
//!
//! ```
//! use weir_sdk::{Actions, Description, Error, Event, Fields, Handler, Verb, Wants, Watch, Write, export, log};
//! use serde::Deserialize;
//!
//! struct ImageCount;
//!
//! /// The part of a Node that this handler looks at; other fields are skipped without being parsed.
//! #[derive(Deserialize)]
//! struct Node { status: Status }
//! #[derive(Deserialize)]
//! struct Status { #[serde(default)] images: Vec<serde_json::Value> }
//!
//! impl Handler for ImageCount {
//!     fn describe() -> Description {
//!         Description {
//!             description: "Annotates each node with the number of its images",
//!             watches: vec![Watch {
//!                 name: "nodes",
//!                 api_version: "v1",
//!                 kind: "Node",
//!                 fields: Fields::Only(&["/status/images"]),
//!                 ..Watch::default()
//!             }],
//!             wants: Wants {
//!                 write: vec![Write { api_version: "v1", kind: "Node", actions: &[Verb::Annotate], ..Write::default() }],
//!                 ..Wants::default()
//!             },
//!             ..Description::default()
//!         }
//!     }
//!
//!     fn handle(event: Event) -> Result<Actions, Error> {
//!         let node: Node = event.object()?;
//!         let count = node.status.images.len();
//!         log::info!("counted images", node = event.key.name, count = count);
//!         Ok(Actions::new().annotate("example.com/images", count))
//!     }
//! }
//!
//! export!(ImageCount);
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib`, built for `wasm32-wasip2` (`rustup target add wasm32-wasip2`):
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [profile.release]
//! opt-level = "s"
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = true
//! ```
//!
//! # What this crate promises
//!
//! - **An answer is data.** [`Actions`] are carried out after [`Handler::handle`] returned, in order, stopping at the first
//!   that fails; on `Err` none is. Delivery is at least once, so answer with what should be, not with steps.
//! - **`?` means try again.** Any error of another library becomes [`Error::retry`], with the text of its whole source chain.
//!   What cannot be helped by trying again says so with [`Error::permanent`].
//! - **A panic is explained.** Its message, file and line reach the handler's log before the instance is thrown away.
//! - **Pure code is tested at home.** The crate compiles for the host too, so `cargo test` works; [`Event`] and all actions
//!   are plain values that compare. Outside weir [`log`] writes to stderr, [`cluster`] and [`subject`] answer
//!   [`ReadError::Unavailable`], and [`host::settings`] fails.
//!
//! It does not hide the contract: whatever `weir.wit` can say is reachable from here, and nothing here does more.

#[doc(hidden)]
pub mod bindings;

mod action;
mod description;
mod error;
mod event;

pub mod cluster;
#[doc(hidden)]
pub mod component;
pub mod host;
pub mod log;
pub mod subject;
pub mod time;

pub use action::{
    Action, Actions, Apply, Deletion, HttpRequest, LogLine, Note, Patch, PatchFormat, Propagation, Severity,
};
pub use description::{Description, Fields, Read, Verb, Wants, Watch, Write};
pub use error::{Error, ReadError};
pub use event::{Change, Event, ObjectKey};
pub use serde_json;

/// What a component does: say what it watches, and answer events.
///
/// The type itself is never made; it only names the two functions. An instance may be kept between calls, so a `static` or a
/// `thread_local!` may remember things, but weir replaces instances when it likes and may run several: memory is a cache,
/// never a record. What must last belongs into the cluster.
pub trait Handler {
    /// What the handler watches, reads and would like to do. Called when the component is loaded, with access to nothing.
    fn describe() -> Description;

    /// Answers one event. weir never calls this twice at once for one object.
    ///
    /// # Errors
    ///
    /// An error carries out nothing and is answered with another call, later, up to the handler's retry limit; see [`Error`].
    fn handle(event: Event) -> Result<Actions, Error>;
}

/// Makes a [`Handler`] the component that this crate is. Once per crate; the type must be a path, like `MyHandler`.
///
/// On targets other than WebAssembly it only checks the type, so that the crate's tests run on the author's machine.
#[macro_export]
macro_rules! export {
    ($handler:ty) => {
        const _: () = {
            #[cfg(target_family = "wasm")]
            type Component = $crate::component::Component<$handler>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
            #[cfg(not(target_family = "wasm"))]
            const _: () = $crate::component::is_handler::<$handler>();
        };
    };
}
