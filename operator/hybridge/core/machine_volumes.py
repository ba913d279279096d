"""Volumes of a machine: which are attached and detached, what they wait for, and which have to survive it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from hybridge.core.machine import Disk, Machine, MachineSpec, VolumeUse
from hybridge.core.machine_situation import Situation
from hybridge.core.managed import State
from hybridge.core.plan import Action, Refuse, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.volume import Volume


def volume_field(use: VolumeUse) -> str:
    """The field of the action that attaches a volume."""
    return f"volumes.{use.name}"


def held_back(use: VolumeUse) -> str:
    """The field of ``Machine.pending`` that tells of a volume."""
    return f"volumes[{use.volume_id}]"


def volume_changes(spec: MachineSpec, machine: Machine, detachable: Collection[str]) -> Iterator[Action]:
    """What is to be detached, then what is to be attached.

    Only what is ``detachable``, and certainly no longer wanted, is detached: nothing while an entry may yet turn out to mean
    it.
    """
    if machine.disks is None:
        return
    present = {disk.id for disk in machine.disks}
    wanted = {use.volume_id for use in spec.volumes}
    if None not in wanted:
        yield from (_detach(disk) for disk in machine.disks if disk.id in detachable and disk.id not in wanted)
    for use in spec.volumes:
        if use.volume_id not in present or machine.pending.get(held_back(use)):
            yield Action(Verb.ATTACH_VOLUME, volume_field(use), "", use.volume_id or use.volume)


def staying(situation: Situation, machine: Machine) -> tuple[Action, ...] | Wait | Refuse:
    """What has to be detached before the machine goes, because it survives it; to wait while that is not known.

    What becomes of volumes that another cluster has marked people have to decide.
    """
    wanted = [use.volume_id for use in situation.spec.volumes if use.volume_id is not None]
    if machine.disks is None:
        if not wanted:
            return ()
        return Wait(Reason.HOST_DOWN, f"the cloud does not show which volumes {machine.id} has", patient=True)
    ids = [disk.id for disk in machine.disks]
    unread = [one for one in ids if one in situation.unread]
    if unread:
        return Wait(Reason.PENDING, f"{machine.id} has {', '.join(unread)}, and it is not known yet whose that is")
    foreign = [f"{one} of {situation.others[one]}" for one in ids if one in situation.others]
    if foreign:
        return Refuse(Reason.HAS_DEPENDANTS, f"{machine.id} has {', '.join(foreign)}: detach what is to be kept")
    return tuple(_detach(one) for one in machine.disks if one.id in situation.volumes or one.id in wanted)


def kept_back(use: VolumeUse, holds: Mapping[str, Wait | Refuse]) -> Wait | Refuse | None:
    """What keeps the volume of this entry from being attached now: what is known, or that it has no id yet."""
    known = holds.get(use.name)
    if known is None and use.volume_id is None:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"Volume {use.volume} is not there yet", patient=True)
    return known


def hold(
    use: VolumeUse,
    volume: Volume | None,
    machine_id: str | None,
    wanting: Collection[str],
    owners: Mapping[str, str],
    *,
    owner: str,
    observed: bool = False,
) -> Wait | Refuse | None:
    """What keeps a volume, as its cloud shows it, from being attached to the machine of this id; None: nothing.

    ``wanting``: the names of all machines whose specs have it, this one's too, but for those that are being deleted.
    ``owners``: in words, the objects of this cluster by the id of what is theirs. ``owner``: what its
    marker has to say: see ``Marker.owner``. ``observed``: the Volume only looks on.
    """
    if volume is None:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"Volume {use.volume} is not there yet", patient=True)
    others = [one.machine_id for one in volume.attachments if one.machine_id != machine_id]
    if not others and any(one.machine_id == machine_id for one in volume.attachments):
        return None
    if observed:
        return Refuse(
            Reason.INVALID_SPEC, f"spec.volumes[{use.name}]: Volume {use.volume} is only observed, and never attached"
        )
    if len(wanting) > 1:
        names = " and ".join(sorted(wanting))
        return Refuse(
            Reason.INVALID_SPEC, f"spec.volumes[{use.name}]: Volume {use.volume} is wanted by {names}; it can have one"
        )
    if not volume.detailed or volume.marker is None or volume.marker.owner != owner:
        words = "is not read yet" if not volume.detailed else "is not provably its own"
        return Wait(Reason.DEPENDENCY_NOT_READY, f"Volume {use.volume} ({volume.id}) {words}")
    if volume.state is not State.READY:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"Volume {use.volume} ({volume.id}) is {volume.state.value.lower()}")
    if others:
        names = ", ".join(owners.get(one, one) for one in others)
        return Wait(
            Reason.DEPENDENCY_NOT_READY,
            f"Volume {use.volume} ({volume.id}) is still at {names}",
            patient=any(one not in owners for one in others),
        )
    return None


def _detach(disk: Disk) -> Action:
    return Action(Verb.DETACH_VOLUME, f"volumes[{disk.id}]", disk.id, "")
