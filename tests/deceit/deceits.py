"""The ways to deceive, each for every cloud where it can happen; what clouds say in it stands here as data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import uuid4

from hybridge.core.identity import OWNER
from lab.bed import CLOUDS
from lab.faultproxy import Answer, Cloud, Rule
from tests import imposture
from tests.integration.operator.scene import Scene

_DENIED: Mapping[Cloud, Answer] = {
    "aws": Answer(403),
    "proxmox": Answer(403),
    "vsphere": Answer(500, code="NoPermission"),
}
_ABSENT: Mapping[Cloud, Answer] = {
    "aws": Answer(400, code="InvalidInstanceID.NotFound"),
    "proxmox": Answer(500, message="Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist"),
    "vsphere": Answer(500, code="ManagedObjectNotFound"),
}
#: What reads machines: lists, by id, by marker, one page of several.
_READS: Mapping[Cloud, str] = {
    "aws": "ec2:DescribeInstances",
    "proxmox": "GET /*",
    "vsphere": "[RW][ea][ti]*",
}


class Deceit(ABC):
    """``holds``: nothing may be sent that changes something, to whatever machine, while it lasts.

    Where it does not hold, what was proven before may still be acted on, such as by a deletion that was begun.
    ``renames``: markers name nobody here, so that what is to be let go may go as it is.
    """

    name: ClassVar[str]
    holds: ClassVar[bool] = True
    renames: ClassVar[bool] = False
    clouds: ClassVar[Sequence[Cloud]] = CLOUDS

    @abstractmethod
    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        """Begins, for these machines of objects."""

    @abstractmethod
    def end(self, scene: Scene) -> None:
        """All is true again."""


class _Marked(Deceit):
    """Another marker."""

    renames = True

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        for machine_id in ids:
            machine = scene.person.machine(machine_id)
            assert machine is not None
            self._before[machine_id] = machine.owner
            scene.person.mark(machine_id, {OWNER: self.owner(machine.owner)})

    def end(self, scene: Scene) -> None:
        for machine_id, owner in self._before.items():
            if scene.person.machine(machine_id) is not None:
                scene.person.mark(machine_id, {OWNER: owner})

    @abstractmethod
    def owner(self, before: str) -> str:
        """What it says then."""


class AnotherClusters(_Marked):
    """The marker names another cluster."""

    name = "another cluster's marker"

    def owner(self, before: str) -> str:
        return f"{uuid4()}/{before.partition('/')[2]}"


class AnotherUid(_Marked):
    """The marker names another object."""

    name = "another object's marker"

    def owner(self, before: str) -> str:
        return f"{before.partition('/')[0]}/{uuid4()}"


class Garbage(_Marked):
    """The marker says nothing that can be read."""

    name = "a marker of garbage"

    def owner(self, before: str) -> str:
        return f"{before[:5]}\u00e4 / /"


class Unmarked(_Marked):
    """The marker is empty."""

    name = "no marker"

    def owner(self, before: str) -> str:
        del before
        return ""


class Copied(Deceit):
    """A person copies each machine with its marker."""

    name = "a copy with the marker"
    holds = False

    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        for machine_id in ids:
            scene.person.copy(machine_id)

    def end(self, scene: Scene) -> None:
        """The copies stay."""


class Elsewhere(Deceit):
    """The Provider leads to another account, cluster or vCenter, in which the machines seem to be."""

    name = "another account or cluster"

    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        del ids
        lab = scene.bed.lab
        scene.faults.inject(imposture.rule(scene.cloud, lab.clouds[scene.cloud], lab.authority))
        # Looked at when something changes, and now and then.
        scene.bed.patch(
            "provider", scene.provider, {"metadata": {"annotations": {"hybridge.io/sync-now": "elsewhere"}}}
        )
        scene.wait_provider("Ready", "False")

    def end(self, scene: Scene) -> None:
        scene.faults.clear()
        scene.bed.patch("provider", scene.provider, {"metadata": {"annotations": {"hybridge.io/sync-now": "back"}}})


class _Ruled(Deceit):
    """Answers of the cloud that are not true."""

    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        del ids
        scene.faults.inject(self.rule(scene.cloud))

    def end(self, scene: Scene) -> None:
        scene.faults.clear()

    @abstractmethod
    def rule(self, cloud: Cloud) -> Rule:
        """The fault."""


class Empty(_Ruled):
    """Every list and every look is answered well, and has nothing in it."""

    name = "empty answers"
    holds = False

    def rule(self, cloud: Cloud) -> Rule:
        return Rule(_READS[cloud], Answer(200))


class Denied(_Ruled):
    """All is forbidden from now on."""

    name = "403 for everything"
    holds = False

    def rule(self, cloud: Cloud) -> Rule:
        return Rule("*", _DENIED[cloud])


class DeniedReads(_Ruled):
    """The permission to look is lost."""

    name = "403 for looks"
    holds = False

    def rule(self, cloud: Cloud) -> Rule:
        return Rule(_READS[cloud], _DENIED[cloud])


class Missing(_Ruled):
    """Every look is answered with 404, which no machine can be meant by."""

    name = "404 for looks"
    holds = False

    def rule(self, cloud: Cloud) -> Rule:
        return Rule(_READS[cloud], Answer(404, body="not found"))


class Absent(_Ruled):
    """Half of all looks, of whatever kind and page, are told that there is no such machine."""

    name = "not found, by chance"
    holds = False

    def rule(self, cloud: Cloud) -> Rule:
        return Rule(_READS[cloud], _ABSENT[cloud], probability=0.5)


class Reused(Deceit):
    """A person destroys each machine and makes one of his own that gets its id.

    Only Proxmox VE gives an id again: EC2 never does, and a vCenter numbers what is registered anew.
    """

    name = "a stranger with the id"
    holds = False
    clouds = ("proxmox",)

    def __init__(self) -> None:
        self._taken: list[str] = []

    def begin(self, scene: Scene, ids: Sequence[str]) -> None:
        pve = scene.bed.lab.proxmox
        for machine_id in ids:
            scene.person.destroy(machine_id)
            pve.clone_by_hand(min(pve.templates.values()), int(machine_id), name=f"stranger-{machine_id}", full=1)
            self._taken.append(machine_id)

    def end(self, scene: Scene) -> None:
        for machine_id in self._taken:
            machine = scene.person.machine(machine_id)
            assert machine is not None, f"the stranger {machine_id} is gone"
            scene.person.destroy(machine_id)


#: Each way to deceive.
DECEITS: Sequence[type[Deceit]] = (
    AnotherClusters,
    AnotherUid,
    Garbage,
    Unmarked,
    Copied,
    Elsewhere,
    Empty,
    Denied,
    DeniedReads,
    Missing,
    Absent,
    Reused,
)
