"""What the contract is tested against: one cloud behind a fault proxy, and a person with access to it.

What differs between clouds stands here as data and small methods, so that the tests know no cloud by name.
"""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker, machine_uuid, token
from hybridge.core.machine import CloudInit, MachineSpec, Nic
from hybridge.core.volume import VolumeSpec
from hybridge.drivers.base import Driver, Prepared, Right, Settings
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer, Cloud, FaultProxy
from lab.permissions import Grant
from lab.pki import Authority
from tests.leftovers import leftovers

GIB = 2**30
#: A name that people give where they may.
ODD_NAME = 'Büro "web" / 50% <a&b>\\ 日本'
MIB = 2**20
CLUSTER = "0b5d3c1e-contract"
IDENTITY = "the-cloud-of-this-test"

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A machine as its cloud itself holds it. Sizes are bytes."""

    id: str
    name: str
    running: bool
    cpus: int
    memory: int
    root_disk: int | None
    owner: str | None
    uuid: str | None
    template: bool = False


@dataclass(frozen=True, slots=True)
class ShownVolume:
    """A volume as its cloud itself holds it. ``size`` is bytes; ``owner`` as far as the cloud keeps a marker of it."""

    id: str
    size: int
    owner: str | None
    machines: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calls:
    """Names of operations, as the fault proxy knows them; globs where a cloud has several for one thing."""

    create: str
    start: str
    resize: str
    mark: str
    delete: str
    list: str
    migrate: str = ""
    render: str = ""
    create_volume: str = ""
    delete_volume: str = ""
    attach: str = ""
    detach: str = ""


class Requests:
    """What a driver told of its requests. ``after`` is called when one has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.after: Callable[[], None] = lambda: None
        self.acquired = 0
        self.metered: list[tuple[str, str, float]] = []

    def acquire(self) -> None:
        """Counts a request that is about to be sent."""
        with self._lock:
            self.acquired += 1

    def meter(self, operation: str, code: str, seconds: float) -> None:
        """Keeps a request that has ended."""
        with self._lock:
            self.metered.append((operation, code, seconds))
        self.after()


