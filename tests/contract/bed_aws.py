"""AWS of the lab, as a bed of the contract."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

from hybridge.core.identity import OWNER
from lab.aws import REGION, AwsCloud, AwsMachine
from lab.aws_names import GROUPS, KEY_PAIRS, PROFILES
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from tests.contract.bed import GIB, MIB, Bed, Calls, Shown


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
    )
    throttle = Answer(503, code="RequestLimitExceeded")
    refusal = Answer(400, code="InvalidParameterValue", message="that is not how it works")
    permissions = ("ec2:RunInstances",)
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.aws.client.CONNECT_TIMEOUT": 1.0,
        "hybridge.drivers.aws.client.READ_TIMEOUT": 1.0,
    }
    sweep_cost = 1
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
    place = "zone"
    takes_macs = False
    unseen = frozenset({"cloudInit.hostname", "cloudInit.sshKeys"})
    missing_id = "i-0123456789abcdef0"
    missing_image = "ami-0123456789abcdef0"

    _TRANSITION = 0.1

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

    def given(self, machine_id: str) -> str:
        answer = self._ec2.describe_instance_attribute(InstanceId=machine_id, Attribute="userData")
        return base64.b64decode(answer["UserData"].get("Value", "")).decode()

    def leftovers(self) -> set[str]:
        volumes = self._ec2.describe_volumes()["Volumes"]
        return {volume["VolumeId"] for volume in volumes if not volume["Attachments"]}

    def pace(self, seconds: float) -> None:
        self._aws.tune(transition_seconds=self._TRANSITION + seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._aws.power(machine_id, on=on)
        self._wait("instance_running" if on else "instance_stopped", machine_id)

    def destroy(self, machine_id: str) -> None:
        self._aws.terminate(machine_id)

    def copy(self, machine_id: str) -> str:
        tags = next(machine.tags for machine in self._aws.machines() if machine.id == machine_id)
        return self._aws.launch_by_hand(tags)

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        assert machine_id is None
        made = self._aws.launch_by_hand({"Name": name})
        self._wait("instance_running", made)
        return made

    def resize(self, machine_id: str) -> None:
        self._ec2.modify_instance_attribute(InstanceId=machine_id, InstanceType={"Value": "m5.xlarge"})

    @property
    def networks(self) -> tuple[str, str]:
        return self._aws.subnets[0], self._aws.subnets[2]

    @property
    def places(self) -> tuple[str, ...]:
        return f"{REGION}a", f"{REGION}b"

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
        self._ec2.get_waiter(waiter).wait(InstanceIds=[machine_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})

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
        return {where["InstanceId"]: volume["Size"] * GIB for volume in volumes for where in volume["Attachments"]}

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
