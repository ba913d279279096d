"""What EC2 shows becomes the core's machines, images and types."""

from typing import Any

import pytest

from hybridge.core.identity import Marker
from hybridge.core.machine import Address, Machine, Port, Power
from hybridge.drivers.aws import mapping, offers
from hybridge.drivers.aws.mapping import UNFINISHED, Disk
from hybridge.drivers.aws.offers import GIB, InstanceType

MARKER = Marker("cluster", "uid", "VirtualMachine", "shop", "web")


def instance(**members: Any) -> dict[str, Any]:
    return {
        "InstanceId": "i-0abc",
        "InstanceType": "t3.small",
        "State": {"Name": "running"},
        "Placement": {"AvailabilityZone": "eu-central-1a"},
        "RootDeviceName": "/dev/sda1",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeId": "vol-data"}},
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeId": "vol-root"}},
        ],
        "Tags": mapping.words({"Name": "web-1", "team": "shop", "aws:x": "y", **MARKER.pairs()}),
        **members,
    }


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ("pending", Power.STARTING),
        ("running", Power.RUNNING),
        ("stopping", Power.STOPPING),
        ("stopped", Power.STOPPED),
        ("shutting-down", Power.STOPPING),
        ("terminated", Power.GONE),
        ("something new", Power.UNKNOWN),
    ],
)
def test_states(state: str, power: Power) -> None:
    assert mapping.seen(instance(State={"Name": state})).machine.power is power


def test_an_instance_that_is_being_terminated_is_locked_until_it_is_gone() -> None:
    assert mapping.seen(instance(State={"Name": "shutting-down"})).machine.lock
    assert mapping.seen(instance(State={"Name": "stopping"})).machine.lock is None
    assert mapping.seen(instance(State={"Name": "terminated"})).machine.lock is None


def test_name_marker_and_reserved_tags_are_not_the_users_tags() -> None:
    machine = mapping.seen(instance()).machine
    assert (machine.name, machine.marker, machine.tags) == ("web-1", MARKER, {"team": "shop"})


def test_an_instance_without_tags_is_unmanaged_and_nameless() -> None:
    machine = mapping.seen(instance(Tags=[])).machine
    assert (machine.name, machine.marker, machine.tags) == ("", None, {})


def test_the_root_volume_is_the_one_at_the_root_device() -> None:
    assert mapping.seen(instance()).root_volume == "vol-root"
    assert mapping.seen(instance(BlockDeviceMappings=[])).root_volume is None


def test_sizes_come_from_the_type_and_stay_unknown_without_it() -> None:
    seen = mapping.seen(instance())
    known = seen.complete({"t3.small": InstanceType(2, 2 * GIB, "t3.small")}, Disk(8 * GIB, "gp3"), {})
    assert (known.cpus, known.memory, known.root_disk) == (2, 2 * GIB, 8 * GIB)
    unknown = seen.complete({}, None, {})
    assert (unknown.cpus, unknown.memory, unknown.root_disk) == (None, None, None)


def test_own_cpu_options_come_before_the_types_default() -> None:
    seen = mapping.seen(instance(CpuOptions={"CoreCount": 3, "ThreadsPerCore": 1}))
    assert seen.complete({"t3.small": InstanceType(8, GIB, "t3.small")}, None, {}).cpus == 3


def test_addresses_of_all_interfaces_each_once() -> None:
    found = mapping.addresses(
        instance(
            PrivateIpAddress="10.0.0.1",
            PublicIpAddress="192.0.2.1",
            PrivateDnsName="ip-10-0-0-1.internal",
            NetworkInterfaces=[
                {"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.1", "Association": {"PublicIp": "192.0.2.1"}}]},
                {
                    "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.1"}],
                    "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}],
                },
            ],
        )
    )
    assert found == (
        Address("InternalIP", "10.0.0.1"),
        Address("ExternalIP", "192.0.2.1"),
        Address("InternalIP", "10.0.1.1"),
        Address("InternalIP", "2001:db8::1"),
        Address("Hostname", "ip-10-0-0-1.internal"),
    )


ARN = "arn:aws:iam::1:instance-profile/team/web"


def nic(index: int, subnet: str, *groups: str, **members: Any) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": f"eni-{index}",
        "MacAddress": f"0A:00:00:00:00:0{index}",
        "SubnetId": subnet,
        "Groups": [{"GroupId": group} for group in groups],
        "Attachment": {"AttachmentId": f"eni-attach-{index}", "DeviceIndex": index, "Status": "attached"},
        **members,
    }


