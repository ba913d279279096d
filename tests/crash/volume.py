"""A life of one Volume in steps, with the machines that have it, and that it has to outlive."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
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


class VolumeLife(Subject):
    """One Volume in a namespace of its own, and its machines."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.disks = volume_person(bed.person.simulated)
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = {volume.id for volume in self.disks.all()}
        self.litter = bed.leftovers()
        self.uid = ""
        self.id = ""
        #: The machines there are, by name, and which of them has the volume.
        self.machines: dict[str, str] = {}
        self.holder = ""
        #: A volume that a person made, which shall be taken over and let go; where it takes no marker, it is only observed.
        self.handmade = ""

    def apply(self, **spec: object) -> None:
        """Applies the Volume."""
        made = manifests.volume(NAME, self.bed.cloud, self.namespace, **spec)
        self.uid = self.bed.operator.api.apply(made)["metadata"]["uid"]

    def change(self, **spec: object) -> None:
        """Changes fields of its spec."""
        self.bed.operator.patch(KIND, NAME, {"spec": spec}, self.namespace)

    def employ(self, name: str, *, has: bool) -> None:
        """A machine is applied, with the volume or without."""
        made = manifests.machine(name, self.bed.cloud, self.namespace, **_has(has=has))
        self.bed.operator.api.apply(made)
        self.machines.setdefault(name, "")
        if has:
            self.holder = name

    def give(self, name: str, *, has: bool) -> None:
        """What a machine has, changed."""
        self.bed.operator.patch(MACHINE, name, {"spec": _has(has=has)}, self.namespace)

    def delete(self) -> None:
        """Asks for the deletion of everything at once."""
        self.bed.operator.delete(KIND, NAME, namespace=self.namespace)
        for name in self.machines:
            self.bed.operator.delete(MACHINE, name, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.bed.operator.get(KIND, NAME, self.namespace)

    def machine(self, name: str) -> dict[str, Any] | None:
        """The object of a machine."""
        return self.bed.operator.get(MACHINE, name, self.namespace)

    def settled(self) -> bool:
        bodies = [self.body(), *map(self.machine, self.machines)]
        return all(condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced"))

    def over(self) -> bool:
        """Whether no object is left."""
        return self.body() is None and all(self.machine(name) is None for name in self.machines)

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        for kind, names in ((MACHINE, tuple(self.machines)), (KIND, (NAME,))):
            for name in names:
                with contextlib.suppress(AssertionError):
                    bed.wait_gone(f"{kind}s", name, namespace=self.namespace, timeout=30)
                if bed.get(kind, name, self.namespace) is not None:
                    bed.patch(kind, name, {"metadata": {"finalizers": []}}, self.namespace)
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for volume in {one.id for one in self.disks.all()} - self.foreign:
            with contextlib.suppress(LabError):
                self.disks.destroy(volume)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        volumes = {volume.id for volume in self.disks.all()} - self.foreign
        surplus = machines - set(self.machines.values()) | volumes - {self.id, self.handmade}
        litter = self.bed.leftovers() - self.litter - volumes
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def present(self) -> list[str]:
        body = self.body()
        if body is None:
            return ["wrong: there is no object"]
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else ["wrong: the finalizer is missing"]
        for name in self.machines:
            wrong += self._employed(name)
        marked = self.disks.marks or not self.handmade
        found = [
            one
            for one in self.disks.all()
            if (one.owner.partition("/")[2] == self.uid if marked else one.id == self.handmade)
        ]
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [*wrong, f"{kind}: {len(found)} volumes carry the marker: {[one.id for one in found]}"]
        (volume,), told = found, str(body["status"].get("id", ""))
        if volume.id != told or told != (self.id or told):
            wrong.append(f"wrong: the volume is {volume.id}, the status says {told}, and it was {self.id or 'none'}")
        self.id = told
        wanted = int(str(body["spec"].get("size", "0Gi")).removesuffix("Gi")) * GIB
        if wanted and volume.size != wanted:
            wrong.append(f"wrong: its size is {volume.size}, not {wanted}")
        if volume.machine != self.machines.get(self.holder, ""):
            wrong.append(f"wrong: {volume.machine or 'no machine'} has it, not {self.holder or 'none'}")
        return wrong + self.alone()

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.id = ""
        self.machines.clear()
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a volume that should be as people made it, in words."""
        self.id = ""
        found = next((one for one in self.disks.all() if one.id == self.handmade), None)
        if found is None:
            return ["wrong: the volume that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _employed(self, name: str) -> list[str]:
        body = self.machine(name)
        if body is None:
            return [f"wrong: the machine {name} has no object"]
        found = self.bed.person.find(body["metadata"]["uid"])
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [f"{kind}: {len(found)} machines carry the marker of {name}"]
        known = self.machines[name]
        self.machines[name] = found[0].id
        return [] if known in {"", found[0].id} else [f"wrong: {name} is {found[0].id}, and was {known}"]


class Furnish(Step[VolumeLife]):
    """A machine and the volume that it has, applied at once."""

    name = "furnish"

    def begin(self, life: VolumeLife) -> None:
        life.employ(FIRST, has=True)
        life.apply()


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


class Clear(Step[VolumeLife]):
    """The end of all objects at once."""

    name = "clear"

    def begin(self, life: VolumeLife) -> None:
        life.delete()

    def done(self, life: VolumeLife) -> bool:
        return life.over()

    def wrong(self, life: VolumeLife) -> list[str]:
        return life.gone()


class Claim(Step[VolumeLife]):
    """A volume that a person made is taken over."""

    name = "claim"

    def prepare(self, life: VolumeLife) -> None:
        life.handmade = life.disks.make(f"by-hand-{life.namespace}")

    def begin(self, life: VolumeLife) -> None:
        management = "Managed" if life.disks.marks else "Observed"
        lifecycle = {"management": management, "import": {"id": life.handmade}, "onDelete": "Detach"}
        life.apply(size=None, lifecycle=lifecycle)

    def wrong(self, life: VolumeLife) -> list[str]:
        found = life.present()
        return found if life.id == life.handmade else [*found, f"wrong: {life.id} was taken, not {life.handmade}"]


class Renounce(Step[VolumeLife]):
    """The object goes, and the volume stays."""

    name = "renounce"

    def begin(self, life: VolumeLife) -> None:
        life.delete()

    def done(self, life: VolumeLife) -> bool:
        return life.over()

    def wrong(self, life: VolumeLife) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[VolumeLife]]] = {
    "volume made": (Furnish(), Enlarge(), PassOn(), Rouse(), Stretch(), PutBack(), Clear()),
    "volume taken": (Claim(), Renounce()),
}


def _has(*, has: bool) -> dict[str, object]:
    return {"volumes": [{"name": "data", "volumeRef": {"name": NAME}}] if has else []}
