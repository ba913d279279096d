"""Keys and values as PVE's tags, without loss.

A tag of PVE is one word of ``[a-z0-9_][a-z0-9_+.-]*`` whose case is not kept. A pair becomes ``key.value``, or ``key``
alone for an empty value; what the alphabet lacks becomes ``+`` and two hexadecimal digits for each byte of UTF-8. A
``_`` stands before a key that would not begin as a tag may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason

#: On every guest that Hybridge made or adopted: it tells where markers are worth looking for.
OURS = "hybridge"

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_NO_BEGINNING = "+-"
_BETWEEN = re.compile(r"[;, ]+")
_ESCAPED = re.compile(r"(?:\+[0-9a-f]{2})+")


def encode(key: str, value: str) -> str:
    """The tag for a pair. Raises Refused for an empty key."""
    if not key:
        raise Refused(Reason.INVALID_SPEC, "tags: a key is empty")
    word = _escape(key[:1], _PLAIN - {ord("_")}) + _escape(key[1:], _PLAIN)
    if word[0] in _NO_BEGINNING:
        word = f"_{word}"
    return f"{word}.{_escape(value, _PLAIN | {ord('.')})}" if value else word


def decode(tags: Iterable[str]) -> dict[str, str]:
    """The pairs that tags stand for; a tag without a dot is a key with an empty value."""
    pairs = {}
    for tag in tags:
        if tag != OURS:
            key, _, value = tag.partition(".")
            pairs[_key(key)] = _unescape(value)
    return pairs


def split(text: str) -> list[str]:
    """The tags of a configuration value or a resource row."""
    return [tag for tag in _BETWEEN.split(text) if tag] if text else []


def merge(present: Iterable[str], wanted: Mapping[str, str]) -> str:
    """The value of ``tags`` with ``wanted`` set, our own tag added and all others kept."""
    kept = [tag for tag in present if tag != OURS and _key(tag.partition(".")[0]) not in wanted]
    return ";".join(sorted({OURS, *kept, *(encode(key, value) for key, value in wanted.items())}))


def _escape(text: str, plain: frozenset[int]) -> str:
    return "".join(chr(byte) if byte in plain else f"+{byte:02x}" for byte in text.encode())


def _key(word: str) -> str:
    return _unescape(word[1:] if word.startswith(("_+", "_-")) else word)


def _unescape(text: str) -> str:
    if "+" not in text:
        return text
    return _ESCAPED.sub(lambda run: bytes.fromhex(run[0].replace("+", "")).decode(errors="replace"), text)
