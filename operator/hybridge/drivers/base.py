"""The port: what any cloud must answer.

Every method is synchronous and runs in the thread pool of its Provider; deadlines are set in the transport. Every
method may raise ``hybridge.core.errors.CloudError`` and nothing else that the caller should handle. A driver keeps no
truth of its own: what it caches (images, types, details of guests) can be lost at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.cloudobject import CloudObject, Wanted
from hybridge.core.errors import CloudError
from hybridge.core.firewall import Firewall, FirewallSpec, FirewallTraits
from hybridge.core.identity import Marker
from hybridge.core.image import Find, Image, ImageSpec, ImageTraits
from hybridge.core.kinds import CloudKind
from hybridge.core.lifecycle import Guarantees
from hybridge.core.machine import Machine, MachineSpec, Power, Traits
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.place import Placed
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits
from hybridge.core.task import Task
from hybridge.core.volume import Volume, VolumeSpec, VolumeTraits

W = TypeVar("W", bound=Wanted)
C = TypeVar("C", bound=CloudObject)
C_co = TypeVar("C_co", bound=CloudObject, covariant=True)

#: Called by a driver once for every request it sends: (operation, code, seconds). Code is an HTTP status or a fault name.
Meter = Callable[[str, str, float], None]


#: Keys of credentials that say who somebody is, and are no secret.
_NAMES = frozenset({"accessKeyID", "tokenID", "username"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a driver needs to connect; everything of a Provider but Kubernetes.

    ``credentials`` are the keys of the Secret (none: the workload's own identity). ``ca_bundle`` is PEM text,
    ``fingerprint`` the SHA-256 of the server certificate in hex. ``cloud`` is the block of the cloud, ``defaults`` as in
    the Provider. ``acquire`` takes one token of the Provider's rate limit and may block; a driver calls it before every
    request. ``meter`` is called after every request. ``sweep_interval`` is in seconds.
    """

    provider: str
    cloud: Mapping[str, object]
    credentials: Mapping[str, str] = field(repr=False)
    acquire: Callable[[], None]
    meter: Meter
    ca_bundle: str | None = None
    fingerprint: str | None = None
    insecure_skip_verify: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 8
    sweep_interval: float = 30.0

    def hide(self, error: CloudError) -> CloudError:
        """The error, with nothing of the credentials in its message. Whoever sends requests raises no other."""
        return error.hide(text for key, text in self.credentials.items() if key not in _NAMES)


@dataclass(frozen=True, slots=True)
class StorageCapacity:
    """Bytes of one storage, datastore or volume pool."""

    name: str
    total: int
    used: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the cloud could hold, where it says so: virtual CPUs, bytes of memory, storages."""

    cpus: int | None = None
    memory: int | None = None
    storage: tuple[StorageCapacity, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A right that the account lacks: its name and place in the cloud's own words, and what it is for."""

    name: str
    place: str
    purpose: str

    def __str__(self) -> str:
        where = f" on {self.place}" if self.place else ""
        return f"{self.name}{where} ({self.purpose})"


