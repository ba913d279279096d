"""Volumes that come to an instance and leave it, each in one call that EC2 carries out later.

What it is at is told as a task, judged by the instance as sweeps show it: that costs no request.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.errors import Busy, Refused, Unclear
from hybridge.core.identity import KIND, OWNER
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Disk, Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import Seen
from hybridge.drivers.base import Started

ATTACH, DETACH = "AttachVolume", "DetachVolume"

#: Under which letters an instance may have a volume: first those that EC2 recommends for Linux, then what there is besides.
_LETTERS = "fghijklmnopqrstuvwxyz"

#: Seconds for which EC2 may show an instance as it was before a change, and for which a guest may take to let go.
_LATE = 60.0

#: Seconds after which nobody waits for an instance any more that no sweep shows.
_LOST = 300.0


class Attachments:
    """Attaches and detaches. What is so already is not asked for again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def attach(self, machine: Machine, seen: Seen, volume_id: str) -> Started[Machine]:
        """Raises Refused: HAS_DEPENDANTS while another instance has it, QUOTA; Busy while it is leaving this one."""
        now = next((one for one in seen.attached if one.volume == volume_id), None)
        if now is not None and now.state == "detaching":
            raise Busy(f"{volume_id} is still being detached from {machine.id}", reason=Reason.UPDATING)
        if now is not None:
            task = _task(ATTACH, machine.id, volume_id) if now.state == "attaching" else None
            return Started(machine.id, _with(machine, seen, Disk(volume_id, now.device)), task)
        device = _free(seen)
        try:
            self._client.call(ATTACH, VolumeId=volume_id, InstanceId=machine.id, Device=device)
        except Refused as refused:
            # It is there, but not shown yet: an earlier call has taken effect.
            if refused.reason is not Reason.HAS_DEPENDANTS or not self._is_at(volume_id, machine.id):
                raise
        return Started(machine.id, _with(machine, seen, Disk(volume_id, device)), _task(ATTACH, machine.id, volume_id))

    def detach(self, machine: Machine, seen: Seen, volume_id: str) -> Started[Machine]:
        """The machine keeps it until EC2 says otherwise."""
        now = next((one for one in seen.attached if one.volume == volume_id), None)
        if now is None:
            return Started(machine.id, replace(machine, disks=seen.machine.disks))
        if volume_id == seen.root_volume:
            raise Refused(Reason.UNSUPPORTED, f"{volume_id} is the disk that {machine.id} boots from")
        if now.state != "detaching":
            self._client.call(DETACH, VolumeId=volume_id, InstanceId=machine.id)
        return Started(machine.id, machine, _task(DETACH, machine.id, volume_id))

    def spare(self, seen: Seen) -> None:
        """Has disks outlive the instance that carry the marker of another object than the instance does."""
        going = {one.volume: one.device for one in seen.attached if one.goes and one.volume != seen.root_volume}
        if not going:
            return
        filters = [{"Name": "volume-id", "Values": [*going]}, {"Name": "tag-key", "Values": [OWNER]}]
        owner = seen.machine.marker.owner if seen.machine.marker else None
        kept = [
            going[one["VolumeId"]]
            for one in self._client.call("DescribeVolumes", Filters=filters)["Volumes"]
            if one["VolumeId"] in going and mapping.pairs(one.get("Tags", [])).get(OWNER) != owner
        ]
        if kept:
            words = [{"DeviceName": device, "Ebs": {"DeleteOnTermination": False}} for device in kept]
            self._client.call("ModifyInstanceAttribute", InstanceId=seen.machine.id, BlockDeviceMappings=words)

    def _is_at(self, volume_id: str, machine_id: str) -> bool:
        filters = [
            {"Name": "volume-id", "Values": [volume_id]},
            {"Name": "attachment.instance-id", "Values": [machine_id]},
        ]
        return bool(self._client.call("DescribeVolumes", Filters=filters)["Volumes"])


def lent(client: Client, machine_id: str) -> list[str]:
    """The device names of the volumes that were lent to an instance: those that are Volumes themselves, whoever's."""
    filters = [
        {"Name": "attachment.instance-id", "Values": [machine_id]},
        {"Name": f"tag:{KIND}", "Values": [CloudKind.VOLUME]},
    ]
    return places(client.call("DescribeVolumes", Filters=filters)["Volumes"], machine_id)


def places(volumes: Iterable[Mapping[str, Any]], machine_id: str) -> list[str]:
    """Under which device names an instance has these volumes, which others may have as well. Raises Unclear where one
    has none: it could not be left out.
    """
    here = [at for one in volumes for at in one.get("Attachments", []) if at.get("InstanceId") == machine_id]
    if not all(at.get("Device") for at in here):
        raise Unclear(f"DescribeVolumes: the answer does not tell under which names {machine_id} has its volumes")
    return sorted({at["Device"] for at in here})


def is_mine(task: Task) -> bool:
    """Whether it is a task of this module."""
    return task.id.startswith((f"{ATTACH}:", f"{DETACH}:"))


def judged(task: Task, sight: Mapping[str, Seen], now: float) -> Task:
    """How far it is, by all instances that EC2 shows."""
    operation, machine_id, volume_id = (*task.id.split(":"), "", "")[:3]
    age, seen = now - task.started_at, sight.get(machine_id)
    if seen is None:
        return replace(task, state=TaskState.UNKNOWN) if age > _LOST else task
    at = next((one.state for one in seen.attached if one.volume == volume_id), None)
    gone = seen.machine.power is Power.GONE
    if operation == DETACH:
        if at is None or gone:
            return replace(task, state=TaskState.SUCCEEDED)
        if age <= _LATE:
            return task
        if at == "detaching":
            return replace(task, operation=f"{DETACH}, until the guest lets go of it")
        return _failed(task, f"{machine_id} still has {volume_id}: somebody has attached it again")
    if at == "attached":
        return replace(task, state=TaskState.SUCCEEDED)
    if gone or (at != "attaching" and age > _LATE):
        return _failed(task, f"{machine_id} does not have {volume_id}: it was not attached, or was taken away again")
    return task


def _failed(task: Task, words: str) -> Task:
    return replace(task, state=TaskState.FAILED, error=words)


def _task(operation: str, machine_id: str, volume_id: str) -> Task:
    return Task(f"{operation}:{machine_id}:{volume_id}", operation, time.time())


def _with(machine: Machine, seen: Seen, disk: Disk) -> Machine:
    others = [one for one in seen.machine.disks or () if one.id != disk.id]
    return replace(machine, disks=(*others, disk))


def _free(seen: Seen) -> str:
    """A device name that nothing has. ``/dev/sdf`` and ``/dev/xvdf`` are the same to some kernels, ``/dev/sdf1`` as well."""
    taken = {one.device.removeprefix("/dev/").removeprefix("sd").removeprefix("xvd")[:1] for one in seen.attached}
    letter = next((letter for letter in _LETTERS if letter not in taken), None)
    if letter is None:
        raise Refused(Reason.QUOTA, f"{seen.machine.id} has no device name left for a further volume")
    return f"/dev/sd{letter}"
