//! service-announcer-ts says what service-announcer says, by the same scenario.

use super::services_are_announced_in_a_chat::announced;
use weir_tests::world::World;

pub(crate) async fn run(world: World) {
    announced(world, "service-announcer-ts").await;
}
