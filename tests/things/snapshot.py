"""Snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hybridge.core.identity import PREFIX
from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person
from tests.integration.operator.people_snapshots import SnapshotFacts, SnapshotPerson, snapshot_person
from tests.things.thing import Thing, Things


class Snapshots(Things):
    """See the base: of machines, which every cloud has."""

    kind = "Snapshot"
    plural = "snapshots"
    derived = True
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:CreateSnapshots",
        "proxmox": "POST /nodes/{node}/qemu/{vmid}/snapshot",
        "vsphere": "CreateSnapshot_Task",
    }

    def __init__(self) -> None:
        self._people: WeakKeyDictionary[Person, SnapshotPerson] = WeakKeyDictionary()

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        del cloud
        return manifests.snapshot(name, provider, namespace, sourceRef={"kind": "VirtualMachine", "name": f"of-{name}"})

    def sources(self, cloud: Cloud, name: str, provider: str, namespace: str) -> Sequence[dict[str, Any]]:
        """See the base."""
        del cloud
        return [manifests.machine(f"of-{name}", provider, namespace)]

    def change(self, number: int) -> Mapping[str, Any]:
        """See the base. Where snapshots have no tags, what changes is when it goes."""
        return {"tags": {"turn": str(number)}, "expiresAfter": f"{24 + number}h"}

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, _looks(one)) for one in self._of(someone).all()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base."""
        person = self._of(someone)
        snapshot = person.get(thing.id)
        if snapshot is None:
            return ["it is gone"]
        lifecycle = spec.get("lifecycle", {})
        if lifecycle.get("management") == "Observed" or lifecycle.get("drift") in {"Ignore", "Report"}:
            return []
        return differences(person, snapshot, spec)

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        self._of(someone).destroy(thing_id)

    def _of(self, someone: Person) -> SnapshotPerson:
        if someone not in self._people:
            self._people[someone] = snapshot_person(someone.simulated)
        return self._people[someone]


def differences(person: SnapshotPerson, snapshot: SnapshotFacts, spec: Mapping[str, Any]) -> list[str]:
    """How a snapshot is not as its spec wants it, in words."""
    return [
        f"its tag {name!r} is {snapshot.tags.get(name)!r}, not {text!r}"
        for name, text in spec.get("tags", {}).items()
        if person.tags and snapshot.tags.get(name) != text
    ]


def _looks(snapshot: SnapshotFacts) -> tuple[object, ...]:
    tags = {key: text for key, text in snapshot.tags.items() if not key.startswith(PREFIX) and key != "Name"}
    return len(snapshot.parts), sorted(tags.items())