@dataclass(frozen=True, slots=True)
class Connection:
    """What a successful check found. ``identity`` names the account or cluster itself and must never change.
    ``capabilities``: what the cloud can do besides having the kinds for which its driver has a part.

    ``missing``: rights without which machines cannot be made, changed or deleted. ``optional``: rights that only a
    feature needs, which ``Right.purpose`` names; all else works without them. ``proven``: False while some rights could
    not be tried, because the cloud shows them only on a machine of ours and there is none yet.
    """

    identity: str
    version: str
    capabilities: tuple[str, ...] = ()
    capacity: Capacity = Capacity()
    missing: tuple[Right, ...] = ()
    optional: tuple[Right, ...] = ()
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """What a machine uses now: the share of its virtual CPUs (0 to 1), and bytes of memory."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Portion(Generic[C_co]):
    """What one sweep saw of the cloud objects of one kind, by id.

    ``full``: they are all that the Provider can see, so what is missing is suspect (but not proven gone).
    Otherwise they are those that changed, and ``gone`` those that the cloud itself reported as removed.
    ``settled``: every one that could carry one of our markers has been read in detail since the driver started.
    """

    objects: Mapping[str, C_co]
    full: bool
    gone: Collection[str] = ()
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Sweep:
    """One bulk look at a cloud.

    ``portions``: what was seen of each kind; of a kind that is not there nothing is known anew. ``troubles``: why kinds
    cannot be looked at for now, where that is no reason to know less of the others.
    ``usage``: what machines use, where the bulk list shows it.
    ``tasks`` holds the state of tasks asked for, by id, as far as known. ``requests`` is what the sweep cost.
    ``capacity``: what the cloud could hold now, where the sweep saw it; None: as before.
    """

    portions: Mapping[CloudKind, Portion[CloudObject]]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    requests: int = 0
    capacity: Capacity | None = None
    troubles: Mapping[CloudKind, CloudError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What a sweep should do besides listing.

    ``kinds``: which kinds to look at; machines always are. ``tasks``: tasks that somebody waits for. ``refresh``: ids, of
    whatever kind, whose details are wanted now. ``max_age``: seconds after which details have to be read again, by id, for
    what objects own (others: ``default_max_age``). ``wait``: seconds that a driver with push may block until something
    changes.
    """

    kinds: Collection[CloudKind] = (CloudKind.MACHINE,)
    tasks: Collection[Task] = ()
    refresh: Collection[str] = ()
    max_age: Mapping[str, float] = field(default_factory=dict)
    default_max_age: float = 600.0
    wait: float = 30.0


@dataclass(frozen=True, slots=True)
class Started(Generic[C_co]):
    """A change that the cloud accepted.

    ``found`` is what is now known of the cloud object, as far as the answer or the accepted call tells; ``id`` its id, once
    known. ``task`` is set while the change goes on. ``again``: the same call has to follow the task, for the rest.
    """

    id: str | None = None
    found: C_co | None = None
    task: Task | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The exact parameters of a create, found by reading the cloud. ``id`` where the operator chooses it. ``placed``:
    where it will be, as far as that is decided here, and why.
    """

    parameters: Mapping[str, object]
    id: str | None = None
    placed: Placed = field(default_factory=Placed)


class ObjectDriver(Protocol[W, C]):
    """The cloud objects of one kind in one cloud.

    Methods that change something take the cloud object as last seen, with its identity proven by the plan. Where ids are
    reused (Proxmox) the driver proves it again with a read of its own, just before, and raises NotProven; ``delete`` and
    ``mark`` do so on every cloud. Repeating any of them is safe.
    """

    @property
    def traits(self) -> Guarantees:
        """What the cloud guarantees of what it is asked to make."""
        ...

    def normalize(self, spec: W) -> W:
        """Pure: the spec as this cloud would show it back (tags in its alphabet, sizes in its steps).

        Without it a value that the cloud rounds would differ from the spec for ever. Raises Refused for what the cloud
        cannot do at all.
        """
        ...

    def prepare(self, spec: W, taken: Collection[str]) -> Prepared:
        """Reads only. Resolves what the spec names, and what it leaves open, into exact parameters.

        ``taken``: ids that other objects have on record. Raises Refused: NOT_FOUND with near names, UNSUPPORTED,
        INVALID_SPEC, CAPACITY, NOT_PERMITTED…
        """
        ...

    def create(self, intent: Intent, spec: W, marker: Marker) -> Started[C]:
        """Creates what this intent says, marked in the same call. Repeating it with the same intent is safe.

        Raises IdTaken when the chosen id or name is something else's, TokenMismatch, and errors whose
        ``took_effect_possible`` tells whether a search has to come before a repetition.
        """
        ...

    def find(self, marker: Marker, intent: Intent | None) -> list[C]:
        """Uncached: all (what was deleted included, as gone) that carry this marker or came from this intent."""
        ...

    def get(self, known_id: str) -> C | None:
        """Uncached read by id, in detail. None only when the cloud positively says that no such thing exists."""
        ...

    def configure(
        self, found: C, spec: W, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[C]:
        """Brings ``fields``, the fields of the plan's actions, to the spec, in as few calls as can be."""
        ...

    def mark(self, found: C, marker: Marker | None) -> Started[C]:
        """Replaces the marker (an adoption), or takes it away (a detachment), and leaves the rest."""
        ...

    def delete(self, found: C) -> Started[C]:
        """Destroys it, with whatever else ``create`` made for it."""
        ...


