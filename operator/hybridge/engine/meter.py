"""What the engine counts. ``telemetry`` implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hybridge.drivers.base import Meter

if TYPE_CHECKING:
    from hybridge.engine.link import Link


class ObjectMeter(Protocol):
    """How objects stand. Labels: kind, namespace, name, provider."""

    def state(self, kind: str, namespace: str, name: str, provider: str, *, ready: bool, synced: bool) -> None:
        """How the object stands."""
        ...

    def gone(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone, and its series go with it."""
        ...


class ProviderMeter(ObjectMeter, Protocol):
    """Figures of Providers."""

    def requests(self, provider: str) -> Meter:
        """What a driver calls after each request; may be called from any thread."""
        ...

    def up(self, provider: str, *, up: bool) -> None:
        """Whether the cloud answers."""
        ...

    def swept(self, link: Link) -> None:
        """A sweep ended well: how it went, what it showed, and which rights are missing."""
        ...

    def strays(self, provider: str, *, unmanaged: int, orphans: int) -> None:
        """How many machines no object here owns, and how much carries a marker of ours without an object."""
        ...

    def tls_verification_disabled(self, provider: str, *, disabled: bool) -> None:
        """Whether the endpoint's certificate is not verified."""
        ...

    def forget(self, provider: str) -> None:
        """The Provider is gone, and its series go with it."""
        ...


class MachineMeter(ObjectMeter, Protocol):
    """Figures of machines."""

    def became_ready(self, kind: str, provider: str, seconds: float) -> None:
        """The object became Ready for the first time, so many seconds after its creation."""
        ...

    def drifted(self, kind: str, provider: str, fields: int) -> None:
        """Drift was found in so many fields."""
        ...

    def undrifted(self, kind: str, provider: str, seconds: float) -> None:
        """Drift is no more, after so many seconds."""
        ...
