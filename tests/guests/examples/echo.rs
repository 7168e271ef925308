//! Does what its settings say; this is build `one`. See `guests::echo`.

use weir_sdk::{Actions, Description, Error, Event, Handler, export};

struct Echo;

impl Handler for Echo {
    fn describe() -> Description {
        guests::config_maps("Does what its settings say")
    }

    fn handle(event: Event) -> Result<Actions, Error> {
        guests::echo::handle("one", &event)
    }
}

export!(Echo);
