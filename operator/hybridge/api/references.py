"""Which objects an object refers to, read from its spec as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Where the specs of each kind name other objects: dotted paths below ``spec``, ``[]`` for every entry of a list, and the
#: kind that is named there. A path that ends with ``sourceRef`` names its kind itself.
PATHS: Mapping[str, Mapping[str, str]] = {
    "VirtualMachine": {"volumes[].volumeRef": "Volume"},
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
        for where, value in _values(body["spec"], path.split("."), ""):
            if isinstance(value, Mapping) and isinstance(value.get("name"), str):
                named = str(value.get("kind", kind))
                found.append(Reference(named, str(value.get("namespace") or own), value["name"], where))
    return tuple(found)


def _values(value: object, path: Sequence[str], before: str) -> Iterator[tuple[str, object]]:
    if not path:
        yield before, value
        return
    name, many = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(value, Mapping) or name not in value:
        return
    here = f"{before}.{name}" if before else name
    if many and isinstance(value[name], list | tuple):
        for position, entry in enumerate(value[name]):
            yield from _values(entry, path[1:], f"{here}[{position}]")
    elif not many:
        yield from _values(value[name], path[1:], here)
