"""EBS snapshots of the lab's EC2, in the hands of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from hybridge.core.identity import OWNER
from hybridge.core.machine import Machine
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind
from lab.aws import AwsCloud
from tests.contract.points import Points, ShownSnapshot


class AwsPoints(Points):
    """One of each volume of a machine; they stand by themselves, and outlive what they were taken of."""

    create_call = "ec2:CreateSnapshot*"
    restore_call = "ec2:CreateVolume"
    chains = False
    memory = False
    quiesces = False
    goes_along = False
    of_volumes = True
    missing = "snap-0123456789abcdef0"
    sweep_cost = 1
    life_cost = 10

    @cached_property
    def _ec2(self) -> Any:
        return cast("AwsCloud", self.bed.cloud).client()

    def impossible(self, machine: Machine) -> Sequence[SnapshotSpec]:
        return (
            self.spec(machine, memory=True),
            self.spec(machine, source=None),
            self.spec(machine, tags={"aws:team": "shop"}),
            self.spec(machine, source=SnapshotSource(SourceKind.VOLUME, "data", self.bed.missing_volume)),
            self.spec(machine, source=SnapshotSource(SourceKind.MACHINE, "gone", self.bed.missing_id)),
        )

    def shown(self) -> dict[str, ShownSnapshot]:
        found = self._ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return {one["SnapshotId"]: _shown(one) for one in found}

    def stranger(self, machine: Machine, name: str) -> str:
        return self._take(self._volume(machine), {"Name": name})

    def destroy(self, snapshot_id: str) -> None:
        if snapshot_id in self.shown():
            self._ec2.delete_snapshot(SnapshotId=snapshot_id)

    def copy(self, snapshot_id: str) -> str | None:
        (found,) = self._ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        return self._take(found["VolumeId"], _marks(found))

    def tag(self, snapshot_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[snapshot_id], Tags=[{"Key": key, "Value": value}])

    def rename(self, snapshot_id: str, name: str) -> None:
        self.tag(snapshot_id, "Name", name)

    def _volume(self, machine: Machine) -> str:
        filters = [{"Name": "attachment.instance-id", "Values": [machine.id]}]
        return str(self._ec2.describe_volumes(Filters=filters)["Volumes"][0]["VolumeId"])

    def _take(self, volume_id: str, tags: Mapping[str, str]) -> str:
        marks = [{"ResourceType": "snapshot", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
        made = str(self._ec2.create_snapshot(VolumeId=volume_id, TagSpecifications=marks)["SnapshotId"])
        self._ec2.get_waiter("snapshot_completed").wait(
            SnapshotIds=[made], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
        )
        return made


def _marks(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _shown(found: Mapping[str, Any]) -> ShownSnapshot:
    tags = _marks(found)
    return ShownSnapshot(found["SnapshotId"], tags.get("Name", ""), tags.get(OWNER), tags)
