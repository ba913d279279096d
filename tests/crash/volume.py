"""A life of one Volume in steps, with the machines that have it, and that it has to outlive."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.household import End, Household, LetGo, TakeOver
from tests.crash.life import KIND as MACHINE
from tests.crash.step import Step
from tests.integration.operator.people import GIB
from tests.integration.operator.people_volumes import volume_person
from tests.operator_bed import condition_of

KIND = "volume"
NAME = "data"
#: The machine that has it first, and the one to which it is moved.
FIRST, SECOND = "db-1", "db-2"
#: What else of a volume can be another way while it is used.
_OTHERWISE: Mapping[Cloud, dict[str, object]] = {
    "aws": {"class": "gp3", "iops": 4000, "throughput": 200},
    "proxmox": {},
    "vsphere": {"class": "silver"},
}


class VolumeLife(Household):
    """One Volume, and its machines."""

    kind, name, kinds = KIND, NAME, (KIND,)

    def __init__(self, bed: CrashBed) -> None:
        self.disks = volume_person(bed.person.simulated)
        #: The machine that has the volume.
        self.holder = ""
        super().__init__(bed)

    def volume(self, **spec: object) -> dict[str, Any]:
        """The Volume."""
        return manifests.volume(NAME, self.bed.cloud, self.namespace, **spec)

    def employ(self, name: str, *, has: bool) -> None:
        """A machine is applied, with the volume or without."""
        self.apply(self.machine(name, **_has(has=has)))
        if has:
            self.holder = name

    def give(self, name: str, *, has: bool) -> None:
        """What a machine has, changed."""
        self.bed.operator.patch(MACHINE, name, {"spec": _has(has=has)}, self.namespace)

    def facts(self, kind: str) -> Sequence[Any]:
        return self.disks.all() if kind == KIND else ()

    def clear(self, thing_id: str) -> None:
        with contextlib.suppress(LabError):
            self.disks.destroy(thing_id)

    def owned(self, kind: str, uid: str) -> list[Any]:
        """See the base; where what a person made takes no marker, it is only observed."""
        if kind == KIND and self.handmade and not self.disks.marks:
            return [one for one in self.disks.all() if one.id == self.handmade]
        return super().owned(kind, uid)

    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        if kind != KIND:
            return []
        wrong = []
        wanted = int(str(body["spec"].get("size", "0Gi")).removesuffix("Gi")) * GIB
        if wanted and found.size != wanted:
            wrong.append(f"wrong: the size of {name} is {found.size}, not {wanted}")
        if found.machine != self.ids.get((MACHINE, self.holder), ""):
            wrong.append(f"wrong: {found.machine or 'no machine'} has it, not {self.holder or 'none'}")
        return wrong


class Furnish(Step[VolumeLife]):
    """A machine and the volume that it has, applied at once."""

    name = "furnish"

    def begin(self, life: VolumeLife) -> None:
        life.employ(FIRST, has=True)
        life.apply(life.volume())


class Enlarge(Step[VolumeLife]):
    """It grows while it is used, and more of it changes."""

    name = "enlarge"
    optional = True

    def begin(self, life: VolumeLife) -> None:
        life.change(size="3Gi", tags={"team": "shop"}, **_OTHERWISE[life.bed.cloud])


class PassOn(Step[VolumeLife]):
    """Another machine gets it."""

    name = "pass on"

    def prepare(self, life: VolumeLife) -> None:
        life.employ(SECOND, has=False)
        life.bed.operator.wait_ready(SECOND, namespace=life.namespace)

    def begin(self, life: VolumeLife) -> None:
        life.give(FIRST, has=False)
        life.give(SECOND, has=True)
        life.holder = SECOND


class Rouse(Step[VolumeLife]):
    """The operator itself starts, and finds that the volume shall be at no machine."""

    name = "rouse"
    optional = True

    def begin(self, life: VolumeLife) -> None:
        life.bed.operator.operator.kill()
        life.give(SECOND, has=False)
        life.holder = ""
        life.bed.operator.operator.start()


class Stretch(Step[VolumeLife]):
    """It shall grow while no machine has it; on Proxmox VE that waits for a machine."""

    name = "stretch"
    optional = True

    def begin(self, life: VolumeLife) -> None:
        life.change(size="4Gi")

    def done(self, life: VolumeLife) -> bool:
        if self._waits(life):
            return condition_of(life.body(), "Synced").get("reason") == "DependencyNotReady"
        return super().done(life)

    def wrong(self, life: VolumeLife) -> list[str]:
        return life.alone() if self._waits(life) else super().wrong(life)

    @staticmethod
    def _waits(life: VolumeLife) -> bool:
        return life.bed.cloud == "proxmox"


class PutBack(Step[VolumeLife]):
    """A machine has it once more."""

    name = "put back"
    optional = True

    def begin(self, life: VolumeLife) -> None:
        life.give(FIRST, has=True)
        life.holder = FIRST


class Clear(End):
    """The end of all objects at once."""

    name = "clear"


class Claim(TakeOver[VolumeLife]):
    """A volume that a person made is taken over."""

    name = "claim"

    def prepare(self, life: VolumeLife) -> None:
        life.handmade = life.disks.make(f"by-hand-{life.namespace}")

    def begin(self, life: VolumeLife) -> None:
        management = "Managed" if life.disks.marks else "Observed"
        lifecycle = {"management": management, "import": {"id": life.handmade}, "onDelete": "Detach"}
        life.apply(life.volume(size=None, lifecycle=lifecycle))


class Renounce(LetGo):
    """The object goes, and the volume stays."""

    name = "renounce"


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Any]]] = {
    "volume made": (Furnish(), Enlarge(), PassOn(), Rouse(), Stretch(), PutBack(), Clear()),
    "volume taken": (Claim(), Renounce()),
}


def _has(*, has: bool) -> dict[str, object]:
    return {"volumes": [{"name": "data", "volumeRef": {"name": NAME}}] if has else []}
