"""Sweeps in the words of tests that are about machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine
from hybridge.core.volume import Volume
from hybridge.drivers.base import Portion, Sweep


def machines(sweep: Sweep) -> Portion[Machine]:
    """What a sweep saw of the machines; nothing, where it did not look at them."""
    return cast("Portion[Machine]", sweep.portions.get(CloudKind.MACHINE, Portion({}, full=False)))


def volumes(sweep: Sweep) -> Portion[Volume]:
    """What a sweep saw of the volumes; nothing, where it did not look at them."""
    return cast("Portion[Volume]", sweep.portions.get(CloudKind.VOLUME, Portion({}, full=False)))


def shown(
    there: Iterable[Machine], *, full: bool = True, gone: Iterable[str] = (), settled: bool = True
) -> Portion[Machine]:
    """What a sweep sees of these."""
    return Portion({one.id: one for one in there}, full=full, gone=tuple(gone), settled=settled)
