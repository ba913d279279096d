"""Where machines go: to a place that is up and fits, away from their group, and people are told why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from hybridge.core.errors import Refused
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.place import Placed, Within
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, Bed, Requests
from tests.contract.eye import Eye


def place_of(bed: Bed, where: Placed | Machine) -> str:
    """The host, or the zone where a cloud shows no hosts."""
    return (where.host if bed.place == "node" else where.zone) or ""


def at(bed: Bed, place: str) -> Placed:
    """Where another machine of a group is, as it is remembered of it."""
    return Placed(host=place) if bed.place == "node" else Placed(zone=place)


def chosen(bed: Bed, driver: Driver, spec: MachineSpec | None = None, *apart: Placed) -> Placed:
    """Where a machine would be made now."""
    spec = driver.machines.normalize(spec or member(bed))
    return driver.machines.prepare(spec, (), apart).placed


def only(bed: Bed, *places: str) -> Within:
    """What a Provider allows."""
    return Within(hosts=frozenset(places)) if bed.place == "node" else Within(zones=frozenset(places))


def member(bed: Bed, **words: object) -> MachineSpec:
    """A machine of a group: without one, a cloud of zones may choose by itself."""
    return bed.spec(group="web", **words)


def asked(bed: Bed, place: str, **words: object) -> MachineSpec:
    return member(bed, placement={bed.place: place}, **words)


@pytest.fixture
def driver(bed: Bed, requests: Requests, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A driver that looks each time, for a Provider that leaves open where machines go."""
    for name in bed.memories:
        monkeypatch.setattr(name, 0.0)
    with bed.connected(requests, defaults=bed.undecided) as driver:
        yield driver


@pytest.fixture(params=["maintenance", "failure"])
def troubled(request: pytest.FixtureRequest, bed: Bed, driver: Driver, eye: Eye) -> str:
    """A place that has just gone into maintenance or failed, as the driver knows by now. No image is there alone."""
    eye.settle()
    place = bed.places[-1]
    (bed.maintain if request.param == "maintenance" else bed.fail)(place)

    def avoided() -> bool:
        placed = chosen(bed, driver)
        return place_of(bed, placed) != place and place in placed.why

    eye.until(avoided, f"another place than {place}, and why")
    return place


