"""The one call that makes a machine: its exact parameters as JSON values, and the CloneSpec that is made of them.

Source: VirtualMachineCloneSpec and VirtualMachineConfigSpec in the API reference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import gcd
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import guest_addresses
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, read_notes, replace_notes
from hybridge.core.machine import CloudInit, MachineSpec, Nic, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import guestinfo, versions
from hybridge.drivers.vsphere.disks import capacity
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.placement import Place, network
from hybridge.drivers.vsphere.policies import Chosen, profiles
from hybridge.drivers.vsphere.sdk import vim
from hybridge.drivers.vsphere.seen import MIB, card_network, root_disk
from hybridge.drivers.vsphere.seen import cards as machine_cards
from hybridge.drivers.vsphere.seen import disks as machine_disks
from hybridge.drivers.vsphere.templates import Template

#: vCenter takes memory in steps of this many bytes.
MEMORY_STEP: Final = 4 * MIB

#: What the block of the cloud and the placement may hold.
_OPTIONS: Final = frozenset({"guestID", "hardwareVersion", "cpuHotAdd", "memoryHotAdd", "storagePolicy"})
_PLACES: Final = frozenset({"node", "cluster", "resourcePool", "folder", "storage"})

_CARD: Final = "VirtualVmxnet3"
_NO_POLICY: Final = Chosen()


def normalize(spec: MachineSpec) -> MachineSpec:
    """Sizes in the steps that vSphere has, paths as they are told, no empty tags. Raises Refused for what is unknown."""
    for name in _named(spec.options) - _OPTIONS:
        raise Refused(Reason.UNSUPPORTED, f"spec.vsphere.{name} is not known")
    for name in _named(spec.placement) - _PLACES:
        raise Refused(Reason.UNSUPPORTED, f"spec.placement.{name} means nothing on vSphere")
    return replace(
        spec,
        memory=_up(spec.memory, MEMORY_STEP),
        root_disk=_up(spec.root_disk, MIB),
        tags={key: text for key, text in spec.tags.items() if text},
        placement={key: path.strip("/") for key, path in spec.placement.items()},
        networks=tuple(replace(nic, network=nic.network.strip("/")) for nic in spec.networks),
    )


def _named(words: Mapping[str, object]) -> frozenset[str]:
    return frozenset(key for key, value in words.items() if value is not None)


def _up(size: int | None, step: int) -> int | None:
    return None if size is None else -(-size // step) * step


def parameters(
    spec: MachineSpec,
    template: Template,
    where: Place,
    layout: Layout,
    default_network: str | None = None,
    policies: Chosen = _NO_POLICY,
) -> dict[str, object]:
    """Everything that the call needs but secrets. Raises Refused: INVALID_SPEC, NOT_FOUND."""
    networks = spec.networks
    if not networks and default_network:
        networks = (Nic("nic0", default_network),)
    upgraded = _upgraded(spec, template)
    found: dict[str, object] = {
        "template": template.id,
        "templateName": template.name,
        "folder": where.folder,
        "pool": where.pool,
        "datastore": where.datastore,
        "host": where.host,
        "cpus": spec.cpus,
        "coresPerSocket": cores(spec.cpus, template.cores) if spec.cpus else None,
        "memoryMiB": None if spec.memory is None else spec.memory // MIB,
        "powerOn": spec.power is Power.RUNNING and not upgraded,
        "guestID": spec.options.get("guestID"),
        "cpuHotAdd": spec.options.get("cpuHotAdd"),
        "memoryHotAdd": spec.options.get("memoryHotAdd"),
        "policy": policies.home,
        "diskPolicies": _disk_policies(template, policies) or None,
        "disk": _disk(spec, template),
        "cards": _cards(networks, template, layout) if networks else None,
        "addresses": _guest_networks(networks) or None,
        "notes": notes(template.notes, None) if read_notes(template.notes) else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def cores(cpus: int, before: int) -> int | None:
    """The cores of a socket for so many CPUs, of which all sockets have the same number; None when they may stay."""
    return gcd(cpus, before) if before > 1 and cpus % before else None


def _upgraded(spec: MachineSpec, template: Template) -> bool:
    """Whether the virtual hardware has to be newer than the template's, which takes a call of its own before the start."""
    wanted = spec.options.get("hardwareVersion")
    return wanted is not None and versions.number(str(wanted)) > versions.number(template.version)


