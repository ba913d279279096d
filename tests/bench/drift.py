"""What people do behind the operator's back, and how long it takes until it is undone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.process import LabError

#: Seconds between two looks at the machines that were switched off.
_PACE = 0.5


class Person(Protocol):
    """Somebody in a cloud."""

    def power(self, machine_id: Any, *, on: bool) -> None:
        """Switches a machine on or off."""

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        """Whether machines run, by id."""


def delays(
    lab: Lab, managed: Mapping[Cloud, Sequence[str]], *, changes: int, over: float, timeout: float
) -> list[float]:
    """Switches machines off, in all clouds at once and one after the other ``over`` so many seconds; none: no changes.

    Returns the seconds until each ran again. LabError when that takes longer than ``timeout`` seconds.
    """
    if not changes:
        return []
    with ThreadPoolExecutor(len(managed)) as pool:
        every = pool.map(
            lambda cloud: _delays(_person(lab, cloud), _spread(managed[cloud], changes), over, timeout), managed
        )
        return [delay for some in every for delay in some]


def switch_off(lab: Lab, cloud: Cloud, ids: Sequence[str], *, over: float) -> list[float]:
    """Switches machines off, one after the other ``over`` so many seconds; when each was, as ``time.perf_counter`` says."""
    person, began, changed = _person(lab, cloud), time.perf_counter(), list[float]()
    for number, machine_id in enumerate(ids):
        time.sleep(max(0.0, began + over * number / len(ids) - time.perf_counter()))
        changed.append(time.perf_counter())
        person.power(machine_id, on=False)
    return changed


def _delays(person: Person, ids: Sequence[str], over: float, timeout: float) -> list[float]:
    began = time.monotonic()
    off: dict[str, float] = {}
    found: list[float] = []
    waiting = list(ids)
    while waiting or off:
        if waiting and time.monotonic() - began >= over * (len(ids) - len(waiting)) / len(ids):
            machine_id = waiting.pop(0)
            person.power(machine_id, on=False)
            off[machine_id] = time.monotonic()
        for machine_id, runs in person.running(list(off)).items() if off else ():
            if runs:
                found.append(time.monotonic() - off.pop(machine_id))
        if time.monotonic() - began > over + timeout:
            raise LabError(f"{len(off)} machines are off still: {', '.join(off)}")
        time.sleep(_PACE)
    return found


def _spread(ids: Sequence[str], number: int) -> list[str]:
    return [*ids[:: max(1, len(ids) // number)]][:number]


def _person(lab: Lab, cloud: Cloud) -> Person:
    person: Any = lab.clouds[cloud]
    return _Numbers(person) if cloud == "proxmox" else person


class _Numbers:
    """Proxmox VE, whose ids are numbers."""

    def __init__(self, cloud: Any) -> None:
        self._cloud = cloud

    def power(self, machine_id: str, *, on: bool) -> None:
        self._cloud.power(int(machine_id), on=on)

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        found: dict[str, bool] = self._cloud.running(ids)
        return found
