"""Power states while the bulk list lags behind. Time is an argument."""

from hybridge.core.machine import Power
from hybridge.drivers.proxmox.power import LAG, Powers


def test_what_nobody_changed_is_as_listed() -> None:
    assert Powers().look("100", Power.RUNNING, 0.0) is Power.RUNNING


def test_a_change_under_way_is_shown_as_such() -> None:
    powers = Powers()
    powers.asked("100", Power.RUNNING, "upid", 0.0)

    assert powers.look("100", Power.STOPPED, 1.0) is Power.STARTING


def test_the_end_of_a_task_counts_until_a_broadcast_must_have_come() -> None:
    powers = Powers()
    powers.asked("100", Power.RUNNING, "upid", 0.0)
    powers.ended("upid", 2.0, succeeded=True)

    assert powers.look("100", Power.STOPPED, 2.0 + LAG / 2) is Power.RUNNING
    assert powers.look("100", Power.STOPPED, 2.0 + LAG + 1) is Power.STOPPED


def test_once_the_list_has_caught_up_only_it_counts() -> None:
    powers = Powers()
    powers.asked("100", Power.RUNNING, "upid", 0.0)
    powers.ended("upid", 1.0, succeeded=True)
    powers.look("100", Power.RUNNING, 2.0)

    assert powers.look("100", Power.STOPPED, 3.0) is Power.STOPPED


def test_a_task_that_failed_changed_nothing() -> None:
    powers = Powers()
    powers.asked("100", Power.STOPPED, "upid", 0.0)
    powers.ended("upid", 1.0, succeeded=False)

    assert powers.look("100", Power.RUNNING, 2.0) is Power.RUNNING


def test_a_task_that_nobody_asks_for_is_not_waited_for_for_ever() -> None:
    powers = Powers()
    powers.asked("100", Power.STOPPED, "upid", 0.0)

    assert powers.look("100", Power.RUNNING, 1000.0) is Power.RUNNING


def test_a_clone_is_stopped_though_its_node_has_told_nothing_yet() -> None:
    powers = Powers()
    powers.made("100")

    assert powers.look("100", Power.UNKNOWN, 1.0) is Power.STOPPED
    assert powers.look("100", Power.RUNNING, 2.0) is Power.RUNNING
    assert powers.look("100", Power.UNKNOWN, 3.0) is Power.UNKNOWN


def test_a_status_that_was_read_is_newer_than_the_list() -> None:
    powers = Powers()
    powers.saw("100", Power.RUNNING, 0.0)

    assert powers.look("100", Power.STOPPED, 1.0) is Power.RUNNING


def test_a_guest_that_is_deleted_is_forgotten() -> None:
    powers = Powers()
    powers.saw("100", Power.RUNNING, 0.0)
    powers.forget("100")

    assert powers.look("100", Power.STOPPED, 1.0) is Power.STOPPED
