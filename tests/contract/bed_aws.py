"""AWS of the lab, as a bed of the contract."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

from hybridge.core.identity import OWNER
from hybridge.drivers.base import Right
from lab import permissions as shipped
from lab.aws import REGION, AwsCloud, AwsMachine
from lab.aws_names import GROUPS, KEY_PAIRS, PROFILES
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from lab.permissions import Grant
from lab.pki import Authority
from tests.contract.bed import GIB, MIB, ODD_NAME, Bed, Calls, Shown, ShownVolume

#: Changes of networks, which only a network of ours can be tried with.
_OF_NETWORKS = (
    *("ec2:AssociateRouteTable", "ec2:AttachInternetGateway", "ec2:CreateRoute", "ec2:DeleteInternetGateway"),
    *("ec2:DeleteRoute", "ec2:DeleteRouteTable", "ec2:DeleteSubnet", "ec2:DeleteVpc", "ec2:DetachInternetGateway"),
    *("ec2:DisassociateRouteTable", "ec2:ModifySubnetAttribute", "ec2:ReplaceRoute"),
)

_OF_FIREWALLS = (
    *("ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"),
    *("ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"),
)
_OF_IMAGES = ("ec2:DeregisterImage", "ec2:DeleteSnapshot")


class AwsBed(Bed):
    """EC2. The size of a machine is that of its type: t3.medium for the usual spec."""

    kind = "aws"
    calls = Calls(
        create="ec2:RunInstances",
        start="ec2:StartInstances",
        resize="ec2:ModifyInstanceAttribute",
        mark="ec2:*Tags",
        delete="ec2:TerminateInstances",
        list="ec2:DescribeInstances",
        create_volume="ec2:CreateVolume",
    )
    throttle = Answer(503, code="RequestLimitExceeded")
    refusal = Answer(400, code="InvalidParameterValue", message="that is not how it works")
    granted = shipped.aws_grants(shipped.aws())
    for_features = (
        "iam:PassRole",
        *("ec2:DescribeAvailabilityZones", "ec2:DescribeInstanceTypeOfferings"),
        *("ec2:DescribeIamInstanceProfileAssociations", "ec2:AssociateIamInstanceProfile"),
        *("ec2:ReplaceIamInstanceProfileAssociation", "ec2:ModifyNetworkInterfaceAttribute"),
        *("ec2:AttachNetworkInterface", "ec2:DetachNetworkInterface"),
        *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
        *(
            "ec2:AttachVolume",
            "ec2:CreateVolume",
            "ec2:DeleteVolume",
            "ec2:DescribeVolumesModifications",
            "ec2:DetachVolume",
        ),
        *("ec2:DescribeInternetGateways", "ec2:DescribeRouteTables", "ec2:DescribeVpcs"),
        *("ec2:CreateInternetGateway", "ec2:CreateRouteTable", "ec2:CreateSubnet", "ec2:CreateVpc"),
        *_OF_NETWORKS,
        *("ec2:DescribeImageAttribute", "ec2:DescribeImportImageTasks", "ec2:DescribeSnapshots"),
        *("ec2:CopyImage", "ec2:CreateImage", "ec2:ImportImage", "ec2:RegisterImage"),
        *_OF_IMAGES,
        *("ec2:DescribeSecurityGroups", "ec2:CreateSecurityGroup", *_OF_FIREWALLS),
        *("ec2:CreateSnapshot", "ec2:CreateSnapshots"),
    )
    untried = (
        *("iam:PassRole", "ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"),
        *_OF_NETWORKS,
        *_OF_IMAGES,
        *_OF_FIREWALLS,
    )
    beyond = ("ec2:DescribeAvailabilityZones", "ec2:DescribeInstanceTypeOfferings", "ec2:ReplaceRoute")
    moves = ("aws.iamInstanceProfile", "networks")
    changing = ("ec2:RunInstances", "ec2:CreateTags", "ec2:StopInstances", "ec2:TerminateInstances", "ec2:ModifyVolume")
    permissions = ("ec2:RunInstances",)
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.aws.client.CONNECT_TIMEOUT": 1.0,
        "hybridge.drivers.aws.client.READ_TIMEOUT": 1.0,
    }
    memories = ("hybridge.drivers.aws.zones.ZONE_AGE",)
    sweep_cost = 1
    volume_sweep_cost = 1
    create_cost = 1
    choices: ClassVar[Mapping[str, tuple[object, object]]] = {
        "aws.iamInstanceProfile": PROFILES,
        "aws.keyName": KEY_PAIRS,
        "aws.securityGroupIDs": ([GROUPS["web"]], [GROUPS["db"], GROUPS["web"]]),
        "networks": ("lab-a-storage", "lab-a"),
        "networks.first": ("lab-a", "lab-a-storage"),
        "placement.zone": (f"{REGION}a", f"{REGION}b"),
        "rootDisk.class": ("gp3", "gp2"),
    }
    fixed = frozenset({"aws.keyName", "networks.first", "placement.zone"})
    oddities = ("no name", "odd name", "several disks", "two interfaces on one network", "no SSH key and no groups")
    place = "zone"
    takes_macs = False
    unseen = frozenset({"cloudInit.hostname", "cloudInit.sshKeys"})
    missing_id = "i-0123456789abcdef0"
    missing_volume = "vol-0123456789abcdef0"
    impossible_volumes = (
        {"placement": {"node": "pve1"}},
        {"class_": "gp2", "iops": 500},
        {"class_": "io2", "iops": 500, "throughput": 200 * MIB},
        {"options": {"kmsKeyID": "alias/ours"}},
        {"tags": {"aws:team": "shop"}},
    )
    missing_image = "ami-0123456789abcdef0"

    _TRANSITION = 0.1

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._zones: dict[str, str] = {}
        self._protected: set[str] = set()
        super().__init__(folder, authority)

    @property
    def _aws(self) -> AwsCloud:
        return cast("AwsCloud", self.cloud)

    @cached_property
    def _ec2(self) -> Any:
        return self._aws.client()

    def machines(self) -> dict[str, Shown]:
        found = self._aws.machines()
        types, disks = self._types({machine.type for machine in found}), self._disks()
        return {machine.id: self._shown(machine, types, disks) for machine in found}

    def _there(self) -> set[str]:
        return {machine.id for machine in self._aws.machines()}

    def given(self, machine_id: str) -> str:
        answer = self._ec2.describe_instance_attribute(InstanceId=machine_id, Attribute="userData")
        return base64.b64decode(answer["UserData"].get("Value", "")).decode()

    def pace(self, seconds: float) -> None:
        self._aws.tune(transition_seconds=self._TRANSITION + seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._aws.power(machine_id, on=on)
        self._wait("instance_running" if on else "instance_stopped", machine_id)

    def destroy(self, machine_id: str) -> None:
        if machine_id in self._protected:
            self._protected.discard(machine_id)
            self._aws.protect(machine_id, on=False)
        self._aws.terminate(machine_id)

    def copy(self, machine_id: str) -> str:
        tags = next(machine.tags for machine in self._aws.machines() if machine.id == machine_id)
        return self._aws.launch_by_hand(tags)

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        assert machine_id is None
        made = self._aws.launch_by_hand({"Name": name})
        self._wait("instance_running", made)
        return made

    def hold(self, grants: Sequence[Grant] | None) -> None:
        policy = dict(shipped.aws())
        for grant in set(shipped.aws_grants(policy)).difference(grants or ()) if grants is not None else ():
            policy = shipped.aws_without(policy, grant)
        self._aws.tune(policies={"operator": policy})

    def is_at(self, grant: Grant, right: Right) -> bool:
        return (right.name, right.place) == (grant.right, "")  # the policy is the account's

    def resize(self, machine_id: str) -> None:
        self._ec2.modify_instance_attribute(InstanceId=machine_id, InstanceType={"Value": "m5.xlarge"})

    def by_hand(self, machine_id: str, path: str, value: object) -> None:
        match path, value:
            case "aws.securityGroupIDs", list(groups):
                self._aws.regroup(machine_id, [str(group) for group in groups])
            case "aws.iamInstanceProfile", name:
                self._aws.give_profile(machine_id, str(name))
            case "rootDisk.class", kind:
                self._aws.change_disk(machine_id, str(kind))
            case "networks", network:
                self.unplug(machine_id)
                self.plug(machine_id, str(network))
            case _:
                raise NotImplementedError(f"EC2 never changes {path}")

    def plug(self, machine_id: str, network: str) -> None:
        self._aws.plug(machine_id, network)

    def unplug(self, machine_id: str) -> None:
        gone = self._aws.unplug(machine_id)
        self._ec2.get_waiter("network_interface_available").wait(
            NetworkInterfaceIds=[gone], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
        )
        self._ec2.delete_network_interface(NetworkInterfaceId=gone)

    def handmade(self, odd: str) -> str:
        disks = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 1}} for letter in "fgh"]
        card = {"SubnetId": self._aws.subnets[0], "DeleteOnTermination": True}
        words: dict[str, dict[str, Any]] = {
            "odd name": {
                "TagSpecifications": [
                    {
                        "ResourceType": "instance",
                        "Tags": [{"Key": "Name", "Value": ODD_NAME}, {"Key": "Empty", "Value": ""}],
                    }
                ]
            },
            "several disks": {"BlockDeviceMappings": disks},
            "two interfaces on one network": {
                "NetworkInterfaces": [{**card, "DeviceIndex": index} for index in (0, 1)]
            },
        }
        made = self._ec2.run_instances(
            ImageId=self._aws.images[self.image], InstanceType="t3.micro", MinCount=1, MaxCount=1, **words.get(odd, {})
        )["Instances"][0]["InstanceId"]
        self._wait("instance_running", made)
        return str(made)

    def volumes(self) -> dict[str, ShownVolume]:
        found = self._ec2.describe_volumes()["Volumes"]
        shown = [_shown_volume(one) for one in found if one["State"] != "deleting" and not _boots(one)]
        return {one.id: one for one in shown}

    def stranger_volume(self, name: str) -> str:
        return self._make_volume([{"Key": "Name", "Value": name}])

    def copy_volume(self, volume_id: str) -> str | None:
        (found,) = self._ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        return self._make_volume(found["Tags"])

    def destroy_volume(self, volume_id: str) -> None:
        self._await_volume(volume_id)
        self._ec2.delete_volume(VolumeId=volume_id)
        self._wait_for("volume_deleted", VolumeIds=[volume_id])

    def attach_volume(self, machine_id: str, volume_id: str) -> None:
        self._ec2.attach_volume(InstanceId=machine_id, VolumeId=volume_id, Device="/dev/sdz")

    def detach_volume(self, machine_id: str, volume_id: str) -> None:
        self._ec2.detach_volume(InstanceId=machine_id, VolumeId=volume_id)
        self._await_volume(volume_id)

    def grow_volume(self, volume_id: str, size: int) -> None:
        self._ec2.modify_volume(VolumeId=volume_id, Size=size // GIB)

    def tag_volume(self, volume_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[volume_id], Tags=[{"Key": key, "Value": value}])

    def rename(self, machine_id: str, name: str) -> None:
        self._ec2.create_tags(Resources=[machine_id], Tags=[{"Key": "Name", "Value": name}])

    def maintain(self, place: str) -> None:
        self._zones[place] = "impaired"
        self._aws.tune(zone_states=self._zones)

    def fail(self, place: str) -> None:
        self._zones[place] = "unavailable"
        self._aws.tune(zone_states=self._zones)

    def tidy(self) -> None:
        if self._zones:
            self._zones.clear()
            self._aws.tune(zone_states={})
        super().tidy()
        for nic in self._ec2.describe_network_interfaces()["NetworkInterfaces"]:
            if nic["Status"] == "available":
                self._ec2.delete_network_interface(NetworkInterfaceId=nic["NetworkInterfaceId"])

    def protect(self, machine_id: str) -> None:
        self._protected.add(machine_id)
        self._aws.protect(machine_id)

    @property
    def networks(self) -> tuple[str, str]:
        return self._aws.subnets[0], self._aws.subnets[2]

    @property
    def places(self) -> tuple[str, ...]:
        return f"{REGION}a", f"{REGION}b", f"{REGION}c"

    @property
    def undecided(self) -> Mapping[str, str]:
        return {}

    def _start(self, folder: Path) -> SimulatedCloud:
        cloud = AwsCloud(folder, transition=self._TRANSITION).start().wait()
        cloud.tune(terminated_seconds=5.0)  # or all that ever were would be listed by each sweep
        return cloud

    def _block(self, endpoint: str) -> Mapping[str, object]:
        return {"region": REGION, "endpoint": endpoint}

    def _defaults(self) -> Mapping[str, str]:
        return {"network": self._aws.subnets[0]}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        return self._aws.readonly_credentials

    @property
    def image_id(self) -> str:
        return self._aws.images[self.image]

    def _wait(self, waiter: str, machine_id: str) -> None:
        self._wait_for(waiter, InstanceIds=[machine_id])

    def _wait_for(self, waiter: str, **words: Any) -> None:
        self._ec2.get_waiter(waiter).wait(**words, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})

    def _make_volume(self, tags: Sequence[Mapping[str, str]]) -> str:
        marks = [{"ResourceType": "volume", "Tags": tags}]
        made = self._ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=2, VolumeType="gp3", TagSpecifications=marks)
        self._await_volume(made["VolumeId"])
        return str(made["VolumeId"])

    def _await_volume(self, volume_id: str) -> None:
        self._wait_for("volume_available", VolumeIds=[volume_id])

    def _types(self, names: set[str]) -> dict[str, tuple[int, int]]:
        if not names:
            return {}
        found = self._ec2.describe_instance_types(InstanceTypes=sorted(names))["InstanceTypes"]
        return {
            kind["InstanceType"]: (kind["VCpuInfo"]["DefaultVCpus"], kind["MemoryInfo"]["SizeInMiB"] * MIB)
            for kind in found
        }

    def _disks(self) -> dict[str, int]:
        volumes = self._ec2.describe_volumes()["Volumes"]
        return {
            where["InstanceId"]: volume["Size"] * GIB
            for volume in volumes
            for where in volume["Attachments"]
            if _boots(volume)
        }

    @staticmethod
    def _shown(machine: AwsMachine, types: Mapping[str, tuple[int, int]], disks: Mapping[str, int]) -> Shown:
        cpus, memory = types[machine.type]
        return Shown(
            id=machine.id,
            name=machine.name,
            running=machine.state == "running",
            cpus=cpus,
            memory=memory,
            root_disk=disks.get(machine.id),
            owner=machine.tags.get(OWNER),
            uuid=None,
        )


def _boots(volume: Mapping[str, Any]) -> bool:
    """Whether an instance boots from it."""
    return any(where["Device"] in {"/dev/sda1", "/dev/xvda"} for where in volume["Attachments"])


def _shown_volume(found: Mapping[str, Any]) -> ShownVolume:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return ShownVolume(
        id=found["VolumeId"],
        size=found["Size"] * GIB,
        owner=tags.get(OWNER),
        machines=tuple(where["InstanceId"] for where in found["Attachments"]),
        tags=tags,
    )
