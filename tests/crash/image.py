"""A life of Images in steps: of a machine, from which another one starts, of a Snapshot of it, and from all else that the
cloud makes them of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
from tests.integration.operator.people_images import clear_away, image_person
from tests.integration.operator.people_snapshots import clear_away as clear_point_away
from tests.integration.operator.people_snapshots import snapshot_person
from tests.operator_bed import condition_of
from tests.things.image import differences

KIND, SNAPSHOT = "image", "snapshot"
#: The machine that is published, the Image of it, a machine that starts from that, and a Snapshot of the first.
MODEL, NAME, GUEST, POINT = "golden", "base", "web", "point"


class ImageLife(Subject):
    """Images in a namespace of their own, what they are made of, and what is made of them."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.images = image_person(bed.person.simulated)
        self.points = snapshot_person(bed.person.simulated)
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = {image.id for image in self.images.all()} | {point.id for point in self.points.all()}
        self.litter = bed.leftovers()
        #: The ids of all objects there are, by kind and name, once they are known.
        self.ids: dict[tuple[str, str], str] = {}
        #: What people call the Image in the cloud, and one that a person made, which shall be taken over and let go.
        self.called, self.handmade = "", ""

    def apply(self, *made: Mapping[str, Any]) -> None:
        """Applies objects."""
        for one in made:
            self.bed.operator.api.apply(one)
            self.ids.setdefault((one["kind"].lower(), one["metadata"]["name"]), "")

    def image(self, name: str, **spec: object) -> dict[str, Any]:
        """An Image."""
        return manifests.image(name, self.bed.cloud, self.namespace, **spec)

    def machine(self, name: str, **spec: object) -> dict[str, Any]:
        """A machine."""
        return manifests.machine(name, self.bed.cloud, self.namespace, **spec)

    def change(self, name: str, **spec: object) -> None:
        """Changes fields of an Image's spec."""
        self.bed.operator.patch(KIND, name, {"spec": spec}, self.namespace)

    def delete(self) -> None:
        """Asks for the deletion of everything at once, of what is used first."""
        for kind, name in sorted(self.ids, key=lambda one: one[0] != KIND):
            self.bed.operator.delete(kind, name, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.one(KIND, NAME)

    def one(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object."""
        return self.bed.operator.get(kind, name, self.namespace)

    def settled(self) -> bool:
        bodies = [self.one(kind, name) for kind, name in self.ids]
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
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for image in {one.id for one in self.images.all()} - self.foreign:
            clear_away(self.images, image)
        for point in {one.id for one in self.points.all()} - self.foreign:
            clear_point_away(self.points, point)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        images = {image.id for image in self.images.all()} - self.foreign
        points = [one for one in self.points.all() if one.id not in self.foreign]
        surplus = (machines | images | {one.id for one in points}) - {*self.ids.values(), self.handmade}
        litter = self.bed.leftovers() - self.litter - images - {part for one in points for part in one.parts}
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def present(self) -> list[str]:
        return [one for kind, name in list(self.ids) for one in self._present(kind, name)] + self.alone()

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.ids.clear()
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with an image that should be as people made it, in words."""
        self.ids.clear()
        found = self.images.get(self.handmade)
        if found is None:
            return ["wrong: the image that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _present(self, kind: str, name: str) -> list[str]:
        body = self.one(kind, name)
        if body is None:
            return [f"wrong: there is no object {kind} {name}"]
        uid, told = body["metadata"]["uid"], str(body["status"].get("id", ""))
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else [f"wrong: {name} has no finalizer"]
        found = [one for one in self._things(kind) if one.owner.partition("/")[2] == uid]
        if len(found) != 1:
            return [*wrong, f"{'duplicate' if found else 'wrong'}: {len(found)} carry the marker of {kind} {name}"]
        known = self.ids[kind, name]
        if found[0].id != told or told != (known or told):
            wrong.append(f"wrong: {name} is {found[0].id}, the status says {told}, and it was {known or 'none'}")
        self.ids[kind, name] = told
        if kind == MACHINE:
            return wrong if found[0].running else [*wrong, f"wrong: {name} does not run"]
        if kind == SNAPSHOT:
            return wrong
        wrong += [f"wrong: {name}: {one}" for one in differences(found[0], body["spec"])]
        if "making" in found[0].text:
            wrong.append(f"wrong: {name} is not whole: {found[0].text}")
        if name == NAME:
            self.called = self.called or found[0].name
            wrong += [] if found[0].name == self.called else [f"wrong: {name} is called {found[0].name}"]
        return wrong

    def _things(self, kind: str) -> Sequence[Any]:
        """All there are in the cloud of a kind."""
        if kind == MACHINE:
            return self.bed.person.machines()
        return self.images.all() if kind == KIND else self.points.all()


class Cast(Step[ImageLife]):
    """A machine that starts from an Image, the Image of another machine, and that one, applied in this order."""

    name = "cast"

    def begin(self, life: ImageLife) -> None:
        life.apply(
            life.machine(GUEST, image={"imageRef": {"name": NAME}}),
            life.image(NAME, source={"virtualMachineRef": {"name": MODEL}}, tags={"team": "shop"}),
            life.machine(MODEL),
        )


class Reissue(Step[ImageLife]):
    """Images from all else of which this cloud makes them, and of a Snapshot that is taken for it."""

    name = "reissue"
    optional = True

    def begin(self, life: ImageLife) -> None:
        life.apply(*(life.image(f"{NAME}-{name}", source=source) for name, source in life.images.sources().items()))
        source = {"kind": "VirtualMachine", "name": MODEL}
        life.apply(
            life.image(f"{NAME}-{POINT}", source={"snapshotRef": {"name": POINT}}),
            manifests.snapshot(POINT, life.bed.cloud, life.namespace, sourceRef=source),
        )


class Restyle(Step[ImageLife]):
    """A tag that a person sets to something else, and another name, are put back."""

    name = "restyle"
    optional = True

    def begin(self, life: ImageLife) -> None:
        known = life.ids[KIND, NAME]
        life.images.tag(known, "team", "thieves")
        if life.images.renames:
            life.images.rename(known, f"by-hand-{life.namespace}")

    def done(self, life: ImageLife) -> bool:
        return life.settled() and not life.present()


class Relabel(Step[ImageLife]):
    """Its tags are changed."""

    name = "relabel"
    optional = True

    def begin(self, life: ImageLife) -> None:
        life.change(NAME, tags={"team": "bakery", "tier": "gold"})


class Awaken(Step[ImageLife]):
    """The operator itself starts, and finds another tag wanted."""

    name = "awaken"
    optional = True

    def begin(self, life: ImageLife) -> None:
        life.bed.operator.operator.kill()
        life.change(NAME, tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Discard(Step[ImageLife]):
    """The end of all objects at once: the image goes after the machine that starts from it."""

    name = "discard"

    def begin(self, life: ImageLife) -> None:
        life.delete()

    def done(self, life: ImageLife) -> bool:
        return life.over()

    def wrong(self, life: ImageLife) -> list[str]:
        return life.gone()


class Acquire(Step[ImageLife]):
    """An image that a person made is taken over."""

    name = "acquire"

    def prepare(self, life: ImageLife) -> None:
        life.handmade = life.images.make(f"by-hand-{life.namespace}")

    def begin(self, life: ImageLife) -> None:
        life.apply(life.image(NAME, lifecycle={"import": {"id": life.handmade}, "onDelete": "Detach"}))

    def wrong(self, life: ImageLife) -> list[str]:
        found = life.present()
        taken = life.ids[KIND, NAME]
        return found if taken == life.handmade else [*found, f"wrong: {taken} was taken, not {life.handmade}"]


class Release(Step[ImageLife]):
    """The object goes, and the image stays."""

    name = "release the image"

    def begin(self, life: ImageLife) -> None:
        life.delete()

    def done(self, life: ImageLife) -> bool:
        return life.over()

    def wrong(self, life: ImageLife) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[ImageLife]]] = {
    "image made of a machine": (Cast(), Reissue(), Restyle(), Relabel(), Awaken(), Discard()),
    "image taken over": (Acquire(), Release()),
}
