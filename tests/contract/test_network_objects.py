"""Networks: segments that machines attach to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, NotProven, Refused
from hybridge.core.machine import Nic
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver, NetworkDriver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import Bed, Requests
from tests.contract.clouds import SEGMENTS
from tests.contract.eye import error_of
from tests.contract.network_eye import NetworkEye, complete, lacking, network_eye
from tests.contract.segments import Segments

pytestmark = pytest.mark.parametrize("shared_bed", sorted(SEGMENTS), indirect=True)


@pytest.fixture(scope="session")
def shared_segments(shared_bed: Bed) -> Segments:
    return SEGMENTS[shared_bed.kind](shared_bed)


@pytest.fixture
def segments(shared_segments: Segments, bed: Bed) -> Iterator[Segments]:
    yield shared_segments
    bed.tidy()
    shared_segments.tidy()


@pytest.fixture
def networks(driver: Driver) -> NetworkDriver:
    assert driver.networks is not None
    return driver.networks


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> NetworkEye:
    """All sweeps of these tests look at networks, too."""
    eye = network_eye(bed, driver)
    eye.eye.settle()
    return eye


def made(eye: NetworkEye, segments: Segments, spec: NetworkSpec | None = None) -> Network:
    """A network as its spec says."""
    spec = spec or segments.spec()
    return complete(eye, spec, eye.create(spec, segments.marker()))


# ------------------------------------------------------------------ being made


@pytest.mark.parametrize("rich", [False, True])
def test_a_network_is_made_as_the_spec_says(segments: Segments, eye: NetworkEye, rich: bool) -> None:
    marker, tags = segments.marker(), {"team": "shop"}
    spec = segments.rich(tags=tags) if rich else segments.spec(tags=tags)

    network = complete(eye, spec, eye.create(spec, marker))

    (shown,) = [one for one in segments.shown().values() if one.owner == marker.owner and one.id == network.id]
    assert network.marker is not None
    assert network.marker.owner == marker.owner
    assert network.attaches
    assert set(network.parts) >= set(eye.part.normalize(spec).parts)
    assert (network.machines, network.unfit) == ((), "")
    if segments.tags:
        assert dict(network.tags) == tags
        assert shown.tags["team"] == "shop"
    assert lacking(eye, spec, eye.see(network.id)) == set()


def test_what_is_normal_stays_so(segments: Segments, networks: NetworkDriver) -> None:
    for spec in (segments.spec(), segments.rich()):
        normal = networks.normalize(spec)
        assert networks.normalize(normal) == normal


@pytest.mark.parametrize("rich", [False, True])
def test_repeating_a_create_makes_no_second_network(segments: Segments, eye: NetworkEye, rich: bool) -> None:
    marker, spec = segments.marker(), eye.part.normalize(segments.rich() if rich else segments.spec())
    intent = eye.intent(spec, marker)
    network = eye.create(spec, marker, intent)

    again = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert again is None or eye.part.traits.token_lifetime == 0
    assert [one.id for one in segments.shown().values() if one.owner == marker.owner] == [network.id]


def test_a_create_whose_answer_was_lost_is_found(bed: Bed, segments: Segments, eye: NetworkEye) -> None:
    marker, spec = segments.marker(), eye.part.normalize(segments.spec())
    intent = eye.intent(spec, marker)
    bed.proxy.inject(Rule(segments.create_call, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible
    eye.eye.until(lambda: bool(eye.part.find(marker, intent)), "the network of the lost answer")
    (found,) = eye.part.find(marker, intent)
    assert [one.id for one in segments.shown().values() if one.owner == marker.owner] == [found.id]


def test_what_is_only_half_made_is_completed_and_nothing_of_it_is_left(
    bed: Bed, segments: Segments, eye: NetworkEye
) -> None:
    """Whichever answer of a call is lost that makes or changes a part: nothing doubles that stays, and all of it goes."""
    for call in segments.part_calls:
        marker, spec = segments.marker(), segments.rich()
        bed.proxy.inject(Rule(call, LoseAnswer(), times=1))

        network = complete(eye, spec, eye.create(spec, marker))

        assert [entry for entry in bed.proxy.log() if entry.fault], f"{call} never came"
        bed.proxy.clear()
        bed.proxy.reset_counts()
        eye.delete(network)
        assert segments.leftovers() == set(), call


def test_nothing_is_found_of_a_marker_that_nothing_carries(segments: Segments, eye: NetworkEye) -> None:
    assert eye.part.find(segments.marker(), None) == []


def test_what_is_found_is_what_is_seen(segments: Segments, eye: NetworkEye) -> None:
    for spec in (segments.spec(), segments.rich()):
        network = made(eye, segments, spec)
        assert network.marker is not None
        assert eye.part.find(network.marker, None) == [network] == [eye.part.get(network.id)]


def test_what_does_not_exist_is_known_not_to(segments: Segments, eye: NetworkEye) -> None:
    network = made(eye, segments)
    segments.destroy(network.id)

    for one in (network.id, segments.missing):
        found = eye.part.get(one)
        assert found is None or found.gone


def test_what_went_before_a_sweep_saw_it_is_told_to_who_asks_for_it(segments: Segments, eye: NetworkEye) -> None:
    eye.eye.look()
    network = segments.stranger("short-lived")
    segments.destroy(network)

    portion = eye.eye.look(refresh=[network]).portions[eye.kind]

    assert portion.full or network in portion.gone
    assert network not in portion.objects


def test_what_the_cloud_cannot_do_is_refused_in_words(segments: Segments, networks: NetworkDriver) -> None:
    for words in segments.impossible:
        with pytest.raises(Refused) as refusal:
            networks.prepare(networks.normalize(segments.spec(**words)), ())
        assert refusal.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC, Reason.NOT_FOUND}
        assert "spec." in refusal.value.message


# ------------------------------------------------------- what there is already


def test_a_network_that_people_made_is_seen(segments: Segments, eye: NetworkEye) -> None:
    stranger = segments.stranger("by-hand")

    found = eye.see(stranger)

    assert found.marker is None
    assert found.attaches
    assert eye.part.get(stranger) == found


def test_a_network_that_people_made_can_be_taken_over_and_let_go(segments: Segments, eye: NetworkEye) -> None:
    found, marker = eye.see(segments.stranger("to-be-adopted")), segments.marker()
    if not segments.marks:
        assert found.unfit
        with pytest.raises(Refused):
            eye.part.mark(found, marker)
        return

    taken = eye.mark(found, marker)
    eye.mark(taken, None)

    assert segments.shown()[found.id].owner is None


def test_a_network_that_is_let_go_stays_with_all_its_parts(segments: Segments, eye: NetworkEye) -> None:
    spec = segments.rich()
    network = made(eye, segments, spec)

    eye.eye.finish(eye.part.mark(network, None))

    found = eye.part.get(network.id)
    assert found is not None
    assert (found.marker, found.state, found.gone) == (None, network.state, False)
    assert segments.leftovers() == set()
    segments.destroy(network.id)


# --------------------------------------------------------------------- changes


def test_name_and_tags_change(segments: Segments, eye: NetworkEye) -> None:
    spec = segments.spec(tags={"team": "shop"})
    network = made(eye, segments, spec)
    wanted = replace(spec, tags={"team": "web", "tier": "gold"})
    if segments.renames:
        wanted = replace(wanted, name=f"{spec.name}-2")

    network = complete(eye, wanted, network)

    assert not segments.tags or dict(network.tags) == {"team": "web", "tier": "gold"}
    assert not segments.renames or segments.shown()[network.id].name == wanted.name


def test_what_people_change_is_seen_and_made_good(segments: Segments, eye: NetworkEye) -> None:
    spec = segments.rich(tags={"team": "shop"})
    network = made(eye, segments, spec)

    if segments.tags:
        segments.tag(network.id, "team", "thieves")
        network = eye.see(network.id, lambda seen: seen.tags.get("team") == "thieves")
    if segments.renames:
        segments.rename(network.id, f"{spec.name}-stolen")
        network = eye.see(network.id, lambda seen: seen.name == f"{spec.name}-stolen")
    spoiled = segments.damage(network)
    network = eye.see(network.id, lambda seen: any(spoiled in field for field in lacking(eye, spec, seen)))

    network = complete(eye, spec, network)

    assert lacking(eye, spec, network) == set()


# ------------------------------------------------------------------- machines


def test_a_machine_is_in_it_and_keeps_it(bed: Bed, segments: Segments, eye: NetworkEye) -> None:
    wanted = segments.rich()
    network = made(eye, segments, wanted)
    spec = bed.spec(networks=(Nic("nic0", network.attaches),))
    machine = eye.eye.make(spec, bed.marker())

    network = eye.see(network.id, lambda seen: seen.machines == (machine.id,))
    assert eye.part.get(network.id) == network
    with pytest.raises(CloudError) as refusal:
        eye.eye.finish(eye.part.delete(network))
    assert refusal.value.reason is Reason.HAS_DEPENDANTS
    assert network.id in segments.shown()
    assert lacking(eye, wanted, eye.see(network.id)) == set()

    eye.eye.delete(machine, spec)
    network = eye.see(network.id, lambda seen: not seen.machines)
    eye.delete(network)
    assert segments.leftovers() == set()


# -------------------------------------------------------------------- deletion


@pytest.mark.parametrize("rich", [False, True])
def test_a_network_is_deleted_and_may_be_deleted_again(segments: Segments, eye: NetworkEye, rich: bool) -> None:
    network = made(eye, segments, segments.rich() if rich else segments.spec())

    eye.delete(network)

    assert network.id not in segments.shown()
    assert segments.leftovers() == set()
    eye.eye.end(eye.part.delete(network))
    found = eye.part.get(network.id)
    assert found is None or found.gone


def test_a_copy_of_a_marker_is_no_proof_for_another(segments: Segments, eye: NetworkEye) -> None:
    """A copy is found beside the network, so that the plan sees two; what is deleted is the one that is named."""
    network = made(eye, segments)
    assert network.marker is not None
    copy = segments.copy(network.id)
    if copy is None:
        return

    assert {one.id for one in eye.part.find(network.marker, None)} == {network.id, copy}
    eye.delete(network)

    assert copy in segments.shown()


def test_what_carries_another_marker_is_not_touched(segments: Segments, eye: NetworkEye) -> None:
    spec = segments.spec()
    network = made(eye, segments, spec)
    other = segments.marker()
    before = segments.shown()[network.id]

    with pytest.raises(NotProven):
        eye.part.delete(replace(network, marker=other))
    with pytest.raises(NotProven):
        eye.part.mark(replace(network, marker=other), segments.marker())

    assert segments.shown()[network.id] == before


def test_a_stranger_is_not_deleted(segments: Segments, eye: NetworkEye) -> None:
    found = eye.see(segments.stranger("precious"))

    with pytest.raises(NotProven):
        eye.part.delete(replace(found, marker=segments.marker()))

    assert found.id in segments.shown()


# ----------------------------------------------------------------------- costs


def test_a_settled_sweep_of_networks_costs_little(
    bed: Bed, segments: Segments, eye: NetworkEye, requests: Requests
) -> None:
    """However many there are, and nothing is asked of each; and nothing is changed."""
    made(eye, segments, segments.rich())
    for _ in range(3):
        made(eye, segments)
    for _ in range(3):
        eye.eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * (bed.sweep_cost + segments.sweep_cost)
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_few_requests_make_a_network_and_delete_it(segments: Segments, eye: NetworkEye, requests: Requests) -> None:
    before, swept = len(requests.metered), len(eye.eye.sweeps)

    eye.delete(made(eye, segments, segments.rich()))

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.eye.sweeps[swept:])
    assert spent <= segments.life_cost
