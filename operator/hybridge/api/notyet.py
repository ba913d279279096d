"""Fields that the public contract names and this version does not act on. Using one is refused in a condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from hybridge.api.fields import Model
from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachineSpec

#: Dotted paths below ``spec``, by the model of the spec; ``[]`` stands for every entry of a list.
#: A field counts as used when it has another value than its default.
NOT_YET: Mapping[type[Model], tuple[str, ...]] = {
    ProviderSpec: (),
    VirtualMachineSpec: (),
}


def not_yet(spec: Model) -> tuple[str, ...]:
    """The paths of used fields that this version does not act on, with positions in lists: ``networks[0].networkRef``."""
    words = msgspec.to_builtins(spec)
    return tuple(found for path in NOT_YET.get(type(spec), ()) for found in _used(words, path.split("."), ""))


def _used(value: object, path: Sequence[str], before: str) -> Iterator[str]:
    if not path:
        yield before
        return
    name, many = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(value, Mapping) or name not in value:
        return
    here = f"{before}.{name}" if before else name
    if many:
        for position, entry in enumerate(value[name]):
            yield from _used(entry, path[1:], f"{here}[{position}]")
    else:
        yield from _used(value[name], path[1:], here)
