"""Volumes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hybridge.core.units import parse_quantity
from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person
from tests.integration.operator.people_volumes import VolumePerson, volume_person
from tests.things.thing import Thing, Things


class Volumes(Things):
    """See the base."""

    kind = "Volume"
    plural = "volumes"
    adopting: ClassVar[Collection[Cloud]] = ("aws", "vsphere")
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:CreateVolume",
        "proxmox": "POST /nodes/{node}/storage/{storage}/content",
        "vsphere": "CreateDisk_Task",
    }

    def __init__(self) -> None:
        self._people: WeakKeyDictionary[Person, VolumePerson] = WeakKeyDictionary()

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        del cloud
        return manifests.volume(name, provider, namespace)

    def use(self, name: str) -> Mapping[str, Any]:
        """See the base."""
        return {"volumes": [{"name": "data", "volumeRef": {"name": name}}]}

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, (one.size, bool(one.machine))) for one in self._of(someone).all()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base. On EC2 sizes are rounded up."""
        volume = self._of(someone).get(thing.id)
        if volume is None:
            return ["it is gone"]
        wanted = parse_quantity(spec["size"]) if "size" in spec else 0
        return [f"its size is {volume.size}, not {wanted}"] if volume.size < wanted else []

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        self._of(someone).destroy(thing_id)

    def _of(self, someone: Person) -> VolumePerson:
        if someone not in self._people:
            self._people[someone] = volume_person(someone.simulated)
        return self._people[someone]
