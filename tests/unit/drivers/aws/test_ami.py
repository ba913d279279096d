"""What EC2 shows of AMIs, as images, and what a spec means in its words."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Download, Find, ImageSpec, Published, Source, Stored, Taken
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import ami

GIB = 2**30
OURS, OTHERS = "210987654321", "136693071363"
MINE = Marker("c", "u1", "Image", "shop", "base")


def shown(**words: Any) -> dict[str, Any]:
    return {
        "ImageId": "ami-1",
        "Name": "base",
        "State": "available",
        "OwnerId": OURS,
        "CreationDate": "2026-08-01T10:00:00.000Z",
        "Architecture": "x86_64",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 8}},
            {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-2", "VolumeSize": 2}},
            {"DeviceName": "/dev/sdg", "VirtualName": "ephemeral0"},
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in {**MINE.pairs(), "team": "shop"}.items()],
        **words,
    }


def test_an_ami_is_an_image() -> None:
    found = ami.image(shown(), OURS)

    assert (found.id, found.name, found.state, found.size) == ("ami-1", "base", State.READY, 10 * GIB)
    assert (found.marker, dict(found.tags), found.owner) == (MINE, {"team": "shop"}, (OURS, "self"))
    assert (found.created_at, found.architecture) == (1785578400.0, "x86_64")
    assert ami.snapshots(shown()) == ["snap-1", "snap-2"]


def test_a_marker_on_what_others_own_is_none() -> None:
    found = ami.image(shown(OwnerId=OTHERS, ImageOwnerAlias="amazon"), OURS)

    assert (found.marker, found.owner) == (None, (OTHERS, "amazon"))


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ({"State": "pending"}, State.PENDING),
        ({"State": "failed", "StateReason": {"Message": "no room"}}, State.FAILED),
        ({"State": "deregistered"}, State.GONE),
        ({"State": "disabled"}, State.READY),
        ({"State": "of the future"}, State.UNKNOWN),
    ],
)
def test_the_states_of_an_ami(words: dict[str, Any], state: State) -> None:
    found = ami.image(shown(**words), OURS)

    assert found.state is state
    assert found.ended == words.get("StateReason", {}).get("Message", "")
    assert bool(found.unfit) is (words["State"] == "disabled")


def test_what_was_imported_is_named_by_its_tag() -> None:
    tags = [{"Key": "Name", "Value": "base-2"}]

    assert ami.image(shown(Name="import-ami-0abc", Tags=tags), OURS).name == "base-2"
    assert ami.image(shown(Name="import-ami-0abc", Tags=[]), OURS).name == "import-ami-0abc"
    assert ami.image(shown(Tags=tags), OURS).name == "base"


def test_what_is_protected_says_so() -> None:
    assert ami.image(shown(DeregistrationProtection="enabled-with-cooldown"), OURS).protection
    assert not ami.image(shown(DeregistrationProtection="disabled"), OURS).protection


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"source": Download("https://example.org/x", "sha256:0")}, Reason.UNSUPPORTED),
        ({"source": Copy("ami-1"), "name": "a*"}, Reason.INVALID_SPEC),
        ({"source": Copy("ami-1"), "placement": {"storage": "nfs"}}, Reason.UNSUPPORTED),
        ({"find": Find("debian-*")}, Reason.INVALID_SPEC),
        ({"find": Find("debian-*", "me")}, Reason.INVALID_SPEC),
    ],
)
def test_what_ec2_does_not_have_is_refused(words: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        ami.check(ImageSpec(**{"name": "base", **words}))
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("source", "call", "words"),
    [
        (Copy("ami-9"), "CopyImage", {"SourceImageId": "ami-9", "SourceRegion": "eu-central-1", "ClientToken": "t"}),
        (
            Copy("ami-9", "us-east-1"),
            "CopyImage",
            {"SourceImageId": "ami-9", "SourceRegion": "us-east-1", "ClientToken": "t"},
        ),
        (Published("web", "i-1"), "CreateImage", {"InstanceId": "i-1", "NoReboot": True}),
    ],
)
def test_the_words_of_the_call(source: Source, call: str, words: dict[str, Any]) -> None:
    parameters = ami.parameters(ImageSpec("base", source=source, tags={"team": "shop"}), "eu-central-1")

    asked, given = ami.request(Intent(1, "t", "base", "u", "p", 0.0, parameters), MINE)

    tags = given.pop("TagSpecifications")
    assert (asked, given) == (call, {**words, "Name": "base"})
    assert {one["ResourceType"] for one in tags} == {"image", "snapshot"}
    assert {"Key": "team", "Value": "shop"} in tags[0]["Tags"]


def test_what_was_lent_is_left_out_each_time() -> None:
    parameters = ami.parameters(ImageSpec("base", source=Published("web", "i-1")), "eu-central-1")
    parameters |= ami.without(["/dev/sdf", "/dev/sdg"])
    intent = Intent(1, "t", "base", "u", "p", 0.0, parameters)

    (_, words), again = ami.request(intent, MINE), ami.request(intent, MINE)

    assert words == again[1]
    assert words["BlockDeviceMappings"] == [{"DeviceName": f"/dev/sd{one}", "NoDevice": ""} for one in "fg"]
    assert ami.left_out(words) == {"/dev/sdf", "/dev/sdg"}
    assert (ami.without([]), ami.left_out({})) == ({}, set())


def test_what_is_registered_is_tagged_alone_and_says_that_its_snapshots_are_not_its_own() -> None:
    words = {"RootDeviceName": "/dev/xvda", "Architecture": "arm64"}
    spec = ImageSpec("base", source=Taken("before", "snap-1", "i-1"), tags={"team": "shop"})
    intent = Intent(1, "t", "base", "u", "p", 0.0, ami.registration(spec, "snap-1", words))

    asked, given = ami.request(intent, MINE)

    (tags,) = given.pop("TagSpecifications")
    assert (asked, given) == ("RegisterImage", {**words, "Name": "base"})
    assert tags["ResourceType"] == "image"
    assert {"Key": ami.BORROWED, "Value": "snap-1"} in tags["Tags"]
    found = shown(Tags=tags["Tags"])
    assert (ami.snapshots(found), ami.own_snapshots(found)) == (["snap-1", "snap-2"], [])
    assert ami.own_snapshots(shown()) == ["snap-1", "snap-2"]
    assert dict(ami.image(found, OURS).tags) == {"team": "shop"}


def test_an_import_is_known_by_its_description() -> None:
    parameters = ami.parameters(ImageSpec("base", source=Stored("b", "k", "raw")), "eu-central-1")

    asked, given = ami.request(Intent(1, "t", "base", "u", "p", 0.0, parameters), MINE)

    assert asked == "ImportImage"
    assert (given["Description"], given["ClientToken"], "Name" in given) == ("t", "t", False)
    assert [one["ResourceType"] for one in given["TagSpecifications"]] == ["import-image-task"]


def test_a_machine_is_rebooted_only_where_that_is_allowed() -> None:
    spec = ImageSpec("base", source=Published("web", "i-1"), disruption=True)

    assert ami.parameters(spec, "eu-central-1")["NoReboot"] is False


def test_a_machine_that_is_not_there_yet_is_waited_for() -> None:
    with pytest.raises(CloudError) as error:
        ami.parameters(ImageSpec("base", source=Published("web")), "eu-central-1")
    assert error.value.reason is Reason.DEPENDENCY_NOT_READY


def test_a_search_takes_the_star_alone_for_any() -> None:
    assert ami.search(Find("a?b*", "self")) == {
        "Owners": ["self"],
        "Filters": [{"Name": "name", "Values": ["a\\?b*"]}],
    }


@pytest.mark.parametrize(("text", "percent"), [("28", 28), ("28%", 28), ("", 0), ("400", 100), ("soon", 0)])
def test_progress(text: str, percent: int) -> None:
    assert ami.percent(text) == percent
