"""Answers as no cloud should give them: what came is rewritten, at a place that chance chooses.

What is put in never passes for something that a cloud could mean: nothing says that a running machine is stopped, or that
the machine of one object is that of another. A client is right to refuse the whole answer, and right to pass over what it
does not need of it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Way(StrEnum):
    """What is done to an answer."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    #: A byte that is no UTF-8.
    ENCODING = "encoding"
    #: A page for people, as portals and proxies send it.
    PAGE = "page"
    #: A value is taken out, with all that is in it.
    MISSING = "missing"
    #: A value is there and says nothing.
    NULL = "null"
    #: A value of another type.
    TYPE = "type"
    #: A number that is beyond all bounds.
    NUMBER = "number"
    #: A text with control characters and with the signs by which formats and shells live.
    CONTROL = "control"
    #: A text of a mebibyte.
    LONG = "long"
    #: A value at the bottom of a hundred thousand others.
    NESTED = "nested"
    #: A value some thousand times.
    MANY = "many"
    #: Entities that stand for each other, so that a short text fills all memory, and one that stands for a file.
    ENTITIES = "entities"


HOSTILE: Final = "\x1b[2J\u202e\u0085'\"`$(reboot)${jndi:x}]]>&lt;%n%s../../etc/passwd\\u0000 {{7*7}}"
_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502</h1><hr>nginx</body></html>"
)
_DEPTH: Final = 100_000
_LONG: Final = 2**20
_COPIES: Final = 3000
#: Bytes that copies of a value may have together.
_MOST: Final = 4 * 2**20
_BOMB: Final = (
    '<!DOCTYPE bomb [<!ENTITY a0 "bomb">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + '<!ENTITY file SYSTEM "file:///etc/passwd">]>'
)
_NUMBERS: Final = ("9" * 40, "-1", "1e400", "-9223372036854775809", "0.5", "NaN")


def garble(content: bytes, way: Way, source: random.Random) -> bytes:
    """The rewritten content of an answer: JSON, XML, or anything. What has no such value is cut off."""
    plain = _PLAIN.get(way)
    if plain is not None:
        return plain(content, source)
    start = content.lstrip()[:1]
    if start == b"<":
        found = _xml(content.decode("utf-8", "replace"), way, source)
    elif start in {b"{", b"["} and way is not Way.ENTITIES:
        found = _json(content, way, source)
    else:
        found = None
    return _truncate(content, source) if found is None else found.encode("utf-8", "surrogatepass")


def _truncate(content: bytes, source: random.Random) -> bytes:
    return content[: source.randrange(len(content))] if content else b"{"


def _encode(content: bytes, source: random.Random) -> bytes:
    at = source.randrange(len(content) + 1)
    return content[:at] + source.choice((b"\xff", b"\xc3\x28", b"\x00")) + content[at:]


_PLAIN: Mapping[Way, Callable[[bytes, random.Random], bytes]] = {
    Way.EMPTY: lambda *_: b"",
    Way.TRUNCATED: _truncate,
    Way.ENCODING: _encode,
    Way.PAGE: lambda *_: _PAGE,
}

# ------------------------------------------------------------------------- JSON

#: Stands in a document for what ``json`` could not write.
_PLACEHOLDER: Final = "7e1f0c1a-placeholder"


def _json(content: bytes, way: Way, source: random.Random) -> str | None:
    document = [json.loads(content)]
    places = [(at, key) for at, key in _places(document) if at[key] is not None]
    if not places:
        return None
    holder, key = source.choice(places)
    raw = _PLACEHOLDER
    value = holder[key]
    match way:
        case Way.MISSING if holder is not document:
            del holder[key]
        case Way.NULL | Way.MISSING:
            holder[key] = None
        case Way.MANY:
            holder[key] = [value] * _copies(len(json.dumps(value)))
        case Way.TYPE:
            holder[key] = source.choice([one for one in _OTHERS if type(one) is not type(value)])
        case Way.NUMBER:
            holder[key], raw = _PLACEHOLDER, source.choice(_NUMBERS)
        case Way.CONTROL:
            holder[key], raw = _PLACEHOLDER, json.dumps("\x00\n" + HOSTILE + "\ud800")
        case Way.LONG:
            holder[key] = "x" * _LONG
        case Way.NESTED:
            holder[key], raw = _PLACEHOLDER, "[" * _DEPTH + "]" * _DEPTH
        case _:
            return None
    return json.dumps(document[0]).replace(f'"{_PLACEHOLDER}"', raw)


