//! The scenarios: a real host, real components, and an API. Each is one file, named for what it shows, and runs twice: on the
//! embedded API and on Kubernetes' own machinery, with the same assertions.
//!
//! What cannot be equal on both is listed here with its reason:
//!
//! | scenario | differs | because |
//! |---|---|---|

#![expect(clippy::unwrap_used, reason = "what fails here fails the scenario, where it stands")]

use weir_tests::world::{On, World};

/// Declares each scenario's module and its two tests. A module has `pub(crate) async fn run(world: World)`.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        mod embedded {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::on(super::On::Embedded, concat!(stringify!($name), "-embedded"), super::$name::run).await;
            }
        )*}

        mod genuine {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::on(super::On::Genuine, concat!(stringify!($name), "-genuine"), super::$name::run).await;
            }
        )*}
    };
}

async fn on(on: On, name: &str, scenario: impl AsyncFnOnce(World)) {
    if let Some(world) = World::start(name, on).await {
        scenario(world).await;
    }
}

scenarios! {
    a_deletion_is_told_once_with_the_last_state,
    leaving_a_label_selector_is_left_and_coming_back_added,
    nodes_are_annotated_before_during_and_after_start,
    those_there_before_are_initial_and_later_ones_added,
    what_changed_while_the_watch_was_cut_is_told,
}
