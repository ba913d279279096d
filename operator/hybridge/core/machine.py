"""What a machine should be, and what it is. Sizes are bytes, times Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from hybridge.core.identity import Marker
from hybridge.core.lifecycle import Drift, Guarantees, Import
from hybridge.core.place import Within


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
    """A wanted network interface. ``addresses`` are CIDRs; empty means that the network assigns one, and the rest with it.
    ``gateways``: routers, at most one of each family; ``nameservers``: IP addresses. ``vlan``: the tag that it has to have
    in its network, empty where none; None: this does not say.
    """

    name: str
    network: str
    mac: str | None = None
    addresses: tuple[str, ...] = ()
    vlan: str | None = None
    gateways: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A volume that the machine is to have: the name of the entry, that of the Volume, and its id in the cloud, once it has
    one.
    """

    name: str
    volume: str
    volume_id: str | None = None


@dataclass(frozen=True, slots=True)
class RevertWish:
    """That the machine is to go back to a snapshot, once for each token: the name of the Snapshot, and its id in the cloud,
    once it has one.
    """

    snapshot: str
    token: str
    snapshot_id: str | None = None


@dataclass(frozen=True, slots=True)
class CloudInit:
    """Wanted cloud-init. ``user_data`` is the content of the Secret and must never reach a log, a status or an event.

    ``source`` tells people which version of which Secret it is; None when there is none, or it has not been read.
    ``certain``: another version is known to be another text.
    """

    hostname: str | None = None
    ssh_keys: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)
    source: str | None = None
    certain: bool = True

    def __bool__(self) -> bool:
        return bool(self.hostname or self.ssh_keys or self.user_data)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What the user wants. None means *chosen at create, not managed afterwards*.

    ``placement`` and ``options`` (the block of the machine's own cloud) are keyed as in the custom resource.
    ``named``: the user has chosen the name, so that it is kept also on a machine that was not made by this object.
    ``observed``: nothing is ever written. ``restart_token``: a new value restarts once. ``revert``: a new token reverts
    once. ``group`` is the anti-affinity group. ``within`` is what the Provider allows.
    """

    name: str
    image: str | None = None
    cpus: int | None = None
    memory: int | None = None
    root_disk: int | None = None
    root_disk_class: str | None = None
    networks: tuple[Nic, ...] = ()
    volumes: tuple[VolumeUse, ...] = ()
    power: Power | None = Power.RUNNING
    power_off: PowerOff = PowerOff.TRY_SOFT
    power_off_timeout: float = 120.0
    tags: Mapping[str, str] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    cloud_init: CloudInit = CloudInit()
    disruption: bool = False
    recreate_lost: bool = False
    detach: bool = False
    named: bool = False
    observed: bool = False
    imports: Import | None = None
    drift: Drift = Drift.CORRECT
    restart_token: str | None = None
    revert: RevertWish | None = None
    group: str | None = None
    within: Within = field(default_factory=Within)


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a machine; ``type`` is ``InternalIP``, ``ExternalIP`` or ``Hostname``."""

    type: str
    address: str


#: All words under which something is known in its cloud (name, id), the one that people read first. Empty: there is none.
Known = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Port:
    """A network interface that a machine has. ``mac`` is in lower case; ``vlan`` is its own tag, where it can have one."""

    network: Known
    mac: str | None = None
    vlan: str = ""

    def __str__(self) -> str:
        return attached(next(iter(self.network), ""), self.vlan)


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume that a machine has, by its id in the cloud, and as what, such as ``/dev/sdf`` or ``scsi1``."""

    id: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as its cloud shows it.

    ``uuid`` is the SMBIOS or instance UUID where the cloud lets us choose it, else None. ``lock`` names a task that
    holds the machine. ``ports`` are its interfaces in order, None while they are not known. ``disks`` are the volumes that
    it has besides its root disk and what its image brought, also those that are only being detached; None while they are
    not known. ``settings`` are the other
    fields that a spec can set and this cloud shows, by path: ``placement.node``, ``rootDisk.class``, and those of the
    block of options under its name: ``aws.keyName``; truth values are ``true`` and ``false``, lists sorted and joined by
    commas. ``pending`` holds what the cloud keeps back until the next power cycle: the coming value by field (``cpus``,
    ``memory``, a path of ``settings``, ``networks[1]`` for the second of ``ports``, ``volumes[id]`` for one of ``disks``)
    in the words of ``Action``. ``agent``: whether the guest's agent or tools run; None where the cloud does not say.
    ``protection``: why the cloud itself forbids to delete it, and where to allow it, for people; empty where it does not,
    or does not say. ``ended``: what the cloud says of how it ended, for people. ``notice``: what people should do about
    it in the cloud, where it is nothing that a spec could ask for. ``created_at``: when it was made, in Unix seconds,
    where the cloud says so. ``detailed`` is False while only a bulk list has been read: marker, uuid, disks, tags,
    ports and settings are then unknown.
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
    ports: tuple[Port, ...] | None = None
    disks: tuple[Disk, ...] | None = None
    settings: Mapping[str, Known] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    agent: bool | None = None
    protection: str = ""
    ended: str = ""
    notice: str = ""
    template: bool = False
    created_at: float | None = None
    detailed: bool = True

    @property
    def remains(self) -> bool:
        """See ``CloudObject``."""
        return False

    @property
    def gone(self) -> bool:
        """The cloud says that it is deleted for good."""
        return self.power is Power.GONE

    @property
    def ending(self) -> bool:
        """See ``CloudObject``."""
        return False

    def unlocked(self) -> Self:
        """The same, with the end of the task that held it."""
        return replace(self, lock=None)

    @property
    def unfit(self) -> str:
        """Why nobody can take it over."""
        return "a template, not a machine" if self.template else ""


class RestartPhase(StrEnum):
    """How far an asked-for restart is: the machine is being stopped, it is started again, all is done."""

    STOPPING = "Stopping"
    STARTING = "Starting"
    DONE = "Done"


@dataclass(frozen=True, slots=True)
class Restart:
    """The write-ahead record of one restart, by its token."""

    token: str
    phase: RestartPhase = RestartPhase.DONE


class RevertPhase(StrEnum):
    """How far an asked-for revert is: the machine is being stopped, it is being reverted, it is started again, all is done.
    ``REFUSED``: the cloud does not do it; nothing was changed.
    """

    STOPPING = "Stopping"
    REVERTING = "Reverting"
    STARTING = "Starting"
    DONE = "Done"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Revert:
    """The write-ahead record of one revert, by its token. ``ran``: the machine ran when it began, and has not been started
    since. ``message``: why the cloud does not do it.
    """

    token: str
    snapshot: str = ""
    phase: RevertPhase = RevertPhase.DONE
    ran: bool = False
    message: str = ""


def attached(network: str, vlan: str | None) -> str:
    """In words, what an interface is in: ``vmbr0 VLAN 20``."""
    return f"{network} VLAN {vlan}" if vlan else network


class Change(StrEnum):
    """What changing a field takes: nothing, a stopped machine, or another machine."""

    ONLINE = "Online"
    STOPPED = "Stopped"
    REPLACE = "Replace"


@dataclass(frozen=True, slots=True)
class Traits(Guarantees):
    """How a cloud's machines differ where the plan has to know.

    ``exact_sizes``: cpus and memory are set as asked (otherwise they are the least that the type must offer).
    ``delete_needs_stop``: a running machine has to be stopped before it is deleted.
    ``initialize``: a new machine has to be configured by a call of its own before its first start; its UUID, which we
    have to choose then, tells that it was.
    ``reverts``: a machine can go back to a snapshot of its own.
    ``block``: the name of the cloud's options in a spec. ``changes``: what changing a field takes, by path as in
    ``Machine.settings``, and ``networks``, ``networks.first`` (the first interface) and ``networks.mac`` (another address
    of an interface); what is not listed takes another machine, but networks can be changed online, and volumes come and go
    so. ``parts``: fields of
    many parts, by path, and the path of the part which a spec can set apart: then ``machine_diff.without`` says where in
    ``Machine.settings`` the rest is.
    """

    exact_sizes: bool = True
    delete_needs_stop: bool = True
    initialize: bool = False
    reverts: bool = False
    block: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