class MachineDriver(ObjectDriver[MachineSpec, Machine], Protocol):
    """Machines of one cloud.

    The fields of ``configure``: ``name``, ``cpus``, ``memory``, ``instanceType``, ``rootDisk``, ``tags``, ``networks`` (all
    interfaces, in order), the paths of ``Machine.settings`` that ``traits.changes`` has (``cloudInit.hostname`` and
    ``cloudInit.userData`` write anew all that cloud-init reads, but for the instance id: what a guest does once it does not
    repeat), and ``initialize`` (everything that a new machine gets after its clone: uuid, sizes, disk, tags, networks,
    cloud-init; it may be started in the same go, where the spec wants it to run). A path below ``placement`` comes alone:
    the machine is moved, while it runs where the cloud can. ``delete`` takes the disks that came with the machine along.
    """

    @property
    def traits(self) -> Traits:
        """How this cloud's machines differ where the plan has to know."""
        ...

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """See the base: image, size, placement and networks. ``apart``: where the other machines of the anti-affinity group
        are. What the spec and the Provider's defaults leave open is chosen: the least loaded place that fits, is up and
        not in maintenance, among ``spec.within``, and away from ``apart``. Raises Refused: IMAGE_NOT_FOUND with near
        names, NOT_FOUND, UNSUPPORTED, INVALID_SPEC, CAPACITY (also when every place holds a machine of the group),
        NOT_PERMITTED (no place that comes into question is allowed)…
        """
        ...

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """Gives the machine a volume, while it runs where it runs. Already so: no error.

        Raises Refused: HAS_DEPENDANTS while another machine has it, UNSUPPORTED, QUOTA (no more disks)…
        """
        ...

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """Takes a volume from the machine, and leaves the volume as it is. It is done when the cloud says so: by the task,
        or by ``Machine.disks`` without it. Already so: no error.
        """
        ...

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        """Starts or stops the machine; ``hard`` overrides the spec's way to power off. Already so: no error."""
        ...

    def revert(self, machine: Machine, snapshot_id: str) -> Started[Machine]:
        """Takes a stopped machine back to a snapshot of its own: its disks and its configuration, and where the snapshot
        holds it the running guest. Only called where ``traits.reverts``; repeating it while it is stopped is safe.

        Raises Refused: NOT_FOUND (it has no such snapshot), HAS_DEPENDANTS (the machine has other volumes than it had then:
        they would be changed, or come back), IDENTITY_MISMATCH (what it would be after that does not carry its marker).
        """
        ...

    def close(self) -> None:
        """Ends sessions and threads."""
        ...


class VolumeDriver(ObjectDriver[VolumeSpec, Volume], Protocol):
    """Volumes of one cloud: disks that outlive machines.

    The fields of ``configure``: ``name``, ``size``, ``class``, ``iops``, ``throughput``, ``tags``, and the paths of
    ``Volume.settings`` that ``traits.changes`` has. ``create`` makes one that no machine has, empty or of the snapshot of
    the spec. ``delete`` is only called when no machine has it.
    """

    @property
    def traits(self) -> VolumeTraits:
        """How this cloud's volumes differ where the plan has to know."""
        ...


