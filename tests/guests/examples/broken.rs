//! Fails to load: a component in good order whose `describe` traps.

use weir_sdk::{Actions, Description, Error, Event, Handler, export};

struct Broken;

impl Handler for Broken {
    fn describe() -> Description {
        panic!("broken on purpose")
    }

    fn handle(_: Event) -> Result<Actions, Error> {
        Ok(Actions::new())
    }
}

export!(Broken);
