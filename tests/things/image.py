"""Images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hybridge.core.identity import PREFIX
from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person
from tests.integration.operator.people_images import ImageFacts, ImagePerson, image_person
from tests.things.thing import Thing, Things


class Images(Things):
    """See the base: of machines, which every cloud has."""

    kind = "Image"
    plural = "images"
    derived = True
    shared = True
    lasting = True
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:CreateImage",
        "proxmox": "POST /nodes/{node}/qemu/{vmid}/clone",
        "vsphere": "CloneVM_Task",
    }

    def __init__(self) -> None:
        self._people: WeakKeyDictionary[Person, ImagePerson] = WeakKeyDictionary()

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        del cloud
        source = {"virtualMachineRef": {"name": f"of-{name}"}}
        return manifests.image(name, provider, namespace, source=source)

    def sources(self, cloud: Cloud, name: str, provider: str, namespace: str) -> Sequence[dict[str, Any]]:
        """See the base."""
        del cloud
        return [manifests.machine(f"of-{name}", provider, namespace)]

    def use(self, name: str) -> Mapping[str, Any]:
        """See the base."""
        return {"image": {"imageRef": {"name": name}}}

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, _looks(one)) for one in self._of(someone).all()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base."""
        person = self._of(someone)
        image = person.get(thing.id)
        if image is None:
            return ["it is gone"]
        lifecycle = spec.get("lifecycle", {})
        if lifecycle.get("management") == "Observed" or lifecycle.get("drift") in {"Ignore", "Report"}:
            return []
        return differences(image, spec)

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        self._of(someone).destroy(thing_id)

    def _of(self, someone: Person) -> ImagePerson:
        if someone not in self._people:
            self._people[someone] = image_person(someone.simulated)
        return self._people[someone]


def differences(image: ImageFacts, spec: Mapping[str, Any]) -> list[str]:
    """How an image is not as its spec wants it, in words."""
    return [
        f"its tag {name!r} is {image.tags.get(name)!r}, not {text!r}"
        for name, text in spec.get("tags", {}).items()
        if image.tags.get(name) != text
    ]


def _looks(image: ImageFacts) -> tuple[object, ...]:
    return (sorted((key, text) for key, text in image.tags.items() if not key.startswith(PREFIX) and key != "Name"),)
