"""What a spec means in the words of RunInstances."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import CloudInit, MachineSpec, Nic
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch
from hybridge.drivers.aws.mapping import Disk
from hybridge.drivers.aws.offers import GIB, Image

IMAGE = Image("ami-1", "debian", "available", "", "x86_64", 8 * GIB, ("/dev/xvda", "/dev/sdb"))
SPEC = MachineSpec(name="web-1", image="debian", cpus=2, memory=GIB)
MARKER = Marker("cluster", "uid", "VirtualMachine", "shop", "web")


def parameters(spec: MachineSpec, *subnets: str, image: Image = IMAGE) -> dict[str, Any]:
    return launch.parameters(spec, image, "t3.small", list(subnets))


def intent(words: dict[str, Any]) -> Intent:
    return Intent(1, "hybridge-uid-1", "web-1", "uuid", "aws:1:eu", 0.0, parameters=json.loads(json.dumps(words)))


def refusal(spec: MachineSpec) -> tuple[Reason, str]:
    with pytest.raises(Refused) as refused:
        launch.check(spec)
    return refused.value.reason, refused.value.message


def test_every_disk_goes_with_its_machine_and_the_root_has_the_images_size() -> None:
    made = parameters(SPEC)
    assert made["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 8}},
        {"DeviceName": "/dev/sdb", "Ebs": {"DeleteOnTermination": True}},
    ]
    assert launch.root_disk(made) == Disk(8 * GIB)


def test_a_root_disk_is_rounded_up_to_whole_gibibytes() -> None:
    made = parameters(replace(SPEC, root_disk=20 * GIB + 1, root_disk_class="gp3"))
    assert made["BlockDeviceMappings"][0]["Ebs"] == {"DeleteOnTermination": True, "VolumeSize": 21, "VolumeType": "gp3"}


def test_a_root_disk_smaller_than_the_image_is_refused() -> None:
    with pytest.raises(Refused, match="1Gi is less than the 8Gi") as refused:
        parameters(replace(SPEC, root_disk=GIB))
    assert refused.value.reason is Reason.INVALID_SPEC


def test_a_root_disk_of_an_image_without_volumes_is_refused() -> None:
    bare = replace(IMAGE, disks=(), root_size=None)
    assert "InstanceInitiatedShutdownBehavior" not in parameters(SPEC, image=bare)
    with pytest.raises(Refused, match="no EBS volume"):
        parameters(replace(SPEC, root_disk=9 * GIB), image=bare)


def test_one_network_is_said_in_short() -> None:
    spec = replace(
        SPEC, networks=(Nic("nic0", "subnet-1", addresses=("10.0.0.9/24",)),), options={"securityGroupIDs": ["sg-1"]}
    )
    made = parameters(spec, "subnet-1")
    assert (made["SubnetId"], made["SecurityGroupIds"], made["PrivateIpAddress"]) == ("subnet-1", ["sg-1"], "10.0.0.9")


def test_several_networks_become_interfaces_that_go_with_the_machine() -> None:
    spec = replace(
        SPEC,
        networks=(Nic("a", "one"), Nic("b", "two", addresses=("10.0.1.9",))),
        options={"securityGroupIDs": ["sg-1"]},
    )
    made = parameters(spec, "subnet-1", "subnet-2")
    assert made["NetworkInterfaces"] == [
        {"DeviceIndex": 0, "SubnetId": "subnet-1", "DeleteOnTermination": True, "Groups": ["sg-1"]},
        {
            "DeviceIndex": 1,
            "SubnetId": "subnet-2",
            "DeleteOnTermination": True,
            "Groups": ["sg-1"],
            "PrivateIpAddress": "10.0.1.9",
        },
    ]
    assert "SubnetId" not in made
    assert "SecurityGroupIds" not in made


@pytest.mark.parametrize(
    ("profile", "words"),
    [("web", {"Name": "web"}), ("arn:aws:iam::1:instance-profile/web", {"Arn": "arn:aws:iam::1:instance-profile/web"})],
)
def test_an_instance_profile_is_a_name_or_an_arn(profile: str, words: dict[str, str]) -> None:
    assert parameters(replace(SPEC, options={"iamInstanceProfile": profile}))["IamInstanceProfile"] == words


def test_the_request_carries_marker_name_tags_and_token_and_is_the_same_each_time() -> None:
    spec = replace(SPEC, tags={"team": "shop"}, cloud_init=CloudInit(user_data="#!/bin/sh\n"))
    record = intent(parameters(spec))
    made = launch.request(record, spec, MARKER)
    assert made == launch.request(record, spec, MARKER)
    assert [given["ResourceType"] for given in made["TagSpecifications"]] == [
        "instance",
        "volume",
        "network-interface",
    ]
    tags = {tag["Key"]: tag["Value"] for tag in made["TagSpecifications"][0]["Tags"]}
    assert tags == {"team": "shop", "Name": "web-1", **MARKER.pairs()}
    assert made["ClientToken"] == "hybridge-uid-1"
    assert made["UserData"] == "#!/bin/sh\n"
    assert launch.TAGS not in made


def test_the_parameters_on_record_hold_no_secret() -> None:
    spec = replace(SPEC, cloud_init=CloudInit(user_data="#!/bin/sh\necho swordfish\n"))
    assert "swordfish" not in json.dumps(parameters(spec))
    assert "UserData" not in parameters(spec)


def test_no_cloud_init_means_no_user_data() -> None:
    assert "UserData" not in launch.request(intent(parameters(SPEC)), SPEC, MARKER)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"options": {"bios": "ovmf"}}, Reason.UNSUPPORTED, "spec.aws.bios"),
        ({"placement": {"node": "pve1"}}, Reason.UNSUPPORTED, "spec.placement.node"),
        (
            {"networks": (Nic("a", "s", addresses=("10.0.0.5/24",), gateways=("10.0.0.1",)),)},
            Reason.UNSUPPORTED,
            "spec.networks[a].gateways",
        ),
        ({"networks": (Nic("a", "s", mac="02:00:00:00:00:01"),)}, Reason.UNSUPPORTED, "spec.networks[a].mac"),
        ({"networks": (Nic("a", "s", addresses=("1.2.3.4", "1.2.3.5")),)}, Reason.UNSUPPORTED, "only one"),
        ({"networks": (Nic("a", "s", addresses=("2001:db8::1/64",)),)}, Reason.UNSUPPORTED, "no IPv4 address"),
        ({"tags": {"hybridge.io/owner": "me"}}, Reason.INVALID_SPEC, "hybridge.io/owner is reserved"),
        ({"tags": {"aws:x": "y"}}, Reason.INVALID_SPEC, "aws:x is reserved"),
        ({"tags": {"Name": "x"}}, Reason.INVALID_SPEC, "set spec.name"),
        ({"cloud_init": CloudInit(user_data="#" * 16_385)}, Reason.INVALID_SPEC, "16385 bytes"),
    ],
)
def test_what_ec2_does_not_have_is_refused_by_name(change: dict[str, Any], reason: Reason, words: str) -> None:
    found, message = refusal(replace(SPEC, **change))
    assert found is reason
    assert words in message


def test_options_that_are_empty_ask_for_nothing() -> None:
    launch.check(replace(SPEC, options={"keyName": "me", "other": None}, placement={"zone": "eu-central-1a"}))


def test_a_normal_spec_is_as_ec2_shows_it_back() -> None:
    spec = replace(
        SPEC,
        root_disk=20 * GIB + 1,
        options={"securityGroupIDs": ["sg-2", "sg-1", "sg-2"], "keyName": "", "iamInstanceProfile": None},
    )
    normal = launch.normal(spec)
    assert (normal.root_disk, normal.options) == (21 * GIB, {"securityGroupIDs": ["sg-2", "sg-1"]})
    assert launch.normal(normal) == normal
