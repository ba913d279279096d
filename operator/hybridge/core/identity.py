"""Whose is it? Markers on cloud objects, and what counts as proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID, uuid5

OWNER = "hybridge.io/owner"
KIND = "hybridge.io/kind"
NAMESPACE = "hybridge.io/namespace"
NAME = "hybridge.io/name"

#: Every key of a marker; spec.tags may not use them.
KEYS = (OWNER, KIND, NAMESPACE, NAME)
PREFIX = "hybridge.io/"


@dataclass(frozen=True, slots=True)
class Marker:
    """What says on a cloud object which Kubernetes object owns it."""

    cluster: str
    uid: str
    kind: str
    namespace: str
    name: str

    @property
    def owner(self) -> str:
        """``<cluster id>/<object uid>``: the value of ``hybridge.io/owner``."""
        return f"{self.cluster}/{self.uid}"

    def pairs(self) -> dict[str, str]:
        """The marker as key and value, the form of tags, ExtraConfig and notes."""
        return {OWNER: self.owner, KIND: self.kind, NAMESPACE: self.namespace, NAME: self.name}

    @classmethod
    def read(cls, pairs: Mapping[str, str]) -> Self | None:
        """The marker among ``pairs``, or None when there is none or its owner is malformed."""
        cluster, slash, uid = pairs.get(OWNER, "").partition("/")
        if not (slash and cluster and uid):
            return None
        return cls(cluster, uid, pairs.get(KIND, ""), pairs.get(NAMESPACE, ""), pairs.get(NAME, ""))

    def names_same_object(self, other: Marker) -> bool:
        """Same cluster, kind, namespace and name: this object or an earlier one in its place."""
        return (self.cluster, self.kind, self.namespace, self.name) == (
            other.cluster,
            other.kind,
            other.namespace,
            other.name,
        )


def write_notes(marker: Marker) -> str:
    """The marker as lines of text, for clouds whose objects have notes but no tags."""
    return "\n".join(f"{key}: {value}" for key, value in marker.pairs().items())


def read_notes(text: str) -> Marker | None:
    """The marker among the lines of a note that people may have written around it."""
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.strip().partition(": ")
        if colon and key in KEYS:
            pairs[key] = value.strip()
    return Marker.read(pairs)


def replace_notes(text: str, marker: Marker | None) -> str:
    """``text`` with its marker replaced (or taken away) and every other line kept."""
    kept = [line for line in text.splitlines() if line.strip().partition(": ")[0] not in KEYS]
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join([*kept, *([write_notes(marker)] if marker else [])])


def token(uid: str, attempt: int) -> str:
    """The idempotency token of one attempt to create: ≤ 64 ASCII characters, the same after every restart."""
    return f"hybridge-{uid}-{attempt}"


def machine_uuid(uid: str, attempt: int) -> str:
    """The SMBIOS or instance UUID that one attempt gives its machine."""
    return str(uuid5(UUID("6b0c7a52-7a5b-5d57-a1c4-0d9f7c1f3c55"), f"{uid}/{attempt}"))
