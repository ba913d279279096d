"""A machine as the vCenter itself holds it: what is read of it, and what comes of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.vsphere_sdk import id_of, vim

#: The properties of a machine that are read.
PATHS = [
    "name",
    "parent",
    "config.instanceUuid",
    "config.uuid",
    "config.annotation",
    "config.extraConfig",
    "config.template",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "runtime.powerState",
    "runtime.host",
    "guest.net",
]


@dataclass(frozen=True, slots=True)
class VsphereMachine:
    """One virtual machine or template as the vCenter itself holds it.

    ``memory`` is in MiB, ``disks`` are sizes in bytes, ``folder`` and ``host`` names, ``networks`` the names of port
    groups and standard networks. ``power`` is ``poweredOn``, ``poweredOff`` or ``suspended``.
    """

    moid: str
    name: str
    instance_uuid: str
    bios_uuid: str
    power: str
    cpus: int
    memory: int
    annotation: str
    folder: str
    host: str
    template: bool
    addresses: tuple[str, ...]
    disks: tuple[int, ...]
    networks: tuple[str, ...]
    extra_config: Mapping[str, str] = field(repr=False)


def described(moid: str, values: Mapping[str, Any], names: Mapping[str, str]) -> VsphereMachine:
    """A machine from its properties. ``names``: of folders, hosts and port groups, by their ids."""
    devices = values["config.hardware.device"]
    cards = [device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard)]
    return VsphereMachine(
        moid=moid,
        name=values["name"],
        instance_uuid=values["config.instanceUuid"],
        bios_uuid=values["config.uuid"],
        power=str(values["runtime.powerState"]),
        cpus=values["config.hardware.numCPU"],
        memory=values["config.hardware.memoryMB"],
        annotation=values.get("config.annotation", ""),
        folder=names[id_of(values["parent"])],
        host=names[id_of(values["runtime.host"])],
        template=values["config.template"],
        addresses=tuple(address for card in values["guest.net"] for address in card.ipAddress),
        disks=tuple(device.capacityInBytes for device in devices if isinstance(device, vim.vm.device.VirtualDisk)),
        networks=tuple(_network(card.backing, names) for card in cards),
        extra_config={option.key: str(option.value) for option in values["config.extraConfig"]},
    )


def _network(backing: Any, names: Mapping[str, str]) -> str:
    port = getattr(backing, "port", None)
    return str(backing.deviceName) if port is None else names[port.portgroupKey]
