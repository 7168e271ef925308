//! Says in the log what it is told. See `guests::oracle`.

use weir_sdk::{Actions, Description, Error, Event, Handler, export};

struct Oracle;

impl Handler for Oracle {
    fn describe() -> Description {
        guests::config_maps("Says in the log what it is told")
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        guests::oracle::handle(&event)
    }
}

export!(Oracle);
