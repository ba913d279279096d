"""What is read of PVE's answers, and no more. PVE writes some numbers as strings, so decoding is lax.

Source: the schema of the PVE API (``returns`` of each method) and the code behind it where the schema says nothing.
"""

from __future__ import annotations

from msgspec import Struct, field


class Resource(Struct, gc=False):
    """A row of ``GET /cluster/resources``: a guest, node, storage or pool. Sizes in bytes.

    ``status``, ``name``, ``maxcpu``, ``maxmem``, ``cpu`` (share of ``maxcpu``), ``mem`` and ``uptime`` (seconds) of a
    guest are what its node last broadcast (up to 10 s old); ``node``, ``lock``, ``tags`` and ``pool`` come from the cluster
    file system and are of now. ``hastate`` of a guest or a node is the HA manager's word, such as ``started`` or
    ``maintenance``; ``pool`` is hidden from who lacks Pool.Audit on it.
    """

    type: str
    id: str = ""
    node: str = ""
    vmid: int = 0
    name: str = ""
    status: str = "unknown"
    template: int = 0
    maxcpu: float = 0
    maxmem: int = 0
    cpu: float = 0.0
    mem: int = 0
    uptime: float = 0.0
    tags: str = ""
    lock: str = ""
    hastate: str = ""
    pool: str = ""
    storage: str = ""
    plugintype: str = ""
    content: str = ""
    shared: int = 0
    disk: int = 0
    maxdisk: int = 0


class PendingItem(Struct, gc=False):
    """An item of ``GET …/pending``: one key of a guest's configuration, as it is and as it will be."""

    key: str
    value: str | int | float | None = None
    pending: str | int | float | None = None
    delete: int = 0


class Status(Struct, gc=False):
    """``GET …/status/current`` of a guest. ``qmpstatus`` tells paused from running."""

    status: str = "unknown"
    qmpstatus: str = ""


class TaskRow(Struct, gc=False):
    """An item of ``GET /cluster/tasks``; ``status`` is the exit status, once ``endtime`` is set."""

    upid: str
    endtime: int | None = None
    status: str = ""


class TaskStatus(Struct, gc=False):
    """``GET …/tasks/{upid}/status``."""

    status: str
    exitstatus: str = ""


class LogLine(Struct, gc=False):
    """A line of ``GET …/tasks/{upid}/log``."""

    t: str = ""


class Version(Struct, gc=False):
    """``GET /version``."""

    version: str = ""


class Member(Struct, gc=False):
    """An item of ``GET /cluster/status``: the cluster (absent on a standalone node) or a node."""

    type: str
    name: str = ""
    quorate: int = 0
    local: int = 0


class Certificate(Struct, gc=False):
    """An item of ``GET /nodes/{node}/certificates/info``."""

    filename: str = ""
    fingerprint: str = ""


class Bridge(Struct, gc=False):
    """An item of ``GET /nodes/{node}/network?type=any_bridge``."""

    iface: str


class AgentAddress(Struct, gc=False, rename="kebab"):
    """An address that the guest agent reports."""

    ip_address: str = ""


class AgentInterface(Struct, gc=False, rename="kebab"):
    """An interface that the guest agent reports."""

    name: str = ""
    ip_addresses: list[AgentAddress] | None = None


class AgentInterfaces(Struct, gc=False):
    """``GET …/agent/network-get-interfaces``."""

    result: list[AgentInterface] = field(default_factory=list)


class Ticket(Struct, gc=False, rename={"csrf": "CSRFPreventionToken", "second_factor": "NeedTFA"}):
    """``POST /access/ticket``."""

    ticket: str = ""
    csrf: str = ""
    second_factor: int = 0
