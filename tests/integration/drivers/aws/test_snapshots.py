"""Snapshots of machines: what is EC2's own about sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, token
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSource, SnapshotSpec, SourceKind
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import SPEC, Bench, wait_until


def taken(bench: Bench, cloud: AwsCloud) -> Snapshot:
    """Of a machine with two disks."""
    ec2, snapshots = cloud.client(), bench.driver.snapshots
    machine = bench.make(replace(SPEC, power=Power.STOPPED))
    wait_until(lambda: bench.look(machine.id).lock is None)
    zone = bench.look(machine.id).settings["placement.zone"][0]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    ec2.attach_volume(InstanceId=machine.id, VolumeId=volume, Device="/dev/sdf")
    mark = Marker("cluster", uid := str(uuid4()), "Snapshot", "shop", f"before-{uid}")
    spec = SnapshotSpec(name="before", source=SnapshotSource(SourceKind.MACHINE, "web", machine.id))
    asked = Intent(1, token(uid, 1), "before", "", "aws", 0.0, parameters=snapshots.prepare(spec, ()).parameters)
    made = snapshots.create(asked, spec, mark)
    assert made.id
    found = snapshots.get(made.id)
    assert found
    assert len(found.parts) == 2
    return found


def other(snapshot: Snapshot) -> str:
    """The id of its second part."""
    return next(one for one in snapshot.parts.values() if one != snapshot.id)


def shown(ec2: Any) -> set[str]:
    return {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}


def test_a_part_of_a_set_is_no_snapshot_by_itself(bench: Bench, cloud: AwsCloud) -> None:
    snapshot = taken(bench, cloud)

    with pytest.raises(Refused, match=snapshot.id) as refused:
        bench.driver.snapshots.get(other(snapshot))

    assert refused.value.reason is Reason.INVALID_SPEC
    bench.driver.snapshots.delete(snapshot)


def test_the_rest_of_a_set_whose_first_part_somebody_deleted_is_found_and_goes(bench: Bench, cloud: AwsCloud) -> None:
    ec2, snapshot, snapshots = cloud.client(), taken(bench, cloud), bench.driver.snapshots
    assert snapshot.marker is not None
    assert not snapshot.remains
    ec2.delete_snapshot(SnapshotId=snapshot.id)
    assert snapshots.get(snapshot.id) is None

    (left,) = snapshots.find(snapshot.marker, None)

    assert (left.id, left.remains) == (other(snapshot), True)
    assert snapshots.all()[left.id].remains
    snapshots.delete(left)
    assert not shown(ec2) & {*snapshot.parts.values()}
    assert snapshots.find(snapshot.marker, None) == []