def test_what_is_left_open_is_chosen_and_told(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    placed = chosen(bed, driver)

    assert place_of(bed, placed) in bed.places
    assert place_of(bed, placed) in placed.why


def test_a_machine_is_made_where_it_was_said(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = driver.machines.normalize(member(bed)), bed.marker()
    intent = bed.intent(driver, spec, marker)
    placed = driver.machines.prepare(spec, ()).placed

    machine = eye.make(spec, marker, intent)

    assert place_of(bed, machine) == place_of(bed, placed)


def test_a_place_that_was_asked_for_is_taken(bed: Bed, driver: Driver, eye: Eye) -> None:
    for place in bed.places:
        placed = chosen(bed, driver, asked(bed, place))
        assert place_of(bed, placed) == place


def test_an_unknown_place_is_answered_with_near_names(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    with pytest.raises(Refused) as caught:
        chosen(bed, driver, asked(bed, f"{bed.places[0]}x"))

    assert caught.value.reason in {Reason.NOT_FOUND, Reason.INVALID_SPEC}
    assert f"{bed.places[0]}x" in caught.value.message
    assert bed.places[0] in caught.value.message.replace(f"{bed.places[0]}x", "")


def test_a_place_in_trouble_is_passed_over(bed: Bed, driver: Driver, troubled: str) -> None:
    placed = [chosen(bed, driver) for _ in range(2 * len(bed.places))]

    assert troubled not in {place_of(bed, one) for one in placed}
    assert all(troubled in one.why for one in placed)


def test_a_place_in_trouble_is_refused_where_it_was_asked_for(bed: Bed, driver: Driver, troubled: str) -> None:
    with pytest.raises(Refused) as caught:
        chosen(bed, driver, asked(bed, troubled))

    assert caught.value.reason is Reason.CAPACITY
    assert troubled in caught.value.message


def test_nowhere_to_go_is_told_with_each_place(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    for place in bed.places:
        bed.maintain(place)

    refusal: list[Refused] = []

    def refused() -> bool:
        try:
            chosen(bed, driver)
        except Refused as error:
            refusal.append(error)
        return bool(refusal)

    eye.until(refused, "a refusal")
    assert refusal[0].reason is Reason.CAPACITY
    assert all(place in refusal[0].message for place in bed.places)


@pytest.mark.parametrize("group", ["web", None])
def test_what_is_left_open_is_chosen_among_what_is_allowed(
    bed: Bed, driver: Driver, eye: Eye, group: str | None
) -> None:
    eye.settle()
    for place in bed.places:
        spec = bed.spec(group=group, within=only(bed, place))
        assert {place_of(bed, chosen(bed, driver, spec)) for _ in range(3)} == {place}


def test_a_place_that_was_asked_for_and_is_not_allowed_is_refused(bed: Bed, driver: Driver, eye: Eye) -> None:
    """The engine refuses it before; but what it names by one word may be listed by another."""
    eye.settle()
    if bed.place == "zone":
        pytest.skip("a zone has one name, which the engine has looked at")
    with pytest.raises(Refused) as caught:
        chosen(bed, driver, asked(bed, bed.places[0], within=only(bed, bed.places[1])))

    assert caught.value.reason is Reason.NOT_PERMITTED


def test_where_nothing_is_allowed_nothing_is_chosen(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    for spec in (bed.spec(within=only(bed)), bed.spec(within=only(bed, "nowhere"))):
        with pytest.raises(Refused) as caught:
            chosen(bed, driver, spec)

        assert caught.value.reason is Reason.NOT_PERMITTED
        assert "spec.restrict" in caught.value.message


def test_machines_are_spread(bed: Bed, driver: Driver, eye: Eye) -> None:
    """Even those that are asked for faster than the cloud can tell of them."""
    if bed.place == "zone":
        pytest.skip("zones are filled by the machines of a group alone")
    eye.settle()
    count = Counter(place_of(bed, chosen(bed, driver)) for _ in range(3 * len(bed.places)))

    assert set(count) == set(bed.places)


def test_the_machines_of_a_group_are_kept_apart(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    members: list[Placed] = []
    for _ in bed.places:
        placed = chosen(bed, driver, member(bed), *members)
        assert place_of(bed, placed) not in {place_of(bed, member) for member in members}
        members.append(at(bed, place_of(bed, placed)))

    assert {place_of(bed, member) for member in members} == set(bed.places)


def test_a_group_with_a_machine_everywhere(bed: Bed, driver: Driver, eye: Eye) -> None:
    """No two share a host; zones are large, and are filled evenly."""
    eye.settle()
    everywhere = [at(bed, place) for place in bed.places]
    if bed.place == "zone":
        twice = at(bed, bed.places[0])
        placed = chosen(bed, driver, member(bed), *everywhere, twice)
        assert place_of(bed, placed) in bed.places[1:]
        return

    with pytest.raises(Refused) as caught:
        chosen(bed, driver, member(bed), *everywhere)

    assert caught.value.reason is Reason.CAPACITY
    assert "web" in caught.value.message
    assert all(place in caught.value.message for place in bed.places)


def test_a_place_that_was_asked_for_and_holds_one_of_the_group(bed: Bed, driver: Driver, eye: Eye) -> None:
    if bed.place == "zone":
        pytest.skip("machines of a group may share a zone")
    with pytest.raises(Refused) as caught:
        chosen(bed, driver, asked(bed, bed.places[0]), at(bed, bed.places[0]))

    assert caught.value.reason is Reason.CAPACITY
    assert "web" in caught.value.message


def test_a_machine_that_is_larger_than_every_place_is_refused(bed: Bed, driver: Driver, eye: Eye) -> None:
    with pytest.raises(Refused) as caught:
        chosen(bed, driver, bed.spec(memory=60_000 * GIB))

    assert caught.value.reason in {Reason.CAPACITY, Reason.UNSUPPORTED, Reason.INVALID_SPEC}


def test_the_state_of_a_machine_on_a_failed_host_is_unknown(bed: Bed, eye: Eye) -> None:
    if bed.place == "zone":
        pytest.skip("this cloud shows no hosts")
    machine = eye.make(bed.spec(), bed.marker())

    bed.fail(str(machine.host))

    eye.until(lambda: eye.machines[machine.id].power is Power.UNKNOWN, "a machine whose state nobody knows")
    assert eye.machines[machine.id].host == machine.host