def _disk(spec: MachineSpec, template: Template) -> dict[str, object] | None:
    """The template's disk with its new size; None when it stays."""
    size = spec.root_disk
    if size is None:
        return None
    if template.disk is None:
        raise Refused(Reason.INVALID_SPEC, f"template {template.name} has no disk whose size could be set")
    before = capacity(template.disk) or 0
    if size < before:
        raise Refused(
            Reason.INVALID_SPEC,
            f"spec.rootDisk.size is {size} bytes, less than the {before} of template {template.name}",
        )
    return grown(template.disk, size) if size > before else None


def _disk_policies(template: Template, policies: Chosen) -> list[dict[str, object]]:
    if policies.root_disk and template.disk is None:
        raise Refused(Reason.INVALID_SPEC, f"template {template.name} has no disk whose storage policy could be set")
    root = int(template.disk.key) if template.disk is not None else None
    return [{"key": key, "policy": policy} for key, policy in policies.disks(template.disks, root).items()]


def grown(disk: Any, size: int) -> dict[str, object]:
    """A disk with another size, as JSON values."""
    backing = disk.backing
    return {
        "key": int(disk.key),
        "controller": disk.controllerKey,
        "unit": disk.unitNumber,
        "file": getattr(backing, "fileName", None) or "",
        "mode": getattr(backing, "diskMode", None) or "persistent",
        "thin": getattr(backing, "thinProvisioned", None),
        "capacity": size,
    }


def _cards(networks: Sequence[Nic], template: Template, layout: Layout) -> list[dict[str, object]]:
    """The template's cards are put on the wanted networks in turn; missing ones are added, others removed."""
    found: list[dict[str, object]] = []
    for number, nic in enumerate(networks):
        place = network(layout, nic.network)
        if number < len(template.cards):
            card = template.cards[number]
            found.append({"do": "edit", **_position(card), "mac": nic.mac, "on": place})
        else:
            found.append({"do": "add", "type": _CARD, "key": -100 - number, "mac": nic.mac, "on": place})
    found.extend({"do": "remove", **_position(card)} for card in template.cards[len(networks) :])
    return found


def _position(card: Any) -> dict[str, object]:
    kind = type(card).__name__.rpartition(".")[2]
    return {"type": kind, "key": int(card.key), "controller": card.controllerKey, "unit": card.unitNumber}


def _guest_networks(networks: Sequence[Nic]) -> dict[str, object]:
    """Addresses as cloud-init's network configuration, version 2; nothing when every network assigns its own."""
    if not any(nic.addresses for nic in networks):
        return {}
    if len(networks) > 1 and not all(nic.mac for nic in networks):
        raise Refused(
            Reason.INVALID_SPEC,
            "spec.networks[].mac is needed on every network when there are several and one has addresses: the guest "
            "could not tell them apart",
        )
    return {
        nic.name: {
            "match": {"macaddress": nic.mac} if nic.mac else {"name": "e*"},
            **guest_addresses(nic),
        }
        for nic in networks
    }


def clone_spec(given: Mapping[str, Any], intent: Intent, wanted: CloudInit, marker: Marker) -> Any:
    """The call's argument: marked, with its UUID and sizes, and switched on if it should run."""
    location = vim.vm.RelocateSpec(
        pool=vim.ResourcePool(given["pool"]),
        datastore=vim.Datastore(given["datastore"]),
        host=vim.HostSystem(given["host"]) if given.get("host") else None,
        profile=profiles(given.get("policy")),
        disk=[_located(disk, given["datastore"]) for disk in given.get("diskPolicies", ())],
    )
    config = config_spec(given, wanted, intent)
    config.extraConfig = [*config.extraConfig, *options(marker.pairs())]
    return vim.vm.CloneSpec(location=location, config=config, powerOn=bool(given.get("powerOn")), template=False)


def _located(disk: Mapping[str, Any], datastore: str) -> Any:
    """A disk of the template and its storage policy: that of the home is not taken for disks."""
    return vim.vm.RelocateSpec.DiskLocator(
        diskId=disk["key"], datastore=vim.Datastore(datastore), profile=profiles(disk["policy"])
    )


def config_spec(given: Mapping[str, Any], wanted: CloudInit, intent: Intent) -> Any:
    """The machine's own configuration: sizes, UUID, disk, cards and what cloud-init reads in the guest."""
    changes = [_card_change(card) for card in given.get("cards", ())]
    if disk := given.get("disk"):
        policies = {other["key"]: other["policy"] for other in given.get("diskPolicies", ())}
        changes.append(disk_change(disk, policies.get(disk["key"])))
    return vim.vm.ConfigSpec(
        instanceUuid=intent.uuid,
        numCPUs=given.get("cpus"),
        numCoresPerSocket=given.get("coresPerSocket"),
        memoryMB=given.get("memoryMiB"),
        guestId=given.get("guestID"),
        annotation=given.get("notes"),
        cpuHotAddEnabled=given.get("cpuHotAdd"),
        memoryHotAddEnabled=given.get("memoryHotAdd"),
        deviceChange=changes,
        extraConfig=options(
            guestinfo.write(wanted, instance_id=intent.uuid, name=intent.name, networks=given.get("addresses") or {})
        ),
    )


