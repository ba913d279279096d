"""What a machine should be, what it is, and what is on record of making it. Sizes are bytes, times Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hybridge.core.identity import Marker
from hybridge.core.reasons import Reason


class Power(StrEnum):
    """Power state of a machine as its cloud reports it. ``GONE``: the cloud says that it is deleted for good."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    STARTING = "Starting"
    STOPPING = "Stopping"
    SUSPENDED = "Suspended"
    GONE = "Gone"
    UNKNOWN = "Unknown"


class PowerOff(StrEnum):
    """How a machine is stopped: soft, then hard after the timeout; only soft; hard at once."""

    TRY_SOFT = "TrySoft"
    SOFT = "Soft"
    HARD = "Hard"


@dataclass(frozen=True, slots=True)
class Nic:
    """A wanted network interface. ``addresses`` are CIDRs; empty means that the network assigns one."""

    name: str
    network: str
    mac: str | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloudInit:
    """Wanted cloud-init. ``user_data`` is the content of the Secret and must never reach a log, a status or an event."""

    hostname: str | None = None
    ssh_keys: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return bool(self.hostname or self.ssh_keys or self.user_data)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What the user wants. None means *chosen at create, not managed afterwards*.

    ``placement`` and ``options`` (the block of the machine's own cloud) are keyed as in the custom resource.
    """

    name: str
    image: str | None = None
    cpus: int | None = None
    memory: int | None = None
    root_disk: int | None = None
    root_disk_class: str | None = None
    networks: tuple[Nic, ...] = ()
    power: Power = Power.RUNNING
    power_off: PowerOff = PowerOff.TRY_SOFT
    power_off_timeout: float = 120.0
    tags: Mapping[str, str] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    cloud_init: CloudInit = CloudInit()
    disruption: bool = False
    recreate_lost: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a machine; ``type`` is ``InternalIP``, ``ExternalIP`` or ``Hostname``."""

    type: str
    address: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as its cloud shows it.

    ``uuid`` is the SMBIOS or instance UUID where the cloud lets us choose it, else None. ``lock`` names a task that
    holds the machine. ``pending`` lists fields whose new value the cloud holds back until the next power cycle.
    ``detailed`` is False while only a bulk list has been read: marker, uuid, disk and tags are then unknown.
    """

    id: str
    name: str
    power: Power
    marker: Marker | None = None
    uuid: str | None = None
    cpus: int | None = None
    memory: int | None = None
    root_disk: int | None = None
    instance_type: str | None = None
    host: str | None = None
    zone: str | None = None
    addresses: tuple[Address, ...] = ()
    reports_addresses: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    hot_add_cpus: bool = False
    hot_add_memory: bool = False
    lock: str | None = None
    pending: tuple[str, ...] = ()
    template: bool = False
    detailed: bool = True


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """Which version of a Secret an intent used. Never its content, nor a digest of it."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Intent:
    """The write-ahead record of one attempt to create a machine.

    ``id`` is set where the operator chooses it (the Proxmox VMID). ``parameters`` are the exact words of the coming
    call, as JSON values, without secrets. ``rejected`` means that the cloud proved this attempt to be without effect.
    """

    attempt: int
    token: str
    name: str
    uuid: str
    provider_identity: str
    started_at: float
    parameters: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None
    secrets: tuple[SecretVersion, ...] = ()
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """How a cloud differs where the plan has to know.

    ``exact_sizes``: cpus and memory are set as asked (otherwise they are the least that the type must offer).
    ``delete_needs_stop``: a running machine has to be stopped before it is deleted.
    ``chooses_uuid``: we give the machine its UUID, and it is part of the proof.
    ``initialize``: a new machine has to be configured by a call of its own before its first start; its UUID, which we
    have to choose then, tells that it was.
    ``visibility``: seconds after which a create that took effect, without an answer, is certain to be seen.
    ``lag``: seconds after the begin of a create for which the cloud may deny a machine, even by its id, that it has
    answered for before (eventual consistency).
    ``token_lifetime``: seconds for which repeating a create with its token is certain to give the same machine; 0: never.
    """

    exact_sizes: bool = True
    delete_needs_stop: bool = True
    chooses_uuid: bool = True
    initialize: bool = False
    visibility: float = 300.0
    lag: float = 0.0
    token_lifetime: float = 0.0


class TaskState(StrEnum):
    """How far a task of the cloud is. ``UNKNOWN``: the cloud no longer knows it."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Task:
    """A long operation of the cloud. ``progress`` in percent; ``result`` is the id of what it made, if it says so.

    ``error`` and ``reason`` tell why a FAILED task failed.
    """

    id: str
    operation: str
    started_at: float
    state: TaskState = TaskState.RUNNING
    progress: int | None = None
    error: str = ""
    result: str | None = None
    reason: Reason | None = None
