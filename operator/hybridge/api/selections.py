"""Which machines an object chooses by their labels, read from its spec as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hybridge.api.references import values
from hybridge.api.selectors import LabelSelector

#: Where the specs of each kind choose VirtualMachines of their namespace: paths as in ``references.PATHS``.
PATHS: Mapping[str, tuple[str, ...]] = {"Firewall": ("selector", "rules[].machines")}


def selectors(body: Mapping[str, Any]) -> tuple[LabelSelector, ...]:
    """The selectors of the object of this body; one that cannot be read chooses nothing."""
    found = (
        value for path in PATHS.get(body.get("kind", ""), ()) for _, value in values(body["spec"], path.split("."))
    )
    return tuple(one for one in map(_selector, found) if one is not None)


def _selector(value: object) -> LabelSelector | None:
    try:
        return msgspec.convert(value, LabelSelector)
    except msgspec.ValidationError:
        return None
