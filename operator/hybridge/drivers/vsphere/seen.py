"""A machine as the PropertyCollector describes it, property by property. Pure.

Source: VirtualMachine and GuestInfo in the vSphere Web Services API reference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hybridge.core import identity
from hybridge.core.machine import Known
from hybridge.drivers.vsphere import guestinfo
from hybridge.drivers.vsphere.disks import Attached, attached, capacity, own, volume_id
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.sdk import moid
from hybridge.drivers.vsphere.snapshot_mapping import Taken, taken

MIB: Final = 1024 * 1024

#: The key that a vCenter gives to the first SCSI disk; a machine that starts from another kind of disk has to be asked.
_FIRST_DISK: Final = 2000
ROOT_DISK: Final = f"config.hardware.device[{_FIRST_DISK}]"
DEVICES: Final = "config.hardware.device"
CORES: Final = "config.hardware.numCoresPerSocket"
UUID: Final = "config.instanceUuid"
NOTES: Final = "config.annotation"
SNAPSHOTS: Final = "snapshot"
#: The keys that a vCenter gives to the ten network cards that a machine can have.
_CARDS: Final = {f"{DEVICES}[{key}]": key for key in range(4000, 4010)}
#: What cloud-init in the guest reads; it holds no secret.
METADATA: Final = f'config.extraConfig["{guestinfo.METADATA}"]'


@dataclass(frozen=True, slots=True)
class Card:
    """A network card: its address, and its network by reference and by name, as far as it tells them."""

    mac: str
    network: str
    name: str


@dataclass(frozen=True, slots=True)
class Associated:
    """The storage policies of a machine's home and of its disks: name and id; an empty name where there is none."""

    home: Known
    root_disk: Known | None = None
    other_disks: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True)
class Disks:
    """The keys of a machine's disks; ``root`` is None where it has none."""

    root: int | None
    others: tuple[int, ...] = ()


@dataclass(slots=True)
class Seen:
    """A machine as the PropertyCollector describes it, in plain values; it changes as updates come."""

    id: str
    name: str = ""
    parent: str = ""
    uuid: str | None = None
    cpus: int | None = None
    cores: int = 1
    memory: int | None = None
    root_disk: int | None = None
    disk_pushed: bool = False
    disk_key: int | None = None
    disk_count: int = 1
    disk_keys: tuple[int, ...] = ()
    #: The volumes, which are not pushed; None until the devices were read.
    volumes: tuple[Attached, ...] | None = None
    template: bool = False
    created_at: float | None = None
    notes: str = ""
    snapshots: tuple[Taken, ...] = ()
    hot_add_cpus: bool = False
    hot_add_memory: bool = False
    guest_id: str = ""
    version: str = ""
    next_version: str = ""
    power: str = ""
    host: str = ""
    pool: str = ""
    store: str = ""
    connection: str = "connected"
    #: Whether files that snapshots have left wait to be merged.
    scattered: bool = False
    tools_running: bool | None = None
    tools_installed: bool = False
    hostname: str = ""
    address: str = ""
    guest_addresses: tuple[str, ...] = ()
    attributes: tuple[tuple[int, str], ...] = ()
    marks: dict[str, str] = field(default_factory=dict)
    cards: dict[int, Card] = field(default_factory=dict)
    metadata: guestinfo.Metadata = field(default_factory=dict)
    #: The storage policies, which the PropertyCollector does not tell; None until they were read.
    policies: Associated | None = None

    @property
    def all_disks_pushed(self) -> bool:
        """Whether all disks are known by what is pushed: there is one, with the key of the first."""
        return self.disk_pushed and self.disk_count == 1 and self.disk_key in {None, _FIRST_DISK}

    @property
    def attached(self) -> tuple[Attached, ...] | None:
        """The volumes, as far as they are known."""
        return () if self.all_disks_pushed else self.volumes

    @property
    def disks(self) -> Disks:
        """The disks, as far as they are known."""
        keys = self.disk_keys if self.disk_count > 1 else ()
        return Disks(self.disk_key, tuple(key for key in keys if key != self.disk_key))


