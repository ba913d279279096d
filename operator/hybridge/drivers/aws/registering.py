"""AMIs of snapshots of machines: what RegisterImage has to be told.

Which disks were the machine's own its snapshots tell (see ``points``). How it boots they do not: that is read from the
instance, as long as EC2 shows it. Source: EC2 API Reference, RegisterImage, DescribeInstances; EC2 User Guide, "Create an
Amazon EBS-backed AMI".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridge.core.errors import CloudError, Disposition, Refused, Unclear
from hybridge.core.image import Taken
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.points import Point
from hybridge.drivers.aws.snapshots import Snapshots

FIELD = "spec.source.snapshotRef"
#: What an instance does that has no licence from EC2. Source: EC2 User Guide, "AMI billing information fields".
_FREE = "RunInstances"
#: The words of RegisterImage that an instance has to tell, and those that it tells where it has them.
_NEEDED = ("Architecture", "VirtualizationType")
_KEPT = (*_NEEDED, "BootMode", "EnaSupport", "SriovNetSupport", "TpmSupport")
#: A snapshot tells nothing of the volume type that it was taken of.
_KIND = "gp3"


def parameters(client: Client, snapshots: Snapshots, source: Taken) -> dict[str, Any]:
    """The words of RegisterImage but for name and tags, as JSON values: a request for each of the snapshot, its set, and the
    instance.

    Raises Refused: NOT_FOUND (the snapshot, or the instance), UNSUPPORTED (what it would need nobody knows any more, or
    EC2 would not keep); CloudError (DEPENDENCY_NOT_READY) while the snapshot is not there yet.
    """
    point = _whole(snapshots, source)
    return {**disks(point), **boot(_instance(client, point.snapshot.source_id))}


def disks(point: Point) -> dict[str, Any]:
    """The words that say of which snapshots: the machine's own disks, none that was lent to it. Refused (UNSUPPORTED)."""
    known = point.snapshot.id
    root = next((device for device, part in point.disks.items() if part == known), None)
    if root is None:
        raise Refused(
            Reason.UNSUPPORTED,
            f"{FIELD}: {known} does not tell which volumes were the machine's own: take another Snapshot of the machine, or"
            " name the machine in spec.source.virtualMachineRef",
        )
    rest = [device for device in point.disks if device != root]
    return {"RootDeviceName": root, "BlockDeviceMappings": [_disk(one, point.disks[one]) for one in (root, *rest)]}


def boot(instance: Mapping[str, Any]) -> dict[str, Any]:
    """The words that say how machines boot from it: as this instance does. Refused (UNSUPPORTED)."""
    known, use = instance["InstanceId"], instance.get("UsageOperation") or _FREE
    if use != _FREE:
        raise Refused(
            Reason.UNSUPPORTED,
            f"{FIELD}: {known} has a licence of EC2 ({use}), which is lost in images of snapshots; name the machine in"
            " spec.source.virtualMachineRef",
        )
    if missing := [word for word in _NEEDED if not instance.get(word)]:
        raise Refused(Reason.UNSUPPORTED, f"{FIELD}: EC2 does not show the {' and the '.join(missing)} of {known}")
    return {word: instance[word] for word in _KEPT if instance.get(word)}


def _whole(snapshots: Snapshots, source: Taken) -> Point:
    if source.snapshot_id is None:
        raise _later(f"Snapshot {source.snapshot} has no id yet")
    point = snapshots.point(source.snapshot_id)
    if point is None or point.snapshot.gone:
        raise Refused(Reason.NOT_FOUND, f"{FIELD}: there is no snapshot {source.snapshot_id}")
    if point.snapshot.state is State.PENDING:
        raise _later(f"snapshot {source.snapshot_id} is still being taken")
    if point.snapshot.state is not State.READY:
        state = point.snapshot.state.value.lower()
        raise Refused(Reason.UNSUPPORTED, f"{FIELD}: snapshot {source.snapshot_id} is {state}: {point.snapshot.ended}")
    return point


def _instance(client: Client, known_id: str) -> Mapping[str, Any]:
    try:
        answer = client.call("DescribeInstances", InstanceIds=[known_id])
    except Refused as refused:
        if refused.reason is not Reason.NOT_FOUND:
            raise
        raise Refused(
            Reason.NOT_FOUND,
            f"{FIELD}: {known_id} is gone, and a snapshot does not tell how its machine boots: make an Image while the"
            " machine is there",
        ) from refused
    shown: list[Mapping[str, Any]] = [one for group in answer["Reservations"] for one in group["Instances"]]
    found = next((one for one in shown if one["InstanceId"] == known_id), None)
    if found is None:
        raise Unclear(f"DescribeInstances: the answer does not tell of {known_id}")
    return found


def _disk(device: str, part: str) -> dict[str, Any]:
    return {"DeviceName": device, "Ebs": {"SnapshotId": part, "VolumeType": _KIND, "DeleteOnTermination": True}}


def _later(words: str) -> CloudError:
    return CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