def notes(text: str, marker: Marker | None) -> str:
    """Notes with another marker in them, or none; without any text they would stay as they are."""
    return replace_notes(text, marker) or " "


def options(pairs: Mapping[str, str]) -> list[Any]:
    """Advanced options; an empty value removes one."""
    return [vim.option.OptionValue(key=key, value=value) for key, value in pairs.items()]


def disk_change(disk: Mapping[str, Any], policy: str | None = None) -> Any:
    """The edit that gives a disk its size. The device has to be named whole: file, mode, place on its controller.

    ``policy``: the id of the storage policy that it gets as well.
    """
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=disk["file"], diskMode=disk["mode"], thinProvisioned=disk.get("thin")
    )
    size = int(disk["capacity"])
    device = vim.vm.device.VirtualDisk(
        key=disk["key"],
        controllerKey=disk["controller"],
        unitNumber=disk["unit"],
        backing=backing,
        capacityInKB=size // 1024,
        capacityInBytes=size,
    )
    return vim.vm.device.VirtualDeviceSpec(operation="edit", device=device, profile=profiles(policy))


def disk_policies(devices: Iterable[Any], policies: Chosen, but: Collection[int]) -> list[Any]:
    """The edits that give a machine's disks their storage policies; ``but``: keys of disks that are left alone."""
    disks = {int(disk.key): disk for disk in machine_disks(devices)}
    root = root_disk(devices)
    wanted = policies.disks(disks, int(root.key) if root is not None else None)
    return [
        vim.vm.device.VirtualDeviceSpec(operation="edit", device=disks[key], profile=profiles(policy))
        for key, policy in wanted.items()
        if key not in but
    ]


def _card_change(card: Mapping[str, Any]) -> Any:
    device = getattr(vim.vm.device, card["type"])(
        key=card["key"], controllerKey=card.get("controller"), unitNumber=card.get("unit")
    )
    if card["do"] != "remove":
        device.backing = _backing(card["on"])
        device.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
            startConnected=True, allowGuestControl=True, connected=True
        )
        if card.get("mac"):
            device.addressType, device.macAddress = "manual", card["mac"]
    return vim.vm.device.VirtualDeviceSpec(operation=card["do"], device=device)


def connected(networks: Sequence[Nic], devices: Iterable[Any], layout: Layout, *, running: bool) -> list[Any]:
    """The edits that put a machine's cards on these networks in turn, leaving alone what is so already.

    Raises Refused: NOT_FOUND, RESTART_REQUIRED for another address on a card of a running machine.
    """
    cards = machine_cards(devices)
    changes: list[Any] = []
    for number, nic in enumerate(networks):
        place = network(layout, nic.network)
        if number >= len(cards):
            changes.append(
                _card_change({"do": "add", "type": _CARD, "key": -100 - number, "mac": nic.mac, "on": place})
            )
            continue
        card, backing = cards[number], _backing(place)
        other_mac = nic.mac is not None and str(card.macAddress or "").lower() != nic.mac.lower()
        if not other_mac and _same(card.backing, backing):
            continue
        card.backing, card.deviceInfo = backing, None
        if other_mac and running:
            raise Refused(
                Reason.RESTART_REQUIRED, f"the machine has to be off for address {nic.mac} on interface {nic.name}"
            )
        if other_mac:
            card.addressType, card.macAddress = "manual", nic.mac
        changes.append(vim.vm.device.VirtualDeviceSpec(operation="edit", device=card))
    changes += [vim.vm.device.VirtualDeviceSpec(operation="remove", device=card) for card in cards[len(networks) :]]
    return changes


def _same(one: Any, other: Any) -> bool:
    """Whether two backings are of the same network; the port that a card got on it does not count."""
    return card_network(one) == card_network(other)


def _backing(place: Mapping[str, Any]) -> Any:
    kinds = vim.vm.device.VirtualEthernetCard
    if "portgroup" in place:
        port = vim.dvs.PortConnection(portgroupKey=place["portgroup"], switchUuid=place["switch"])
        return kinds.DistributedVirtualPortBackingInfo(port=port)
    if "opaque" in place:
        return kinds.OpaqueNetworkBackingInfo(opaqueNetworkId=place["opaque"], opaqueNetworkType=place["type"])
    return kinds.NetworkBackingInfo(deviceName=place["name"], network=vim.Network(place["network"]))
