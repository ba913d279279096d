"""What RegisterImage is told of the snapshots of a machine, and what cannot be known."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.errors import Refused
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot
from hybridge.drivers.aws import registering
from hybridge.drivers.aws.points import Point


def point(disks: dict[str, str]) -> Point:
    return Point(Snapshot("snap-root", "before", State.READY), (*disks.values(),), disks)


def instance(**words: Any) -> dict[str, Any]:
    return {
        "InstanceId": "i-1",
        "Architecture": "arm64",
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "UsageOperation": "RunInstances",
        **words,
    }


def test_the_root_comes_first_and_is_named() -> None:
    words = registering.disks(point({"/dev/sdf": "snap-1", "/dev/xvda": "snap-root"}))

    assert words["RootDeviceName"] == "/dev/xvda"
    shown = [(one["DeviceName"], one["Ebs"]["SnapshotId"]) for one in words["BlockDeviceMappings"]]
    assert shown == [("/dev/xvda", "snap-root"), ("/dev/sdf", "snap-1")]
    assert all(one["Ebs"]["DeleteOnTermination"] for one in words["BlockDeviceMappings"])


@pytest.mark.parametrize("disks", [{}, {"/dev/sdf": "snap-1"}])
def test_where_the_root_is_nobodys_it_is_refused(disks: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"spec\.source\.snapshotRef: .*virtualMachineRef") as refusal:
        registering.disks(point(disks))
    assert refusal.value.reason is Reason.UNSUPPORTED


def test_it_boots_as_its_machine_did() -> None:
    shown = {"Architecture": "arm64", "VirtualizationType": "hvm", "EnaSupport": True}

    assert registering.boot(instance()) == shown
    more = {"BootMode": "uefi-preferred", "TpmSupport": "v2.0", "SriovNetSupport": "simple"}
    assert registering.boot(instance(**more)) == {**shown, **more}
    assert "EnaSupport" not in registering.boot(instance(EnaSupport=False))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"UsageOperation": "RunInstances:0002"}, "licence"),
        ({"Architecture": ""}, "Architecture"),
        ({"VirtualizationType": ""}, "VirtualizationType"),
    ],
)
def test_what_is_not_known_or_not_kept_is_refused(words: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=rf"spec\.source\.snapshotRef: .*{named}") as refusal:
        registering.boot(instance(**words))
    assert refusal.value.reason is Reason.UNSUPPORTED