def shown(**members: Any) -> Machine:
    return mapping.seen(instance(**members)).complete({}, Disk(8 * GIB, "gp3"), {"subnet-1": ("subnet-1", "front")})


def test_settings_are_what_a_spec_can_ask_for() -> None:
    machine = shown(
        KeyName="alice", IamInstanceProfile={"Arn": ARN}, NetworkInterfaces=[nic(0, "subnet-1", "sg-2", "sg-1")]
    )
    assert machine.settings == {
        "aws.keyName": ("alice",),
        "aws.iamInstanceProfile": ("web", ARN),
        "aws.securityGroupIDs": ("sg-1,sg-2",),
        "placement.zone": ("eu-central-1a",),
        "rootDisk.class": ("gp3",),
    }


def test_what_an_instance_does_not_have_is_told_from_what_is_not_known() -> None:
    settings = mapping.seen(instance(State={"Name": "pending"})).complete({}, None, {}).settings
    assert (settings["aws.keyName"], settings["aws.iamInstanceProfile"]) == ((), ())
    assert "aws.securityGroupIDs" not in settings
    assert "rootDisk.class" not in settings


def test_interfaces_of_other_groups_have_no_value_in_common() -> None:
    machine = shown(NetworkInterfaces=[nic(0, "subnet-1", "sg-2", "sg-1"), nic(1, "subnet-1", "sg-3")])
    assert machine.settings["aws.securityGroupIDs"] == ("sg-1,sg-2; sg-3",)


def test_ports_are_in_order_under_the_id_and_the_name_of_their_subnet() -> None:
    machine = shown(NetworkInterfaces=[nic(1, "subnet-2"), nic(0, "subnet-1")])
    assert machine.ports == (
        Port(("subnet-1", "front"), "0a:00:00:00:00:00"),
        Port(("subnet-2",), "0a:00:00:00:00:01"),
    )


def test_interfaces_of_pods_and_of_services_are_none_of_the_machines() -> None:
    foreign = [
        nic(1, "subnet-1", Description="aws-K8S-i-0abc"),
        nic(2, "subnet-1", Operator={"Managed": True, "Principal": "eks"}),
    ]
    machine = shown(NetworkInterfaces=[nic(0, "subnet-1", "sg-1"), *foreign])
    assert machine.ports is not None
    assert len(machine.ports) == 1
    assert machine.settings["aws.securityGroupIDs"] == ("sg-1",)


def test_ports_of_a_new_instance_are_unknown_until_they_are_shown() -> None:
    assert shown(State={"Name": "pending"}).ports is None
    assert shown(State={"Name": "running"}).ports == ()


def test_a_change_of_interfaces_that_has_not_ended_is_seen() -> None:
    tags = [*instance()["Tags"], {"Key": mapping.JOURNAL, "Value": "0123456789abcdef"}]
    machine = shown(NetworkInterfaces=[nic(0, "subnet-1")], Tags=tags)
    assert machine.ports == (Port(("subnet-1", "front"), "0a:00:00:00:00:00"), UNFINISHED)
    assert machine.tags == {"team": "shop"}


def test_the_smallest_type_is_by_cpus_then_memory_then_name() -> None:
    types = [InstanceType(4, 1, "a"), InstanceType(2, 8, "b"), InstanceType(2, 4, "d"), InstanceType(2, 4, "c")]
    assert [kind.name for kind in sorted(types)] == ["c", "d", "b", "a"]


def test_an_image_names_its_root_first() -> None:
    found = offers.image(
        {
            "ImageId": "ami-1",
            "RootDeviceName": "/dev/xvda",
            "RootDeviceType": "ebs",
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 100}},
                {"DeviceName": "/dev/sdc"},
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}},
            ],
        }
    )
    assert (found.disks, found.root_size) == (("/dev/xvda", "/dev/sdb"), 8 * GIB)


def test_an_image_with_an_instance_store_as_root_has_no_disks_to_set() -> None:
    found = offers.image({"ImageId": "ami-1", "RootDeviceName": "/dev/sda1", "RootDeviceType": "instance-store"})
    assert (found.disks, found.root_size) == ((), None)
