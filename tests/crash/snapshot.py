"""A life of Snapshots in steps: of a machine that goes back to one, and of a volume that is copied by way of one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
from tests.integration.operator.people_snapshots import clear_away, snapshot_person
from tests.integration.operator.people_volumes import volume_person
from tests.operator_bed import condition_of
from tests.things.snapshot import differences

KIND, VOLUME = "snapshot", "volume"
#: The machine, the Snapshot of it, and one that is taken after that.
GUEST, NAME, LATER = "db", "before", "after"
#: A volume, the Snapshot of it, and the volume that is made from that.
DISK, POINT, COPY = "data", "point", "copy"


class SnapshotLife(Subject):
    """Snapshots in a namespace of their own, and what they are taken of."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.points = snapshot_person(bed.person.simulated)
        self.disks = volume_person(bed.person.simulated)
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = {one.id for one in self.points.all()} | {one.id for one in self.disks.all()}
        self.litter = bed.leftovers()
        #: The ids of all objects there are, by kind and name, once they are known.
        self.ids: dict[tuple[str, str], str] = {}
        #: Snapshots whose time is over.
        self.expired: set[str] = set()
        #: A machine and a snapshot of it that a person made; the snapshot shall be taken over and let go.
        self.host, self.handmade = "", ""

    def apply(self, *made: Mapping[str, Any]) -> None:
        """Applies objects."""
        for one in made:
            self.bed.operator.api.apply(one)
            self.ids.setdefault((one["kind"].lower(), one["metadata"]["name"]), "")

    def take(self, name: str, kind: str, source: str, **spec: object) -> dict[str, Any]:
        """A Snapshot of something."""
        words = {"sourceRef": {"kind": kind, "name": source}, **spec}
        return manifests.snapshot(name, self.bed.cloud, self.namespace, **words)

    def change(self, name: str, **spec: object) -> None:
        """Changes fields of a Snapshot's spec."""
        self.bed.operator.patch(KIND, name, {"spec": spec}, self.namespace)

    def delete(self) -> None:
        """Asks for the deletion of everything at once, of what is used first."""
        for kind, name in self.ids:
            self.bed.operator.delete(kind, name, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.one(KIND, NAME)

    def one(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object."""
        return self.bed.operator.get(kind, name, self.namespace)

    def settled(self) -> bool:
        bodies = [self.one(kind, name) for kind, name in self.ids if name not in self.expired]
        return all(condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced"))

    def over(self) -> bool:
        """Whether no object is left."""
        return all(self.one(kind, name) is None for kind, name in self.ids)

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        for kind, name in self.ids:
            with contextlib.suppress(AssertionError):
                bed.wait_gone(f"{kind}s", name, namespace=self.namespace, timeout=30)
            if self.one(kind, name) is not None:
                bed.patch(kind, name, {"metadata": {"finalizers": []}}, self.namespace)
        for one in {one.id for one in self.points.all()} - self.foreign:
            clear_away(self.points, one)
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for volume in {one.id for one in self.disks.all()} - self.foreign:
            with contextlib.suppress(LabError):
                self.disks.destroy(volume)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        known = {*self.ids.values(), self.host, self.handmade}
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        volumes = {volume.id for volume in self.disks.all()} - self.foreign
        points = [one for one in self.points.all() if one.id not in self.foreign]
        surplus = (machines | volumes | {one.id for one in points}) - known
        litter = self.bed.leftovers() - self.litter - volumes - {part for one in points for part in one.parts}
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def present(self) -> list[str]:
        return [one for kind, name in list(self.ids) for one in self._present(kind, name)] + self.alone()

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.ids.clear()
        self.expired.clear()
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a snapshot that should be as people made it, in words."""
        self.ids.clear()
        found = self.points.get(self.handmade)
        if found is None:
            return ["wrong: the snapshot that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _present(self, kind: str, name: str) -> list[str]:
        body = self.one(kind, name)
        if body is None:
            return [f"wrong: there is no object {kind} {name}"]
        uid, told = body["metadata"]["uid"], str(body["status"].get("id", ""))
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else [f"wrong: {name} has no finalizer"]
        things: Mapping[str, list[Any]] = {
            MACHINE: self.bed.person.machines() if kind == MACHINE else [],
            VOLUME: self.disks.all() if kind == VOLUME else [],
            KIND: self.points.all() if kind == KIND else [],
        }
        found = [one for one in things[kind] if one.owner.partition("/")[2] == uid]
        if name in self.expired:
            self.ids[kind, name] = ""
            return wrong + [f"wrong: {one.id} should be gone, its time is over" for one in found]
        if len(found) != 1:
            return [*wrong, f"{'duplicate' if found else 'wrong'}: {len(found)} carry the marker of {kind} {name}"]
        known = self.ids[kind, name]
        if found[0].id != told or told != (known or told):
            wrong.append(f"wrong: {name} is {found[0].id}, the status says {told}, and it was {known or 'none'}")
        self.ids[kind, name] = told
        if kind == MACHINE and not found[0].running:
            wrong.append("wrong: the machine does not run")
        if kind == KIND:
            wrong += [f"wrong: {name}: {one}" for one in differences(self.points, found[0], body["spec"])]
            if not body["status"].get("takenAt"):
                wrong.append(f"wrong: {name} does not tell when it was taken")
        return wrong


class Capture(Step[SnapshotLife]):
    """A machine and a Snapshot of it, which is applied first."""

    name = "capture"

    def begin(self, life: SnapshotLife) -> None:
        machine = manifests.machine(GUEST, life.bed.cloud, life.namespace)
        life.apply(life.take(NAME, "VirtualMachine", GUEST, expiresAfter="24h", tags={"team": "shop"}), machine)


class Refile(Step[SnapshotLife]):
    """When it goes, and its tags, are changed."""

    name = "refile"
    optional = True

    def begin(self, life: SnapshotLife) -> None:
        life.change(NAME, expiresAfter="48h", tags={"team": "bakery"})


class GoBack(Step[SnapshotLife]):
    """The machine goes back to it, once; where machines do not, a second Snapshot is taken."""

    name = "go back"
    optional = True

    def begin(self, life: SnapshotLife) -> None:
        if life.points.reverts:
            wish = {"snapshot": NAME, "token": "1"}
            life.bed.operator.patch(MACHINE, GUEST, {"spec": {"revertTo": wish}}, life.namespace)
        else:
            life.apply(life.take(LATER, "VirtualMachine", GUEST))

    def done(self, life: SnapshotLife) -> bool:
        if not life.points.reverts:
            return life.settled()
        reverted = (life.one(MACHINE, GUEST) or {"status": {}})["status"].get("revert") or {}
        return life.settled() and (reverted.get("token"), reverted.get("phase")) == ("1", "Done")


class Duplicate(Step[SnapshotLife]):
    """A volume, a Snapshot of it and a volume from that, applied at once in the wrong order; else a second Snapshot."""

    name = "duplicate"
    optional = True

    def begin(self, life: SnapshotLife) -> None:
        if not life.points.of_volumes:
            life.apply(life.take(LATER, "VirtualMachine", GUEST))
            return
        source = {"snapshotRef": {"name": POINT}}
        life.apply(
            manifests.volume(COPY, life.bed.cloud, life.namespace, source=source),
            life.take(POINT, "Volume", DISK),
            manifests.volume(DISK, life.bed.cloud, life.namespace),
        )


class Resume(Step[SnapshotLife]):
    """The operator itself starts, and finds another tag and another end wanted."""

    name = "resume"
    optional = True

    def begin(self, life: SnapshotLife) -> None:
        life.bed.operator.operator.kill()
        life.change(NAME, expiresAfter="72h", tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Expire(Step[SnapshotLife]):
    """Its time is over: it goes, and its object stays."""

    name = "expire"
    optional = True
    long = True

    def begin(self, life: SnapshotLife) -> None:
        life.change(NAME, expiresAfter="1m")
        life.expired.add(NAME)

    def done(self, life: SnapshotLife) -> bool:
        body = life.body() or {"status": {}}
        return bool(body["status"].get("expired")) and condition_of(body, "Stalled").get("reason") == "Expired"


class Forget(Step[SnapshotLife]):
    """The end of all objects at once."""

    name = "forget"

    def begin(self, life: SnapshotLife) -> None:
        life.delete()

    def done(self, life: SnapshotLife) -> bool:
        return life.over()

    def wrong(self, life: SnapshotLife) -> list[str]:
        return life.gone()


class Collect(Step[SnapshotLife]):
    """A snapshot that a person took is taken over."""

    name = "collect"

    def prepare(self, life: SnapshotLife) -> None:
        life.host = life.bed.person.launch(f"by-hand-{life.namespace}")
        life.handmade = life.points.take(life.host, f"by-hand-{life.namespace}")

    def begin(self, life: SnapshotLife) -> None:
        lifecycle = {"import": {"id": life.handmade}, "onDelete": "Detach"}
        life.apply(manifests.snapshot(NAME, life.bed.cloud, life.namespace, lifecycle=lifecycle))

    def wrong(self, life: SnapshotLife) -> list[str]:
        found = life.present()
        taken = life.ids[KIND, NAME]
        return found if taken == life.handmade else [*found, f"wrong: {taken} was taken, not {life.handmade}"]


class Return(Step[SnapshotLife]):
    """The object goes, and the snapshot stays."""

    name = "return"

    def begin(self, life: SnapshotLife) -> None:
        life.delete()

    def done(self, life: SnapshotLife) -> bool:
        return life.over()

    def wrong(self, life: SnapshotLife) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[SnapshotLife]]] = {
    "snapshot taken of a machine": (Capture(), Refile(), GoBack(), Duplicate(), Resume(), Expire(), Forget()),
    "snapshot taken over": (Collect(), Return()),
}
