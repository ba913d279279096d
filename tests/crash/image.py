"""A life of Images in steps: of a machine, from which another one starts, of a Snapshot of it, and from all else that the
cloud makes them of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from tests.crash.bed import CrashBed
from tests.crash.household import End, Household, LetGo, Settling, TakeOver
from tests.crash.step import Step
from tests.integration.operator.people_images import clear_away, image_person
from tests.integration.operator.people_snapshots import clear_away as clear_point_away
from tests.integration.operator.people_snapshots import snapshot_person
from tests.things.image import differences

KIND, SNAPSHOT = "image", "snapshot"
#: The machine that is published, the Image of it, a machine that starts from that, and a Snapshot of the first.
MODEL, NAME, GUEST, POINT = "golden", "base", "web", "point"


class ImageLife(Household):
    """Images, what they are made of, and what is made of them."""

    kind, name, kinds = KIND, NAME, (KIND, SNAPSHOT)

    def __init__(self, bed: CrashBed) -> None:
        self.images = image_person(bed.person.simulated)
        self.points = snapshot_person(bed.person.simulated)
        super().__init__(bed)

    def image(self, name: str, **spec: object) -> dict[str, Any]:
        """An Image."""
        return manifests.image(name, self.bed.cloud, self.namespace, **spec)

    def facts(self, kind: str) -> Sequence[Any]:
        return self.images.all() if kind == KIND else self.points.all()

    def parts(self) -> set[str]:
        return super().parts() | {part for one in self.points.all() for part in one.parts}

    def clear(self, thing_id: str) -> None:
        clear_away(self.images, thing_id)
        clear_point_away(self.points, thing_id)

    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        if kind != KIND:
            return []
        wrong = [f"wrong: {name}: {one}" for one in differences(found, body["spec"])]
        if "making" in found.text:
            wrong.append(f"wrong: {name} is not whole: {found.text}")
        return wrong + (self.renamed(found) if name == NAME else [])


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


class Restyle(Settling[ImageLife]):
    """A tag that a person sets to something else, and another name, are put back."""

    name = "restyle"
    optional = True

    def begin(self, life: ImageLife) -> None:
        known = life.id
        life.images.tag(known, "team", "thieves")
        if life.images.renames:
            life.images.rename(known, f"by-hand-{life.namespace}")


class Relabel(Step[ImageLife]):
    """Its tags are changed."""

    name = "relabel"
    optional = True

    def begin(self, life: ImageLife) -> None:
        life.change(tags={"team": "bakery", "tier": "gold"})


class Awaken(Step[ImageLife]):
    """The operator itself starts, and finds another tag wanted."""

    name = "awaken"
    optional = True

    def begin(self, life: ImageLife) -> None:
        life.bed.operator.operator.kill()
        life.change(tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Discard(End):
    """The end of all objects at once: the image goes after the machine that starts from it."""

    name = "discard"


class Acquire(TakeOver[ImageLife]):
    """An image that a person made is taken over."""

    name = "acquire"

    def prepare(self, life: ImageLife) -> None:
        life.handmade = life.images.make(f"by-hand-{life.namespace}")

    def begin(self, life: ImageLife) -> None:
        life.apply(life.image(NAME, lifecycle={"import": {"id": life.handmade}, "onDelete": "Detach"}))


class Release(LetGo):
    """The object goes, and the image stays."""

    name = "release the image"


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Any]]] = {
    "image made of a machine": (Cast(), Reissue(), Restyle(), Relabel(), Awaken(), Discard()),
    "image taken over": (Acquire(), Release()),
}
