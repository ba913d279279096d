"""What machines are made from: images and instance types, looked up and remembered for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.machine import MachineSpec
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.aws import offers
from hybridge.drivers.aws.client import FILTER_VALUES, Client
from hybridge.drivers.aws.offers import Image, InstanceType
from hybridge.drivers.aws.remembered import Remembered

DEFAULT_FAMILIES = ("t3", "m7i", "r7i")

#: Seconds for which an answer is believed. What a type offers never changes; which types there are, sometimes.
IMAGE_AGE = 300.0
TYPE_AGE = 6 * 3600.0

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
#: Owners that may stand before the name of somebody else's image: ``136693071363/debian-12-amd64``.
_OWNER = re.compile(r"(\d{12}|amazon|aws-marketplace)/(.+)")
_WILDCARD = re.compile(r"([*?\\])")


class Catalogue:
    """Images and types of one region. Safe from several threads."""

    def __init__(self, client: Client, families: Sequence[str]) -> None:
        self._client = client
        self._families = tuple(families) or DEFAULT_FAMILIES
        self._images: Remembered[Image] = Remembered()
        self._choice: Remembered[tuple[InstanceType, ...]] = Remembered()
        self._types: dict[str, InstanceType] = {}
        self._asked: dict[str, float] = {}

    # ------------------------------------------------------------------ images

    def image(self, wanted: str) -> Image:
        """The image of this id, this name among our own, or ``owner/name``.

        Refused (IMAGE_NOT_FOUND) when there is none; CloudError (DEPENDENCY_NOT_READY) while it is being made.
        """
        return self._images.get(wanted, IMAGE_AGE, lambda: self._look_up_image(wanted))

    def doubt(self) -> None:
        """A launch was refused: what was looked up for it may be otherwise by now, or never have been so."""
        self._images.forget()

    def _look_up_image(self, wanted: str) -> Image:
        found = self._image_by_id(wanted) if _AMI.fullmatch(wanted) else None
        found = found or self._image_by_name(wanted)
        if found is None:
            own = (image["Name"] for image in self._own_images() if image.get("Name"))
            raise Refused(Reason.IMAGE_NOT_FOUND, not_found("image", wanted, own))
        if found.state == "pending":
            raise CloudError(
                Reason.DEPENDENCY_NOT_READY, f"image {wanted} ({found.id}) is pending", disposition=Disposition.WAIT
            )
        if found.state not in {"available", ""}:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"image {wanted} ({found.id}) is {found.state}")
        return found

    def _image_by_id(self, image_id: str) -> Image | None:
        try:
            answer = self._client.call("DescribeImages", ImageIds=[image_id])
        except Refused as refused:
            if refused.reason is Reason.IMAGE_NOT_FOUND:
                return None
            raise
        return next(map(offers.image, answer.get("Images", [])), None)

    def _image_by_name(self, wanted: str) -> Image | None:
        """The newest image of exactly this name. Never among all public ones: anybody can publish under any name."""
        foreign = _OWNER.fullmatch(wanted)
        owner, name = foreign.groups() if foreign else ("self", wanted)
        answer = self._client.call(
            "DescribeImages",
            Owners=[owner],
            IncludeDeprecated=True,
            Filters=[{"Name": "name", "Values": [_WILDCARD.sub(r"\\\1", name)]}],
        )
        found = [offers.image(image) for image in answer.get("Images", []) if image.get("Name") == name]
        return max(found, key=lambda image: image.created, default=None)

    def _own_images(self) -> Iterable[Mapping[str, str]]:
        found: list[Mapping[str, str]] = self._client.call("DescribeImages", Owners=["self"]).get("Images", [])
        return found

    # ------------------------------------------------------------------- types

    @property
    def known(self) -> Mapping[str, InstanceType]:
        """The types that were read so far, by name."""
        return self._types

    def types(self, names: Collection[str]) -> Mapping[str, InstanceType]:
        """A table that holds these types, as far as EC2 knows them: unknown ones are read in one request."""
        now = time.monotonic()
        asked = {name for name, since in list(self._asked.items()) if now - since < TYPE_AGE}
        missing = sorted(set(names) - self._types.keys() - asked)
        for start in range(0, len(missing), FILTER_VALUES):
            some = missing[start : start + FILTER_VALUES]
            self._read_types(some)
            self._asked.update(dict.fromkeys(some, now))
        return self._types

    def choose(self, spec: MachineSpec, architectures: Collection[str], keep: str | None = None) -> str:
        """The type for a machine: the one that the spec names, else ``keep`` while it fits, else the smallest that fits.

        ``architectures``: one of them has to be the type's; empty: any. Refused (INVALID_SPEC) when there is none.
        """
        cpus, memory = spec.cpus or 0, spec.memory or 0
        wanted = spec.options.get("instanceType")
        if wanted:
            return self._named(str(wanted), cpus, memory, architectures)
        if keep and (kept := self.types([keep]).get(keep)) and kept.fits(cpus, memory):
            return keep
        offered = self._offered()
        fitting = [kind for kind in offered if kind.fits(cpus, memory) and _runs(kind, architectures)]
        if fitting:
            return min(fitting, key=self._rank).name
        families = ", ".join(self._families)
        if not offered:
            raise Refused(Reason.INVALID_SPEC, f"{self._client.region} offers no type of the families {families}")
        largest = max(offered)
        raise Refused(
            Reason.INVALID_SPEC,
            f"no instance type of the families {families} offers {cpus} cpus and {format_bytes(memory)}"
            f"{' on ' + ' or '.join(sorted(architectures)) if architectures else ''}; the largest, {largest.name}, has"
            f" {largest.cpus} and {format_bytes(largest.memory)}",
        )

    def _rank(self, kind: InstanceType) -> tuple[int, int, int, str]:
        """The smaller first; of equals the one whose family the Provider names first."""
        family = kind.name.partition(".")[0]
        place = self._families.index(family) if family in self._families else len(self._families)
        return kind.cpus, kind.memory, place, kind.name

    def _named(self, name: str, cpus: int, memory: int, architectures: Collection[str]) -> str:
        kind = self.types([name]).get(name)
        if kind is None:
            known = [known.name for known in self._offered()]
            raise Refused(Reason.INVALID_SPEC, f"spec.aws.instanceType: {not_found('type', name, known)}")
        if not kind.fits(cpus, memory):
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.aws.instanceType: {name} has {kind.cpus} cpus and {format_bytes(kind.memory)}, less than the"
                f" {cpus} and {format_bytes(memory)} of the spec",
            )
        if not _runs(kind, architectures):
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.aws.instanceType: {name} is {'/'.join(kind.architectures)}, but the image is"
                f" {'/'.join(sorted(architectures))}",
            )
        return name

    def _offered(self) -> tuple[InstanceType, ...]:
        """The types of the Provider's families that are no bare metal, as far as the region offers them."""
        return self._choice.get(
            "families", TYPE_AGE, lambda: self._read_types([f"{name}.*" for name in self._families])
        )

    def _read_types(self, patterns: Sequence[str]) -> tuple[InstanceType, ...]:
        filters = [{"Name": "instance-type", "Values": list(patterns)}]
        pages = self._client.pages("DescribeInstanceTypes", "InstanceTypes", size=100, Filters=filters)
        read = [offers.instance_type(kind) for page in pages for kind in page]
        self._types.update({kind.name: kind for kind in read})
        return tuple(kind for kind in read if not kind.metal)


def _runs(kind: InstanceType, architectures: Collection[str]) -> bool:
    return not architectures or not kind.architectures or not set(architectures).isdisjoint(kind.architectures)