def _shared(value: Any) -> str:
    """A string that many machines have in common."""
    return sys.intern(str(value or ""))


def _megabytes(value: Any) -> int | None:
    return None if value is None else int(value) * MIB


def _running(value: Any) -> bool | None:
    return None if value is None else value in {"guestToolsRunning", "guestToolsExecutingScripts"}


def _installed(value: Any) -> bool:
    return value not in {None, "", "guestToolsNotInstalled"}


def _reference(value: Any) -> str:
    return "" if value is None else _shared(value if isinstance(value, str) else moid(value))


def _upgrade(value: Any) -> str:
    """The hardware version that the machine gets with its next power cycle; empty when it stays as it is."""
    policy = getattr(value, "upgradePolicy", None)
    return _shared(value.versionKey) if policy in {"always", "onSoftPowerOff"} else ""


def _guest_addresses(value: Any) -> tuple[str, ...]:
    """Addresses of the machine's own cards: bridges and tunnels inside the guest have no device."""
    return tuple(str(ip) for card in value or () if card.deviceConfigId >= 0 for ip in card.ipAddress)


def _attributes(value: Any) -> tuple[tuple[int, str], ...]:
    return tuple((int(entry.key), str(getattr(entry, "value", ""))) for entry in value or ())


def _time(value: Any) -> float | None:
    """Unix seconds of a time, or of its text in XML."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return None if moment is None else float(moment.timestamp())
    except (AttributeError, OverflowError, ValueError, OSError):
        return None


def _text(value: Any) -> str:
    return str(value or "")


def _name(value: Any) -> str:
    return readable(_text(value))


def _uuid(value: Any) -> str | None:
    return str(value).lower() if value else None


#: What is read of every machine, where it goes, and how.
PROPERTIES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "name": ("name", _name),
    "parent": ("parent", _reference),
    "resourcePool": ("pool", _reference),
    UUID: ("uuid", _uuid),
    "config.hardware.numCPU": ("cpus", lambda value: value),
    CORES: ("cores", lambda value: value or 1),
    "config.hardware.memoryMB": ("memory", _megabytes),
    "config.template": ("template", bool),
    "config.createDate": ("created_at", _time),
    NOTES: ("notes", _text),
    SNAPSHOTS: ("snapshots", taken),
    "summary.config.numVirtualDisks": ("disk_count", lambda value: value or 1),
    "config.cpuHotAddEnabled": ("hot_add_cpus", bool),
    "config.memoryHotAddEnabled": ("hot_add_memory", bool),
    "config.guestId": ("guest_id", _shared),
    "config.version": ("version", _shared),
    "config.scheduledHardwareUpgradeInfo": ("next_version", _upgrade),
    "runtime.powerState": ("power", _shared),
    "runtime.host": ("host", _reference),
    "runtime.connectionState": ("connection", _shared),
    "runtime.consolidationNeeded": ("scattered", bool),
    "guest.toolsRunningStatus": ("tools_running", _running),
    "guest.toolsVersionStatus2": ("tools_installed", _installed),
    "guest.hostName": ("hostname", _text),
    "guest.ipAddress": ("address", _text),
    "guest.net": ("guest_addresses", _guest_addresses),
    "customValue": ("attributes", _attributes),
    METADATA: ("metadata", lambda value: guestinfo.read(_option(value))),
}

_MARKS = {f'config.extraConfig["{key}"]': key for key in identity.KEYS}

#: The paths of PROPERTIES, of the disk, the cards and the marker.
PATHS: Final = (*PROPERTIES, ROOT_DISK, *_CARDS, *_MARKS)


def _option(value: Any) -> str:
    """The text of an advanced option, which may come whole or as its value alone."""
    return str(getattr(value, "value", value) or "")


def _take_disk(seen: Seen, disk: Any, key: int | None) -> None:
    seen.root_disk, seen.disk_key = capacity(disk), key
    seen.store = _reference(getattr(getattr(disk, "backing", None), "datastore", None))


def _card(device: Any) -> Card:
    """Source: VirtualEthernetCard and the subtypes of its backing, each of which names the network in its own way."""
    network, name = card_network(getattr(device, "backing", None))
    return Card(str(device.macAddress or "").lower(), network, name)


def card_network(backing: Any) -> tuple[str, str]:
    """The network that a card's backing names, by reference and by name."""
    port = getattr(backing, "port", None)
    reference = getattr(port, "portgroupKey", None) or getattr(backing, "opaqueNetworkId", None)
    return (
        _shared(reference or _reference(getattr(backing, "network", None))),
        _shared(getattr(backing, "deviceName", None)),
    )


