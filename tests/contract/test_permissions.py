"""The roles that docs/permissions ships: with them everything works, and without one of their rights it is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.firewall import Direction, Protocol, Rule
from hybridge.core.identity import Marker
from hybridge.core.image import Taken
from hybridge.core.machine import Machine, MachineSpec, Nic, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import SnapshotSource, SourceKind
from hybridge.drivers.base import Connection, Driver
from lab.permissions import Grant
from tests.contract.bed import GIB, Bed, cloud_init, with_choice
from tests.contract.clouds import BEDS, GALLERIES, POINTS, SEGMENTS, WALLS
from tests.contract.eye import Eye
from tests.contract.image_eye import complete as whole
from tests.contract.image_eye import image_eye
from tests.contract.network_eye import complete, lacking, network_eye
from tests.contract.snapshot_eye import snapshot_eye
from tests.contract.volume_eye import VolumeEye
from tests.contract.wall_eye import complete as build
from tests.contract.wall_eye import wall_eye

CASES = [(kind, grant) for kind, bed in sorted(BEDS.items()) for grant in sorted(bed.granted)]
#: One right of the shipped role of one cloud, which is taken away.
each_denied = pytest.mark.parametrize(
    ("shared_bed", "denied"),
    CASES,
    ids=[f"{kind}-{grant.right}-{grant.place}" for kind, grant in CASES],
    indirect=["shared_bed"],
)


@pytest.fixture
def shipped(bed: Bed) -> Iterator[Bed]:
    """A cloud whose operator has the shipped role, and nothing more."""
    bed.hold(bed.granted)
    yield bed
    bed.hold(None)


def live(bed: Bed, driver: Driver, *, features: bool) -> None:
    """A machine's whole life, with or without what a right may be needed for alone."""
    if features and bed.kind in SEGMENTS:
        settle(bed, driver)
    if features and bed.kind in GALLERIES:
        depict(bed, driver)
    if features and bed.kind in WALLS:
        guard(bed, driver)
    if features and bed.kind in POINTS:
        remember(bed, driver)
    eye = Eye(bed, driver)
    # A tag that nobody has used before: on some clouds its key has to be made first.
    extra = {"tags": {f"team-{uuid4().hex[:6]}": "shop"}, "cloud_init": cloud_init("other-than-its-name"), **bed.extras}
    networks = (Nic("nic0", bed.networks[1]),)
    spec, marker = bed.spec(networks=networks, **(extra if features else {})), bed.marker()
    machine = eye.make(spec, marker)
    machine = eye.see(machine.id, lambda seen: bool(seen.addresses))
    wanted = replace(spec, root_disk=32 * GIB, tags={**spec.tags, **({"owner": "me"} if features else {})})
    machine = eye.configure(machine, wanted, {"rootDisk", "tags"}, marker)
    moves = [(path, value) for path in bed.moves for value in bed.choices[path]]
    for path, value in moves if features else ():
        wanted = driver.machines.normalize(with_choice(wanted, path, value))
        machine = change(eye, machine, wanted, path, marker)
        assert path.startswith("networks") or path in machine.settings
    if features and bed.calls.create_volume:
        lend(bed, driver, machine)
    machine = eye.stop(machine, wanted)
    wanted = replace(wanted, cpus=4, memory=16 * GIB)
    machine = eye.configure(machine, wanted, {"cpus", "memory"}, marker)
    machine = eye.start(machine, wanted)
    eye.finish(driver.machines.mark(machine, None))
    machine = eye.see(machine.id, lambda seen: seen.marker is None)
    eye.finish(driver.machines.mark(machine, marker))
    machine = eye.see(machine.id, lambda seen: seen.marker == marker)
    eye.delete(machine, wanted)
    eye.until(lambda: not bed.owned(marker), "the machine to be gone")
    found = driver.machines.get(machine.id)
    assert found is None or found.power is Power.GONE


def lend(bed: Bed, driver: Driver, machine: Machine) -> None:
    """A volume's whole life."""
    eye, marker, spec = VolumeEye(bed, driver), bed.volume_marker(), bed.volume_spec(tags={"team": "shop"})
    machine, volume = eye.attach(machine, eye.make(spec, marker))
    wanted = replace(spec, size=3 * GIB, tags={"team": "web"})
    eye.configure(volume, wanted, {"size", "tags.team"}, marker)
    volume = eye.see(volume.id, lambda seen: seen.size == 3 * GIB)
    machine, volume = eye.detach(machine, volume)
    eye.delete(volume)


def settle(bed: Bed, driver: Driver) -> None:
    """A network's whole life."""
    segments, eye = SEGMENTS[bed.kind](bed), network_eye(bed, driver)
    spec, marker = segments.rich(), segments.marker()
    network = complete(eye, spec, eye.create(spec, marker))
    for field, other in segments.others(spec):
        eye.configure(network, other, {field}, marker)
        network = eye.see(network.id, lambda seen, wanted=other: not lacking(eye, wanted, seen))  # type: ignore[misc]
    eye.delete(network)
    if segments.marks:
        spec, marker = segments.spec(), segments.marker()
        network = complete(eye, spec, eye.create(spec, marker))
        eye.delete(eye.mark(eye.mark(network, None), marker))


