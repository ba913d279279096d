"""Snapshots as PVE lists them."""

from __future__ import annotations

import re

import pytest

from hybridge.core.identity import Marker, write_notes
from hybridge.core.managed import State
from hybridge.core.snapshot import Consistency
from hybridge.drivers.proxmox.answers import SnapshotRow
from hybridge.drivers.proxmox.points import join, plain_name, shown, split, text

OURS = Marker("lab", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "Snapshot", "shop", "before")
NOW = SnapshotRow("current", parent="b")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("before-upgrade-7c9e6679", "before-upgrade-7c9e6679"),
        ("7c9e", "s-7c9e"),
        ("x", "s-x"),
        ("current", "s-current"),
        ("Pending", "s-Pending"),
        ("Büro 50%", "B-ro-50-"),
    ],
)
def test_names_are_brought_into_the_alphabet(name: str, plain: str) -> None:
    assert plain_name(name) == plain == plain_name(plain)


def test_long_names_stay_apart() -> None:
    one, other = (plain_name("n" * 60 + end) for end in "ab")

    assert one != other
    for name in (one, other):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{1,39}", name)
        assert plain_name(name) == name


@pytest.mark.parametrize("text_", ["", "101", "101/", "/a", "101/a/b", "x/a", "101/1a", "0101/a"])
def test_what_is_no_id_is_none(text_: str) -> None:
    assert split(text_) is None


def test_an_id_comes_back() -> None:
    assert split(join("101", "before-1")) == ("101", "before-1")


def test_a_chain_is_told() -> None:
    rows = [SnapshotRow("c", parent="b"), NOW, SnapshotRow("a"), SnapshotRow("b", parent="a", snaptime=7)]

    found = shown("101", rows, None, frozenset())

    assert {one.name: (one.depth, one.parent) for one in found.values()} == {
        "a": (0, None),
        "b": (1, "101/a"),
        "c": (2, "101/b"),
    }
    assert (found["101/b"].created_at, found["101/b"].source_id) == (7.0, "101")


def test_a_circle_has_an_end() -> None:
    rows = [SnapshotRow("a", parent="b"), SnapshotRow("b", parent="a"), SnapshotRow("c", parent="gone")]

    found = shown("101", rows, None, frozenset())

    assert [found[f"101/{name}"].depth for name in "abc"] == [1, 1, 0]
    assert found["101/c"].parent is None


@pytest.mark.parametrize(
    ("snapstate", "lock", "state"),
    [
        ("", None, State.READY),
        ("", "backup", State.READY),
        ("prepare", "snapshot", State.PENDING),
        ("prepare", None, State.FAILED),
        ("delete", "snapshot-delete", State.DELETING),
        ("delete", None, State.READY),
    ],
)
def test_what_is_not_finished_is_held_or_was_broken_off(snapstate: str, lock: str | None, state: State) -> None:
    (found,) = shown("101", [SnapshotRow("a", snapstate=snapstate)], lock, frozenset()).values()

    assert (found.state, found.lock) == (state, lock)
    assert bool(found.ended) == (state is State.FAILED)


@pytest.mark.parametrize(
    ("description", "vmstate", "loud", "consistency"),
    [
        (text(OURS, quiet=True), 0, False, Consistency.QUIESCED),
        (text(OURS, quiet=True), 0, True, Consistency.CRASH),
        (text(OURS, quiet=False), 0, False, Consistency.CRASH),
        (text(OURS, quiet=False), 1, False, Consistency.MEMORY),
        ("", 0, False, Consistency.CRASH),
    ],
)
def test_what_it_holds_is_told(description: str, vmstate: int, loud: bool, consistency: Consistency) -> None:
    rows = [SnapshotRow("a", description=description, vmstate=vmstate)]

    (found,) = shown("101", rows, None, frozenset({"101/a"} if loud else ())).values()

    assert found.consistency is consistency


def test_the_marker_is_in_the_text() -> None:
    assert write_notes(OURS) in text(OURS, quiet=True)
    (found,) = shown(
        "101", [SnapshotRow("a", description=f"mine\n{text(OURS, quiet=True)}")], None, frozenset()
    ).values()
    assert found.marker == OURS
