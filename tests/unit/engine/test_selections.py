"""Who chooses which machines by their labels, and whom a change of a machine concerns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.api.selectors import LabelSelector
from hybridge.engine.keys import Key
from hybridge.engine.selections import Selections

WEB, DB = Key("VirtualMachine", "shop", "web"), Key("VirtualMachine", "shop", "db")
FRONT = Key("Firewall", "shop", "front")


def machine(labels: dict[str, str], **status: Any) -> dict[str, Any]:
    return {"kind": "VirtualMachine", "metadata": {"uid": "u", "labels": labels}, "spec": {}, "status": status}


def firewall(selector: Any, *peers: Any) -> dict[str, Any]:
    spec = {"selector": selector, "rules": [{"name": str(number), "machines": one} for number, one in enumerate(peers)]}
    return {"kind": "Firewall", "metadata": {"uid": "f"}, "spec": spec, "status": {}}


@pytest.fixture
def selections() -> Selections:
    """The firewall chooses what is web, and its rules what has any tier."""
    made = Selections()
    made.note(FRONT, None, firewall({"matchLabels": {"tier": "web"}}, {"matchExpressions": [TIERED]}))
    return made


TIERED = {"key": "tier", "operator": "Exists"}
NOBODY: frozenset[Key] = frozenset()


def test_who_comes_and_goes_concerns_whoever_chooses_it(selections: Selections) -> None:
    web = machine({"tier": "web"})
    assert selections.note(WEB, None, web) == {FRONT}
    assert selections.note(DB, None, machine({})) == NOBODY
    assert selections.chosen("shop", LabelSelector(match_labels={"tier": "web"})) == {WEB}
    assert selections.chosen("shop", LabelSelector()) == {WEB, DB}
    assert selections.chosen("cellar", LabelSelector()) == NOBODY
    assert selections.note(WEB, web, None) == {FRONT}
    assert selections.chosen("shop", LabelSelector(match_labels={"tier": "web"})) == NOBODY


@pytest.mark.parametrize(
    ("after", "concerned"),
    [
        (machine({"tier": "web"}, phase="Running"), False),
        (machine({"tier": "web"}, id="101"), True),
        (machine({"tier": "web"}, addresses=[{"type": "InternalIP", "address": "10.0.0.1"}]), True),
        (machine({"tier": "db"}), True),
        (machine({}), True),
    ],
)
def test_what_choosers_go_by_is_told_to_them(selections: Selections, after: Any, concerned: bool) -> None:
    selections.note(WEB, None, machine({"tier": "web"}))
    assert selections.note(WEB, machine({"tier": "web"}), after) == ({FRONT} if concerned else NOBODY)


def test_a_firewall_that_goes_or_changes_chooses_no_more(selections: Selections) -> None:
    web = machine({"tier": "web"})
    selections.note(WEB, None, web)
    assert selections.choosing(WEB) == {FRONT}
    selections.note(FRONT, None, firewall({"matchLabels": {"tier": "db"}}))
    assert selections.choosing(WEB) == NOBODY
    selections.note(FRONT, None, None)
    assert selections.note(WEB, web, None) == NOBODY


def test_a_selector_that_cannot_be_read_chooses_nothing(selections: Selections) -> None:
    selections.note(FRONT, None, firewall({"matchLabels": 7}))
    assert selections.note(WEB, None, machine({"tier": "web"})) == NOBODY


labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
requirements = st.one_of(
    st.builds(lambda key: {"key": key, "operator": "DoesNotExist"}, st.sampled_from("ab")),
    st.builds(lambda key: {"key": key, "operator": "In", "values": ["x"]}, st.sampled_from("ab")),
)
chosen_by = st.builds(
    lambda pairs, more: {"matchLabels": pairs, "matchExpressions": more}, labels, st.lists(requirements, max_size=2)
)


@given(st.lists(labels, max_size=4), st.lists(labels, max_size=4), chosen_by)
def test_the_index_finds_what_a_search_of_all_would(before: list[Any], after: list[Any], selector: Any) -> None:
    made = Selections()
    made.note(FRONT, None, firewall(selector))
    bodies: dict[Key, Any] = {}
    for number, one in enumerate([*before, *after]):
        key = Key("VirtualMachine", "shop", str(number % 4))
        new = machine(one)
        made.note(key, bodies.get(key), new)
        bodies[key] = new
    model = msgspec.convert(selector, LabelSelector)
    expected = {key for key, body in bodies.items() if model.matches(body["metadata"]["labels"])}
    assert made.chosen("shop", model) == expected
    assert {key for key in bodies if made.choosing(key)} == expected
