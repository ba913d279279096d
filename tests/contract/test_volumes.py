"""Volumes: disks that outlive the machines which have them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, NotProven, Refused
from hybridge.core.machine import MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.core.volume import VolumeSpec
from hybridge.core.volume_plan import differences
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, Bed, Requests
from tests.contract.clouds import BEDS
from tests.contract.eye import error_of
from tests.contract.volume_eye import VolumeEye, has, is_at

pytestmark = pytest.mark.parametrize(
    "shared_bed", [kind for kind, bed in sorted(BEDS.items()) if bed.calls.create_volume], indirect=True
)


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> VolumeEye:
    """All sweeps of these tests look at volumes, too."""
    eye = VolumeEye(bed, driver)
    eye.eye.settle()
    return eye


def stopped(bed: Bed) -> MachineSpec:
    """A machine that is off; those that have volumes are where the volumes are."""
    return bed.spec(power=Power.STOPPED)


# ------------------------------------------------------------------ being made


def test_a_volume_is_made_as_the_spec_says(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), bed.volume_spec(tags={"team": "shop"})

    volume = eye.make(spec, marker)

    (shown,) = [one for one in bed.volumes().values() if one.owner == marker.owner]
    assert (shown.id, shown.size, shown.machines) == (volume.id, 2 * GIB, ())
    assert volume.marker is not None
    assert volume.marker.owner == marker.owner
    assert (volume.size, volume.attachments, volume.unfit) == (2 * GIB, (), "")
    if bed.tags_volumes:
        assert volume.tags == {"team": "shop"}
        assert shown.tags["team"] == "shop"


def test_what_a_sweep_shows_equals_the_normalized_spec(bed: Bed, eye: VolumeEye) -> None:
    rough = bed.volume_spec(size=2 * GIB + 1, tags={"team": "shop", "Cost-Center": "A 42"})
    spec = eye.volumes.normalize(rough)

    volume = eye.make(rough, bed.volume_marker())

    assert eye.volumes.normalize(spec) == spec
    assert (volume.size or 0) >= 2 * GIB + 1
    assert list(differences(spec, volume, eye.volumes.traits, named=True)) == []


def test_repeating_a_create_makes_no_second_volume(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), eye.volumes.normalize(bed.volume_spec())
    intent = bed.volume_intent(eye.driver, spec, marker)
    volume = eye.make(spec, marker, intent)

    again = error_of(lambda: eye.eye.end(eye.volumes.create(intent, spec, marker)))

    assert again is None or eye.volumes.traits.token_lifetime == 0
    assert [one.id for one in bed.volumes().values() if one.owner == marker.owner] == [volume.id]


def test_a_create_whose_answer_was_lost_is_found(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), eye.volumes.normalize(bed.volume_spec())
    intent = bed.volume_intent(eye.driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create_volume, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.volumes.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible
    eye.eye.until(lambda: bool(eye.volumes.find(marker, intent)), "the volume of the lost answer")
    (found,) = eye.volumes.find(marker, intent)
    assert [one.id for one in bed.volumes().values() if one.owner == marker.owner] == [found.id]


def test_nothing_is_found_of_a_marker_that_nothing_carries(bed: Bed, eye: VolumeEye) -> None:
    assert eye.volumes.find(bed.volume_marker(), None) == []


def test_what_does_not_exist_is_known_not_to(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    bed.destroy_volume(volume.id)

    for one in (volume.id, bed.missing_volume):
        found = eye.volumes.get(one)
        assert found is None or found.gone


def test_what_the_cloud_cannot_do_is_refused_in_words(bed: Bed, eye: VolumeEye) -> None:
    for words in bed.impossible_volumes:
        spec = bed.volume_spec(**words)
        with pytest.raises(Refused) as refusal:
            eye.volumes.prepare(eye.volumes.normalize(spec), ())
        assert refusal.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC}


# ------------------------------------------------------- what there is already


def test_a_volume_that_people_made_is_seen(bed: Bed, eye: VolumeEye) -> None:
    stranger = bed.stranger_volume("by-hand")

    found = eye.see(stranger)

    assert found.marker is None
    assert eye.volumes.get(stranger) == found


def test_a_volume_that_people_made_can_be_taken_over(bed: Bed, eye: VolumeEye) -> None:
    found, marker = eye.see(bed.stranger_volume("to-be-adopted")), bed.volume_marker()
    if not bed.marks_volumes:
        assert found.unfit
        with pytest.raises(Refused, match="marker"):
            eye.volumes.mark(found, marker)
        return

    eye.eye.finish(eye.volumes.mark(found, marker))

    taken = eye.see(found.id, lambda seen: seen.marker == marker)
    eye.eye.finish(eye.volumes.mark(taken, None))
    eye.see(found.id, lambda seen: seen.marker is None)


def test_a_volume_that_is_let_go_stays_and_is_nobodys(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())

    eye.eye.finish(eye.volumes.mark(volume, None))

    assert eye.see(volume.id, lambda seen: seen.marker is None).size == 2 * GIB
    assert volume.id in bed.volumes()


# --------------------------------------------------------------------- changes


def test_a_volume_grows_while_a_machine_uses_it(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), bed.volume_spec()
    volume = eye.make(spec, marker)
    _, volume = eye.attach(eye.eye.make(bed.spec(), bed.marker()), volume)

    eye.configure(volume, replace(spec, size=3 * GIB), {"size"}, marker)

    eye.see(volume.id, lambda seen: seen.size == 3 * GIB)
    assert bed.volumes()[volume.id].size == 3 * GIB


def test_a_volume_that_no_machine_has_grows_or_says_what_it_waits_for(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), bed.volume_spec()
    volume = eye.make(spec, marker)
    wanted = replace(spec, size=3 * GIB)
    if not bed.grows_alone:
        with pytest.raises(CloudError, match="as soon as a machine has it"):
            eye.volumes.configure(volume, eye.volumes.normalize(wanted), {"size"}, None, marker)
        return

    eye.configure(volume, wanted, {"size"}, marker)

    eye.see(volume.id, lambda seen: seen.size == 3 * GIB)


def test_tags_change(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), bed.volume_spec(tags={"team": "shop"})
    volume = eye.make(spec, marker)
    wanted = replace(spec, tags={"team": "web", "tier": "gold"})
    if not bed.tags_volumes:
        assert eye.volumes.normalize(wanted).tags == {}
        return

    eye.configure(volume, wanted, {"tags.team", "tags.tier"}, marker)

    eye.see(volume.id, lambda seen: dict(seen.tags) == {"team": "web", "tier": "gold"})


def test_what_people_change_is_seen(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine, volume = eye.attach(eye.eye.make(stopped(bed), bed.marker()), volume)

    bed.grow_volume(volume.id, 4 * GIB)
    eye.see(volume.id, lambda seen: seen.size == 4 * GIB)
    bed.detach_volume(machine.id, volume.id)
    eye.eye.see(machine.id, lambda seen: not has(seen, volume))
    eye.see(volume.id, lambda seen: not seen.attachments)
    bed.attach_volume(machine.id, volume.id)
    eye.eye.see(machine.id, lambda seen: has(seen, volume))
    eye.see(volume.id, lambda seen: is_at(seen, machine))
    if bed.tags_volumes:
        bed.tag_volume(volume.id, "team", "thieves")
        eye.see(volume.id, lambda seen: seen.tags.get("team") == "thieves")


# ------------------------------------------------------------------- machines


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_machine_is_given_a_volume_and_it_is_taken_back(bed: Bed, eye: VolumeEye, power: Power) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine = eye.eye.make(bed.spec(power=power), bed.marker())
    assert machine.disks == ()
    root = machine.root_disk

    machine, volume = eye.attach(machine, volume)
    assert bed.volumes()[volume.id].machines == (machine.id,)
    assert (machine.power, machine.pending, machine.root_disk) == (power, {}, root)
    assert volume.attachments[0].device

    machine, volume = eye.detach(machine, volume)
    assert bed.volumes()[volume.id].machines == ()
    assert (machine.power, machine.pending) == (power, {})


def test_what_is_so_already_is_no_error(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine, volume = eye.attach(eye.eye.make(stopped(bed), bed.marker()), volume)

    machine, volume = eye.attach(machine, volume)
    machine, volume = eye.detach(machine, volume)
    eye.detach(machine, volume)


def test_a_volume_moves_between_machines(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    one, other = (eye.eye.make(stopped(bed), bed.marker()) for _ in range(2))
    one, volume = eye.attach(one, volume)

    with pytest.raises(CloudError) as refusal:
        eye.eye.finish(eye.driver.machines.attach(other, volume.id))
    assert refusal.value.reason is Reason.HAS_DEPENDANTS
    assert bed.volumes()[volume.id].machines == (one.id,)

    _, volume = eye.detach(one, volume)
    eye.attach(other, volume)
    assert bed.volumes()[volume.id].machines == (other.id,)


def test_a_machine_may_have_several(bed: Bed, eye: VolumeEye) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker())
    made = [eye.make(bed.volume_spec(), bed.volume_marker()) for _ in range(3)]
    for volume in made:
        machine, _ = eye.attach(machine, volume)

    machine, _ = eye.detach(machine, made[1])

    devices = {disk.id: disk.device for disk in machine.disks or ()}
    assert devices.keys() == {made[0].id, made[2].id}
    assert len(set(devices.values())) == 2


def test_a_volume_that_does_not_exist_is_not_attached(bed: Bed, eye: VolumeEye) -> None:
    machine = eye.eye.make(stopped(bed), bed.marker())

    with pytest.raises(CloudError):
        eye.eye.finish(eye.driver.machines.attach(machine, bed.missing_volume))

    assert eye.eye.see(machine.id).disks == ()


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_machine_that_goes_leaves_its_volume(bed: Bed, eye: VolumeEye, power: Power) -> None:
    """The plan detaches first; what is deleted in spite of that, by whomever, does not take a Volume along."""
    spec = bed.spec(power=power)
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine, volume = eye.attach(eye.eye.make(spec, bed.marker()), volume)

    eye.eye.delete(machine, spec)

    volume = eye.see(volume.id, lambda seen: not seen.attachments)
    assert bed.volumes()[volume.id].machines == ()
    eye.delete(volume)


def test_a_machine_that_people_delete_leaves_its_volume(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine, volume = eye.attach(eye.eye.make(stopped(bed), bed.marker()), volume)

    bed.destroy(machine.id)

    assert eye.see(volume.id, lambda seen: not seen.attachments).size == 2 * GIB


# -------------------------------------------------------------------- deletion


def test_a_volume_is_deleted_and_may_be_deleted_again(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())

    eye.delete(volume)

    assert volume.id not in bed.volumes()
    eye.eye.end(eye.volumes.delete(volume))
    found = eye.volumes.get(volume.id)
    assert found is None or found.gone


def test_a_volume_that_a_machine_has_is_not_deleted(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    _, volume = eye.attach(eye.eye.make(bed.spec(), bed.marker()), volume)

    error = error_of(lambda: eye.eye.finish(eye.volumes.delete(volume)))

    assert error is not None
    assert error.reason is Reason.HAS_DEPENDANTS
    assert volume.id in bed.volumes()


def test_a_copy_of_a_marker_is_no_proof_for_another(bed: Bed, eye: VolumeEye) -> None:
    """A copy is found beside the volume, so that the plan sees two; what is changed is the one that is named."""
    marker, spec = bed.volume_marker(), bed.volume_spec()
    volume = eye.make(spec, marker)
    copy = bed.copy_volume(volume.id)
    if copy is None:
        return

    assert {one.id for one in eye.volumes.find(marker, None)} == {volume.id, copy}
    eye.delete(volume)

    assert copy in bed.volumes()


def test_what_carries_another_marker_is_not_touched(bed: Bed, eye: VolumeEye) -> None:
    marker, spec = bed.volume_marker(), bed.volume_spec()
    volume = eye.make(spec, marker)
    other = bed.volume_marker()

    with pytest.raises(NotProven):
        eye.volumes.delete(replace(volume, marker=other))

    assert bed.volumes()[volume.id].size == 2 * GIB


def test_a_stranger_is_not_deleted(bed: Bed, eye: VolumeEye) -> None:
    found = eye.see(bed.stranger_volume("precious"))

    with pytest.raises(NotProven):
        eye.volumes.delete(replace(found, marker=bed.volume_marker()))

    assert found.id in bed.volumes()


# ----------------------------------------------------------------------- costs


def test_a_settled_sweep_of_volumes_costs_little(bed: Bed, eye: VolumeEye, requests: Requests) -> None:
    """However many there are, and nothing is asked of each."""
    for _ in range(4):
        eye.make(bed.volume_spec(), bed.volume_marker())
    machine, _ = eye.attach(eye.eye.make(bed.spec(), bed.marker()), eye.make(bed.volume_spec(), bed.volume_marker()))
    eye.eye.see(machine.id, lambda seen: bool(seen.addresses))
    for _ in range(3):
        eye.eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * (bed.sweep_cost + bed.volume_sweep_cost)
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_few_requests_make_a_volume_and_give_it_to_a_machine(bed: Bed, eye: VolumeEye, requests: Requests) -> None:
    machine = eye.eye.make(stopped(bed), bed.marker())
    before, swept = len(requests.metered), len(eye.eye.sweeps)

    machine, volume = eye.attach(machine, eye.make(bed.volume_spec(), bed.volume_marker()))
    machine, volume = eye.detach(machine, volume)
    eye.delete(volume)

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.eye.sweeps[swept:])
    assert spent <= bed.volume_life_cost


def test_what_is_as_wanted_costs_no_mutating_call(bed: Bed, eye: VolumeEye) -> None:
    marker = bed.volume_marker()
    spec: VolumeSpec = eye.volumes.normalize(bed.volume_spec())
    volume = eye.make(spec, marker)
    machine, volume = eye.attach(eye.eye.make(stopped(bed), bed.marker()), volume)
    bed.proxy.reset_counts()

    eye.configure(volume, spec, {"size"}, marker)
    eye.attach(machine, volume)

    assert bed.proxy.mutating() == 0


def test_two_drivers_see_the_same(bed: Bed, eye: VolumeEye) -> None:
    volume = eye.make(bed.volume_spec(), bed.volume_marker())
    machine, volume = eye.attach(eye.eye.make(stopped(bed), bed.marker()), volume)

    with bed.connected() as fresh:
        other = VolumeEye(bed, fresh)
        other.eye.settle()
        seen = other.see(volume.id, lambda one: is_at(one, machine))
        assert seen == eye.see(volume.id)
        assert has(other.eye.see(machine.id), volume)
