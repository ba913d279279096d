"""What machines are made from: images, instance types and subnets, looked up and remembered for a while.

Many machines are made from few images, types and subnets, so a lookup is made once for all of them: threads that want
the same thing wait for the first one's answer. Failures are not remembered.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.machine import Known, MachineSpec
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import Image, InstanceType, Subnet

DEFAULT_FAMILIES = ("t3", "m7i", "r7i")

#: Seconds for which an answer is believed. What a type offers never changes; which types there are, sometimes.
IMAGE_AGE = 300.0
SUBNET_AGE = 300.0
TYPE_AGE = 6 * 3600.0

#: Seconds after which a list that lacks a name is read again: it may have been made since.
_FRESH = 5.0

#: Seconds after which all subnets are read again for the sake of one that is not among them.
_FRESH_WORDS = 60.0

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
#: Owners that may stand before the name of somebody else's image: ``136693071363/debian-12-amd64``.
_OWNER = re.compile(r"(\d{12}|amazon|aws-marketplace)/(.+)")
_WILDCARD = re.compile(r"([*?\\])")

#: Most values of one filter.
_FILTER_VALUES = 200

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers by key, each looked up by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, tuple[float, T]] = {}

    def get(self, key: str, age: float, look_up: Callable[[], T]) -> T:
        """The answer for ``key``, at most ``age`` seconds old."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._known.get(key)
            if known and self._clock() - known[0] <= age:
                return known[1]
            answer = look_up()
            self._known[key] = (self._clock(), answer)
            return answer


class Catalogue:
    """Images, types and subnets of one region. Safe from several threads."""

    def __init__(self, client: Client, families: Sequence[str]) -> None:
        self._client = client
        self._families = tuple(families) or DEFAULT_FAMILIES
        self._images: Remembered[Image] = Remembered()
        self._subnets: Remembered[tuple[Subnet, ...]] = Remembered()
        self._choice: Remembered[tuple[InstanceType, ...]] = Remembered()
        self._networks: tuple[tuple[Subnet, ...], Mapping[str, Known]] = ((), {})
        self._types: dict[str, InstanceType] = {}
        self._asked: dict[str, float] = {}

    # ------------------------------------------------------------------ images

    def image(self, wanted: str) -> Image:
        """The image of this id, this name among our own, or ``owner/name``.

        Refused (IMAGE_NOT_FOUND) when there is none; CloudError (DEPENDENCY_NOT_READY) while it is being made.
        """
        return self._images.get(wanted, IMAGE_AGE, lambda: self._look_up_image(wanted))

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
        return next(map(mapping.image, answer.get("Images", [])), None)

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
        found = [mapping.image(image) for image in answer.get("Images", []) if image.get("Name") == name]
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
        for start in range(0, len(missing), _FILTER_VALUES):
            some = missing[start : start + _FILTER_VALUES]
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
        read = [mapping.instance_type(kind) for page in pages for kind in page]
        self._types.update({kind.name: kind for kind in read})
        return tuple(kind for kind in read if not kind.metal)

    # ----------------------------------------------------------------- subnets

    def subnet(self, wanted: str) -> Subnet:
        """The subnet of this id or name. Refused: NOT_FOUND with near names, INVALID_SPEC when several have the name."""
        found = self._find_subnets(lambda subnet: wanted in {subnet.id, subnet.name})
        if not found:
            known = [subnet.name or subnet.id for subnet in self._all_subnets(SUBNET_AGE)]
            raise Refused(Reason.NOT_FOUND, not_found("subnet", wanted, known))
        if len(found) > 1:
            ids = ", ".join(subnet.id for subnet in found)
            raise Refused(Reason.INVALID_SPEC, f"several subnets are named {wanted!r}; give the id of one: {ids}")
        return found[0]

    def default_subnet(self, zone: str) -> Subnet:
        """The subnet that EC2 itself would take in this zone. Refused (NOT_FOUND) when it has none."""
        found = self._find_subnets(lambda subnet: subnet.zone == zone and subnet.default)
        if found:
            return found[0]
        zones = {subnet.zone for subnet in self._all_subnets(SUBNET_AGE) if subnet.default}
        if zone in {subnet.zone for subnet in self._all_subnets(SUBNET_AGE)}:
            raise Refused(Reason.NOT_FOUND, f"zone {zone} has no default subnet; name a subnet in spec.networks")
        raise Refused(Reason.NOT_FOUND, not_found("zone with a default subnet", zone, zones))

    def networks(self, ids: Collection[str] = (), age: float = math.inf) -> Mapping[str, Known]:
        """Id and name of all subnets, by id, at most ``age`` seconds old. Read again when one of ``ids`` is not among
        them, but not too often: it may be another account's.
        """
        if not ids and age == math.inf:
            return self.known_networks
        known = self._words(age)
        return known if known.keys() >= set(ids) else self._words(min(age, _FRESH_WORDS))

    @property
    def known_networks(self) -> Mapping[str, Known]:
        """The subnets that were read so far, as ``networks`` tells them."""
        return self._networks[1]

    def _words(self, age: float) -> Mapping[str, Known]:
        subnets = self._all_subnets(age)
        if self._networks[0] is not subnets:
            self._networks = (
                subnets,
                {subnet.id: (subnet.id, subnet.name) if subnet.name else (subnet.id,) for subnet in subnets},
            )
        return self._networks[1]

    def _find_subnets(self, matches: Callable[[Subnet], bool]) -> list[Subnet]:
        found = [subnet for subnet in self._all_subnets(SUBNET_AGE) if matches(subnet)]
        return found or [subnet for subnet in self._all_subnets(_FRESH) if matches(subnet)]

    def _all_subnets(self, age: float) -> tuple[Subnet, ...]:
        return self._subnets.get("all", age, self._read_subnets)

    def _read_subnets(self) -> tuple[Subnet, ...]:
        pages = self._client.pages("DescribeSubnets", "Subnets", size=1000)
        return tuple(mapping.subnet(subnet) for page in pages for subnet in page)


def _runs(kind: InstanceType, architectures: Collection[str]) -> bool:
    return not architectures or not kind.architectures or not set(architectures).isdisjoint(kind.architectures)