def root_disk(devices: Iterable[Any]) -> Any:
    """The disk that the machine starts from: the first on the first controller. None when it has no disk."""
    return next(iter(own(devices)), None)


def disks(devices: Iterable[Any]) -> list[Any]:
    """The disks among the devices that are the machine's own."""
    return own(devices)


def cards(devices: Iterable[Any]) -> list[Any]:
    """The network cards among the devices, in the order in which a guest finds them."""
    return sorted((device for device in devices if hasattr(device, "macAddress")), key=lambda card: int(card.key))


def _setting(attribute: str, convert: Callable[[Any], Any]) -> Callable[[Seen, Any], None]:
    return lambda seen, value: setattr(seen, attribute, convert(value))


def _take_pushed_disk(seen: Seen, disk: Any) -> None:
    disk = None if volume_id(disk) else disk
    seen.disk_pushed = disk is not None
    # A machine that starts from another disk has its devices read.
    if disk is not None and seen.disk_key in {None, _FIRST_DISK}:
        _take_disk(seen, disk, _FIRST_DISK)


def _take_capacity(seen: Seen, value: Any) -> None:
    if value is not None:
        seen.root_disk = int(value)


def _take_devices(seen: Seen, devices: Any) -> None:
    disk = root_disk(devices or ())
    _take_disk(seen, disk, None if disk is None else int(disk.key))
    seen.disk_keys = tuple(sorted(int(disk.key) for disk in disks(devices or ())))
    seen.volumes = attached(devices or ())
    seen.cards = {int(card.key): _card(card) for card in cards(devices or ())}


def _card_taker(key: int) -> Callable[[Seen, Any], None]:
    def take(seen: Seen, device: Any) -> None:
        if device is None:
            seen.cards.pop(key, None)
        else:
            seen.cards[key] = _card(device)

    return take


def _mark_taker(key: str) -> Callable[[Seen, Any], None]:
    def take(seen: Seen, value: Any) -> None:
        if text := _option(value):
            seen.marks[key] = text
        else:
            seen.marks.pop(key, None)

    return take


_TAKE: Final[Mapping[str, Callable[[Seen, Any], None]]] = {
    **{path: _setting(attribute, convert) for path, (attribute, convert) in PROPERTIES.items()},
    ROOT_DISK: _take_pushed_disk,
    f"{ROOT_DISK}.capacityInBytes": _take_capacity,
    DEVICES: _take_devices,
    **{path: _card_taker(key) for path, key in _CARDS.items()},
    **{path: _mark_taker(key) for path, key in _MARKS.items()},
}


def update(seen: Seen, path: str, value: Any) -> None:
    """Takes over one property; ``value`` is None where it is not set any more. Paths that nobody asked for are ignored."""
    if take := _TAKE.get(path.removesuffix(".value")):
        take(seen, value)


def whole(machine_id: str, properties: Mapping[str, Any]) -> Seen:
    """A machine from properties that were read at once; its devices count more than those of them that are pushed."""
    fresh = Seen(machine_id)
    pushed = {path: value for path, value in properties.items() if path != DEVICES}
    for path, value in pushed.items():
        update(fresh, path, value)
    if DEVICES in properties:
        fresh.disk_pushed = False
        _take_devices(fresh, properties[DEVICES])
    return fresh
