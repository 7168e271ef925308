//! Does what its settings say; this is build `two`. See `guests::echo`.

use weir_sdk::{Actions, Description, Error, Event, Handler, export};

struct EchoTwo;

impl Handler for EchoTwo {
    fn describe() -> Description {
        guests::config_maps("Does what its settings say")
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        guests::echo::handle("two", &event)
    }
}

export!(EchoTwo);
