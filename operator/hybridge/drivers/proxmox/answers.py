"""What is read of PVE's answers, and no more. PVE writes some numbers as strings, so decoding is lax.

What is not as these types say is no answer, so whoever works with them need not doubt them.

Source: the schema of the PVE API (``returns`` of each method) and the code behind it where the schema says nothing.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

#: Counts and bytes. Nothing that PVE tells is less than none, or more than a double holds exactly.
Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
#: Shares, seconds and CPUs, which may have fractions.
Share: TypeAlias = Annotated[float, Meta(ge=0, le=2**53)]
#: 0 where there is none. PVE's own bounds are 100 and 999999999.
Vmid: TypeAlias = Annotated[int, Meta(ge=0, le=999_999_999)]
#: The name of a node, which goes into paths of requests.
NodeName: TypeAlias = Annotated[str, Meta(pattern=r"^([a-zA-Z0-9][a-zA-Z0-9.-]*)?$", max_length=253)]
#: The id of a task, likewise.
Upid: TypeAlias = Annotated[str, Meta(pattern=r"^UPID:[a-zA-Z0-9.-]+(:[^/\s:]*)+$", max_length=512)]
#: PVE's id of an image, which goes into paths of requests and into configurations.
VolumeId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9_.-]*:[^\s,]+$", max_length=512)]
#: A name, a state, a list of tags.
Word: TypeAlias = Annotated[str, Meta(max_length=4096)]
#: A value of a configuration: notes are the longest.
Value: TypeAlias = Annotated[str, Meta(max_length=2**20)]


class Resource(Struct, gc=False):
    """A row of ``GET /cluster/resources``: a guest, node, storage or pool. Sizes in bytes.

    ``status``, ``name``, ``maxcpu``, ``maxmem``, ``cpu`` (share of ``maxcpu``), ``mem`` and ``uptime`` (seconds) of a
    guest are what its node last broadcast (up to 10 s old); ``node``, ``lock``, ``tags`` and ``pool`` come from the cluster
    file system and are of now. ``hastate`` of a guest or a node is the HA manager's word, such as ``started`` or
    ``maintenance``; ``pool`` is hidden from who lacks Pool.Audit on it.
    """

    type: Word
    id: Word = ""
    node: NodeName = ""
    vmid: Vmid = 0
    name: Word = ""
    status: Word = "unknown"
    template: Number = 0
    maxcpu: Share = 0
    maxmem: Number = 0
    cpu: Share = 0.0
    mem: Number = 0
    uptime: Share = 0.0
    tags: Word = ""
    lock: Word = ""
    hastate: Word = ""
    pool: Word = ""
    storage: Word = ""
    plugintype: Word = ""
    content: Word = ""
    shared: Number = 0
    disk: Number = 0
    maxdisk: Number = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a guest that cannot be named."""
        if self.type in {"qemu", "lxc"} and not (self.vmid and self.node):
            raise ValueError("a guest has no VMID or no node")


class PendingItem(Struct, gc=False):
    """An item of ``GET …/pending``: one key of a guest's configuration, as it is and as it will be."""

    key: Word
    value: Value | int | float | None = None
    pending: Value | int | float | None = None
    delete: int = 0


class Status(Struct, gc=False):
    """``GET …/status/current`` of a guest. ``qmpstatus`` tells paused from running."""

    status: Word = "unknown"
    qmpstatus: Word = ""


class TaskRow(Struct, gc=False):
    """An item of ``GET /cluster/tasks``; ``status`` is the exit status, once ``endtime`` is set."""

    upid: Upid
    endtime: Number | None = None
    status: Word = ""


class TaskStatus(Struct, gc=False):
    """``GET …/tasks/{upid}/status``."""

    status: Word
    exitstatus: Word = ""


class SnapshotRow(Struct, gc=False):
    """An item of ``GET …/snapshot`` of a guest; ``current`` is the guest itself. ``snaptime`` in Unix seconds.

    ``snapstate`` is ``prepare`` or ``delete`` while it is not finished.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
    parent: Word = ""
    description: Value = ""
    snaptime: Number = 0
    vmstate: Number = 0
    snapstate: Word = ""


class SnapshotWords(Struct, gc=False):
    """``GET …/snapshot/{name}/config``."""

    description: Value = ""


class LogLine(Struct, gc=False):
    """A line of ``GET …/tasks/{upid}/log``."""

    t: Word = ""


class Image(Struct, gc=False, rename={"rough_size": "approximate-size"}):
    """An item of ``GET /nodes/{node}/storage/{storage}/content?content=images``: an image, and the VMID that owns it.

    ``volid`` is such as ``ceph:vm-100-disk-0``; sizes are bytes, the rough one where the storage cannot tell better.
    """

    volid: VolumeId
    vmid: Vmid = 0
    format: Word = ""
    size: Number | None = None
    rough_size: Number | None = None
    ctime: Number | None = None


class ImageInfo(Struct, gc=False):
    """``GET /nodes/{node}/storage/{storage}/content/{volume}``."""

    size: Number = 0


class Formats(Struct, gc=False):
    """The formats of the images of a storage."""

    default: Word = ""
    supported: list[Word] = field(default_factory=list)


class StorageStatus(Struct, gc=False):
    """An item of ``GET /nodes/{node}/storage?format=1``; older versions say nothing of formats."""

    storage: Word = ""
    formats: Formats | None = None


class Version(Struct, gc=False):
    """``GET /version``."""

    version: Word = ""


class Member(Struct, gc=False):
    """An item of ``GET /cluster/status``: the cluster (absent on a standalone node) or a node."""

    type: Word
    name: NodeName = ""
    quorate: int = 0
    local: int = 0


class Certificate(Struct, gc=False):
    """An item of ``GET /nodes/{node}/certificates/info``."""

    filename: Word = ""
    fingerprint: Word = ""


class Bridge(Struct, gc=False):
    """An item of ``GET /nodes/{node}/network?type=any_bridge``."""

    iface: Word


class AgentAddress(Struct, gc=False, rename="kebab"):
    """An address that the guest agent reports."""

    ip_address: Word = ""


class AgentInterface(Struct, gc=False, rename="kebab"):
    """An interface that the guest agent reports."""

    name: Word = ""
    ip_addresses: list[AgentAddress] | None = None


class AgentInterfaces(Struct, gc=False):
    """``GET …/agent/network-get-interfaces``."""

    result: list[AgentInterface] = field(default_factory=list)


class Ticket(Struct, gc=False, rename={"csrf": "CSRFPreventionToken", "second_factor": "NeedTFA"}):
    """``POST /access/ticket``."""

    ticket: Word = ""
    csrf: Word = ""
    second_factor: int = 0
