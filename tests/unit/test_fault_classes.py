"""What can go wrong, class by class, and the tests that say what happens then: each class has some, and they exist.

A class's tests fail without what protects from it. Elsewhere stand the runs that anyone can start: `make leaks`,
`make kills` and the other long ones of docs/building.md.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent

CLASSES: dict[int, tuple[str, dict[str, tuple[str, ...]]]] = {
    1: ("an object, BTF or target that is malformed", {
        "unit/test_btf_hostile.py": (
            "a_type_that_makes_no_sense_is_refused_with_the_reason",
            "a_header_that_leads_astray_is_refused_with_the_reason",
        ),
        "kernel/test_btf.py": (
            "an_integer_of_4_gigabytes_in_an_object_with_settings_is_no_wild_pointer",
            "a_struct_ops_variable_outside_its_section_is_not_copied",
        ),
        "kernel/test_attach_hostile.py": (
            "a_file_that_was_tampered_with_is_refused",
        ),
        "kernel/test_attach_greedy.py": (
            "who_writes_to_the_file_once_it_was_checked_does_no_harm",
            "a_pattern_of_several_stars_is_compared_with_a_long_name_in_no_time",
            "thousands_of_sections_that_are_one_are_refused",
        ),
        "kernel/test_fuzz.py": ("no_malformed_bytes_end_or_stop_the_process",),
        "kernel/test_objects.py": ("a_wild_pointer_of_libbpf_is_an_error",),
    }),
    2: ("a file that is cut, empty, no file, or for another machine", {
        "kernel/test_objects.py": (
            "a_path_that_cannot_be_read_is_an_error_that_names_it", "a_fifo_is_refused_at_once",
            "an_empty_file_gives_libbpfs_format_error", "a_program_of_this_machine_is_no_bpf_object",
            "an_object_of_the_other_byte_order_says_so", "an_object_cut_anywhere_is_an_error_or_opens",
        ),
        "kernel/test_endless_files.py": (
            "a_terabyte_that_nobody_has_written_is_too_large", "a_descriptor_of_a_device_without_end_is_not_read",
            "a_file_that_has_nothing_now_is_not_waited_for", "a_file_that_there_is_no_memory_for_is_an_error_of_ours",
        ),
        "unit/test_elf.py": ("another_class_has_no_sections",),
    }),
    3: ("the verifier's refusal", {
        "kernel/test_errors.py": (
            "a_refusal_names_the_program", "a_refusal_has_the_verifiers_log", "a_refusal_is_no_matter_of_permissions",
        ),
        "unit/test_check.py": ("a_log_makes_a_refusal_of_any_errno",),
    }),
    4: ("a log of megabytes, or a buffer too small for it", {
        "kernel/test_errors.py": (
            "a_log_of_several_megabytes_is_whole", "the_summary_of_a_log_of_several_megabytes_is_short",
        ),
        "kernel/test_objects.py": ("a_log_buffer_that_is_too_small_is_a_plain_error",),
        "kernel/test_kernel_programs.py": ("a_log_of_any_size_is_whole",),
        "unit/test_log_limit.py": ("what_piles_up_beyond_the_limit_is_dropped_and_counted",),
    }),
    5: ("signals during a load", {
        "kernel/test_signals.py": (
            "a_periodic_signal_does_not_fail_a_long_load",
            "ctrl_c_during_a_load_comes_after_it_and_the_object_is_loaded",
            "the_signal_mask_is_as_before_after_a_load",
        ),
    }),
    6: ("no privilege", {
        "kernel/test_errors.py": (
            "without_privilege_the_missing_capabilities_are_named",
            "without_privilege_the_setting_that_forbids_is_named",
        ),
        "kernel/test_capabilities.py": ("without_one_that_it_needs_the_error_names_that_one",),
    }),
    7: ("least privilege", {
        "kernel/test_capabilities.py": (
            "with_what_it_needs_it_works",
            "without_one_that_it_needs_the_error_names_that_one",
        ),
        "kernel/test_probe.py": ("the_kernel_wants_the_capabilities_that_are_said_to_be_needed",),
    }),
    8: ("no BTF of the kernel", {
        "kernel/test_errors.py": ("a_kernel_without_btf_is_explained",),
        "kernel/test_world.py": (
            "without_btf_what_needs_it_says_what_the_kernel_lacks", "an_object_that_needs_nothing_of_it_works",
        ),
    }),
    9: ("no tracefs", {
        "kernel/test_errors.py": ("a_tracefs_that_is_not_mounted_is_explained",),
        "kernel/test_tracefs.py": ("tracefs_not_mounted_is_an_error_that_says_how_to_mount_it",),
        "kernel/test_run.py": ("tracefs_is_not_mounted_if_that_is_forbidden",),
        "kernel/test_world.py": (
            "where_tracefs_is_read_only_the_shared_trace_is_read_and_an_instance_is_refused",
        ),
    }),
    10: ("no BPF file system", {
        "kernel/test_pins.py": ("outside_a_bpf_file_system_nothing_is_made",),
        "kernel/test_world.py": ("without_a_bpf_file_system_all_that_pins_says_how_to_mount_one",),
    }),
    11: ("lockdown=integrity", {
        "unit/test_check.py": (
            "the_kernel_says_how_far_it_is_locked_down", "a_helper_that_a_locked_down_kernel_takes_away_is_said_to_be",
        ),
    }),
    12: ("lockdown=confidentiality", {
        "vm/test_locked_down.py": (
            "a_tracepoint_that_cannot_be_attached_to_says_that_the_kernel_is_locked_down",
            "a_trace_that_cannot_be_read_says_that_the_kernel_is_locked_down",
            "the_command_says_that_the_kernel_is_locked_down",
        ),
    }),
    13: ("a limit of locked memory", {
        "kernel/test_tokens.py": (
            "the_limit_of_locked_memory_can_be_set_before_the_first_load_only",
            "where_maps_count_as_locked_memory_the_error_says_so",
        ),
    }),
    14: ("a kernel that is too old", {
        "kernel/test_maps.py": ("a_type_of_a_newer_kernel_is_taken_and_refused_by_this_one",),
        "kernel/test_probe.py": ("an_instruction_that_no_kernel_has_is_not_there",),
        "kernel/test_attach_tcx.py": ("a_kernel_without_a_hook_is_told_from_one_that_refuses",),
    }),
    15: ("a key or value of another size", {
        "kernel/test_map_hash.py": ("raw_bytes_of_another_length_are_refused",),
        "kernel/test_map_bulk.py": ("bytes_of_another_length_never_reach_the_kernel",),
        "kernel/test_map_percpu.py": ("another_number_of_values_is_refused_with_both_numbers",),
    }),
    16: ("use after close", {
        "kernel/test_objects.py": ("every_use_of_what_is_closed_is_a_closed_error",),
        "kernel/test_event_streams.py": ("nothing_can_be_done_with_a_closed_reader",),
    }),
    17: ("closed twice", {
        "kernel/test_objects.py": ("closing_twice_does_nothing",),
        "unit/test_handle.py": ("a_handle_is_destroyed_once",),
    }),
    18: ("a program or map that is not there", {
        "kernel/test_objects.py": (
            "a_missing_program_is_a_key_error_with_close_names", "a_missing_map_is_a_key_error_with_close_names",
        ),
        "unit/test_handle.py": ("what_cannot_be_a_pointer_is_not_kept",),
    }),
    19: ("closed while another thread waits", {
        "kernel/test_event_streams.py": (
            "to_close_in_another_thread_ends_a_read_with_an_error",
            "to_close_and_to_read_at_the_same_time_does_no_harm",
        ),
    }),
    20: ("a system call that a signal interrupts", {
        "kernel/test_event_streams.py": ("an_interrupt_at_any_moment_loses_no_event",),
        "kernel/test_trace_pipe.py": ("an_interrupt_at_any_moment_loses_no_line",),
        "kernel/test_signals.py": ("a_handler_that_raises_anywhere_leaves_nothing_after_close",),
    }),
    21: ("Ctrl-C while events stream", {
        "kernel/test_event_streams.py": (
            "ctrl_c_ends_a_loop_in_a_flood_at_once",
            "ctrl_c_ends_a_read_that_waits_at_once",
        ),
        "kernel/test_trace_pipe.py": ("ctrl_c_ends_a_program_in_a_flood",),
    }),
    22: ("an exception in what is called for each event", {
        "kernel/test_event_reading.py": ("what_a_function_raises_comes_out_and_the_rest_comes_next",),
    }),
    23: ("a producer without an end", {
        "kernel/test_event_reading.py": ("a_time_out_holds_under_a_flood",),
        "kernel/test_event_streams.py": ("a_flood_does_not_keep_other_tasks_from_running",),
    }),
    24: ("the interpreter's end with threads at work", {
        "kernel/test_event_streams.py": ("a_program_may_end_while_a_daemon_thread_reads",),
        "kernel/test_threads.py": (
            "a_thread_that_is_inside_when_the_interpreter_ends_does_not_crash_it",
            "a_thread_that_loads_when_the_interpreter_ends_does_not_crash_it",
        ),
    }),
    25: ("any order of collection", {
        "kernel/test_objects.py": (
            "an_object_in_a_cycle_is_closed_when_it_is_collected", "a_whole_program_that_forgets_its_objects_ends_well",
        ),
        "kernel/test_links.py": ("a_usdt_link_is_closed_before_its_object",),
    }),
    26: ("fork", {
        "kernel/test_fork.py": (
            "whatever_a_child_does_the_parent_stays_attached",
            "what_the_parent_closes_is_detached_though_a_child_lives",
            "use_in_a_child_is_a_closed_error_that_says_why",
        ),
    }),
    27: ("several interpreters in a process", {
        "kernel/test_many.py": ("an_interpreter_beside_the_main_one_uses_it_or_is_refused_and_nothing_crashes",),
    }),
    28: ("an interpreter without the global lock", {
        "unit/test_build.py": ("a_free_threaded_python_before_3_15_builds_without_the_limited_api",),
        "kernel/test_threads.py": ("one_object_in_many_threads_raises_errors_of_ours_and_nothing_else",),
    }),
    29: ("many threads", {
        "kernel/test_threads.py": (
            "many_objects_live_in_many_threads",
            "two_threads_that_load_one_object_load_it_once",
        ),
        "kernel/test_syscalls.py": ("many_threads_lose_no_call",),
    }),
    30: ("no descriptor left", {
        "kernel/test_errors.py": (
            "a_process_that_is_out_of_descriptors_is_told_so_and_can_go_on",
            "without_enough_descriptors_load_says_so_and_spoils_no_later_one",
            "a_load_that_ran_out_of_descriptors_halfway_can_be_repeated",
        ),
        "kernel/test_small_limits.py": ("at_any_limit_it_works_or_says_why_not_and_works_afterwards",),
    }),
    31: ("what libbpf concludes from a want of privilege", {
        "kernel/test_errors.py": ("a_load_that_failed_for_want_of_privilege_spoils_no_later_one",),
        "kernel/test_probe.py": ("without_privileges_a_probe_raises_and_does_not_say_no",),
    }),
    32: ("a map that is full, a key that is missing or there already", {
        "kernel/test_map_hash.py": (
            "a_full_map_says_how_many_fit", "a_missing_key_is_a_key_error_with_the_key",
            "noexist_refuses_a_key_that_is_there_and_says_so",
        ),
    }),
    33: ("many objects, and many programs on one event", {
        "kernel/test_many.py": (
            "more_programs_than_a_tracepoint_takes_are_refused_with_the_number",
            "many_objects_are_loaded_at_once_and_closed",
        ),
    }),
    34: ("leaks", {
        "kernel/test_leaks.py": ("nothing_grows", "no_public_function_leaks_and_each_is_called"),
        "kernel/test_errors.py": ("two_hundred_lives_leave_nothing", "failures_of_every_kind_leave_nothing"),
    }),
    35: ("SIGKILL", {
        "kernel/test_kill.py": (
            "whatever_it_was_doing_when_it_was_killed_nothing_stays_but_pins",
            "a_command_that_is_killed_at_any_time_leaves_nothing",
            "a_table_of_functions_without_a_link_stays_until_its_element_is_deleted",
        ),
    }),
    36: ("what was pinned", {
        "kernel/test_pins.py": ("pins_outlive_a_process", "pin_makes_a_file_that_only_root_may_use"),
        "kernel/test_links.py": ("a_pinned_link_survives_its_object",),
    }),
    37: ("folders and links of others in the BPF file system", {
        "kernel/test_pins.py": (
            "a_folder_of_another_user_anywhere_on_the_way_is_refused", "a_symbolic_link_of_another_user_is_refused",
            "a_planted_link_in_place_of_a_pin_by_name_is_refused",
        ),
    }),
    38: ("variables of the environment", {
        "kernel/test_objects.py": (
            "the_environment_names_a_token_path_too",
            "an_empty_bpf_token_path_ignores_the_environment",
        ),
        "kernel/test_world.py": (
            "what_libbpf_would_print_by_its_environment_it_does_not", "the_command_says_which_variable_names_no_token",
        ),
        "kernel/test_tracefs.py": ("a_program_called_mount_in_path_is_not_run",),
    }),
    39: ("another libbpf in the process", {
        "unit/test_build.py": (
            "the_init_function_is_the_only_symbol_that_the_extension_exports",
            "the_libbpf_inside_is_not_the_one_that_another_library_brings",
        ),
    }),
    40: ("CPUs that are possible and not online", {
        "vm/test_cpus.py": (
            "possible_and_online_cpus_are_told_apart", "a_map_has_a_value_for_each_possible_cpu",
            "a_perf_buffer_is_read_on_the_cpus_that_are_online",
        ),
        "vm/test_perf_buffer.py": ("a_reader_whose_cpu_goes_offline_reads_the_others",),
    }),
    41: ("events that are lost", {
        "kernel/test_ring_buffer.py": ("events_that_found_no_room_are_counted",),
        "kernel/test_perf_buffer.py": ("events_that_found_no_room_are_counted_on_their_cpu",),
        "kernel/test_run_events.py": ("every_event_of_a_flood_is_shown_or_counted_as_lost",),
    }),
    42: ("a trace that another reads, and what is in it from before", {
        "kernel/test_trace_pipe.py": (
            "a_pipe_that_another_process_reads_is_an_error_that_names_it", "what_was_in_the_pipe_before_is_dropped",
        ),
    }),
    43: ("a reader that has gone", {
        "kernel/test_run.py": (
            "a_reader_that_is_gone_after_a_line_is_a_normal_end", "a_reader_that_is_gone_under_a_flood_is_a_normal_end",
        ),
        "kernel/test_world.py": ("a_pipe_into_head_ends_quietly_with_all_detached",),
    }),
    44: ("no memory", {
        "kernel/test_small_limits.py": (
            "at_any_limit_it_works_or_says_why_not_and_works_afterwards",
            "a_control_group_without_memory_is_an_error_and_loses_no_pin",
        ),
    }),
    45: ("any system call fails", {
        "kernel/test_faults.py": ("a_job_of_which_any_call_fails_raises_and_can_be_done_again",),
    }),
    46: ("no room on a disk", {
        "kernel/test_world.py": (
            "an_object_that_does_not_fit_leaves_the_file_as_it_was",
            "a_linked_object_that_does_not_fit_leaves_the_file_as_it_was",
            "the_command_ends_with_an_error_when_its_output_does_not_fit",
        ),
        "kernel/test_run.py": ("a_full_disk_is_an_error",),
    }),
    47: ("a clock that jumps", {
        "vm/test_clock.py": (
            "a_ring_buffer_waits_as_long_as_it_was_told_to", "a_perf_buffer_waits_as_long_as_it_was_told_to",
            "a_trace_waits_as_long_as_it_was_told_to", "the_command_ends_after_its_duration",
        ),
    }),
}  # fmt: skip
"""Number → what goes wrong, and the tests by file, less their ``test_``."""


@functools.cache
def names_in(file: str) -> set[str]:
    """Give the names of a file's functions."""
    found = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(found) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("number", CLASSES)
def test_the_names_in_a_class_exist(number):
    _, files = CLASSES[number]
    assert files
    for file, names in files.items():
        assert names
        assert {f"test_{name}" for name in names} <= names_in(file)


def test_every_class_has_a_row():
    assert list(CLASSES) == list(range(1, len(CLASSES) + 1))
