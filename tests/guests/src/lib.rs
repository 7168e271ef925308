//! What the scenarios' guests share.
//!
//! A scenario reads from the API's state what a guest was told, so every guest leaves marks there: `echo` on the event's own
//! object, `recorder` as one ConfigMap per call. `oracle` says it in the log, for a test that kills weir. All watch ConfigMaps unless the operator's manifest says otherwise, and want no
//! grant: a scenario grants what it is about.

pub mod echo;
pub mod oracle;
pub mod recorder;
mod seen;

use weir_sdk::{Description, Watch};

/// Watches all ConfigMaps, whole.
pub fn config_maps(description: &'static str) -> Description {
    Description {
        description,
        watches: vec![Watch { name: "objects", api_version: "v1", kind: "ConfigMap", ..Watch::default() }],
        ..Description::default()
    }
}
