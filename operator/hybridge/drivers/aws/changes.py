"""Changes of instances that exist, each of which may be repeated: what is so already is not asked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.machine import Known, Machine, MachineSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.catalogue import Catalogue
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.disks import Disks
from hybridge.drivers.aws.interfaces import Interfaces
from hybridge.drivers.aws.mapping import Disk, Seen

GROUPS, PROFILE, ROOT_CLASS = "aws.securityGroupIDs", "aws.iamInstanceProfile", "rootDisk.class"

#: States of an association of an instance profile that is, or is going to be.
_ASSOCIATED = ("associating", "associated")


class Changes:
    """Brings one field to the spec, or several that go in one call. Each method gives the machine as it is then."""

    def __init__(self, client: Client, catalogue: Catalogue, disks: Disks) -> None:
        self._client = client
        self._catalogue = catalogue
        self._disks = disks

    def remake_disk(self, machine: Machine, seen: Seen, spec: MachineSpec) -> Machine:
        """Size and type of the root disk, in one ModifyVolume: EC2 allows the next one only hours later."""
        volume = seen.root_volume
        if volume is None:
            raise Refused(Reason.UNSUPPORTED, f"spec.rootDisk: {machine.id} has no EBS volume as its root")
        found = self._disks.read([volume]).get(volume, Disk(0))
        size = max(found.size, launch.whole(spec.root_disk or 0))
        kind = spec.root_disk_class or found.kind
        words: dict[str, Any] = {} if size == found.size else {"Size": launch.gibibytes(size)}
        if kind != found.kind:
            words["VolumeType"] = kind
        if words:
            self._client.call("ModifyVolume", VolumeId=volume, **words)
            self._disks.changed(volume, Disk(size, kind))
        return replace(machine, root_disk=size, settings={**machine.settings, ROOT_CLASS: (kind,) if kind else ()})

    def regroup(self, machine: Machine, seen: Seen, spec: MachineSpec, interfaces: Interfaces) -> Machine:
        """The security groups of all interfaces."""
        groups = spec.options.get("securityGroupIDs")
        if not groups:
            return machine
        assert isinstance(groups, list | tuple)
        interfaces.regroup(seen, groups)
        return replace(machine, settings={**machine.settings, GROUPS: (",".join(sorted(groups)),)})

    def give_profile(self, machine: Machine, spec: MachineSpec) -> Machine:
        """The instance profile. A profile that is not asked for any more stays."""
        wanted = str(spec.options.get("iamInstanceProfile") or "")
        if not wanted:
            return machine
        filters = [
            {"Name": "instance-id", "Values": [machine.id]},
            {"Name": "state", "Values": _ASSOCIATED},
        ]
        answer = self._client.call("DescribeIamInstanceProfileAssociations", Filters=filters)
        now = next(iter(answer.get("IamInstanceProfileAssociations", [])), None)
        if now is None or wanted not in _profile(now):
            words = {"IamInstanceProfile": launch.profile_named(wanted)}
            if now is None:
                answer = self._client.call("AssociateIamInstanceProfile", InstanceId=machine.id, **words)
            else:
                answer = self._client.call(
                    "ReplaceIamInstanceProfileAssociation", AssociationId=now["AssociationId"], **words
                )
            now = answer["IamInstanceProfileAssociation"]
        return replace(machine, settings={**machine.settings, PROFILE: _profile(now)})

    def render(self, machine: Machine, spec: MachineSpec, *, made_here: bool) -> None:
        """The user data, which EC2 changes only while the instance is stopped. An attribute takes a call of its own.

        Those that an instance came with are not replaced by a host name alone.
        """
        if not (made_here or spec.cloud_init.user_data):
            raise Refused(
                Reason.UNSUPPORTED,
                f"spec.cloudInit: a host name travels in the user data, and those that {machine.id} was made with are not"
                " ours; set spec.cloudInit.userData to replace them",
            )
        text = launch.user_data(spec, machine.id, machine.name)
        self._client.call("ModifyInstanceAttribute", InstanceId=machine.id, UserData={"Value": text.encode()})

    def resize(self, machine: Machine, spec: MachineSpec) -> Machine:
        """The instance type, which EC2 changes only while the instance is stopped."""
        current = machine.instance_type or ""
        types = self._catalogue.types([current])
        architectures = types[current].architectures if current in types else ()
        wanted = self._catalogue.choose(spec, architectures, keep=current)
        if wanted == current:
            if (machine.cpus or 0) < (spec.cpus or 0):
                raise Refused(
                    Reason.UNSUPPORTED,
                    f"spec.cpus: {machine.id} was launched with {machine.cpus} of the cpus of its {current}, which EC2 never"
                    " changes; set spec.aws.instanceType to another type",
                )
            return machine
        self._client.call("ModifyInstanceAttribute", InstanceId=machine.id, InstanceType={"Value": wanted})
        kind = self._catalogue.types([wanted])[wanted]
        return replace(machine, instance_type=wanted, cpus=kind.cpus, memory=kind.memory)


def _profile(association: dict[str, Any]) -> Known:
    return mapping.profile_words(association.get("IamInstanceProfile", {}).get("Arn", ""))
