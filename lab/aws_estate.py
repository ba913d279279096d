"""What the lab's AWS account holds at its start: a VPC with subnets and security groups, images, key pairs, profiles."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot
from moto.iam.models import iam_backends

from lab.aws_names import FOREIGN, GROUPS, KEY_PAIRS, PROFILES, SUBNETS
from lab.fleet import Wanted

#: Name to id and root device; the ids are the same in every lab.
IMAGES = {
    "debian-12": ("ami-0d12000000000000d", "/dev/xvda"),
    "ubuntu-24.04": ("ami-0b24040000000000b", "/dev/sda1"),
}
IMAGE_GIB = 8
_NETWORK = "10.64.0.0/16"


class LabImage(Ami):
    """An image whose disks go with its machine: the root of IMAGE_GIB, and ``further`` snapshots by device."""

    ena_support = True
    further: Mapping[str, Snapshot] = MappingProxyType({})

    @property
    def parts(self) -> dict[str, Snapshot]:
        """All its snapshots by device, the root's first."""
        return {self.root_device_name: self.ebs_snapshot, **self.further}

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The disks, each from its snapshot."""
        return [{"DeviceName": device, "Ebs": _disk(part)} for device, part in self.parts.items()]


def _disk(part: Snapshot) -> dict[str, Any]:
    return {
        "SnapshotId": part.id,
        "VolumeSize": part.volume_size,
        "VolumeType": "gp3",
        "DeleteOnTermination": True,
        "Encrypted": False,
    }


def furnish(account: str, region: str) -> dict[str, Any]:
    """Make it all; the ids and names, to be read by whoever asks for machines."""
    backend = ec2_backends[account][region]
    vpc = backend.create_vpc(_NETWORK)
    vpc.add_tag("Name", "hybridge-lab")
    subnets = [
        backend.create_subnet(vpc.id, block, availability_zone=f"{region}{zone}") for zone, block in SUBNETS.values()
    ]
    for name, subnet in zip(SUBNETS, subnets, strict=True):
        subnet.add_tag("Name", name)
    for name, group_id in GROUPS.items():
        group = backend.create_security_group(name, f"for {name} servers", vpc_id=vpc.id)
        known = backend.groups[vpc.id]
        group.id = group.group_id = group_id
        known[group_id] = known.pop(next(key for key, value in known.items() if value is group))
    for name in KEY_PAIRS:
        backend.create_key_pair(name, "ed25519", {})
    profiles = {name: _profile(account, name) for name in PROFILES}
    for name, (image_id, root) in IMAGES.items():
        _image(backend, image_id, name, root, account, region)
    foreign, name, owner = FOREIGN
    _image(backend, foreign, name, "/dev/xvda", owner, region)
    groups = backend.describe_security_groups(filters={"vpc-id": [vpc.id]})
    return {
        "account": account,
        "region": region,
        "vpc": vpc.id,
        "subnets": [
            {"id": subnet.id, "zone": subnet.availability_zone, "name": name}
            for name, subnet in zip(SUBNETS, subnets, strict=True)
        ],
        "key_pairs": KEY_PAIRS,
        "instance_profiles": profiles,
        "security_groups": {group.name: group.id for group in groups},
        "images": {name: image_id for name, (image_id, _) in IMAGES.items()},
    }


def _image(backend: Any, image_id: str, name: str, root: str, owner: str, region: str) -> None:
    image = LabImage(
        backend,
        image_id,
        name=name,
        description=f"{name} cloud image",
        owner_id=owner,
        public=True,
        virtualization_type="hvm",
        architecture="x86_64",
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name=root,
        image_location=f"{owner}/{name}",
        region_name=f"{region}a",
    )
    image.ebs_snapshot.volume.size = IMAGE_GIB
    backend.amis[image_id] = image


def _profile(account: str, name: str) -> str:
    """An instance profile without a role; its ARN."""
    made = iam_backends[account]["aws"].create_instance_profile(name=name, path="/", role_names=[])
    return str(made.arn)


def launch(account: str, region: str, wanted: Sequence[Wanted]) -> list[str]:
    """Launch machines as RunInstances does, without a request for each; their ids."""
    backend = ec2_backends[account][region]
    subnets = sorted(
        (
            subnet
            for zone in backend.subnets.values()
            for subnet in zone.values()
            if subnet.cidr_block in {block for _, block in SUBNETS.values()}
        ),
        key=lambda subnet: str(subnet.cidr_block),
    )
    image = backend.amis[IMAGES["debian-12"][0]]
    ids = []
    for number, machine in enumerate(wanted):
        subnet = subnets[number % len(subnets)]
        tags = {"Name": machine.name, **machine.marks}
        made = backend.run_instances(
            image.id,
            1,
            None,
            [],
            instance_type="t3.medium",
            is_instance_type_default=True,
            region_name=region,
            subnet_id=subnet.id,
            nics=[],
            block_device_mappings=[copy.deepcopy(disk) for disk in image.block_device_mappings],
            tags={"instance": tags, "volume": tags},
            security_group_ids=[],
            ebs_optimized=False,
            disable_api_termination=False,
            disable_api_stop=False,
            instance_initiated_shutdown_behavior="stop",
            launch_template={},
            client_token=machine.token or None,
        )
        ids += [instance.id for instance in made.instances]
    return ids
