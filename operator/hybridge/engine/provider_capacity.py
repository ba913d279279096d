"""Which figures of a cloud's capacity are worth a write to the Provider's status. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hybridge.api.provider import CapacityStatus, StorageStatus
from hybridge.core.units import format_bytes, parse_quantity
from hybridge.drivers.base import Capacity

#: The part of the whole by which something has to move before it is told.
NOTICEABLE = 0.01
#: As many storages as the status holds.
_MOST = 256


def status_of(capacity: Capacity) -> CapacityStatus | None:
    """The capacity as the status tells it; None where the cloud says nothing."""
    if capacity.cpus is None and capacity.memory is None and not capacity.storage:
        return None
    return CapacityStatus(
        cpus=capacity.cpus,
        memory=None if capacity.memory is None else format_bytes(capacity.memory),
        storage=tuple(
            StorageStatus(name=storage.name, total=format_bytes(storage.total), used=format_bytes(storage.used))
            for storage in capacity.storage[:_MOST]
        ),
    )


def has_moved(told: CapacityStatus | None, now: CapacityStatus | None) -> bool:
    """Whether something came or went, or differs from what was told by a noticeable part of the whole."""
    if told is None or now is None:
        return told is not now
    before, after = _figures(told), _figures(now)
    if before.keys() != after.keys():
        return True
    return any(
        abs(after[name][0] - amount) > NOTICEABLE * after[name][1] or abs(after[name][1] - whole) > NOTICEABLE * whole
        for name, (amount, whole) in before.items()
    )


def _figures(capacity: CapacityStatus) -> Mapping[str, tuple[int, int]]:
    """Amounts by name, each with the whole that it is a part of."""
    figures = {
        f"storage {storage.name}": (parse_quantity(storage.used or 0), parse_quantity(storage.total or 0))
        for storage in capacity.storage
    }
    if capacity.cpus is not None:
        figures["cpus"] = (capacity.cpus, capacity.cpus)
    if capacity.memory is not None:
        memory = parse_quantity(capacity.memory)
        figures["memory"] = (memory, memory)
    return figures
