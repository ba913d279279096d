"""The record of an attempt to make a cloud object, written before the cloud is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """Which version of a Secret an intent used. Never its content, nor a digest of it."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Intent:
    """The write-ahead record of one attempt to create a cloud object.

    ``id`` is set where the operator chooses it (the Proxmox VMID). ``parameters`` are the exact words of the coming
    call, as JSON values, without secrets. Nothing in them is null: a cluster drops what is, and whoever reads them after
    a restart has to find what the first one had. ``rejected`` means that the cloud proved this attempt to be without effect.
    ``repeated_at``: when its request was last about to be sent once more; None while it was sent only once.
    """

    attempt: int
    token: str
    name: str
    uuid: str
    provider_identity: str
    started_at: float
    parameters: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None
    secrets: tuple[SecretVersion, ...] = ()
    rejected: bool = False
    repeated_at: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", _without_nulls(self.parameters))

    @property
    def asked_at(self) -> float:
        """When its newest request was about to be sent, in Unix seconds: what it made may be as young as that."""
        return self.started_at if self.repeated_at is None else self.repeated_at


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(inner) for inner in value]
    return value