class NetworkDriver(ObjectDriver[NetworkSpec, Network], Protocol):
    """Networks of one cloud: segments that machines attach to.

    ``normalize`` sets ``spec.parts``: what a network has besides the thing that has its id. ``create`` makes that thing
    alone, marked, or with it what the same call makes; what ``parts`` has besides is completed by ``configure``. The fields
    of ``configure``: ``parts.<name>`` (made, or put into effect), ``name``, ``tags``, and the paths of ``Network.settings``
    that ``traits.changes`` has. ``delete`` takes the parts along in the reverse order, and is only called when no machine is
    in it; it is repeated until all is gone (``again``).
    """

    @property
    def traits(self) -> NetworkTraits:
        """How this cloud's networks differ where the plan has to know."""
        ...


class ImageDriver(ObjectDriver[ImageSpec, Image], Protocol):
    """Images of one cloud: what machines start from.

    A sweep lists all that the account can start machines from, but for those of strangers, who may be thousands: of these
    ``seek`` finds what is asked for. ``create`` makes one from ``spec.source``; as long as it is being made the task, or
    ``Image.progress``, tells how far it is. The fields of ``configure``: ``name``, ``tags``, and ``parts.<name>`` of
    ``Image.missing``, of which a call may do the first alone; what is missing goes with ``delete`` as well.
    """

    @property
    def traits(self) -> ImageTraits:
        """What this cloud guarantees of the images that it is asked to make."""
        ...

    def seek(self, find: Find) -> list[Image]:
        """Uncached, one bulk read: what exists already and may be meant by ``find``; the choice is ``core.image.newest``."""
        ...


class FirewallDriver(ObjectDriver[FirewallSpec, Firewall], Protocol):
    """Firewalls of one cloud: rules for machines.

    ``create`` makes one that allows nothing yet and applies to no machine, in ``spec.network`` where the cloud needs one.
    The fields of ``configure``: ``rules.<name>`` (what ``core.firewall.missing`` says is allowed), ``rules[<entry>]`` (what
    ``surplus`` says is taken away), ``members[<machine id>]`` (it is applied to the machine if ``spec.members`` has it, else
    taken from it, and the machine's other firewalls stay as they are), ``name``, ``tags``. ``delete`` is only called when it
    applies to no machine.
    """

    @property
    def traits(self) -> FirewallTraits:
        """What this cloud guarantees of the firewalls that it is asked to make."""
        ...


class SnapshotDriver(ObjectDriver[SnapshotSpec, Snapshot], Protocol):
    """Snapshots of machines and volumes of one cloud.

    ``create`` takes one of ``spec.source``, whose id is known by then. The fields of ``configure``: ``name``, ``tags``.
    ``delete`` leaves what was taken before and after it as it is.
    """

    @property
    def traits(self) -> SnapshotTraits:
        """What this cloud guarantees of the snapshots that it is asked to take."""
        ...


class Driver(Protocol):
    """One connected cloud. What it does not have is None."""

    machines: MachineDriver
    volumes: VolumeDriver | None
    networks: NetworkDriver | None
    images: ImageDriver | None
    firewalls: FirewallDriver | None
    snapshots: SnapshotDriver | None
    #: True when ``sweep`` blocks until something changes, so that it is called again at once, in a thread of its own.
    push: bool

    def check(self) -> Connection:
        """Connects, logs in and reads identity, version, capacity and which rights the account lacks. Changes nothing.

        It is called again now and then, beside sweeps and changes. Raises Unreachable, or Refused with
        AUTHENTICATION_FAILED, TLS_NOT_VERIFIED, NOT_PERMITTED (not even reading is allowed), NOT_FOUND (region,
        datacenter).
        """
        ...

    def sweep(self, request: SweepRequest) -> Sweep:
        """One bulk look."""
        ...

    def close(self) -> None:
        """Ends sessions and threads; a blocked ``sweep`` returns soon."""
        ...
