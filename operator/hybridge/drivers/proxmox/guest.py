"""The words of a guest's configuration. Source: qm.conf(5) and PVE::QemuServer (print_drive, print_net, print_smbios1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from hybridge.drivers.proxmox.answers import PendingItem

MIB = 2**20
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
_DRIVE = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate)\d+")
#: The VMID that owns Volumes, and that no guest has: the last that PVE knows. PVE offers none above 1000000 by itself
#: (datacenter option ``next-id``).
LENDER = 999_999_999
_LENT = re.compile(rf"[^:]+:(?:{LENDER}/)?vm-{LENDER}-[^/]+")
_OWNERS = re.compile(r"(?:vm|base)-(\d+)-")
_BOOTABLE = re.compile(r"(?:ide|sata|scsi|virtio)\d+")
_NET = re.compile(r"net\d+")
_NIC_MODEL = re.compile(r"(?:e1000\S*|i825\S+|ne2k\S*|pcnet|rtl8139|virtio|vmxnet3)")
#: PVE boots in this order of buses when nothing else is said.
_BUSES = ("scsi", "virtio", "sata", "ide")
#: Places for a CD that every machine type has.
_CD_PLACES = ("ide2", "ide0", "sata5", "sata4", "sata3")
_NOT_CONFIGURATION = {"digest", "snapshots"}
#: What a running guest takes over at once, among the keys that are changed here.
AT_ONCE = {"description", "name", "tags"}
#: More CPUs, or MiB of memory, than any guest has.
_MOST = 2**30
#: Characters of a size.
_LONGEST_SIZE = 16
_TRUE = {"1", "on", "yes", "true"}

Words = Mapping[str, str]
#: Parameters of ``PUT …/config``; ``delete`` names keys, with commas between them.
Values = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One reading of a guest's configuration: ``current`` is in effect, ``upcoming`` from the next start on."""

    current: Words
    upcoming: Words
    digest: str | None = None

    @classmethod
    def read(cls, items: Iterable[PendingItem]) -> Self:
        """From the answer of ``GET …/pending``."""
        current: dict[str, str] = {}
        upcoming: dict[str, str] = {}
        for item in items:
            if item.value is not None:
                current[item.key] = upcoming[item.key] = str(item.value)
            if item.pending is not None:
                upcoming[item.key] = str(item.pending)
            elif item.delete:
                upcoming.pop(item.key, None)
        digest = current.pop("digest", None)
        for key in _NOT_CONFIGURATION:
            upcoming.pop(key, None)
            current.pop(key, None)
        return cls(current, upcoming, digest)

    @property
    def lock(self) -> str | None:
        """The task that holds the guest."""
        return self.current.get("lock")

    def changed(self, values: Mapping[str, object], *, running: bool) -> Configuration:
        """As it is after PVE accepted ``values``: a running guest keeps what is in effect."""
        upcoming = dict(self.upcoming)
        for key in str(values.get("delete", "")).split(","):
            upcoming.pop(key, None)
        upcoming |= {key: str(value) for key, value in values.items() if key not in {"delete", "digest"}}
        if not running:
            return Configuration(upcoming, upcoming)
        at_once = {key: text for key, text in upcoming.items() if key in AT_ONCE}
        return Configuration({**self.current, **at_once}, upcoming)

    def started(self) -> Configuration:
        """As it is once the guest has started, which takes over all that waited for that."""
        return self if self.current == self.upcoming else Configuration(self.upcoming, self.upcoming)

    def resized(self, key: str, size: int) -> Configuration:
        """As it is after the disk ``key`` has grown to ``size`` bytes."""
        value = re.sub(r",size=[^,]*", "", self.upcoming.get(key, ""))
        return self.changed({key: f"{value},size={size}"}, running=False)


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk or CD: ``key`` such as scsi0, ``volume`` such as ceph:vm-100-disk-0, ``size`` in bytes."""

    key: str
    volume: str
    cdrom: bool
    size: int | None

    @property
    def storage(self) -> str | None:
        """The storage that holds the volume; None for an empty drive, a host device or a path."""
        storage, colon, _ = self.volume.partition(":")
        return storage if colon and not self.volume.startswith("/") else None

    @property
    def lent(self) -> bool:
        """Whether it is a Volume, which outlives the guest and is nothing to boot from."""
        return is_lent(self.volume)

    @property
    def cloud_init(self) -> bool:
        """Whether PVE makes the content of this CD from the guest's own cloud-init settings."""
        return self.cdrom and bool(re.search(r"[-:]cloudinit(?:\.|$)", self.volume))


def is_lent(volume: str) -> bool:
    """Whether an image's name says that it is a Volume."""
    return _LENT.fullmatch(volume) is not None


def drives(words: Words) -> Iterator[Drive]:
    """All disks and CDs."""
    for key, value in words.items():
        if _DRIVE.fullmatch(key):
            first, options = properties(value, "file")
            volume = first or options.get("file", "")
            yield Drive(key, volume, options.get("media") == "cdrom", parse_size(options.get("size", "")))


def root_disk(words: Words) -> Drive | None:
    """The disk that the guest boots from: the first in its boot order, else the first by bus."""
    disks = {
        drive.key: drive
        for drive in drives(words)
        if _BOOTABLE.fullmatch(drive.key) and not drive.cdrom and drive.volume != "none"
        if not drive.lent
    }
    _, boot = properties(words.get("boot", ""), "legacy")
    ordered = [*boot.get("order", "").split(";"), words.get("bootdisk", "")]
    ordered += sorted(disks, key=lambda key: (_BUSES.index(key.rstrip("0123456789")), int(re.sub(r"\D+", "", key))))
    return next((disks[key] for key in ordered if key in disks), None)


