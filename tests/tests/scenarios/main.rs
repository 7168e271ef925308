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

/// Declares those scenarios once more, with the rights that `weir rbac` prints for the handlers in them and no others.
macro_rules! with_least_rights {
    ($($name:ident),* $(,)?) => {
        mod least {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = super::World::start_with_least_rights(concat!(stringify!($name), "-least")).await {
                    super::$name::run(world).await;
                }
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
    a_broken_replacement_leaves_the_old_one_running,
    a_change_elsewhere_makes_no_call,
    a_changed_manifest_takes_effect,
    a_component_is_replaced_under_a_stream_of_changes,
    a_dead_letter_is_shown_tried_again_and_dropped_on_order,
    a_dead_letter_outlives_a_restart_and_another_manifest_tries_it_again,
    a_deletion_is_bound_to_the_uid,
    a_deletion_is_told_once_with_the_last_state,
    a_dry_run_sends_everything_and_changes_nothing,
    a_field_selector_is_the_servers,
    a_full_disk_is_warned_of_in_the_cluster_and_in_a_chat,
    a_handler_posts_to_a_webhook_as_granted,
    a_handler_put_back_goes_on_from_there,
    a_handler_taken_away_while_weir_was_down_goes_on_when_it_is_back,
    a_hostile_guest_hurts_only_itself,
    a_json_patch_whose_test_fails_is_computed_anew,
    a_kind_that_comes_later_is_waited_for_and_its_end_is_told,
    a_kind_whose_definition_went_while_weir_was_down_is_gone,
    a_new_build_is_given_what_the_old_one_gave_up,
    a_node_that_asks_for_it_is_deleted_where_that_is_granted,
    a_pod_that_keeps_failing_is_tried_six_times_with_growing_waits,
    a_pod_that_vanished_while_weir_was_down_is_said,
    a_redirect_to_where_nothing_is_granted_is_not_followed,
    a_status_is_set_through_the_status_subresource,
    a_timer_outlives_a_restart,
    an_api_that_is_away_at_the_start_has_not_lost_anything,
    an_emitted_note_is_an_event_about_the_object,
    creating_what_exists_is_done,
    flags_are_judged_in_their_status_and_summed_up_in_an_owned_config_map,
    flags_are_watched_once_their_kind_is_defined_and_again_when_it_is_back,
    flags_elsewhere_are_not_touched,
    handlers_of_nodes_share_one_watch_with_what_they_read,
    handlers_that_want_the_same_share_one_watch,
    leaving_a_label_selector_is_left_and_coming_back_added,
    nodes_are_annotated_before_during_and_after_start,
    only_the_namespaces_asked_for_are_watched,
    only_what_was_asked_for_is_handed_over,
    other_objects_are_read_page_by_page_as_granted,
    pods_that_may_leave_are_deleted_from_a_full_node,
    services_are_announced_by_a_handler_in_typescript,
    services_are_announced_in_a_chat,
    the_api_being_away_is_no_failure_of_a_handler,
    the_handlers_own_write_does_not_wake_it,
    the_state_acknowledged_before_is_handed_over,
    those_there_before_are_initial_and_later_ones_added,
    thousands_of_pods_are_read_page_by_page,
    two_files_want_one_name_and_the_first_keeps_it,
    two_handlers_that_fight_over_a_field_are_named_and_slowed,
    watches_that_changed_while_weir_was_down_tell_what_is_new_to_them,
    what_a_pod_causes_is_applied_under_the_objects_own_name,
    what_asked_to_be_called_again_is_called_again,
    what_cannot_be_helped_is_given_up_at_once,
    what_changed_while_the_watch_was_cut_is_told,
    what_happened_while_weir_was_down_is_told_after_the_restart,
    what_is_applied_is_owned_and_an_owner_in_the_way_is_named,
    what_is_not_granted_is_not_sent_and_the_lines_to_add_are_named,
    what_keeps_failing_is_called_within_its_limit_then_given_up,
    what_was_undone_by_hand_is_put_right_at_the_next_resync,
    what_was_open_at_a_crash_is_called_again_as_it_then_is,
    without_a_state_directory_a_restart_begins_anew,
}

// Those about the handlers in `plugins/`.
with_least_rights! {
    a_pod_that_keeps_failing_is_tried_six_times_with_growing_waits,
    a_pod_that_vanished_while_weir_was_down_is_said,
    flags_are_judged_in_their_status_and_summed_up_in_an_owned_config_map,
    flags_are_watched_once_their_kind_is_defined_and_again_when_it_is_back,
    flags_elsewhere_are_not_touched,
    nodes_are_annotated_before_during_and_after_start,
    services_are_announced_by_a_handler_in_typescript,
    services_are_announced_in_a_chat,
    what_a_pod_causes_is_applied_under_the_objects_own_name,
    what_was_undone_by_hand_is_put_right_at_the_next_resync,
}
