"""How a template is made: first a guest that says in its notes what is left to do, so that it goes on after a crash.
Pure.

From a file: an empty guest, then the file is downloaded beside it, then its disk is imported, then it becomes a
template, and last the file goes. From a guest: a full clone, from which goes what was that guest's alone, and which
becomes a template. Source: PVE::API2::Storage::Status (download_url), PVE::API2::Qemu (create_disks: import-from).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from hybridge.core.errors import Refused
from hybridge.core.image import Download
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.guest import Values, Words, drives, root_disk

#: What is left to do, in order.
DISK, TEMPLATE, REST = "disk", "template", "rest"
#: The key of the line in the notes of a guest that is to become a template, as long as something is left to do: the
#: volume id of its file, or ``clone`` and what of its disks is not to be in it.
_NOTE = "hybridge.io/making: "
_CLONE = "clone"
_PREFIX = "hybridge-"
#: Endings of files that PVE imports, and as what. Cloud images of the ending img are qcow2 almost everywhere.
_FORMATS = {"qcow2": "qcow2", "img": "qcow2", "raw": "raw", "vmdk": "vmdk"}
#: Where the disk of a downloaded image is.
DISK_KEY = "scsi0"
#: Settings that a guest was given for itself: who may log in, and what its network is.
_PERSONAL = re.compile(r"ci(?:user|password|custom)|ipconfig\d+|nameserver|searchdomain|sshkeys")
#: A guest for a cloud image: its console is serial, and an agent is expected in it.
BLANK: Values = {
    "cores": 1,
    "memory": 1024,
    "cpu": "x86-64-v2-AES",
    "ostype": "l26",
    "scsihw": "virtio-scsi-single",
    "serial0": "socket",
    "vga": "serial0",
    "agent": "1",
}


@dataclass(frozen=True, slots=True)
class Making:
    """What the notes say of it. ``file``: the volume id of what was downloaded. ``dropped``: keys of disks that go."""

    file: str | None = None
    dropped: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The line for the notes."""
        return _NOTE + (self.file or " ".join([_CLONE, *self.dropped]))


def noted(notes: str) -> Making | None:
    """What is being made, by the notes; None where nothing is."""
    for line in notes.splitlines() if _NOTE in notes else ():
        if line.startswith(_NOTE):
            first, *rest = line.removeprefix(_NOTE).split() or [""]
            return Making(dropped=tuple(rest)) if first == _CLONE else Making(first)
    return None


def forgotten(notes: str) -> str:
    """The notes without that line."""
    return "\n".join(line for line in notes.rstrip("\n").splitlines() if not line.startswith(_NOTE))


def missing(words: Words) -> tuple[str, ...]:
    """What is left to do of a guest; nothing where its notes do not say that it is being made."""
    if noted(words.get("description", "")) is None:
        return ()
    if words.get("template", "0") == "1":
        return (REST,)
    return (TEMPLATE, REST) if root_disk(words) else (DISK, TEMPLATE, REST)


def format_of(source: Download) -> str:
    """The format of a file, by the ending of its URL. Raises Refused for what PVE cannot import."""
    ending = PurePosixPath(urlsplit(source.url).path).suffix.lower().removeprefix(".")
    if ending not in _FORMATS:
        words = f"spec.source.url: Proxmox VE imports files that end with {', '.join(sorted(_FORMATS))}, not {ending!r}"
        raise Refused(Reason.UNSUPPORTED, f"{words}; it unpacks none")
    return _FORMATS[ending]


def file_name(vmid: str, source: Download) -> str:
    """What the file is called that is downloaded for a guest."""
    return f"{_PREFIX}{vmid}-{source.checksum.partition(':')[2][:8]}.{format_of(source)}"


def is_file_of(vmid: str, file: str) -> bool:
    """Whether a volume id is that of a file that was downloaded for a guest."""
    return file.partition(":")[2].startswith(f"import/{_PREFIX}{vmid}-")


def imported(storage: str, file: str) -> Values:
    """The configuration that has the file imported."""
    return {DISK_KEY: f"{storage}:0,import-from={file},discard=on", "boot": f"order={DISK_KEY}"}


def personal(words: Words, making: Making) -> Iterator[str]:
    """The keys of a clone that were its source's alone: who it was for cloud-init, its CDs, and what was lent to it."""
    yield from (key for key in words if _PERSONAL.fullmatch(key))
    yield from (drive.key for drive in drives(words) if drive.cdrom and not drive.cloud_init)
    yield from (key for key in making.dropped if key in words)
