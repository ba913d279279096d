"""Machines that are simply there: thousands of them, put into a simulator at once and not made call by call.

What stands in a simulator afterwards is what its own code would have made of as many requests. ``size`` and ``on`` are
of all machines of one order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

#: Machines of one order to a simulator, so that each is answered within seconds.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A running machine with 2 CPUs and 4 GiB. ``marks`` say whose it is: as tags, notes or advanced options.

    ``uuid`` is the SMBIOS or instance UUID and ``token`` the client token, each where the cloud has such a thing.
    """

    name: str
    marks: Mapping[str, str] = field(default_factory=dict)
    uuid: str = ""
    token: str = ""

    def words(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Wanted:
        """From JSON."""
        return cls(**words)


class Seeded(Protocol):
    """A simulated cloud that takes such orders."""

    def seed(self, wanted: Sequence[Wanted]) -> list[str]:
        """Has these machines from now on; their ids, in the same order. LabError when the simulator cannot."""


def batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """The order in parts."""
    rest = iter(wanted)
    while part := list(islice(rest, BATCH)):
        yield part
