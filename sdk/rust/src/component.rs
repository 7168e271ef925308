//! Between the generated bindings and a [`Handler`]: what `export!` expands to. Not part of the public interface.

use crate::{Actions, Error, Event, Handler, bindings::exports::weir::api::handler};
use std::{marker::PhantomData, sync::Once};

/// The component that a handler becomes.
#[derive(Debug)]
pub struct Component<H>(PhantomData<H>);

impl<H: Handler> handler::Guest for Component<H> {
    fn describe() -> Result<String, String> {
        explain_panics();
        serde_json::to_string(&H::describe()).map_err(|error| format!("cannot write the description as JSON: {error}"))
    }

    fn handle(event: handler::Event) -> Result<Vec<handler::Action>, handler::Failure> {
        explain_panics();
        H::handle(Event::from(event)).map(Actions::into_contract).map_err(Into::into)
    }
}

/// Compiles only for a handler. What `export!` expands to on the host, where there is nothing to export.
pub const fn is_handler<H: Handler>() {}

/// Reports panics through the log, because the trap that follows says only `unreachable`.
fn explain_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("(no message)");
            match panic.location() {
                Some(place) => crate::log::error!("handler panicked", message = message, at = place),
                None => crate::log::error!("handler panicked", message = message),
            }
        }));
    });
}

/// Errors are values of this crate until the last moment.
impl From<Error> for handler::Failure {
    fn from(error: Error) -> Self {
        error.into_contract()
    }
}
