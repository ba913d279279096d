"""The Volumes that a machine names: their ids, what keeps them from being attached, and where the machine has to be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from hybridge.api.shared import Management
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.api.volume import Volume
from hybridge.core import volume as core
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import MachineSpec, VolumeUse
from hybridge.core.machine_volumes import hold
from hybridge.core.place import Within
from hybridge.core.plan import Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines.case import Case
from hybridge.engine.world import World


def ids(world: World, told: VirtualMachine) -> Mapping[str, str]:
    """The cloud's ids of what ``spec.volumes`` names, by the names of the entries, as far as they have any."""
    found = ((one.name, _volume(world, told.metadata.namespace, one.volume_ref.name)) for one in told.spec.volumes)
    provider = told.spec.provider_ref.name
    return {
        name: volume.status.id
        for name, volume in found
        if volume is not None and volume.status.id is not None and volume.spec.provider_ref.name == provider
    }


def surviving(world: World, case: Case) -> Collection[str]:
    """The ids of those that the machine has and that are this cluster's, by what is on record or by their markers."""
    shelf = case.link.shelf(CloudKind.VOLUME)
    marked = {known_id for known_id, marker in _marked(case) if marker.cluster == world.cluster_id}
    return marked | {known_id for known_id in _at(case) if known_id in shelf.owners}


def detachable(world: World, case: Case) -> Collection[str]:
    """The ids of those that the machine has, that are provably their Volumes', and that its spec could name.

    By their markers and by what is on record: a Volume may not have had its turn since the operator started.
    """
    return {known_id for known_id, marker in _marked(case) if _is_provably(world, case, known_id, marker)}


def _is_provably(world: World, case: Case, known_id: str, marker: Marker) -> bool:
    key = world.store.by_uid(marker.uid) if marker.cluster == world.cluster_id else None
    if key is None or key.kind != CloudKind.VOLUME or key.namespace != case.key.namespace:
        return False
    told = _volume(world, key.namespace, key.name)
    return told is not None and told.status.id == known_id


def others(world: World, case: Case) -> Mapping[str, str]:
    """In words, whose the volumes are that the machine has and that another cluster has marked, by id."""
    foreign = ((known_id, one) for known_id, one in _marked(case) if one.cluster != world.cluster_id)
    return {known_id: f"{one.kind} {one.namespace}/{one.name} ({one.owner})" for known_id, one in foreign}


def unread(case: Case) -> Collection[str]:
    """The ids of those that the machine has, and of which it is not known yet whose they are."""
    inventory = case.link.shelf(CloudKind.VOLUME).inventory
    if inventory.settled:
        return ()
    seen = ((known_id, inventory.get(known_id)) for known_id in _at(case))
    return {known_id for known_id, volume in seen if volume is None or not volume.detailed}


def held(world: World, case: Case) -> Mapping[str, Wait | Refuse]:
    """What keeps volumes from being attached now, by the names of the entries."""
    found = {use.name: _held(world, case, use) for use in case.spec.volumes}
    return {name: step for name, step in found.items() if step is not None}


def await_all(world: World, case: Case) -> None:
    """Raises CloudError while a machine that is to be made has to wait for a volume: it could come to another zone."""
    for use in case.spec.volumes:
        told = _volume(world, case.key.namespace, use.volume)
        if told is not None and told.metadata.deletion_timestamp is not None:
            words = f"Volume {case.key.namespace}/{use.volume} is being deleted"
            raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
    for step in held(world, case).values():
        disposition = Disposition.STOP if isinstance(step, Refuse) else Disposition.WAIT
        raise CloudError(step.reason, step.message, disposition=disposition)


def near(spec: MachineSpec, link: Link) -> MachineSpec:
    """The spec of a machine that is where its volumes can be attached."""
    shelf = link.shelf(CloudKind.VOLUME)
    found = [shelf.inventory.get(use.volume_id) for use in spec.volumes if use.volume_id]
    zones, hosts = spec.within.zones, spec.within.hosts
    for volume in filter(None, found):
        zones = _narrowed(zones, volume, "placement.zone")
        hosts = _narrowed(hosts, volume, "placement.node")
    return replace(spec, within=Within(hosts, zones))


def _narrowed(allowed: frozenset[str] | None, volume: core.Volume, path: str) -> frozenset[str] | None:
    names = frozenset(volume.settings.get(path, ()))
    if not names:
        return allowed
    return names if allowed is None else allowed & names


def _held(world: World, case: Case, use: VolumeUse) -> Wait | Refuse | None:
    namespace = case.key.namespace
    told = _volume(world, namespace, use.volume)
    if told is None:
        words = f"Volume {namespace}/{use.volume} does not exist"
        return Wait(Reason.DEPENDENCY_NOT_READY, words, patient=True)
    if told.spec.provider_ref.name != case.link.name:
        words = f"Volume {namespace}/{use.volume} is in Provider {told.spec.provider_ref.name}, not in {case.link.name}"
        return Refuse(Reason.INVALID_SPEC, f"spec.volumes[{use.name}]: {words}")
    shelf = case.link.shelf(CloudKind.VOLUME)
    return hold(
        use,
        shelf.inventory.get(told.status.id) if told.status.id else None,
        case.memo.id,
        _wanting(world, Key("Volume", namespace, use.volume)),
        case.link.machines.owners_in_words,
        owner=_owner(world, told),
        observed=told.spec.lifecycle.management is Management.OBSERVED,
    )


def _at(case: Case) -> tuple[str, ...]:
    """The ids of the volumes that the machine has."""
    machine = case.link.machines.inventory.get(case.memo.id) if case.memo.id else None
    return tuple(disk.id for disk in machine.disks or ()) if machine is not None else ()


def _marked(case: Case) -> Iterator[tuple[str, Marker]]:
    """Those that the machine has and that carry a marker, by id."""
    inventory = case.link.shelf(CloudKind.VOLUME).inventory
    for known_id in _at(case):
        volume = inventory.get(known_id)
        if volume is not None and volume.marker is not None:
            yield known_id, volume.marker


def _owner(world: World, told: Volume) -> str:
    """What the marker of a Volume's volume says."""
    return f"{world.cluster_id}/{told.metadata.uid}"


def _wanting(world: World, volume: Key) -> Collection[str]:
    """In words, the machines that refer to a Volume and are not on their way out."""
    bodies = {key: world.store.get(key) for key in world.store.relations.referrers(volume)}
    return [
        key.in_words
        for key, body in bodies.items()
        if key.kind == "VirtualMachine" and body is not None and not body["metadata"].get("deletionTimestamp")
    ]


def _volume(world: World, namespace: str, name: str) -> Volume | None:
    return world.decode(Key("Volume", namespace, name), Volume)
