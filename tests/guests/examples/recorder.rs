//! Leaves one ConfigMap per call. See `guests::recorder`.

use weir_sdk::{Actions, Description, Error, Event, Handler, export};

struct Recorder;

impl Handler for Recorder {
    fn describe() -> Description {
        guests::config_maps("Records every call")
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        guests::recorder::handle(&event)
    }
}

export!(Recorder);
