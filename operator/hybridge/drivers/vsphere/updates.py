"""Answers of WaitForUpdatesEx, read quickly.

10,000 machines are more than a million XML elements. pyvmomi makes an object of each part; here the few types that
machines are described with become plain values, by C code for the most part, and pyvmomi reads only the rest.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, cast
from xml.etree.ElementTree import Element, XMLPullParser, tostring

from hybridge.drivers.vsphere.sdk import soap

#: No number that a vCenter tells is beyond what a double holds exactly.
_LARGEST: Final = 2**53
_WORD: Final = re.compile(r"[A-Za-z]{1,64}")
#: Source: TaskInfoState. A task has no others.
_TASK_STATES: Final = frozenset({"queued", "running", "success", "error"})
_VIM: Final = "{urn:vim25}"
_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to one object: its new values by path (None: not set any more), or that it left."""

    kind: str
    id: str
    left: bool
    changes: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Updates:
    """One answer. ``truncated``: more is there already."""

    version: str
    truncated: bool
    entries: tuple[Entry, ...]


def read(answer: bytes, stub: Any) -> Updates | None:
    """The updates in a SOAP answer; None when the wait ended without any. ``stub`` is for references in the values.

    Raises ``xml.etree.ElementTree.ParseError`` for what is no XML, KeyError or AttributeError for what is no answer.
    """
    parser: XMLPullParser[Any] = XMLPullParser(("end",))
    parser.feed(answer)
    parser.close()
    entries: list[Entry] = []
    found: Element | None = None
    response: Element | None = None
    for _, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
        if element.tag == f"{_VIM}objectSet":
            entries.append(_entry(element, stub))
            element.clear()
        elif element.tag == f"{_VIM}returnval":
            found = element
        elif element.tag == f"{_VIM}WaitForUpdatesExResponse":
            response = element
    if response is None:
        raise KeyError("WaitForUpdatesExResponse")
    if found is None:
        return None
    truncated = found.findtext(f"{_VIM}truncated") == "true"
    return Updates(found.findtext(f"{_VIM}version", ""), truncated, tuple(entries))


def _entry(entry: Element, stub: Any) -> Entry:
    reference = entry.find(f"{_VIM}obj")
    if reference is None:
        raise KeyError("obj")
    return Entry(
        kind=reference.attrib["type"],
        id=reference.text or "",
        left=entry.findtext(f"{_VIM}kind") == "leave",
        changes=tuple(_changes(entry, stub)),
    )


def _changes(entry: Element, stub: Any) -> Iterator[tuple[str, Any]]:
    for change in entry.iterfind(f"{_VIM}changeSet"):
        name, value = change.findtext(f"{_VIM}name", ""), change.find(f"{_VIM}val")
        removed = "emove" in change.findtext(f"{_VIM}op", "")  # remove, indirectRemove
        yield name, None if removed or value is None else _value(value, stub)


def _value(element: Element, stub: Any) -> Any:
    kind = element.get(_TYPE, "").rpartition(":")[2]
    if convert := _PLAIN.get(kind):
        return convert(element)
    if "type" in element.attrib:
        return _class(element.attrib["type"])(element.text, stub)
    return soap.Deserialize(tostring(element, encoding="unicode"), object, stub)


@functools.cache
def _class(kind: str) -> Any:
    return soap.GetWsdlType("urn:vim25", kind)


def _text(element: Element) -> str:
    if len(element):
        raise ValueError("a text holds something else")
    return element.text or ""


def _word(element: Element) -> str:
    """A value of an enumeration, which newer versions may extend."""
    text = _text(element)
    if not _WORD.fullmatch(text):
        raise ValueError("a state is no word")
    return text


def _task_state(element: Element) -> str:
    text = _text(element)
    if text not in _TASK_STATES:
        raise ValueError("a task is in no state")
    return text


def _whole(element: Element) -> int:
    return _bounded(int(element.text or 0))


def _bounded(number: int) -> int:
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError("a number is out of range")
    return number


def _truth(element: Element) -> bool:
    return element.text in {"true", "1"}


def _number(element: Element, name: str, default: int = 0) -> int:
    return _bounded(int(element.findtext(f"{_VIM}{name}") or default))


def _option(element: Element) -> SimpleNamespace:
    return SimpleNamespace(key=element.findtext(f"{_VIM}key"), value=element.findtext(f"{_VIM}value"))


def _disk(element: Element) -> SimpleNamespace:
    return SimpleNamespace(
        capacityInBytes=_number(element, "capacityInBytes"),
        capacityInKB=_number(element, "capacityInKB"),
        vDiskId=SimpleNamespace(id=element.findtext(f"{_VIM}vDiskId/{_VIM}id")),
        backing=SimpleNamespace(datastore=element.findtext(f"{_VIM}backing/{_VIM}datastore")),
    )


def _card(element: Element) -> SimpleNamespace:
    backing = f"{_VIM}backing/{_VIM}"
    return SimpleNamespace(
        macAddress=element.findtext(f"{_VIM}macAddress"),
        backing=SimpleNamespace(
            port=SimpleNamespace(portgroupKey=element.findtext(f"{backing}port/{_VIM}portgroupKey")),
            opaqueNetworkId=element.findtext(f"{backing}opaqueNetworkId"),
            network=element.findtext(f"{backing}network"),
            deviceName=element.findtext(f"{backing}deviceName"),
        ),
    )


def _upgrade(element: Element) -> SimpleNamespace:
    return SimpleNamespace(
        upgradePolicy=element.findtext(f"{_VIM}upgradePolicy"), versionKey=element.findtext(f"{_VIM}versionKey")
    )


def _guest_cards(element: Element) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            deviceConfigId=_number(card, "deviceConfigId", -1),
            ipAddress=[address.text for address in card.iterfind(f"{_VIM}ipAddress")],
        )
        for card in element
    ]


def _fields(element: Element) -> list[SimpleNamespace]:
    return [SimpleNamespace(key=_number(entry, "key"), value=entry.findtext(f"{_VIM}value")) for entry in element]


#: The kinds of network cards.
_CARDS: Final = (
    "VirtualE1000",
    "VirtualE1000e",
    "VirtualPCNet32",
    "VirtualSriovEthernetCard",
    "VirtualVmxnet",
    "VirtualVmxnet2",
    "VirtualVmxnet3",
    "VirtualVmxnet3Vrdma",
)

#: The types that machines are described with, and how each is read: with the attributes that ``mapping`` looks at.
_PLAIN: Final[Mapping[str, Callable[[Element], Any]]] = {
    "string": _text,
    "int": _whole,
    "long": _whole,
    "short": _whole,
    "boolean": _truth,
    "dateTime": _text,
    "VirtualMachinePowerState": _word,
    "VirtualMachineConnectionState": _word,
    "HostSystemConnectionState": _word,
    "TaskInfoState": _task_state,
    "OptionValue": _option,
    "VirtualDisk": _disk,
    **dict.fromkeys(_CARDS, _card),
    "ScheduledHardwareUpgradeInfo": _upgrade,
    "ArrayOfGuestNicInfo": _guest_cards,
    "ArrayOfCustomFieldValue": _fields,
}
