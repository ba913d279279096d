"""A machine's life as a driver leads it, of every call that a driver has."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.firewall import Direction, Protocol, Rule
from hybridge.core.image import Find, Taken
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Power
from hybridge.core.snapshot import SnapshotSource, SourceKind
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, Bed, cloud_init, with_choice
from tests.contract.clouds import GALLERIES
from tests.contract.eye import Eye
from tests.contract.galleries import Gallery
from tests.contract.image_eye import complete as complete_image
from tests.contract.image_eye import image_eye
from tests.contract.network_eye import complete, network_eye
from tests.contract.points import Points
from tests.contract.segments import Segments
from tests.contract.snapshot_eye import snapshot_eye
from tests.contract.volume_eye import VolumeEye
from tests.contract.wall_eye import complete as complete_firewall
from tests.contract.wall_eye import wall_eye
from tests.contract.walls import Walls
from tests.hostile.driver import Hostility, hostile


def live(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    """A machine is made, looked at, changed, stopped, let go, taken back and deleted, with rewritten answers before each.

    AssertionError and CloudError when it does not come to its end with good answers.
    """
    with bed.connected() as fresh:  # One that believes what it was told when it looked for an image.
        hostile(fresh, hostility).machines.prepare(fresh.machines.normalize(bed.spec()), ())
    bed.prepared(driver, bed.spec())
    seen = hostile(driver, hostility)
    eye = Eye(bed, seen)
    marker = bed.marker()
    seen.check()
    eye.settle()
    spec = bed.spec(tags={"team": "shop"}, root_disk=20 * GIB, cloud_init=cloud_init("web-1"))
    machine = eye.stop(eye.make(spec, marker), spec)
    spec = replace(spec, power=Power.STOPPED)
    for path, (first, _) in bed.choices.items():
        if path in bed.fixed or path in bed.one_way or path in bed.unseen:
            continue
        spec = with_choice(spec, path, first)
        field = "networks" if path.startswith("networks") else path
        machine = eye.configure(machine, spec, {field}, marker)
    if driver.volumes is not None:
        live_with_a_volume(bed, seen, machine.id)
    for power in (Power.RUNNING, Power.STOPPED):
        eye.finish(seen.machines.set_power(machine, spec, power, hard=True))
        machine = eye.see(machine.id, lambda one, power=power: one.power is power)  # type: ignore[misc]
    seen.machines.get(machine.id)
    seen.machines.get(bed.missing_id)
    seen.machines.find(marker, None)
    eye.finish(seen.machines.mark(machine, None))
    machine = eye.see(machine.id, lambda one: one.marker is None)
    eye.finish(seen.machines.mark(machine, marker))
    machine = eye.see(machine.id, lambda one: one.marker == marker)
    eye.delete(machine, spec)


def live_with_a_volume(bed: Bed, seen: Driver, machine_id: str) -> None:
    """A volume is made, looked at, attached, grown, detached, let go, taken back and deleted, in the same way."""
    eye = VolumeEye(bed, seen)
    spec, marker = bed.volume_spec(), bed.volume_marker()
    volume = eye.make(spec, marker)
    eye.volumes.get(volume.id)
    eye.volumes.get(bed.missing_volume)
    eye.volumes.find(marker, None)
    machine, volume = eye.attach(eye.eye.see(machine_id), volume)
    eye.configure(volume, replace(spec, size=4 * GIB), {"size"}, marker)
    volume = eye.see(volume.id, lambda one: one.size == 4 * GIB)
    _, volume = eye.detach(machine, volume)
    eye.eye.finish(eye.volumes.mark(volume, None))
    volume = eye.see(volume.id, lambda one: one.marker is None)
    eye.eye.finish(eye.volumes.mark(volume, marker))
    eye.delete(eye.see(volume.id, lambda one: one.marker is not None))


def live_of_a_network(segments: Segments, driver: Driver, hostility: Hostility) -> None:
    """A network is made, completed, looked at, changed, let go, taken back and deleted, in the same way."""
    eye = network_eye(segments.bed, hostile(driver, hostility))
    eye.eye.settle()
    spec, marker = segments.rich(tags={"team": "shop"}), segments.marker()
    # What was prepared from rewritten answers stays so: an engine begins another attempt then.
    intent = network_eye(segments.bed, driver).intent(spec, marker)
    network = eye.see(eye.create(spec, marker, intent).id, lambda one: one.marker == marker)
    network = complete(eye, spec, network)
    eye.part.get(network.id)
    eye.part.get(segments.missing)
    eye.part.prepare(spec, ())
    eye.part.find(marker, None)
    eye.delete(complete(eye, replace(spec, tags={"team": "web"}), network))
    spec, marker = segments.spec(), segments.marker()
    network = complete(eye, spec, eye.create(spec, marker))
    eye.delete(eye.mark(eye.mark(network, None), marker))
    assert segments.leftovers() == set()


def live_of_an_image(gallery: Gallery, driver: Driver, hostility: Hostility) -> None:
    """An image is made, looked at, sought, changed, let go, taken back and deleted, in the same way."""
    eye = image_eye(gallery.bed, hostile(driver, hostility))
    eye.eye.settle()
    spec, marker = gallery.spec(tags={"team": "shop"}), gallery.marker()
    intent = image_eye(gallery.bed, driver).intent(spec, marker)
    image = eye.see(eye.create(spec, marker, intent).id, lambda one: one.marker == marker)
    image = complete_image(eye, spec, image)
    eye.part.get(image.id)
    eye.part.get(gallery.missing)
    eye.part.prepare(spec, ())
    eye.part.find(marker, None)
    assert eye.driver.images is not None
    eye.driver.images.seek(Find(f"{spec.name}*"))
    image = complete_image(eye, replace(spec, tags={"team": "web"}), image)
    image = eye.mark(eye.mark(image, None), marker)
    eye.delete(image)


def live_of_a_snapshot(points: Points, driver: Driver, hostility: Hostility) -> None:
    """A snapshot is taken, looked at, renamed, gone back to, let go, taken over and deleted, in the same way."""
    bed, seen = points.bed, hostile(driver, hostility)
    plain = Eye(bed, driver)
    plain.settle()
    machine = plain.make(bed.spec(power=Power.STOPPED), bed.marker())
    eye = snapshot_eye(bed, seen)
    eye.eye.settle()
    spec, marker = points.spec(machine), points.marker()
    intent = snapshot_eye(bed, driver).intent(spec, marker)
    snapshot = eye.see(eye.create(spec, marker, intent).id, lambda one: one.marker == marker)
    eye.part.get(snapshot.id)
    eye.part.get(points.missing)
    eye.part.prepare(spec, ())
    eye.part.find(marker, None)
    if driver.machines.traits.reverts:
        eye.eye.finish(seen.machines.revert(machine, snapshot.id))
    gallery = GALLERIES[bed.kind](bed)
    if seen.images is not None:
        seen.images.prepare(gallery.spec(Taken(snapshot.name, snapshot.id, machine.id)), ())
    if points.renames:
        eye.configure(snapshot, replace(spec, name=f"{spec.name}-2"), {"name"}, marker)
        snapshot = eye.see(snapshot.id, lambda one: one.name == f"{spec.name}-2")
    if points.marks:
        snapshot = eye.mark(eye.mark(snapshot, None), marker)
    eye.delete(snapshot)


def live_of_a_firewall(walls: Walls, driver: Driver, hostility: Hostility) -> None:
    """A firewall is made, given rules and a machine, looked at, changed, let go, taken back and deleted, in the same way."""
    eye = wall_eye(walls.bed, hostile(driver, hostility))
    eye.eye.settle()
    machine_spec = walls.bed.spec()
    machine = Eye(walls.bed, driver).make(machine_spec, walls.bed.marker())
    rules = (
        Rule("web", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8",)),
        Rule("out", Direction.EGRESS, Protocol.ICMP, ("10.0.0.0/8",)),
    )
    spec, marker = walls.spec(rules=rules, members=(machine.id,), tags={"team": "shop"}), walls.marker()
    firewall = eye.see(eye.create(spec, marker).id, lambda one: one.marker == marker)
    firewall = complete_firewall(eye, spec, firewall)
    eye.part.get(firewall.id)
    eye.part.get(walls.missing)
    eye.part.find(marker, None)
    firewall = complete_firewall(eye, replace(spec, rules=rules[:1], members=(), tags={"team": "web"}), firewall)
    firewall = eye.mark(eye.mark(firewall, None), marker) if walls.marks else firewall
    eye.delete(firewall)
    Eye(walls.bed, driver).delete(machine, machine_spec)


def live_of_a_copy(points: Points, driver: Driver, hostility: Hostility) -> None:
    """A volume is made from a snapshot of another, both looked at and deleted, in the same way."""
    bed, seen = points.bed, hostile(driver, hostility)
    plain = VolumeEye(bed, driver)
    plain.eye.settle()
    origin = plain.make(bed.volume_spec(), bed.volume_marker())
    eye, volumes = snapshot_eye(bed, seen), VolumeEye(bed, seen)
    eye.eye.kinds = (CloudKind.MACHINE, CloudKind.VOLUME, CloudKind.SNAPSHOT)
    volumes.eye = eye.eye
    spec, marker = points.spec(None, source=SnapshotSource(SourceKind.VOLUME, "data", origin.id)), points.marker()
    intent = snapshot_eye(bed, driver).intent(spec, marker)
    snapshot = eye.see(eye.create(spec, marker, intent).id, lambda one: one.marker == marker)
    eye.part.get(snapshot.id)
    eye.part.find(marker, None)
    eye.part.prepare(spec, ())
    copy, owner = volumes.volumes.normalize(bed.volume_spec(snapshot=snapshot.id)), bed.volume_marker()
    made = volumes.make(copy, owner, bed.volume_intent(driver, copy, owner))
    volumes.configure(made, copy, {"name"}, owner)
    made = volumes.see(made.id, lambda one: one.name == copy.name)
    volumes.delete(made)
    eye.delete(snapshot)
