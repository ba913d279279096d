"""The kinds of cloud objects, by the names that their custom resources have."""

from __future__ import annotations

from enum import StrEnum


class CloudKind(StrEnum):
    """What a cloud is asked for. A marker, a key of the engine and ``kind:`` in a manifest spell it the same."""

    MACHINE = "VirtualMachine"
    VOLUME = "Volume"
    NETWORK = "Network"
    IMAGE = "Image"
    FIREWALL = "Firewall"
    SNAPSHOT = "Snapshot"