_OTHERS: tuple[object, ...] = (
    "no such thing",
    7,
    -1.5,
    True,
    [],
    {},
    ["no", "such", "thing"],
    {"no": {"such": "thing"}},
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


# -------------------------------------------------------------------------- XML

_TAG: Final = re.compile(r"<(/?)([\w:.-]+)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>")


@dataclass(slots=True)
class _Element:
    """Where an element stands in its text: from ``<`` to ``>``, and what is between its tags."""

    name: str
    head: str
    start: int
    inside: int
    end_inside: int
    end: int
    leaf: bool = True


def _elements(text: str) -> list[_Element]:
    """All elements but the outermost."""
    found: list[_Element] = []
    open_: list[_Element] = []
    for tag in _TAG.finditer(text):
        closing, name, attributes, closed = tag.groups()
        if closing:
            if open_:
                element = open_.pop()
                element.end_inside, element.end = tag.start(), tag.end()
            continue
        if open_:
            open_[-1].leaf = False
        element = _Element(name, f"{name}{attributes}", tag.start(), tag.end(), tag.end(), tag.end())
        found.append(element)
        if not closed:
            open_.append(element)
    return found[1:]


def _xml(text: str, way: Way, source: random.Random) -> str | None:
    elements = _elements(text)
    leaves = [one for one in elements if one.leaf]
    if not leaves:
        return None
    if way is Way.ENTITIES:
        declared = text[: text.find("?>") + 2] if text.startswith("<?xml") else ""
        told = _holding(text, source.choice(leaves), source.choice(("&a11;", "&file;")))
        return declared + _BOMB + told[len(declared) :]
    made = _TOLD.get(way)
    if made is not None:
        return _holding(text, source.choice(leaves), made(source))
    full = [one for one in elements if one.end_inside > one.inside] if way is Way.NULL else elements
    chosen = source.choice(full if way is Way.NULL and full else source.choice((elements, leaves)))
    whole, inside = text[chosen.start : chosen.end], text[chosen.inside : chosen.end_inside]
    match way:
        case Way.MISSING:
            return _instead(text, chosen, "")
        case Way.NULL:
            return _instead(text, chosen, f"<{chosen.head}/>")
        case Way.TYPE:
            return _holding(text, chosen, "no such thing" if "<" in inside else "<no><such>thing</such></no>")
        case Way.NESTED:
            return _holding(text, chosen, "<a>" * _DEPTH + "</a>" * _DEPTH)
        case Way.MANY:
            return _instead(text, chosen, whole * _copies(len(whole)))
    return None


#: Ways that are about the text of a leaf.
_TOLD: Mapping[Way, Callable[[random.Random], str]] = {
    Way.NUMBER: lambda source: source.choice(_NUMBERS),
    Way.CONTROL: lambda source: _escaped(HOSTILE.replace("\x1b", source.choice(("\x1b", "\n\t")))),
    Way.LONG: lambda _: "x" * _LONG,
}


def _instead(text: str, element: _Element, new: str) -> str:
    return f"{text[: element.start]}{new}{text[element.end :]}"


def _holding(text: str, element: _Element, new: str) -> str:
    return _instead(text, element, f"<{element.head}>{new}</{element.name}>")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _copies(size: int) -> int:
    return max(2, min(_COPIES, _MOST // max(1, size)))
