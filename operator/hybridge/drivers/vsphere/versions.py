"""Versions of virtual hardware, such as ``vmx-19``. Pure.

A machine's version only ever grows (UpgradeVM_Task in the API reference), so the one that is wanted is the least.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hybridge.core.machine import Known

_PREFIX: Final = "vmx-"
#: The first version that machines of today's hosts can have.
_OLDEST: Final = 3


def number(version: str) -> int:
    """The number in a version; 0 when it is none."""
    digits = version.removeprefix(_PREFIX)
    return int(digits) if digits.isdecimal() else 0


@lru_cache(maxsize=64)
def met(version: str) -> Known:
    """A version, and all older ones, which it stands for as well."""
    older = (f"{_PREFIX}{count:02}" for count in range(number(version) - 1, _OLDEST - 1, -1))
    return (version, *older) if version else ()
