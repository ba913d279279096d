"""Characters that steer terminals and end lines, where a name is meant: no cloud has such names, some take them amiss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from unicodedata import category

import msgspec

from hybridge.api.fields import Model


def steered(spec: Model) -> str | None:
    """The path of the first text with characters that steer or are none: ``networks[0].id``; None without."""
    return next(_steered(msgspec.to_builtins(spec), ""), None)


def _steered(value: object, path: str) -> Iterator[str]:
    match value:
        case str() if not value.isprintable() and any(map(_is_odd, value)):
            yield path
        case Mapping():
            for name, below in value.items():
                yield from _steered(below, f"{path}.{name}" if path else str(name))
        case list() | tuple():
            for position, below in enumerate(value):
                yield from _steered(below, f"{path}[{position}]")


def _is_odd(sign: str) -> bool:
    """Control characters, halves of pairs, and the code points that are no characters for ever (U+FFFE and such)."""
    code = ord(sign)
    return category(sign) in {"Cc", "Cs"} or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
