"""The suite finds what it is there to find: each fault fails tests, and the one that is named after it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from dagger.backends.memory import MemoryBackend, MemoryLog, MemoryStore
from dagger.testing.contract import (
    AcceptedContract,
    BackendContract,
    CrashContract,
    GuaranteeContract,
    WorkersContract,
    harness,
)
from tests.contract import faulty
from tests.contract.faulty import with_log, with_store
from tests.contract.storages import InMemory

ENGINE = (AcceptedContract, CrashContract, GuaranteeContract, WorkersContract)
FAULTS: dict[type[object], str] = {
    faulty.Torn: "test_a_commit_that_raises_keeps_nothing",
    faulty.Restarting: "test_offsets_never_come_twice",
    faulty.Forgetful: "test_what_is_committed_is_not_polled_again",
    faulty.Eager: "test_what_is_not_committed_is_polled_again_after_it_was_closed",
    faulty.Dropping: "test_a_commit_appends_its_entries_and_commits_its_offsets",
    faulty.Doubling: "test_a_commit_appends_its_entries_and_commits_its_offsets",
    faulty.Republishing: "test_a_commit_appends_its_entries_and_commits_its_offsets",
    faulty.Backwards: "test_records_are_polled_in_the_order_in_which_they_were_accepted",
    faulty.Deaf: "test_a_commit_wakes_who_waits_for_its_entries",
    faulty.Unfair: "test_no_partition_waits_for_ever_behind_another",
    faulty.Headless: "test_a_message_is_polled_as_it_was_published",
    faulty.Rereading: "test_what_was_read_is_committed_by_the_next_read",
    faulty.Careless: "test_what_was_read_is_committed_by_the_next_read",
    faulty.Alone: "test_two_of_a_group_share_what_is_published",
    faulty.Keeping: "test_what_a_reader_has_left_comes_to_the_other",
    faulty.Silent: "test_what_is_owned_is_told_once_and_anew_after_a_rewind",
    faulty.Losing: "test_nobody_needs_to_work_for_records_to_be_accepted",
    faulty.Secretive: "test_the_backlog_is_what_is_accepted_and_not_committed",
    faulty.Clinging: "test_the_backlog_is_what_is_accepted_and_not_committed",
    faulty.Short: "test_a_part_of_the_backlog_says_that_there_is_more",
    faulty.Starting: "test_the_backlog_is_read_on_from_where_it_was_read",
    faulty.Consuming: "test_to_look_at_the_backlog_changes_nothing_of_what_is_polled",
    faulty.Trusting: "test_a_write_of_another_version_changes_nothing",
    faulty.Overwriting: "test_of_two_who_write_the_first_wins",
    faulty.Forgiving: "test_a_late_write_of_one_who_was_overtaken_is_refused",
    faulty.Hurried: "test_to_delete_what_is_not_there_is_remembered",
    faulty.Boundless: "test_each_partition_has_an_agenda_of_its_own",
    faulty.Stale: "test_only_the_last_version_is_due_or_busy",
    faulty.Late: "test_what_is_due_is_found_the_earliest_first",
    faulty.Everywhere: "test_each_partition_has_an_agenda_of_its_own",
    faulty.Repeating: "test_pages_are_ordered_by_id_and_go_on_after_the_last",
    faulty.Replacing: "test_a_note_is_replaced_where_the_old_one_is_kept",
    faulty.Squeezing: "test_what_does_not_exist_is_none_in_its_place",
}


def backend_with(fault: type[object]) -> type[MemoryBackend]:
    if issubclass(fault, MemoryBackend):
        return fault
    if issubclass(fault, MemoryStore):
        return with_store(fault)
    assert issubclass(fault, MemoryLog)
    return with_log(fault)


def of_the_ports() -> Iterator[str]:
    """The tests of the ports: an engine on a faulty backend may go on for ever."""
    for name, _ in inspect.getmembers(BackendContract, inspect.isfunction):
        if name.startswith("test_") and not any(hasattr(part, name) for part in ENGINE):
            yield name


def fails(name: str, storage: InMemory, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether a test fails on a storage; one with parameters is called with those that it has first."""
    test = getattr(BackendContract(), name)
    given: dict[str, Any] = {mark.args[0]: mark.args[1][0] for mark in getattr(test, "pytestmark", ())}
    if "caplog" in inspect.signature(test).parameters:
        caplog.clear()
        given["caplog"] = caplog
    try:
        test(storage, **given)
    except pytest.skip.Exception:
        return False
    except Exception:
        return True
    return False


@pytest.mark.parametrize(("fault", "named"), FAULTS.items(), ids=lambda given: getattr(given, "__name__", ""))
def test_a_fault_is_found(
    fault: type[object], named: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(harness, "LIMIT_S", 0.5)
    assert fails(named, InMemory(backend_with(fault)), caplog)


def test_each_test_of_the_ports_passes_where_there_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """As this file calls it: so that a fault, and not the call, is what fails."""
    names = list(of_the_ports())
    assert len(names) > 50
    assert not [name for name in names if fails(name, InMemory(), caplog)]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (faulty.Republishing, "test_1_what_is_sent_again_is_started_once"),
        (faulty.Republishing, "test_4_what_is_published_has_the_same_ids_each_time"),
        (faulty.Restarting, "test_3_messages_are_applied_once_and_in_their_order"),
        (faulty.Losing, "test_1_what_is_accepted_while_nobody_works_is_carried_out"),
        (faulty.Late, "test_5_a_timer_fires_at_its_time_and_once"),
        (faulty.Headless, "test_3_messages_are_applied_once_and_in_their_order"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_what_a_fault_does_to_an_engine_is_found(
    fault: type[object], named: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(harness, "LIMIT_S", 1.0)
    assert fails(named, InMemory(backend_with(fault)), caplog)
