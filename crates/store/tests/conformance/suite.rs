//! What a store is. Every back-end passes all of this; what a case asserts is what the rest of Regrow may rely on.
//!
//! A back-end brings a [`Harness`] and writes `conformance!(name, ItsHarness)`. The cases state one truth each; the
//! property tests look for interleavings that no case thought of;
//! `sqlite/mutants.rs` proves that those tests can fail.

pub(crate) mod abort;
pub(crate) mod accept;
pub(crate) mod append;
pub(crate) mod basics;
mod checker;
pub(crate) mod claim;
pub(crate) mod crowd;
pub(crate) mod finish;
pub(crate) mod harness;
pub(crate) mod history;
pub(crate) mod interleaving;
pub(crate) mod leases;
pub(crate) mod lifecycle;
pub(crate) mod model;
pub(crate) mod quiesce;
pub(crate) mod release;
pub(crate) mod retention;
pub(crate) mod scene;
pub(crate) mod schedules;
pub(crate) mod script;
pub(crate) mod takeover;
pub(crate) mod views;

/// Makes a test of every case for one back-end.
macro_rules! conformance {
    ($back_end:ident, $harness:ty) => {
        mod $back_end {
            $crate::conformance::conformance! { @cases $harness;
                abort {
                    a_running_run_learns_of_its_abort_by_every_way
                    a_queued_run_learns_of_its_abort_when_it_begins
                    an_abort_survives_a_takeover
                    an_ended_run_stays_as_it_is
                    an_unknown_run_is_nothing
                    resetting_an_idle_session_moves_its_context
                    resetting_a_busy_session_changes_nothing
                    resetting_a_missing_session_makes_none
                }
                accept {
                    the_same_key_is_accepted_once
                    fifty_at_once_with_the_same_key_are_accepted_once
                    the_same_key_in_another_session_is_another_message
                    with_no_room_at_all_only_duplicates_are_recognised
                    without_a_key_nothing_is_a_duplicate
                    a_key_outlives_its_run
                    the_same_message_is_accepted_once_even_without_a_key
                    an_idle_session_is_claimed_at_once
                    a_busy_session_is_not_claimed_at_once
                    a_replica_that_takes_nothing_does_not_claim_at_once
                    a_full_inbox_refuses_and_writes_nothing
                    order_of_acceptance_is_order_of_runs
                    many_at_once_get_positions_without_a_gap
                }
                append {
                    entries_stand_as_they_were_written
                    a_repeated_append_is_written_once
                    something_else_on_a_stale_head_is_fenced
                    progress_resets_the_attempts
                    the_context_moves_with_the_entries
                }
                claim {
                    the_oldest_come_first_and_at_most_so_many
                    a_session_that_was_served_waits_behind_others
                    a_replica_that_takes_nothing_gets_none
                    nothing_ready_is_nothing_claimed
                    two_claimers_never_share_a_session
                    a_claim_says_where_the_run_stands
                }
                finish {
                    an_ended_run_is_recorded
                    every_status_reads_back
                    the_lease_is_kept_given_up_or_dropped
                    a_repeated_finish_has_the_same_answer
                    another_end_of_the_same_lease_is_fenced
                    a_repeated_finish_never_hands_out_a_lease_of_another_claim
                    a_kept_lease_is_a_new_lease
                }
                leases {
                    one_replica_holds_a_lease_at_a_time
                    renewing_keeps_the_epoch
                    another_name_is_another_lease
                    a_lease_that_has_run_out_passes_on
                    a_lease_of_a_replica_that_is_removed_passes_on
                    a_lease_that_is_let_go_passes_on
                    a_replica_that_is_not_known_holds_nothing
                }
                lifecycle {
                    joining_can_be_repeated
                    a_heartbeat_lists_what_the_replica_owns
                    a_heartbeat_of_a_replica_that_is_gone_says_so
                    a_heartbeat_renews_the_lease
                    a_draining_replica_keeps_what_it_has
                    what_a_leaving_replica_owned_is_ready
                }
                release {
                    releasing_hands_the_run_over_and_fences
                    releasing_is_not_an_attempt
                    a_lease_that_was_given_back_stays_fenced
                    a_lease_whose_grant_was_lost_is_found_and_disowned
                    disowning_needs_the_owner_and_the_epoch
                }
                schedules {
                    a_schedule_is_put_listed_and_removed
                    a_schedule_is_replaced_only_as_it_was_seen
                    what_is_not_due_is_not_there
                    what_is_due_longest_comes_first_and_at_most_so_many
                    a_tick_that_many_fire_at_once_is_one_message
                    a_fired_message_is_like_any_other
                    a_tick_of_another_plan_is_stale
                    a_tick_that_is_planned_again_stays_one_message
                    a_full_session_skips_the_tick_and_shows_it
                    a_tick_without_room_at_all_is_left_out_and_shown
                    a_removed_schedule_does_not_fire
                    a_schedule_may_go_with_its_last_message
                    firing_by_hand_leaves_the_plan_alone
                }
                retention {
                    a_key_is_remembered_for_its_time
                    what_is_under_way_stays
                    a_record_keeps_its_entries
                    entries_that_no_context_needs_go
                    a_run_that_was_compacted_keeps_all_it_said
                    what_was_before_a_reset_goes
                    an_idle_session_goes_whole
                    a_session_that_comes_back_is_another_one
                    a_bound_is_kept_and_everything_goes_in_the_end
                    nothing_goes_by_itself
                    deleting_disturbs_nobody
                }
                takeover {
                    an_expired_owner_is_taken_over
                    a_crashed_owner_is_taken_over_at_once
                    nothing_dead_is_nothing_reaped
                    two_reapers_reap_once
                    a_zombie_writes_nothing
                    a_zombie_under_a_new_id_gets_a_new_lease
                    a_zombie_does_not_take_the_end_of_another_for_its_own
                    attempts_grow_with_each_claim_without_progress
                    runs_that_lose_a_replica_together_share_the_blame
                    runs_keep_their_id_and_epochs_grow
                    whoever_takes_over_knows_whose_the_run_was_and_how_it_was_lost
                    a_crashed_owner_lived_until_it_was_seen_last
                }
                views {
                    a_run_is_found_in_each_state
                    a_run_never_vanishes_while_it_ends
                    runs_are_listed_newest_first
                    sessions_are_listed_latest_first
                    replicas_are_listed_with_their_work
                    the_rest_of_a_lease_is_seen
                    what_replicas_drive_is_listed
                    a_log_is_read_in_pieces_without_a_gap
                    load_counts_what_waits_and_runs
                    one_store_has_one_secret
                    a_store_examines_itself
                }
                crowd {
                    replicas_that_are_killed_break_nothing
                }
            }

            /// Blocking: proptest drives its own runtime.
            #[test]
            fn interleavings_follow_the_model() {
                $crate::conformance::interleaving::follow_the_model::<$harness>();
            }
        }
    };
    (@cases $harness:ty; $($file:ident { $($case:ident)* })*) => {
        $(mod $file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::$file::$case::<$harness>().await;
            })*
        })*
    };
}
pub(crate) use conformance;
