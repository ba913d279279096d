"""The picture of a cloud: newer looks win, and owners are found."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, Power
from hybridge.drivers.base import Portion
from hybridge.engine.inventory import Inventory
from tests.sweeps import shown

OURS = Marker("c", "u1", "VirtualMachine", "shop", "web")
OTHERS = replace(OURS, uid="u2")
OLD = Machine("1", "web", Power.STOPPED, OURS)
NEW = replace(OLD, power=Power.RUNNING)


def full(*machines: Machine, settled: bool = True) -> Portion[Machine]:
    return shown(machines, settled=settled)


def pushed(*machines: Machine, gone: tuple[str, ...] = ()) -> Portion[Machine]:
    return shown(machines, full=False, gone=gone)


def taken(inventory: Inventory[Machine], sweep: Portion[Machine]) -> set[str]:
    return inventory.apply(sweep, inventory.begin())


def test_a_sweep_tells_whose_picture_changed() -> None:
    inventory: Inventory[Machine] = Inventory()
    other = replace(OLD, id="2")
    assert taken(inventory, full(OLD, other)) == {"1", "2"}
    assert taken(inventory, full(OLD, other)) == set()
    assert taken(inventory, full(NEW, other)) == {"1"}
    assert taken(inventory, full(NEW)) == {"2"}
    assert inventory.get("2") is None
    assert len(inventory) == 1


def test_a_slow_list_does_not_take_back_what_a_faster_answer_told() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    inventory.see(NEW, inventory.begin())
    assert inventory.apply(full(OLD), began) == set()
    assert inventory.get("1") == NEW


def test_a_slow_list_does_not_remove_what_came_after_its_begin() -> None:
    inventory: Inventory[Machine] = Inventory()
    began = inventory.begin()
    inventory.see(NEW, inventory.begin())
    assert inventory.apply(full(), began) == set()
    assert inventory.get("1") == NEW
    assert taken(inventory, full()) == {"1"}


def test_what_is_pushed_is_always_the_newest() -> None:
    inventory: Inventory[Machine] = Inventory()
    began = inventory.begin()
    inventory.see(OLD, inventory.begin())
    assert inventory.apply(pushed(NEW), began) == {"1"}
    assert inventory.get("1") == NEW
    began = inventory.begin()
    inventory.see(OLD, inventory.begin())
    assert inventory.apply(pushed(gone=("1", "unknown")), began) == {"1"}
    assert inventory.get("1") is None


def test_what_was_pushed_as_gone_is_not_brought_back_by_a_slow_answer() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    taken(inventory, pushed(gone=("1",)))
    assert not inventory.see(OLD, began)
    assert inventory.get("1") is None
    assert inventory.see(OLD, inventory.begin())
    assert inventory.get("1") == OLD


def test_what_came_and_went_while_it_was_asked_for_stays_gone() -> None:
    inventory: Inventory[Machine] = Inventory()
    began = inventory.begin()
    taken(inventory, pushed(gone=("1",)))
    assert not inventory.see(NEW, began)
    taken(inventory, pushed(NEW))
    assert inventory.get("1") == NEW


def test_a_partial_sweep_says_nothing_of_the_rest() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    assert taken(inventory, pushed(replace(OLD, id="2"))) == {"2"}
    assert inventory.get("1") == OLD


def test_it_is_settled_once_a_sweep_was_whole_and_stays_so() -> None:
    inventory: Inventory[Machine] = Inventory()
    known = []
    for settled in (False, True, False):
        taken(inventory, full(OLD, settled=settled))
        known.append(inventory.settled)
    assert known == [False, True, True]


def test_the_end_of_a_task_unlocks_its_machine() -> None:
    inventory: Inventory[Machine] = Inventory()
    inventory.see(replace(OLD, lock="clone"), inventory.begin())
    inventory.unlock("1")
    inventory.unlock("unknown")
    assert inventory.get("1") == OLD


machines = st.builds(
    Machine,
    id=st.sampled_from(["1", "2", "3"]),
    name=st.just("web"),
    power=st.sampled_from([Power.RUNNING, Power.STOPPED]),
    marker=st.sampled_from([None, OURS, OTHERS]),
)
lists = st.lists(machines, max_size=3, unique_by=lambda machine: machine.id)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("full"), lists),
        st.tuples(st.just("pushed"), lists),
        st.tuples(st.just("see"), lists),
        st.tuples(st.just("forget"), lists),
    ),
    max_size=12,
)


@given(changes)
def test_owners_always_agree_with_the_machines(story: list[tuple[str, list[Machine]]]) -> None:
    inventory: Inventory[Machine] = Inventory()
    for what, found in story:
        if what in {"full", "pushed"}:
            taken(inventory, full(*found) if what == "full" else pushed(*found))
        for machine in found:
            if what == "see":
                inventory.see(machine, inventory.begin())
            elif what == "forget":
                inventory.forget(machine.id)
    for marker in (OURS, OTHERS):
        owned = [machine for machine in inventory.all() if machine.marker == marker]
        assert sorted(owned, key=lambda machine: machine.id) == list(inventory.owned_by(marker.owner))
    assert all(inventory.get(machine.id) == machine for machine in inventory.all())


@given(lists, lists, st.booleans())
def test_after_any_sweep_the_picture_is_that_of_the_sweep(
    before: list[Machine], after: list[Machine], late: bool
) -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(*before))
    began = inventory.begin()
    if late and before:
        inventory.see(replace(before[0], name="newer"), inventory.begin())
    inventory.apply(full(*after), began)
    expected = {machine.id: machine for machine in after}
    if late and before:
        expected[before[0].id] = replace(before[0], name="newer")
    assert {machine.id: machine for machine in inventory.all()} == expected


def test_a_slow_list_does_not_bring_back_what_was_forgotten_meanwhile() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    inventory.forget("1")

    inventory.apply(full(OLD), began)
    assert inventory.get("1") is None

    taken(inventory, full(OLD))
    assert inventory.get("1") == OLD


def test_a_push_that_confirms_is_newer_too() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    taken(inventory, pushed(OLD))

    inventory.apply(full(), began)

    assert inventory.get("1") == OLD


def test_an_answer_does_not_take_back_what_was_pushed_since_it_was_asked_for() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    taken(inventory, pushed(NEW))

    assert not inventory.see(OLD, began)
    assert inventory.get("1") == NEW
    assert inventory.see(OLD, inventory.begin())
    assert inventory.get("1") == OLD


def test_a_push_that_only_confirms_leaves_the_answer_as_the_newest() -> None:
    inventory: Inventory[Machine] = Inventory()
    taken(inventory, full(OLD))
    began = inventory.begin()
    taken(inventory, pushed(OLD))

    assert inventory.see(NEW, began)
    assert inventory.get("1") == NEW
