"""The vocabulary in which models describe their fields: a sentence, bounds and rules, all of them for the CRD.

Bounds are not checked again when an object is read, so an object that an older CRD admitted stays readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Meta

#: Words that are written as initials in the names of fields.
_INITIALS = {"id": "ID", "ids": "IDs", "cidr": "CIDR", "cidrs": "CIDRs"}


def spelling(name: str) -> str:
    """The JSON name of a Python field: ``vm_id_range`` is ``vmIDRange``, ``import_`` is ``import``."""
    first, *rest = name.removesuffix("_").split("_")
    return first + "".join(_INITIALS.get(word, word.capitalize()) for word in rest)


class Model(msgspec.Struct, frozen=True, kw_only=True, rename=spelling, omit_defaults=True, gc=False):
    """What all models share: frozen, read by ``msgspec.convert``, written by ``msgspec.to_builtins`` without defaults."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule with the sentence that a person reads when it does not hold.

    ``path`` points to the field below that the sentence is about; ``reason`` is ``FieldValueInvalid`` (the default of
    Kubernetes), ``FieldValueRequired`` or ``FieldValueForbidden``.
    """

    cel: str
    message: str
    path: str = ""
    reason: str = ""

    def schema(self) -> dict[str, str]:
        """The rule as one entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        if self.path:
            entry["fieldPath"] = self.path
        if self.reason:
            entry["reason"] = self.reason
        return entry


IMMUTABLE = Rule("self == oldSelf", "cannot be changed")
HTTPS = Rule("isURL(self) && url(self).getScheme() == 'https'", "must be an https:// URL such as https://host:8006")
URL = Rule("isURL(self) && url(self).getScheme() in ['http', 'https']", "must be an http:// or https:// URL")
NAME = Rule(
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "must be the name of a Kubernetes object: lower-case letters, digits, '-' and '.'",
)
LABEL = Rule(
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    "must consist of lower-case letters, digits and '-', and start and end with a letter or digit",
)
CLOUD_NAME = Rule(
    "self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')",
    "must consist of letters, digits, '-' and '.', and start and end with a letter or digit",
)
HOSTNAME = Rule(
    "self.matches('^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$')",
    "must be a host name such as web-1 or web-1.example.com",
)
MAC = Rule(
    "self.matches('^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$')",
    "must be the MAC address of one interface, such as 52:54:00:12:34:56",
)
IP = Rule("isIP(self)", "must be an IP address such as 10.0.0.1 or fd00::1")
CIDR = Rule("isCIDR(self)", "must be an address with the length of its network, such as 10.0.0.5/24")


def note(description: str, *rules: Rule, **schema: Any) -> Meta:
    """A field that needs no bound of its own: a block, a flag, a word from a closed list."""
    if rules:
        schema["x-kubernetes-validations"] = [rule.schema() for rule in rules]
    return Meta(description=description, extra_json_schema=schema)


def text(description: str, most: int, *rules: Rule, least: int = 1) -> Meta:
    """A string of ``least`` to ``most`` characters."""
    return note(description, *rules, maxLength=most, **({"minLength": least} if least else {}))


def number(description: str, least: int, most: int, *rules: Rule) -> Meta:
    """A whole number from ``least`` to ``most``."""
    return note(description, *rules, minimum=least, maximum=most)


def atomic(description: str, most: int, *rules: Rule) -> Meta:
    """A list that has one owner as a whole."""
    return note(description, *rules, maxItems=most, **{"x-kubernetes-list-type": "atomic"})


def unique(description: str, most: int, *rules: Rule) -> Meta:
    """A list of scalars without repetition, to which several people may add."""
    return note(description, *rules, maxItems=most, **{"x-kubernetes-list-type": "set"})


def keyed(description: str, most: int, key: str, *rules: Rule) -> Meta:
    """A list of blocks that are told apart by ``key``, so that several people may own entries of it."""
    bounds = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return note(description, *rules, maxItems=most, **bounds)


def pairs(description: str, most: int, *rules: Rule) -> Meta:
    """A map of strings with at most ``most`` keys."""
    return note(description, *rules, maxProperties=most)


def free_form(description: str) -> Meta:
    """An object whose fields are not described."""
    return note(description, maxProperties=256, **{"x-kubernetes-preserve-unknown-fields": True})


def quantity(description: str, least: str, most: str) -> Meta:
    """A Kubernetes quantity from ``least`` to ``most``, as a string or a plain number of bytes."""
    value = "quantity(string(self))"
    form = Rule("isQuantity(string(self))", "must be a quantity such as 4Gi")
    bounds = Rule(
        f"!isQuantity(string(self)) || ({value}.compareTo(quantity('{least}')) >= 0"
        f" && {value}.compareTo(quantity('{most}')) <= 0)",
        f"must be from {least} to {most}",
    )
    return note(description, form, bounds, maxLength=32, **{"x-kubernetes-int-or-string": True})


def int_or_string(description: str, most: int) -> Meta:
    """A string of at most ``most`` characters that people like to write as a number."""
    return note(description, maxLength=most, minLength=1, minimum=1, **{"x-kubernetes-int-or-string": True})


def duration(description: str, least: str, most: str) -> Meta:
    """A Go duration from ``least`` to ``most``."""
    form = "^([0-9]+([.][0-9]+)?(ms|s|m|h))+$"
    return text(
        description,
        32,
        Rule(f"self.matches('{form}')", "must be a duration such as 90s, 10m or 24h"),
        Rule(
            f"!self.matches('{form}') || (duration(self) >= duration('{least}') && duration(self) <= duration('{most}'))",
            f"must be from {least} to {most}",
        ),
    )


def moment(description: str) -> Meta:
    """An RFC 3339 time."""
    return note(description, format="date-time", maxLength=64)


def exactly_one(*names: str, message: str) -> Rule:
    """Exactly one of the optional fields ``names`` is set."""
    return Rule(f"{_count(names)} == 1", message)


def at_most_one(*names: str, message: str) -> Rule:
    """At most one of the optional fields ``names`` is set."""
    return Rule(f"{_count(names)} <= 1", message)


def settled(name: str, message: str) -> Rule:
    """An optional field that can be neither set, nor changed, nor removed after the object was made."""
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        message,
        path=f".{name}",
    )


def kept(path: str, message: str) -> Rule:
    """An optional field, by its dotted path, that can be neither changed nor removed once it is set."""
    absent, present = (" || ".join(unless(path, "oldSelf")), " && ".join(given(path, "self")))
    return Rule(f"{absent} || ({present} && self.{path} == oldSelf.{path})", message, path=f".{path.partition('.')[0]}")


def given(path: str, of: str) -> list[str]:
    """That an optional field is set, by its dotted path, with every block around it: terms that all have to hold."""
    parts = path.split(".")
    return [f"has({of}.{'.'.join(parts[: end + 1])})" for end in range(len(parts))]


def unless(path: str, of: str) -> list[str]:
    """That it is not set: terms of which one has to hold."""
    return [f"!{term}" for term in given(path, of)]


def _count(names: tuple[str, ...]) -> str:
    return " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
