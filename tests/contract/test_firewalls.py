"""Firewalls: rules for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, NotProven, Refused
from hybridge.core.firewall import Direction, Entry, Firewall, FirewallSpec, Ports, Protocol, Rule
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver, FirewallDriver
from lab.faultproxy import LoseAnswer
from lab.faultproxy import Rule as Fault
from tests.contract.bed import Bed, Requests, with_choice
from tests.contract.clouds import WALLS
from tests.contract.eye import error_of
from tests.contract.wall_eye import WallEye, complete, wall_eye
from tests.contract.walls import Walls

pytestmark = pytest.mark.parametrize("shared_bed", sorted(WALLS), indirect=True)

#: What ``Walls.forbid`` takes away.
INGRESS = Rule("https", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8",), (Ports(443, 443),))
EVERY = (
    INGRESS,
    Rule("range", Direction.INGRESS, Protocol.UDP, ("192.0.2.7/32", "10.1.0.0/16"), (Ports(5000, 5010), Ports(53, 53))),
    Rule("ping", Direction.INGRESS, Protocol.ICMP, ("10.0.0.0/8", "fd00::/8")),
    Rule("all-tcp", Direction.EGRESS, Protocol.TCP, ("10.0.0.0/8",)),
    Rule("anything", Direction.EGRESS, Protocol.ANY, ("198.51.100.0/24",)),
    Rule("nobody", Direction.EGRESS, Protocol.ANY, ()),
)


@pytest.fixture(scope="session")
def shared_walls(shared_bed: Bed) -> Walls:
    return WALLS[shared_bed.kind](shared_bed)


@pytest.fixture
def walls(shared_walls: Walls, bed: Bed) -> Iterator[Walls]:
    yield shared_walls
    bed.tidy()
    shared_walls.tidy()


@pytest.fixture
def firewalls(driver: Driver) -> FirewallDriver:
    assert driver.firewalls is not None
    return driver.firewalls


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> WallEye:
    """All sweeps of these tests look at firewalls, too."""
    eye = wall_eye(bed, driver)
    eye.eye.settle()
    return eye


def made(eye: WallEye, walls: Walls, spec: FirewallSpec | None = None) -> Firewall:
    """A firewall as its spec says."""
    spec = spec or walls.spec()
    return complete(eye, spec, eye.create(spec, walls.marker()))


def entries(*rules: Rule) -> set[Entry]:
    """All that these allow."""
    return {entry for rule in rules for entry in rule.entries}


# ------------------------------------------------------------------ being made


def test_a_new_firewall_allows_nothing_and_applies_to_nobody(walls: Walls, eye: WallEye) -> None:
    marker = walls.marker()

    firewall = eye.create(walls.spec(tags={"team": "shop"}), marker)

    (shown,) = [one for one in walls.shown().values() if one.owner == marker.owner]
    assert firewall.marker is not None
    assert (shown.id, firewall.marker.owner) == (firewall.id, marker.owner)
    assert (firewall.entries, firewall.members, firewall.unfit) == ((), (), "")
    assert not walls.tags or dict(firewall.tags) == {"team": "shop"} == {"team": shown.tags["team"]}


def test_it_allows_what_its_rules_say_and_nothing_else(walls: Walls, eye: WallEye) -> None:
    firewall = made(eye, walls, walls.spec(rules=EVERY))

    assert set(firewall.entries) == entries(*EVERY)
    assert eye.part.get(firewall.id) == firewall


def test_rules_change_and_what_stays_is_never_cut_off(bed: Bed, walls: Walls, eye: WallEye, requests: Requests) -> None:
    """Looked at after each request: nothing goes before all that is new is there."""
    spec = walls.spec(rules=EVERY)
    firewall = made(eye, walls, spec)
    other = Rule("ssh", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8",), (Ports(22, 22),))
    old, new, seen = set(firewall.entries), entries(INGRESS, other), list[set[Entry]]()

    with bed.connected() as another:

        def look() -> None:
            assert another.firewalls is not None
            shown = another.firewalls.get(firewall.id)
            seen.append(set(shown.entries) if shown is not None else set())

        requests.after = look
        changed = complete(eye, replace(spec, rules=(INGRESS, other)), firewall)

    assert set(changed.entries) == seen[-1] == new
    assert [shown for shown in seen if not shown >= old and not shown >= new] == []
    assert any(shown >= old | new for shown in seen)


def test_what_is_normal_stays_so(walls: Walls, firewalls: FirewallDriver) -> None:
    rule = Rule("six", Direction.INGRESS, Protocol.ANY, ("2001:DB8:0::/32", "10.0.0.0/8"))
    normal = firewalls.normalize(walls.spec(rules=(rule, *EVERY)))

    assert firewalls.normalize(normal) == normal


def test_repeating_a_create_makes_no_second_firewall(walls: Walls, eye: WallEye) -> None:
    marker, spec = walls.marker(), eye.part.normalize(walls.spec())
    intent = eye.intent(spec, marker)
    firewall = eye.create(spec, marker, intent)

    again = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert again is None or eye.part.traits.token_lifetime == 0
    assert [one.id for one in walls.shown().values() if one.owner == marker.owner] == [firewall.id]


def test_a_create_whose_answer_was_lost_is_found(bed: Bed, walls: Walls, eye: WallEye) -> None:
    marker, spec = walls.marker(), eye.part.normalize(walls.spec())
    intent = eye.intent(spec, marker)
    bed.proxy.inject(Fault(walls.create_call, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible
    eye.eye.until(lambda: bool(eye.part.find(marker, intent)), "the firewall of the lost answer")
    (found,) = eye.part.find(marker, intent)
    assert [one.id for one in walls.shown().values() if one.owner == marker.owner] == [found.id]
    assert set(complete(eye, replace(spec, rules=(INGRESS,)), found).entries) == entries(INGRESS)


def test_a_change_whose_answer_was_lost_is_completed(bed: Bed, walls: Walls, eye: WallEye) -> None:
    spec = walls.spec(rules=EVERY)
    firewall = eye.create(spec, walls.marker())
    bed.proxy.inject(Fault(walls.allow_call, LoseAnswer(), times=1))

    firewall = complete(eye, spec, firewall)

    assert set(firewall.entries) == entries(*EVERY)


def test_nothing_is_found_of_a_marker_that_nothing_carries(walls: Walls, eye: WallEye) -> None:
    assert eye.part.find(walls.marker(), None) == []


def test_what_does_not_exist_is_known_not_to(walls: Walls, eye: WallEye) -> None:
    firewall = made(eye, walls)
    walls.destroy(firewall.id)

    for one in (firewall.id, walls.missing):
        found = eye.part.get(one)
        assert found is None or found.gone


def test_what_the_cloud_cannot_do_is_refused_in_words(walls: Walls, firewalls: FirewallDriver) -> None:
    for words in walls.impossible:
        with pytest.raises(Refused) as refusal:
            firewalls.prepare(firewalls.normalize(walls.spec(**words)), ())
        assert refusal.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC, Reason.NOT_FOUND}
        assert "spec." in refusal.value.message


def test_more_than_the_cloud_takes_is_refused_in_words(walls: Walls, eye: WallEye) -> None:
    if walls.too_many is None:
        return
    peers = tuple(f"10.0.{number}.0/24" for number in range(walls.too_many))
    spec = walls.spec(rules=(Rule("many", Direction.INGRESS, Protocol.ANY, peers),))

    error = error_of(lambda: made(eye, walls, spec))

    assert isinstance(error, Refused)
    assert error.reason is Reason.QUOTA


# ------------------------------------------------------- what there is already


def test_a_firewall_that_people_made_is_seen_taken_over_and_let_go(walls: Walls, eye: WallEye) -> None:
    found, marker = eye.see(walls.stranger("by-hand")), walls.marker()
    assert found.marker is None
    assert eye.part.get(found.id) == found
    if not walls.marks:
        return

    eye.mark(eye.mark(found, marker), None)

    assert walls.shown()[found.id].owner is None


# ------------------------------------------------------------------- machines


def test_machines_come_under_it_and_leave_it(bed: Bed, walls: Walls, eye: WallEye) -> None:
    one, other = (eye.eye.make(bed.spec(), bed.marker()).id for _ in range(2))
    spec = walls.spec(rules=(INGRESS,), members=tuple(sorted((one, other))))

    firewall = made(eye, walls, spec)

    assert firewall.members == tuple(sorted((one, other))) == walls.shown()[firewall.id].machines
    assert eye.part.get(firewall.id) == firewall
    firewall = complete(eye, replace(spec, members=(other,)), firewall)
    assert firewall.members == (other,) == walls.shown()[firewall.id].machines
    firewall = complete(eye, replace(spec, members=()), firewall)
    assert (firewall.members, walls.shown()[firewall.id].machines) == ((), ())


def test_a_machine_may_be_under_several(bed: Bed, walls: Walls, eye: WallEye) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker()).id
    specs = [walls.spec(rules=(INGRESS,), members=(machine,)) for _ in range(2)]
    first, second = (made(eye, walls, spec) for spec in specs)

    first = complete(eye, replace(specs[0], members=()), first)

    assert first.members == ()
    assert eye.see(second.id).members == (machine,)


def test_a_machine_does_not_differ_by_its_firewalls(bed: Bed, walls: Walls, eye: WallEye) -> None:
    """What is kept in the same place as its firewalls changes without them, and they without that."""
    spec, marker = bed.spec(), bed.marker()
    if walls.setting:
        spec = with_choice(spec, walls.setting, bed.choices[walls.setting][0])
    machine = eye.eye.make(spec, marker)
    before = machine.settings

    firewall = made(eye, walls, walls.spec(rules=(INGRESS,), members=(machine.id,)))

    machine = eye.eye.see(machine.id)
    assert machine.settings == before
    assert machine.pending == {}
    if walls.setting:
        other = with_choice(spec, walls.setting, bed.choices[walls.setting][1])
        machine = eye.eye.configure(machine, eye.driver.machines.normalize(other), {walls.setting}, marker)
        assert machine.settings[walls.setting] != before[walls.setting]
    assert eye.see(firewall.id).members == (machine.id,) == walls.shown()[firewall.id].machines


def test_a_machine_that_is_gone_is_under_nothing(bed: Bed, walls: Walls, eye: WallEye) -> None:
    machine_spec = bed.spec()
    machine = eye.eye.make(machine_spec, bed.marker())
    firewall = made(eye, walls, walls.spec(rules=(INGRESS,), members=(machine.id,)))

    with pytest.raises(CloudError) as refusal:
        eye.part.delete(firewall)
    assert refusal.value.reason is Reason.HAS_DEPENDANTS
    assert firewall.id in walls.shown()
    eye.eye.delete(machine, machine_spec)

    eye.delete(eye.see(firewall.id, lambda seen: not seen.members))
    assert firewall.id not in walls.shown()


def test_a_machine_that_does_not_exist_keeps_nobody_else_out(bed: Bed, walls: Walls, eye: WallEye) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker()).id
    spec = walls.spec(members=(machine, bed.missing_id))
    firewall = eye.create(spec, walls.marker())

    error = error_of(lambda: complete(eye, spec, firewall))

    assert error is not None
    assert eye.see(firewall.id).members == (machine,)


# ----------------------------------------------------------------------- drift


def test_what_people_change_is_seen_and_made_good(bed: Bed, walls: Walls, eye: WallEye) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker()).id
    spec = walls.spec(rules=(INGRESS,), members=(machine,), tags={"team": "shop"})
    firewall = made(eye, walls, spec)

    walls.allow(firewall.id)
    eye.see(firewall.id, lambda seen: set(seen.entries) > entries(INGRESS))
    walls.forbid(firewall.id)
    eye.see(firewall.id, lambda seen: not entries(INGRESS) & set(seen.entries))
    walls.oddity(firewall.id)
    walls.part(firewall.id, machine)
    firewall = eye.see(firewall.id, lambda seen: not seen.members)
    if walls.tags:
        walls.tag(firewall.id, "team", "thieves")
        firewall = eye.see(firewall.id, lambda seen: seen.tags.get("team") == "thieves")

    firewall = complete(eye, spec, firewall)

    assert (set(firewall.entries), firewall.members) == (entries(INGRESS), (machine,))


# -------------------------------------------------------------------- deletion


def test_a_firewall_is_deleted_and_may_be_deleted_again(bed: Bed, walls: Walls, eye: WallEye) -> None:
    before = bed.leftovers()
    firewall = made(eye, walls, walls.spec(rules=EVERY))

    eye.delete(firewall)

    assert firewall.id not in walls.shown()
    assert bed.leftovers() == before
    eye.eye.end(eye.part.delete(firewall))
    found = eye.part.get(firewall.id)
    assert found is None or found.gone


def test_a_copy_of_a_marker_is_no_proof_for_another(walls: Walls, eye: WallEye) -> None:
    firewall = made(eye, walls)
    assert firewall.marker is not None
    copy = walls.copy(firewall.id)
    if copy is None:
        return

    assert {one.id for one in eye.part.find(firewall.marker, None)} == {firewall.id, copy}
    eye.delete(firewall)

    assert copy in walls.shown()


def test_what_carries_another_marker_is_not_touched(walls: Walls, eye: WallEye) -> None:
    firewall = made(eye, walls)
    before, other = walls.shown()[firewall.id], replace(firewall, marker=walls.marker())

    with pytest.raises(NotProven):
        eye.part.delete(other)
    with pytest.raises(NotProven):
        eye.part.mark(other, walls.marker())
    spec = walls.spec(name=firewall.name, rules=(INGRESS,))
    with pytest.raises(NotProven):
        eye.part.configure(other, spec, {"rules.https"}, None, walls.marker())

    assert walls.shown()[firewall.id] == before
    assert eye.see(firewall.id).entries == ()


def test_a_stranger_is_not_deleted(walls: Walls, eye: WallEye) -> None:
    found = eye.see(walls.stranger("precious"))

    with pytest.raises(NotProven):
        eye.part.delete(replace(found, marker=walls.marker()))

    assert found.id in walls.shown()


# ----------------------------------------------------------------------- costs


def test_a_settled_sweep_of_firewalls_costs_little(bed: Bed, walls: Walls, eye: WallEye, requests: Requests) -> None:
    """However many there are, and nothing is asked of each; and nothing is changed."""
    machine = eye.eye.make(bed.spec(), bed.marker())
    for _ in range(3):
        made(eye, walls, walls.spec(rules=(INGRESS,), members=(machine.id,)))
    eye.eye.see(machine.id, lambda seen: bool(seen.addresses))
    for _ in range(3):
        eye.eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * (bed.sweep_cost + walls.sweep_cost)
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_few_requests_are_a_whole_life(bed: Bed, walls: Walls, eye: WallEye, requests: Requests) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker()).id
    before, swept = len(requests.metered), len(eye.eye.sweeps)
    spec = walls.spec(rules=EVERY, members=(machine,))

    firewall = made(eye, walls, spec)
    eye.delete(complete(eye, replace(spec, members=()), firewall))

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.eye.sweeps[swept:])
    assert spent <= walls.life_cost
