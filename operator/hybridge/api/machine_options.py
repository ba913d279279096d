"""What only one cloud has: the blocks ``aws``, ``proxmox`` and ``vsphere`` of a VirtualMachine."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from hybridge.api.fields import Model, Rule, note, number, text, unique


class AWSOptions(Model, frozen=True, kw_only=True):
    """What only EC2 has."""

    instance_type: Annotated[
        str | None,
        text(
            "The instance type, such as m7i.large. Default: the smallest type of the Provider's families that fits"
            " cpus and memory, kept while it fits.",
            64,
            Rule("self.matches('^[a-z0-9-]+[.][a-z0-9-]+$')", "must be an instance type such as m7i.large"),
        ),
    ] = None
    iam_instance_profile: Annotated[
        str | None, text("The name or ARN of the instance profile whose role the machine has.", 2048)
    ] = None
    security_group_ids: Annotated[
        tuple[
            Annotated[
                str,
                text(
                    "The id of a security group.",
                    64,
                    Rule("self.startsWith('sg-')", "must be the id of a security group such as sg-0abc"),
                ),
            ],
            ...,
        ],
        unique("The security groups of the machine's interfaces. Default: the VPC's own.", 16),
    ] = ()
    key_name: Annotated[str | None, text("The name of an EC2 key pair.", 255)] = None


class Bios(StrEnum):
    """The firmware of a Proxmox guest."""

    SEABIOS = "seabios"
    OVMF = "ovmf"


class ProxmoxOptions(Model, frozen=True, kw_only=True):
    """What only Proxmox VE has. What is absent stays as the template has it."""

    bios: Annotated[Bios | None, note("The firmware: seabios, or ovmf for UEFI.")] = None
    machine: Annotated[str | None, text("The machine type, such as q35.", 64)] = None
    cpu_type: Annotated[str | None, text("The CPU type, such as host or x86-64-v2-AES.", 64)] = None
    agent: Annotated[bool | None, note("Whether the QEMU guest agent is expected in the guest.")] = None
    pool: Annotated[str | None, text("The pool that the guest joins.", 255)] = None
    full_clone: Annotated[
        bool | None, note("A full copy of the template's disks instead of a linked one. Default: true.")
    ] = None
    iso_storage: Annotated[
        str | None, text("The storage for cloud-init media that Hybridge uploads; it must allow ISO images.", 255)
    ] = None
    vlan: Annotated[int | None, number("The VLAN tag of the machine's interfaces.", 1, 4094)] = None


class VSphereOptions(Model, frozen=True, kw_only=True):
    """What only vSphere has. What is absent stays as the template has it."""

    guest_id: Annotated[str | None, text("The guest operating system identifier, such as debian12_64Guest.", 64)] = None
    storage_policy: Annotated[
        str | None,
        text(
            "The storage policy, by name, of the machine's files and of every disk that has no class of its own.", 255
        ),
    ] = None
    hardware_version: Annotated[
        str | None,
        text(
            "The virtual hardware version that the machine has at least, such as vmx-19; it is never lowered.",
            16,
            Rule("self.matches('^vmx-[0-9]{2}$')", "must be a hardware version such as vmx-19"),
        ),
    ] = None
    cpu_hot_add: Annotated[bool | None, note("Whether CPUs can be added while the machine runs.")] = None
    memory_hot_add: Annotated[bool | None, note("Whether memory can be added while the machine runs.")] = None