def depict(bed: Bed, driver: Driver) -> None:
    """The whole life of an image from each source."""
    gallery, eye = GALLERIES[bed.kind](bed), image_eye(bed, driver)
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()
    machine = eye.eye.make(spec, marker)
    for source in gallery.sources(machine).values():
        wanted = gallery.spec(source, tags={"team": "shop"})
        image = whole(eye, wanted, eye.create(wanted, gallery.marker()))
        if gallery.marks:
            image = eye.mark(eye.mark(image, None), image.marker)
        eye.delete(image)
        found = eye.part.get(image.id)
        assert found is None or found.gone
    eye.eye.delete(machine, spec)


def guard(bed: Bed, driver: Driver) -> None:
    """The whole life of a firewall with a machine."""
    walls, eye = WALLS[bed.kind](bed), wall_eye(bed, driver)
    machine_spec = bed.spec()
    machine = eye.eye.make(machine_spec, bed.marker())
    ways = [Rule(way.value.lower(), way, Protocol.ANY, ("10.0.0.0/8",)) for way in Direction]
    spec, marker = walls.spec(rules=tuple(ways), members=(machine.id,), tags={"team": "shop"}), walls.marker()
    firewall = build(eye, spec, eye.create(spec, marker))
    firewall = build(eye, replace(spec, rules=(), members=()), firewall)
    if walls.marks:
        firewall = eye.mark(eye.mark(firewall, None), marker)
    eye.delete(firewall)
    eye.eye.delete(machine, machine_spec)


def remember(bed: Bed, driver: Driver) -> None:
    """The whole life of a snapshot of a machine with an image of it, and of one of a volume where there are such."""
    points, eye = POINTS[bed.kind](bed), snapshot_eye(bed, driver)
    machine_spec = bed.spec(power=Power.STOPPED)
    machine = eye.eye.make(machine_spec, bed.marker())
    snapshot = eye.create(points.spec(machine), points.marker())
    gallery, images = GALLERIES[bed.kind](bed), image_eye(bed, driver)
    taken = Taken(snapshot.name, snapshot.id, machine.id)
    images.delete(images.create(gallery.spec(taken, tags={"team": "shop"}), gallery.marker()))
    eye.delete(snapshot)
    if points.of_volumes:
        volumes = VolumeEye(bed, driver)
        volume = volumes.make(bed.volume_spec(), bed.volume_marker())
        source = SnapshotSource(SourceKind.VOLUME, "data", volume.id)
        eye.delete(eye.create(points.spec(None, source=source), points.marker()))
        volumes.delete(volume)
    eye.eye.delete(machine, machine_spec)


def change(eye: Eye, machine: Machine, wanted: MachineSpec, path: str, marker: Marker, tries: int = 200) -> Machine:
    """Changes a field, as often as it takes until nothing is in the way of it."""
    for _ in range(tries):
        with contextlib.suppress(Busy):
            return eye.configure(machine, wanted, {path}, marker)
        eye.look(wait=0.05)
    raise AssertionError(f"{path} was never changed")


def checked(driver: Driver) -> Connection | Refused:
    """What a check finds, or why it is refused."""
    try:
        return driver.check()
    except Refused as refusal:
        return refusal


def test_the_shipped_role_is_enough(shipped: Bed) -> None:
    with shipped.connected() as driver:
        connection = driver.check()
        assert (connection.missing, connection.optional) == ((), ())

        live(shipped, driver, features=True)

        connection = driver.check()
        assert (connection.missing, connection.optional) == ((), ())


def test_an_account_that_may_only_look_is_told_what_it_lacks(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.make(bed.spec(), bed.marker())

    with bed.connected(credentials=bed.readonly_credentials) as limited:
        missing = {right.name for right in limited.check().missing}

    assert missing >= set(bed.changing)


@each_denied
def test_without_a_right_it_is_named_and_nothing_else(shipped: Bed, denied: Grant) -> None:
    with shipped.connected() as driver:
        eye = Eye(shipped, driver)
        eye.make(shipped.spec(), shipped.marker())
        shipped.hold([grant for grant in shipped.granted if grant != denied])
        found = checked(driver)

    if isinstance(found, Refused):
        assert found.reason is Reason.NOT_PERMITTED
        assert denied.right in found.message
        return
    named = {*found.missing, *found.optional}
    assert {right.name for right in named} == {denied.right}.difference(shipped.untried)
    assert all(shipped.is_at(denied, right) for right in named)
    assert denied.right in shipped.for_features or not found.optional


@each_denied
def test_without_a_right_it_does_not_work(shipped: Bed, denied: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each right of the shipped role is needed, and what only a feature needs stops nothing else."""
    shipped.hold([grant for grant in shipped.granted if grant != denied])
    with shipped.connected() as driver:
        if denied.right in shipped.for_features:
            live(shipped, driver, features=False)
        if denied.right in shipped.beyond:
            return
        # Some of it fails, the rest never comes.
        monkeypatch.setattr("tests.contract.eye.PATIENCE", 3.0)
        with pytest.raises((CloudError, AssertionError)):
            live(shipped, driver, features=True)
