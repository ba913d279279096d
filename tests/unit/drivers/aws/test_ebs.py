"""What EC2 shows of a volume, and what a volume's spec means in EC2's words."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, Volume, VolumeSpec
from hybridge.drivers.aws import ebs, mapping
from hybridge.drivers.aws.offers import GIB, MIB

MARKER = Marker("cluster", "uid", "Volume", "shop", "data")
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:eu-central-1:1:key/{KEY}"
SPEC = VolumeSpec(name="data-1", size=10 * GIB)


def shown(**members: Any) -> Volume:
    return ebs.volume(
        {
            "VolumeId": "vol-1",
            "State": "available",
            "AvailabilityZone": "eu-central-1a",
            "Size": 10,
            "VolumeType": "gp3",
            "Iops": 3000,
            "Throughput": 125,
            "Encrypted": False,
            "Tags": mapping.words({"Name": "data-1", "team": "shop", "aws:x": "y", **MARKER.pairs()}),
            "CreateTime": datetime(2026, 1, 1, tzinfo=UTC),
            **members,
        }
    )


def at(machine: str, device: str, state: str = "attached") -> dict[str, str]:
    return {"InstanceId": machine, "VolumeId": "vol-1", "Device": device, "State": state}


@pytest.mark.parametrize(
    ("state", "means"),
    [
        ("creating", State.PENDING),
        ("available", State.READY),
        ("in-use", State.READY),
        ("deleting", State.DELETING),
        ("deleted", State.GONE),
        ("error", State.FAILED),
        ("something new", State.UNKNOWN),
    ],
)
def test_states(state: str, means: State) -> None:
    volume = shown(State=state)
    assert volume.state is means
    assert bool(volume.ended) is (means is State.FAILED)


def test_a_volume_is_shown_whole_in_bytes() -> None:
    assert shown() == Volume(
        id="vol-1",
        name="data-1",
        marker=MARKER,
        tags={"team": "shop"},
        created_at=datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        size=10 * GIB,
        iops=3000,
        throughput=125 * MIB,
        encrypted=False,
        settings={"class": ("gp3",), "placement.zone": ("eu-central-1a",), "aws.kmsKeyID": ()},
    )


def test_a_key_is_known_by_its_arn_and_its_id() -> None:
    assert shown(Encrypted=True, KmsKeyId=ARN).settings["aws.kmsKeyID"] == (ARN, KEY)


def test_figures_that_a_class_does_not_have_are_not_known() -> None:
    volume = shown(VolumeType="standard", Iops=0, Throughput=0)
    assert (volume.iops, volume.throughput) == (None, None)


@pytest.mark.parametrize(
    ("attached", "attachments", "locked"),
    [
        ([], (), False),
        ([at("i-1", "/dev/sdf", "attaching")], (Attachment("i-1", "/dev/sdf"),), False),
        ([at("i-1", "/dev/sdf")], (Attachment("i-1", "/dev/sdf"),), False),
        ([at("i-1", "/dev/sdf", "detaching")], (Attachment("i-1", "/dev/sdf"),), False),
        ([at("i-1", "/dev/sdf", "busy")], (Attachment("i-1", "/dev/sdf"),), True),
        ([at("i-1", "/dev/sdf", "detached")], (), False),
        (
            [{"AssociatedResource": "arn:aws:ecs:task/1", "State": "attached"}],
            (Attachment("arn:aws:ecs:task/1"),),
            False,
        ),
        ([{"State": "attached"}], (Attachment("a service of AWS"),), False),
    ],
)
def test_attachments(attached: list[dict[str, str]], attachments: tuple[Attachment, ...], locked: bool) -> None:
    volume = shown(Attachments=attached)
    assert (volume.attachments, bool(volume.lock)) == (attachments, locked)


@pytest.mark.parametrize("device", ["/dev/sda1", "/dev/xvda"])
def test_the_disk_that_a_machine_boots_from_is_nobodys_volume(device: str) -> None:
    assert shown(Attachments=[at("i-1", device)]).unfit == "the disk that i-1 boots from"
    assert not shown(Attachments=[at("i-1", "/dev/sdf")]).unfit


REFUSED: dict[str, tuple[VolumeSpec, Reason]] = {
    "spec.aws.other": (replace(SPEC, options={"other": "x"}), Reason.UNSUPPORTED),
    "spec.placement.storage": (replace(SPEC, placement={"storage": "local"}), Reason.UNSUPPORTED),
    "spec.iops": (replace(SPEC, class_="st1", iops=500), Reason.UNSUPPORTED),
    "spec.throughput": (replace(SPEC, class_="io2", iops=500, throughput=MIB), Reason.UNSUPPORTED),
    "spec.encrypted": (replace(SPEC, encrypted=False, options={"kmsKeyID": KEY}), Reason.INVALID_SPEC),
    "alias/ours": (replace(SPEC, options={"kmsKeyID": "alias/ours"}), Reason.UNSUPPORTED),
    "arn:aws:kms:eu:1:alias/ours": (
        replace(SPEC, options={"kmsKeyID": "arn:aws:kms:eu:1:alias/ours"}),
        Reason.UNSUPPORTED,
    ),
    "spec.tags: Name": (replace(SPEC, tags={"Name": "x"}), Reason.INVALID_SPEC),
    "hybridge.io/owner": (replace(SPEC, tags={"hybridge.io/owner": "x"}), Reason.INVALID_SPEC),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_ec2_cannot_do_is_refused_and_named(named: str) -> None:
    spec, reason = REFUSED[named]
    with pytest.raises(Refused) as refused:
        ebs.check(spec)
    assert (refused.value.reason, named in refused.value.message) == (reason, True)


def test_a_spec_is_as_ec2_would_show_it() -> None:
    odd = replace(SPEC, size=10 * GIB + 1, throughput=125 * MIB + 1, options={"kmsKeyID": KEY})
    assert ebs.normal(odd) == replace(odd, size=11 * GIB, throughput=126 * MIB, encrypted=True)
    empty = replace(SPEC, options={"kmsKeyID": ""})
    assert ebs.normal(empty) == SPEC


def test_the_words_of_a_create_are_json_and_the_same_every_time() -> None:
    spec = replace(SPEC, class_="gp3", iops=4000, throughput=250 * MIB, tags={"team": "shop"}, snapshot="snap-1")
    words = json.loads(json.dumps(ebs.parameters(replace(spec, encrypted=True, options={"kmsKeyID": KEY}), "zone-a")))
    intent = Intent(1, "hybridge-uid-1", "data-1", "uuid", "aws:1:eu", 0.0, parameters=words)
    made = ebs.request(intent, MARKER)
    assert made == ebs.request(intent, MARKER)
    tags = made.pop("TagSpecifications")
    assert made == {
        "AvailabilityZone": "zone-a",
        "ClientToken": "hybridge-uid-1",
        "Encrypted": True,
        "Iops": 4000,
        "KmsKeyId": KEY,
        "Size": 10,
        "SnapshotId": "snap-1",
        "Throughput": 250,
        "VolumeType": "gp3",
    }
    (kind,) = tags
    assert (kind["ResourceType"], mapping.pairs(kind["Tags"])) == (
        "volume",
        {"Name": "data-1", "team": "shop", **MARKER.pairs()},
    )


def test_what_a_spec_leaves_open_is_left_to_ec2() -> None:
    assert ebs.parameters(SPEC, "zone-a") == {"AvailabilityZone": "zone-a", "Size": 10, "Tags": {}}
    assert "Encrypted" in ebs.parameters(replace(SPEC, encrypted=False), "zone-a")


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (replace(SPEC, size=None), "spec.size"),
        (replace(SPEC, iops=3000), "spec.class"),
        (replace(SPEC, throughput=MIB), "spec.class"),
        (replace(SPEC, class_="io2"), "spec.iops"),
    ],
)
def test_what_a_create_needs_is_named(spec: VolumeSpec, named: str) -> None:
    with pytest.raises(Refused, match=f"^{named}") as refused:
        ebs.parameters(spec, "zone-a")
    assert refused.value.reason is Reason.INVALID_SPEC


EVERYTHING = frozenset({"size", "class", "iops", "throughput"})


@pytest.mark.parametrize(
    ("wanted", "fields", "words"),
    [
        ({}, EVERYTHING, {}),
        ({"size": 20 * GIB}, {"size"}, {"Size": 20}),
        ({"size": 5 * GIB}, {"size"}, {}),
        ({"size": 20 * GIB}, {"class"}, {}),
        ({"class_": "gp3", "iops": 3000, "throughput": 125 * MIB}, EVERYTHING, {}),
        ({"class_": "gp2"}, EVERYTHING, {"VolumeType": "gp2"}),
        ({"class_": "io2", "iops": 3000}, {"class"}, {"VolumeType": "io2", "Iops": 3000}),
        ({"iops": 4000, "throughput": 250 * MIB}, {"iops"}, {"Iops": 4000}),
        (
            {"size": 20 * GIB, "iops": 4000, "throughput": 250 * MIB},
            EVERYTHING,
            {"Size": 20, "Iops": 4000, "Throughput": 250},
        ),
    ],
)
def test_one_call_brings_what_differs_and_nothing_else(
    wanted: dict[str, Any], fields: set[str], words: dict[str, Any]
) -> None:
    assert ebs.modification(shown(), replace(SPEC, **wanted), fields) == words