def cloud_init_drive(words: Words) -> Drive | None:
    """The CD whose content PVE makes from the guest's cloud-init settings."""
    return next((drive for drive in drives(words) if drive.cloud_init), None)


def bases(words: Words) -> tuple[str, ...]:
    """The VMIDs of the templates on whose disks those of the guest build: it is a linked clone."""
    found = (_OWNERS.findall(drive.volume)[:-1] for drive in drives(words) if "base-" in drive.volume)
    return tuple(dict.fromkeys(owner for owners in found for owner in owners))


def made_at(words: Words) -> float | None:
    """When the guest was made, in Unix seconds, where PVE tells it (since 7.2)."""
    _, options = properties(words.get("meta", ""), "")
    made = options.get("ctime", "")
    return float(made) if made.isdigit() and len(made) <= _LONGEST_SIZE else None


def place_for_cd(words: Words) -> str | None:
    """Where a seed goes: instead of PVE's own cloud-init CD, else into a drive that is empty or missing."""
    own = cloud_init_drive(words)
    if own is not None:
        return own.key
    full = {drive.key for drive in drives(words) if drive.volume != "none"}
    return next((key for key in _CD_PLACES if key not in full), None)


def nics(words: Words) -> list[str]:
    """Keys of the network interfaces, in order."""
    return sorted((key for key in words if _NET.fullmatch(key)), key=lambda key: int(key[3:]))


@dataclass(frozen=True, slots=True)
class Net:
    """A network interface. ``rest``: its further options, by name."""

    model: str = "virtio"
    mac: str | None = None
    bridge: str | None = None
    tag: str | None = None
    rest: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = {"bridge": self.bridge, "tag": self.tag, **self.rest}
        words = [f"{key}={text}" for key, text in options.items() if text is not None]
        return ",".join([f"{self.model}={self.mac}" if self.mac else self.model, *words])


def net(value: str) -> Net:
    """The network interface that a value such as ``virtio=BC:24:11:00:00:01,bridge=vmbr0`` stands for."""
    model, options = properties(value, "model")
    address = options.pop("macaddr", None)
    for key in [key for key in options if _NIC_MODEL.fullmatch(key)]:
        model, address = key, options.pop(key)
    model = options.pop("model", model)
    bridge, tag = options.pop("bridge", None), options.pop("tag", None)
    return Net(model or "virtio", address, bridge, tag, options)


def unguarded(words: Words) -> list[str]:
    """Keys of the network interfaces that do not go through PVE's firewall."""
    return [key for key in nics(words) if net(words[key]).rest.get("firewall", "0") not in _TRUE]


def cpus(words: Words) -> int:
    """Virtual CPUs that the guest sees. Raises ValueError."""
    return _whole(words.get("vcpus") or 0) or _whole(words.get("cores", 1)) * _whole(words.get("sockets", 1))


def memory(words: Words) -> int:
    """Bytes of memory; the value is in MiB, and newer versions of PVE may write ``current=…``. Raises ValueError."""
    first, options = properties(words.get("memory", "512"), "current")
    return _whole(first or options.get("current", "512")) * MIB


def _whole(value: str | int) -> int:
    number = int(value)
    if not 0 <= number <= _MOST:
        raise ValueError(f"{number} is out of range")
    return number


def smbios_uuid(words: Words) -> str | None:
    """The UUID that the guest's firmware shows, in lower case."""
    _, options = properties(words.get("smbios1", ""), "")
    return options["uuid"].lower() if "uuid" in options else None


def with_smbios_uuid(words: Words, uuid: str) -> str:
    """The value of ``smbios1`` with another UUID and every other field kept."""
    _, options = properties(words.get("smbios1", ""), "")
    return ",".join(f"{key}={value}" for key, value in {**options, "uuid": uuid}.items())


def agent_enabled(words: Words) -> bool:
    """Whether PVE talks to an agent in the guest."""
    first, options = properties(words.get("agent", "0"), "enabled")
    return (first or options.get("enabled", "0")).lower() in _TRUE


def protected(words: Words) -> bool:
    """Whether PVE refuses to remove the guest or its disks."""
    return words.get("protection", "0") in _TRUE


def memory_hot_plugs(words: Words) -> bool:
    """Whether memory can be added while the guest runs: the feature is on, and NUMA with it."""
    features = re.split(r"[;, ]+", words.get("hotplug", ""))
    return "memory" in features and words.get("numa", "0") in _TRUE


def parse_size(text: str) -> int | None:
    """Bytes of a size such as ``8G``; None when there is none that could be."""
    found = _SIZE.fullmatch(text[:_LONGEST_SIZE])
    return int(float(found[1]) * _UNITS[found[2]]) if found else None


def properties(value: str, default: str) -> tuple[str | None, dict[str, str]]:
    """A property string: the value of its default key, when written without it, and all others."""
    first: str | None = None
    options: dict[str, str] = {}
    for part in value.split(","):
        key, equals, text = part.partition("=")
        if equals:
            options[key] = text
        elif part and first is None:
            first = part
    return first if default else None, options
