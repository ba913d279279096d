"""Who may do what in the lab's EC2: each request is judged by the policy of its sender, before moto sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from operator import attrgetter
from typing import Any

from moto.ec2.models import ec2_backends

from lab.aws_policy import POLICIES, Need, allows, mentions
from lab.aws_rules import Refusal, Tuning

#: Words of a request that name what is changed, and what EC2 says when it is not there.
_NAMED = {
    "InstanceId": ("instance", "InvalidInstanceID.NotFound"),
    "VolumeId": ("volume", "InvalidVolume.NotFound"),
    "NetworkInterfaceId": ("network-interface", "InvalidNetworkInterfaceID.NotFound"),
    "AttachmentId": ("attachment", "InvalidAttachmentID.NotFound"),
    "AssociationId": ("association", "InvalidAssociationID.NotFound"),
    "SecurityGroupId": ("security-group", "InvalidGroup.NotFound"),
    "GroupId": ("security-group", "InvalidGroup.NotFound"),
    "VpcId": ("vpc", "InvalidVpcID.NotFound"),
    "SubnetId": ("subnet", "InvalidSubnetID.NotFound"),
    "RouteTableId": ("route-table", "InvalidRouteTableID.NotFound"),
    "ImageId": ("image", "InvalidAMIID.NotFound"),
    "SnapshotId": ("snapshot", "InvalidSnapshot.NotFound"),
    "InternetGatewayId": ("internet-gateway", "InvalidInternetGatewayID.NotFound"),
}
#: What calls make, in the words of a policy.
_MADE = {
    "RunInstances": "instance",
    "CreateNetworkInterface": "network-interface",
    "CreateVolume": "volume",
    "CreateVpc": "vpc",
    "CreateSnapshot": "snapshot",
    "CreateSnapshots": "snapshot",
    "CreateSecurityGroup": "security-group",
    "CreateImage": "image",
    "CopyImage": "image",
    "ImportImage": "import-image-task",
    "RegisterImage": "image",
    "CreateSubnet": "subnet",
    "CreateRouteTable": "route-table",
    "CreateInternetGateway": "internet-gateway",
}
_PREFIXES = {
    "i": "InstanceId",
    "vol": "VolumeId",
    "eni": "NetworkInterfaceId",
    "sg": "SecurityGroupId",
    "vpc": "VpcId",
    "subnet": "SubnetId",
    "rtb": "RouteTableId",
    "igw": "InternetGatewayId",
    "ami": "ImageId",
    "snap": "SnapshotId",
}
#: Where moto keeps them, by id.
_STORED: Mapping[str, Callable[[Any], Collection[str]]] = {
    "volume": attrgetter("volumes"),
    "network-interface": attrgetter("enis"),
    "security-group": lambda backend: {one for groups in backend.groups.values() for one in groups},
    "vpc": attrgetter("vpcs"),
    "route-table": attrgetter("route_tables"),
    "internet-gateway": attrgetter("internet_gateways"),
    "image": attrgetter("amis"),
    "snapshot": attrgetter("snapshots"),
}
#: Calls that are named as if they made something, and change what they name.
_CHANGING = {"CreateTags", "CreateRoute"}


class Access:
    """Permissions of one account. ``knows`` tells whether the sender of a request sees an instance."""

    def __init__(self, region: str, number: str, tuning: Tuning, knows: Callable[[str], bool]) -> None:
        self._number = number
        self._arn = f"arn:aws:ec2:{region}:{number}"
        self._backend = ec2_backends[number][region]
        self._tuning = tuning
        self._knows = knows

    def permit(self, user: str, form: Mapping[str, str]) -> None:
        """Refusal for what a user's policy does not allow, and for a dry run of what it does."""
        policy = self._tuning.policies.get(user) or POLICIES.get(user)
        if policy is not None:
            action = f"ec2:{form['Action']}"
            if not mentions(policy, action):
                raise self._unauthorized(user, action)
            for need in self._needs(form):
                if not allows(policy, need):
                    raise self._unauthorized(user, need.action)
        if form.get("DryRun", "").lower() == "true":
            raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)

    def _needs(self, form: Mapping[str, str]) -> Iterator[Need]:
        """What a request has to be allowed. Refusal when it names what does not exist."""
        action = form["Action"]
        if action.startswith(("Describe", "Get")):
            yield Need(f"ec2:{action}", "*")
            return
        if action.startswith(("Run", "Create", "Copy", "Import", "Register")) and action not in _CHANGING:
            kind = _MADE.get(action, "resource")
            yield Need(f"ec2:{action}", f"{self._arn}:{kind}/*")
        else:
            for resource in sorted(self._resources(form)):
                context = {f"aws:ResourceTag/{key}": value for key, value in self._tags(resource).items()}
                yield Need(f"ec2:{action}", f"{self._arn}:{resource}", context)
        yield from self._along(action, form)

    def _along(self, action: str, form: Mapping[str, str]) -> Iterator[Need]:
        """What comes with a request: tags of what it makes, the role of a profile."""
        for key, kind in form.items():
            if key.startswith("TagSpecification") and key.endswith(".ResourceType"):
                yield Need("ec2:CreateTags", f"{self._arn}:{kind}/*", {"ec2:CreateAction": action})
        image = self._backend.amis.get(form.get("ImageId", ""))
        if action == "DeregisterImage" and image and form.get("DeleteAssociatedSnapshots", "").lower() == "true":
            for disk in image.block_device_mappings:
                resource = f"snapshot/{disk['Ebs']['SnapshotId']}"
                context = {f"aws:ResourceTag/{key}": value for key, value in self._tags(resource).items()}
                yield Need("ec2:DeleteSnapshot", f"{self._arn}:{resource}", context)
        profile = form.get("IamInstanceProfile.Name") or form.get("IamInstanceProfile.Arn", "").rpartition("/")[2]
        if profile:
            role = f"arn:aws:iam::{self._number}:role/hybridge/{profile}"
            yield Need("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})

    def _resources(self, form: Mapping[str, str]) -> set[str]:
        """The objects that a request changes, as ``kind/id``."""
        found: set[str] = set()
        for key, value in form.items():
            word = key.partition(".")[0]
            word = _PREFIXES.get(value.partition("-")[0], "") if word == "ResourceId" else word
            if word in _NAMED:
                kind, missing = _NAMED[word]
                named = self._find(kind, value)
                if not named:
                    raise Refusal(missing, f"The {kind} ID '{value}' does not exist")
                found.update(named)
        return found

    def _find(self, kind: str, name: str) -> list[str]:
        """What an id stands for, as ``kind/id``; nothing when there is none."""
        match kind:
            case "instance":
                exists = self._knows(name)
            case "attachment":
                enis = [eni for eni in self._backend.enis.values() if eni.attachment_id == name]
                return [f"network-interface/{eni.id}" for eni in enis] + [
                    f"instance/{eni.instance.id}" for eni in enis if eni.instance
                ]
            case "association" if name.startswith("rtbassoc-"):
                tables = self._backend.route_tables.values()
                return [f"route-table/{table.id}" for table in tables if name in table.all_associations_ids]
            case "association":
                known: Mapping[str, Any] = self._backend.iam_instance_profile_associations
                return [f"instance/{one.instance.id}" for one in known.values() if one.association_id == name]
            case "subnet":
                exists = any(name in inside for inside in self._backend.subnets.values())
            case _:
                exists = name in _STORED[kind](self._backend)
        return [f"{kind}/{name}"] if exists else []

    def _tags(self, resource: str) -> Mapping[str, str]:
        tags: Mapping[str, str] = self._backend.tags.get(resource.rpartition("/")[2], {})
        return tags

    def _unauthorized(self, user: str, action: str) -> Refusal:
        encoded = hashlib.sha256(f"{user}/{action}".encode()).hexdigest() * 4
        return Refusal(
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. User: arn:aws:iam::{self._number}:user/{user} is not"
            f" authorized to perform: {action} because no identity-based policy allows the {action} action."
            f" Encoded authorization failure message: {encoded}",
            status=403,
        )
