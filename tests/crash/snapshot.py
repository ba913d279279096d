"""A life of Snapshots in steps: of a machine that goes back to one, and of a volume that is copied by way of one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.household import End, Household, LetGo, TakeOver
from tests.crash.life import KIND as MACHINE
from tests.crash.step import Step
from tests.integration.operator.people_snapshots import clear_away, snapshot_person
from tests.integration.operator.people_volumes import volume_person
from tests.operator_bed import condition_of
from tests.things.snapshot import differences

KIND, VOLUME = "snapshot", "volume"
#: The machine, the Snapshot of it, and one that is taken after that.
GUEST, NAME, LATER = "db", "before", "after"
#: A volume, the Snapshot of it, and the volume that is made from that.
DISK, POINT, COPY = "data", "point", "copy"


class SnapshotLife(Household):
    """Snapshots, and what they are taken of."""

    kind, name, kinds = KIND, NAME, (KIND, VOLUME)

    def __init__(self, bed: CrashBed) -> None:
        self.points = snapshot_person(bed.person.simulated)
        self.disks = volume_person(bed.person.simulated)
        #: Snapshots whose time is over.
        self.expired: set[str] = set()
        #: The machine of the snapshot that a person made.
        self.host = ""
        super().__init__(bed)

    def take(self, name: str, kind: str, source: str, **spec: object) -> dict[str, Any]:
        """A Snapshot of something."""
        words = {"sourceRef": {"kind": kind, "name": source}, **spec}
        return manifests.snapshot(name, self.bed.cloud, self.namespace, **words)

    def facts(self, kind: str) -> Sequence[Any]:
        return self.points.all() if kind == KIND else self.disks.all()

    def parts(self) -> set[str]:
        volumes = {one.id for one in self.disks.all()} - self.foreign
        return volumes | {part for one in self.points.all() if one.id not in self.foreign for part in one.parts}

    def clear(self, thing_id: str) -> None:
        clear_away(self.points, thing_id)
        if any(one.id == thing_id for one in self.disks.all()):
            with contextlib.suppress(LabError):
                self.disks.destroy(thing_id)

    def excused(self) -> set[str]:
        return {*super().excused(), self.host}

    def awaited(self) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in self.ids if name not in self.expired]

    def standing(self, kind: str, name: str) -> list[str]:
        body = self.one(kind, name)
        if name not in self.expired or body is None:
            return super().standing(kind, name)
        self.ids[kind, name] = ""
        found = self.owned(kind, body["metadata"]["uid"])
        return [f"wrong: {one.id} should be gone, its time is over" for one in found]

    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        if kind != KIND:
            return []
        wrong = [f"wrong: {name}: {one}" for one in differences(self.points, found, body["spec"])]
        return wrong if body["status"].get("takenAt") else [*wrong, f"wrong: {name} does not tell when it was taken"]

    def gone(self) -> list[str]:
        self.expired.clear()
        return super().gone()


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
        life.change(expiresAfter="48h", tags={"team": "bakery"})


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
        life.change(expiresAfter="72h", tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Expire(Step[SnapshotLife]):
    """Its time is over: it goes, and its object stays."""

    name = "expire"
    optional = True
    long = True

    def begin(self, life: SnapshotLife) -> None:
        life.change(expiresAfter="1m")
        life.expired.add(NAME)

    def done(self, life: SnapshotLife) -> bool:
        body = life.body() or {"status": {}}
        return bool(body["status"].get("expired")) and condition_of(body, "Stalled").get("reason") == "Expired"


class Forget(End):
    """The end of all objects at once."""

    name = "forget"


class Collect(TakeOver[SnapshotLife]):
    """A snapshot that a person took is taken over."""

    name = "collect"

    def prepare(self, life: SnapshotLife) -> None:
        life.host = life.bed.person.launch(f"by-hand-{life.namespace}")
        life.handmade = life.points.take(life.host, f"by-hand-{life.namespace}")

    def begin(self, life: SnapshotLife) -> None:
        lifecycle = {"import": {"id": life.handmade}, "onDelete": "Detach"}
        life.apply(manifests.snapshot(NAME, life.bed.cloud, life.namespace, lifecycle=lifecycle))


class Return(LetGo):
    """The object goes, and the snapshot stays."""

    name = "return"


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Any]]] = {
    "snapshot taken of a machine": (Capture(), Refile(), GoBack(), Duplicate(), Resume(), Expire(), Forget()),
    "snapshot taken over": (Collect(), Return()),
}