class Bed(ABC):
    """One cloud. It is shared by all tests of a worker process, so each test makes machines of its own."""

    kind: ClassVar[Cloud]
    calls: ClassVar[Calls]
    #: What the cloud says when it wants fewer requests.
    throttle: ClassVar[Answer]
    #: What it says to a create that can never succeed.
    refusal: ClassVar[Answer]
    #: Words of which one names the permission that a create with ``readonly_credentials`` lacks.
    permissions: ClassVar[Sequence[str]]
    #: The shipped role, right by right, and the rights in it that only features need.
    granted: ClassVar[Sequence[Grant]] = ()
    for_features: ClassVar[Collection[str]] = ()
    #: Rights in it that cannot be tried, and are told by the call that lacks them.
    untried: ClassVar[Collection[str]] = ()
    #: Rights in it for what the life of the test's machine does not come upon.
    beyond: ClassVar[Collection[str]] = ()
    #: Words of a spec that need one of those besides tags and cloud-init.
    extras: ClassVar[Mapping[str, object]] = MappingProxyType({})
    #: Fields of ``choices`` whose change needs one of those.
    moves: ClassVar[Sequence[str]] = ()
    #: Some of the rights that ``readonly_credentials`` lack.
    changing: ClassVar[Collection[str]] = ()
    #: Module constants that hold the deadlines of the transport, and what stands for one second in them.
    deadlines: ClassVar[Mapping[str, object]]
    #: Module constants that tell how many seconds what was read of places is believed.
    memories: ClassVar[Sequence[str]] = ()
    #: Requests that a sweep of few machines may cost when nothing happens.
    sweep_cost: ClassVar[int]
    #: Requests from create to running, sweeps left out.
    create_cost: ClassVar[int]
    #: Requests of a prepare that has a precedent: who chooses ids looks which are free.
    repeated_prepare_cost: ClassVar[int] = 0
    #: Changing calls that all fields together take which only a stopped machine can change.
    changes_cost: ClassVar[int] = 1
    #: Whether the id of a deleted machine may come again for another.
    reuses_ids: ClassVar[bool] = False
    #: Options of a machine whose CPUs and memory grow while it runs, where the cloud has such.
    hot_add: ClassVar[Mapping[str, object]] = MappingProxyType({})
    #: Two values of each field that can be tried here, by path as in ``Machine.settings`` and in the words of a spec.
    #: A machine of the usual spec can have either of them.
    choices: ClassVar[Mapping[str, tuple[object, object]]] = MappingProxyType({})
    #: Those of them that nobody can change once a machine is made.
    fixed: ClassVar[frozenset[str]] = frozenset()
    #: Fields of a spec that the cloud shows nobody, or that matter while a machine is made and never again.
    unseen: ClassVar[frozenset[str]] = frozenset()
    #: Fields whose values only ever grow, so that there is no way back; each cloud's own tests try them.
    one_way: ClassVar[frozenset[str]] = frozenset()
    #: Fields that a new machine gets by calls of their own, after it was made.
    later: ClassVar[frozenset[str]] = frozenset()
    #: Kinds of machines that people make, and that are made here by nobody else.
    oddities: ClassVar[Sequence[str]] = ()
    #: Whether a name can be had only once.
    unique_names: ClassVar[bool] = False
    #: The key of ``placement`` that names one of ``places``.
    place: ClassVar[str] = "node"
    #: Whether a spec can give interfaces their MAC addresses.
    takes_macs: ClassVar[bool] = True
    #: Whether a volume grows while no machine has it; whether it keeps tags, and whether a marker can be put on one that
    #: was made without.
    grows_alone: ClassVar[bool] = True
    tags_volumes: ClassVar[bool] = True
    marks_volumes: ClassVar[bool] = True
    #: Requests that a sweep costs besides when it looks at volumes, too.
    volume_sweep_cost: ClassVar[int] = 1
    #: Requests from create to attached, to detached, to deleted, sweeps left out.
    volume_life_cost: ClassVar[int] = 12
    #: Words of a spec of a volume that the cloud cannot be asked for.
    impossible_volumes: ClassVar[Sequence[Mapping[str, object]]] = ()
    image: ClassVar[str] = "debian-12"
    #: Ids that nothing has: a machine's and an image's.
    missing_id: ClassVar[str]
    missing_image: ClassVar[str]
    missing_volume: ClassVar[str] = ""

    def __init__(self, folder: Path, authority: Authority) -> None:
        """Starts cloud and proxy."""
        self.authority = authority
        self.cloud = self._start(folder / "cloud")
        certificate = authority.issue(f"{self.kind}-proxy")
        self.fingerprint = (
            x509.load_pem_x509_certificate(certificate.certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()
        )
        self.proxy = FaultProxy(
            folder,
            self.kind,
            self.kind,
            self.cloud.endpoint,
            upstream_ca=authority.bundle if self.cloud.endpoint.startswith("https:") else None,
            certificate=certificate,
        )
        self.proxy.start().wait()
        self.estate = set(self.machines())
        self.volume_estate = set(self.volumes())

    def stop(self) -> None:
        """Ends proxy and cloud."""
        self.proxy.stop()
        self.cloud.stop()

    def tidy(self) -> None:
        """Takes away faults, and the machines that are not part of the cloud as it was at first."""
        self.proxy.light()
        self.proxy.clear()
        self.pace(0.0)
        for machine_id in self._there() - self.estate:
            self.destroy(machine_id)
        for volume_id in self.volumes().keys() - self.volume_estate:
            self.destroy_volume(volume_id)

    # ------------------------------------------------------------ for drivers

    def settings(self, requests: Requests | None = None, **overrides: Any) -> Settings:
        """Settings that work, but for ``overrides``."""
        counted = requests or Requests()
        words: dict[str, Any] = {
            "provider": f"{self.kind}-contract",
            "cloud": self._block(self.proxy.endpoint),
            "credentials": self.cloud.credentials,
            "acquire": counted.acquire,
            "meter": counted.meter,
            "ca_bundle": self.authority.pem,
            "defaults": self._defaults(),
            "sweep_interval": 1.0,
        }
        return Settings(**{**words, **overrides})

    def at(self, endpoint: str) -> Mapping[str, object]:
        """The block of the cloud, but with another endpoint."""
        return self._block(endpoint)

    @contextmanager
    def connected(self, requests: Requests | None = None, **overrides: Any) -> Iterator[Driver]:
        """A driver, closed in the end."""
        driver: Driver = import_module(f"hybridge.drivers.{self.kind}.driver").connect(
            self.settings(requests, **overrides)
        )
        try:
            yield driver
        finally:
            driver.close()

    def marker(self) -> Marker:
        """A marker that nothing carries yet."""
        return Marker(CLUSTER, str(uuid4()), "VirtualMachine", "contract", f"machine-{next(_NUMBERS)}")

    def spec(self, **overrides: Any) -> MachineSpec:
        """A machine that can be made, of a name that nothing has yet; its root disk is as large as its image's."""
        words: dict[str, Any] = {
            "name": f"contract-{uuid4().hex[:8]}",
            "image": self.image,
            "cpus": 2,
            "memory": 4 * GIB,
        }
        return MachineSpec(**{**words, **overrides})

    def volume_marker(self) -> Marker:
        """A marker of a Volume that nothing carries yet."""
        return replace(self.marker(), kind="Volume", name=f"volume-{next(_NUMBERS)}")

    def volume_spec(self, **overrides: Any) -> VolumeSpec:
        """A volume that can be made, of a name that nothing has yet."""
        words: dict[str, Any] = {"name": f"vol-{uuid4().hex[:8]}", "size": 2 * GIB, **self.volume_words}
        return VolumeSpec(**{**words, **overrides})

    @property
    def volume_words(self) -> Mapping[str, object]:
        """What a spec of a volume has to say that all machines of this bed can have it."""
        return {}

    def volume_intent(self, driver: Driver, spec: VolumeSpec, marker: Marker, attempt: int = 1) -> Intent:
        """The record of an attempt to make a volume; ``spec`` is normal by then."""
        assert driver.volumes is not None
        prepared = driver.volumes.prepare(spec, ())
        return intended(spec.name, marker, prepared, attempt)

    def prepared(self, driver: Driver, spec: MachineSpec, taken: Sequence[str] = ()) -> Prepared:
        """What the driver finds for a spec, which is normal by then."""
        return driver.machines.prepare(driver.machines.normalize(spec), taken)

    def intent(self, driver: Driver, spec: MachineSpec, marker: Marker, attempt: int = 1) -> Intent:
        """The record of an attempt, as the engine writes it before it creates."""
        prepared = self.prepared(driver, spec)
        return intended(spec.name, marker, prepared, attempt)

    # ------------------------------------------------------ what is really so

    def owned(self, marker: Marker) -> list[Shown]:
        """The machines that carry this marker."""
        return [machine for machine in self.machines().values() if machine.owner == marker.owner]

    @abstractmethod
    def machines(self) -> dict[str, Shown]:
        """All machines by id, those that are being deleted left out."""

    def volumes(self) -> dict[str, ShownVolume]:
        """All volumes by id that are not a machine's own disks, those that are being deleted left out."""
        return {}

    def _there(self) -> set[str]:
        """The ids of all these machines."""
        return set(self.machines())

    @abstractmethod
    def given(self, machine_id: str) -> str:
        """All text that the guest of this machine can read."""

    def leftovers(self) -> set[str]:
        """Things that machines bring along and that no machine has: disks, media."""
        return leftovers(self.cloud)

    # ----------------------------------------------------- a person's actions

    @abstractmethod
    def pace(self, seconds: float) -> None:
        """How long the cloud takes for each task besides; 0 is its usual pace."""

    @abstractmethod
    def power(self, machine_id: str, *, on: bool) -> None:
        """Starts a machine, or stops it."""

    @abstractmethod
    def destroy(self, machine_id: str) -> None:
        """Deletes a machine, whatever its state."""

    @abstractmethod
    def copy(self, machine_id: str) -> str:
        """Makes a machine that carries the marker of this one; its id."""

    @abstractmethod
    def stranger(self, name: str, machine_id: str | None = None) -> str:
        """Makes a machine of this name that has nothing to do with Hybridge; its id, chosen where ids are reused."""

    def unknown_task(self, known: str) -> str:
        """The id of a task that never was, like ``known``, where the cloud has tasks."""
        return known

    def copy_to(self, machine_id: str, new_id: str) -> None:
        """Makes a machine of an id that is free, with the marker of this one; only where ids are reused."""
        raise NotImplementedError

    def hold(self, grants: Sequence[Grant] | None) -> None:
        """Gives the operator's account these rights and no others; None: those that it had at first."""
        raise NotImplementedError

    def is_at(self, grant: Grant, right: Right) -> bool:
        """Whether a right that is told as missing is where this one was granted."""
        return right.place.startswith(grant.place)

    @abstractmethod
    def resize(self, machine_id: str) -> None:
        """Gives a stopped machine 4 CPUs."""

    def by_hand(self, machine_id: str, path: str, value: object) -> None:
        """Changes a field of ``choices`` of a machine, whatever its power, as a person does in the cloud's own console.

        ``networks.first`` is the network of the first interface.
        """
        raise NotImplementedError

    def plug(self, machine_id: str, network: str) -> None:
        """Gives a machine a further interface in this network, as a person does."""
        raise NotImplementedError

    def unplug(self, machine_id: str) -> None:
        """Takes the last interface of a machine away, and waits until it is gone."""
        raise NotImplementedError

    def maintain(self, place: str) -> None:
        """Puts one of ``places`` into maintenance, until the end of the test."""
        raise NotImplementedError

    def fail(self, place: str) -> None:
        """Lets one of ``places`` fail, until the end of the test."""
        raise NotImplementedError

    def handmade(self, odd: str) -> str:
        """Makes a machine of one of ``oddities``, as people make them, without a thought of Hybridge; its id."""
        raise NotImplementedError

    def rename(self, machine_id: str, name: str) -> None:
        """Gives a machine another name."""
        raise NotImplementedError

    def protect(self, machine_id: str) -> None:
        """Gives a machine the cloud's own protection against deletion."""
        raise NotImplementedError

    def stranger_volume(self, name: str) -> str:
        """Makes a volume that has nothing to do with Hybridge; its id."""
        raise NotImplementedError

    def copy_volume(self, volume_id: str) -> str | None:
        """Makes a volume that carries the marker of this one; its id. None where there cannot be such."""
        raise NotImplementedError

    def destroy_volume(self, volume_id: str) -> None:
        """Deletes a volume that no machine has."""
        raise NotImplementedError

    def attach_volume(self, machine_id: str, volume_id: str) -> None:
        """Gives a machine a volume, as a person does."""
        raise NotImplementedError

    def detach_volume(self, machine_id: str, volume_id: str) -> None:
        """Takes a volume off a machine, as a person does, and waits until it is off."""
        raise NotImplementedError

    def grow_volume(self, volume_id: str, size: int) -> None:
        """Grows a volume, which a machine has, to so many bytes."""
        raise NotImplementedError

    def tag_volume(self, volume_id: str, key: str, value: str) -> None:
        """Sets a tag of a volume; only where it keeps tags."""
        raise NotImplementedError

    @property
    def networks(self) -> tuple[str, str]:
        """Two networks in which one machine can be, as a spec names them."""
        raise NotImplementedError

    @property
    def places(self) -> tuple[str, ...]:
        """Where machines can be: the hosts, or the zones where a cloud shows no hosts."""
        raise NotImplementedError

    # ------------------------------------------------------------------ parts

    @abstractmethod
    def _start(self, folder: Path) -> SimulatedCloud:
        """The cloud, ready."""

    @abstractmethod
    def _block(self, endpoint: str) -> Mapping[str, object]:
        """The Provider's block of this cloud."""

    @property
    def undecided(self) -> Mapping[str, str]:
        """Defaults of a Provider that leave open where a machine goes."""
        return self._defaults()

    def _defaults(self) -> Mapping[str, str]:
        return {}

    @property
    def wrong_credentials(self) -> dict[str, str]:
        """The operator's account with another secret."""
        right = self.cloud.credentials
        return {**right, list(right)[-1]: "wrong-0123456789abcdef0123456789abcdef01"}

    @property
    @abstractmethod
    def readonly_credentials(self) -> dict[str, str]:
        """An account that may change nothing."""

    @property
    @abstractmethod
    def image_id(self) -> str:
        """The id of ``image``."""


def with_choice(spec: MachineSpec, path: str, value: object) -> MachineSpec:
    """The spec with a field of ``Bed.choices`` set; ``networks`` is the network of a second interface."""
    block, _, key = path.partition(".")
    if path == "rootDisk.class":
        return replace(spec, root_disk_class=str(value))
    if block == "placement":
        return replace(spec, placement={**spec.placement, key: str(value)})
    if path == "cloudInit.hostname":
        return replace(spec, cloud_init=replace(spec.cloud_init, hostname=str(value)))
    if path == "cloudInit.sshKeys":
        return replace(spec, cloud_init=replace(spec.cloud_init, ssh_keys=(str(value),)))
    if path == "networks.first":
        return replace(spec, networks=(Nic("nic0", str(value)), *spec.networks[1:]))
    if path == "networks":
        return replace(spec, networks=(*spec.networks[:1], Nic("nic1", str(value))))
    return replace(spec, options={**spec.options, key: value})


#: User data that no log and no error may hold.
SECRET = "correct-horse-battery-staple"


def cloud_init(hostname: str | None = None) -> CloudInit:
    """A hostname, a key and a secret."""
    return CloudInit(
        hostname=hostname,
        ssh_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhvcnNlYmF0dGVyeXN0YXBsZWNvcnJlY3RrZXkx you@contract",),
        user_data=f"#cloud-config\nwrite_files:\n- path: /etc/secret\n  content: {SECRET}\n",
    )


def intended(name: str, marker: Marker, prepared: Prepared, attempt: int) -> Intent:
    """As the engine writes it before it creates."""
    return Intent(
        attempt=attempt,
        token=token(marker.uid, attempt),
        name=name,
        uuid=machine_uuid(marker.uid, attempt),
        provider_identity=IDENTITY,
        started_at=1_800_000_000.0,
        parameters=prepared.parameters,
        id=prepared.id,
    )
