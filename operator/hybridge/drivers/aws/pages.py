"""Answers of DescribeInstances, read quickly.

A sweep of 10,000 instances brings tens of megabytes of XML, nearly all of it the same as half a minute ago. What stands
in the answer for one reservation is recognised by its digest, and only what is new is parsed: into the same values that
botocore makes of it, by the same model, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from xml.etree.ElementTree import XML, ParseError

from botocore.model import ListShape, Shape, StructureShape

from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.answers import converter, document
from hybridge.drivers.aws.mapping import Seen

_OPEN, _CLOSE, _EMPTY = b"<instancesSet>", b"</instancesSet>", b"<instancesSet/>"
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. ``token`` leads to the next; None: it was the last."""

    found: list[Seen]
    token: str | None


class Pages:
    """Reads answers of DescribeInstances. ``shape``: how they are made up. For one thread at a time."""

    def __init__(self, shape: StructureShape) -> None:
        self._frame = converter(shape)
        self._instance = converter(_instance(shape))
        self._known: dict[bytes, tuple[Seen, ...]] = {}
        self._met: dict[bytes, tuple[Seen, ...]] = {}

    def read(self, answer: bytes) -> Page:
        """The instances of an answer. Raises ``xml.etree.ElementTree.ParseError`` for half an answer or something else, and
        ValueError for what passes for none (see ``answers``).
        """
        head, *rest = answer.split(_OPEN)
        around, found = [head], list[Seen]()
        for piece in rest:
            instances, _, tail = piece.partition(_CLOSE)
            around.append(tail)
            found += self._recognised(instances)
        # Without the instances it is small, and broken exactly when the answer is.
        root = document(_EMPTY.join(around))
        if root.find("reservationSet") is None:
            raise ParseError("it tells nothing of instances")
        frame = self._frame(root)
        found += _seen(instance for one in frame["Reservations"] for instance in one["Instances"])
        return Page(found, frame.get("NextToken") or None)

    def forget(self) -> None:
        """A sweep is complete: what it did not meet will not come back."""
        self._known, self._met = self._met, {}

    def _recognised(self, instances: bytes) -> tuple[Seen, ...]:
        digest = blake2b(instances, digest_size=_DIGEST).digest()
        known = self._known.get(digest)
        if known is None:
            known = tuple(_seen(map(self._instance, XML(b"<instancesSet>%b</instancesSet>" % instances))))
        self._met[digest] = known
        return known


def _seen(instances: Iterable[dict[str, Any]]) -> Iterator[Seen]:
    return map(mapping.seen, instances)


def _instance(answer: StructureShape) -> Shape:
    reservations = answer.members["Reservations"]
    assert isinstance(reservations, ListShape)
    assert isinstance(reservations.member, StructureShape)
    found = reservations.member.members["Instances"]
    assert isinstance(found, ListShape)
    return found.member
