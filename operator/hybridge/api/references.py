"""Which objects an object refers to, read from its spec as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Where the specs of each kind name other objects: dotted paths below ``spec``, ``[]`` for every entry of a list, and the
#: kind that is named there. A path that ends with ``sourceRef`` names its kind itself; one that leads to a text, by its name
#: alone.
PATHS: Mapping[str, Mapping[str, str]] = {
    "VirtualMachine": {
        "volumes[].volumeRef": "Volume",
        "networks[].networkRef": "Network",
        "image.imageRef": "Image",
        "revertTo.snapshot": "Snapshot",
    },
    "Volume": {"source.snapshotRef": "Snapshot"},
    "Image": {"source.virtualMachineRef": "VirtualMachine", "source.snapshotRef": "Snapshot"},
    "Snapshot": {"sourceRef": ""},
    "Firewall": {"networkRef": "Network"},
}


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that is named, and the path below ``spec`` that names it, with positions: ``volumes[0].volumeRef``."""

    kind: str
    namespace: str
    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def references(body: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What the object of this body refers to, by name; without a namespace an object of the own one is meant."""
    own = body["metadata"].get("namespace", "")
    found = []
    for path, kind in PATHS.get(body.get("kind", ""), {}).items():
        for where, value in values(body["spec"], path.split(".")):
            named = {"name": value} if isinstance(value, str) else value
            if isinstance(named, Mapping) and isinstance(named.get("name"), str):
                of = str(named.get("kind", kind))
                found.append(Reference(of, str(named.get("namespace") or own), named["name"], where))
    return tuple(found)


def values(value: object, path: Sequence[str], before: str = "") -> Iterator[tuple[str, object]]:
    """What is at a path, with positions in lists, and each value there; ``before``: the way to ``value``."""
    if not path:
        yield before, value
        return
    name, many = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(value, Mapping) or name not in value:
        return
    here = f"{before}.{name}" if before else name
    if many and isinstance(value[name], list | tuple):
        for position, entry in enumerate(value[name]):
            yield from values(entry, path[1:], f"{here}[{position}]")
    elif not many:
        yield from values(value[name], path[1:], here)
