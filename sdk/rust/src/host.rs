//! What the operator configured, and where the handler runs.

use crate::{Error, time::Timestamp};
use serde::de::DeserializeOwned;

/// The handler's `settings`, with the defaults of [`Description::settings_schema`](crate::Description::settings_schema) filled
/// in by the host.
///
/// # Errors
///
/// [`Error::Permanent`] if they do not fit the type: they stay as they are until the operator changes them, which loads the
/// handler anew. Outside weir there are none.
pub fn settings<T: DeserializeOwned>() -> Result<T, Error> {
    let json = settings_json()?;
    serde_json::from_str(&json).map_err(|error| {
        let kind = std::any::type_name::<T>();
        Error::permanent(format!("cannot read the handler's settings as {kind}: {error}"))
    })
}

#[cfg(target_family = "wasm")]
fn settings_json() -> Result<String, Error> {
    Ok(crate::bindings::weir::api::host::settings())
}

#[cfg(not(target_family = "wasm"))]
fn settings_json() -> Result<String, Error> {
    Err(Error::permanent("there are no settings outside weir: pass them to the function under test"))
}

/// The time. Recorded by the host, so that a replay sees the same.
#[cfg(target_family = "wasm")]
pub fn now() -> Timestamp {
    // A whole number between 0 and 2^53, by contract; the conversion saturates.
    Timestamp::from_millis(crate::bindings::weir::api::host::now_ms() as u64)
}

/// The time.
#[cfg(not(target_family = "wasm"))]
pub fn now() -> Timestamp {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Names of what this host adds to the contract's first version. None outside weir.
pub fn features() -> Vec<String> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::weir::api::host::features();
    #[cfg(not(target_family = "wasm"))]
    Vec::new()
}
