"""How a Provider stands, in conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from hybridge.api.provider import Provider
from hybridge.api.shared import PAUSED
from hybridge.core.conditions import FALSE, TRUE, Condition, Type, advised
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.reasons import Reason
from hybridge.core.units import format_time
from hybridge.drivers.base import Connection, Right


def failed(error: CloudError, *, since: float | None) -> tuple[Condition, ...]:
    """The cloud cannot be worked with. ``since``: in Unix seconds, where it is known."""
    when = f" (since {format_time(since)})" if since is not None else ""
    message = f"{error.message}{when}"
    stop = error.disposition is Disposition.STOP
    return (
        Condition(Type.READY, FALSE, error.reason, message),
        Condition(Type.SYNCED, FALSE, error.reason, message),
        Condition(Type.STALLED, TRUE if stop else FALSE, error.reason, advised(message, error.reason)),
        Condition(Type.RECONCILING, FALSE if stop else TRUE, error.reason, message),
    )


def connecting() -> tuple[Condition, ...]:
    """Nothing was seen of the cloud yet."""
    return (
        Condition(Type.READY, FALSE, Reason.CONNECTING, "the first sweep of the cloud has not ended"),
        Condition(Type.SYNCED, FALSE, Reason.CONNECTING),
        Condition(Type.RECONCILING, TRUE, Reason.CONNECTING),
    )


def connected(connection: Connection, provider: Provider) -> tuple[Condition, ...]:
    """The cloud is seen. What the account may not do keeps the Provider Ready, because its machines are still shown."""
    reason = Reason.PAUSED if is_paused(provider) else Reason.CONNECTED
    insecure = "; its certificate is not verified" if provider.spec.tls.insecure_skip_verify else ""
    ready = Condition(Type.READY, TRUE, reason, f"{connection.identity}{insecure}")
    if connection.missing:
        lacks = f"the account lacks {'; '.join(filter(None, map(tell, (connection.missing, connection.optional))))}"
        return (
            ready,
            Condition(Type.SYNCED, FALSE, Reason.NOT_PERMITTED, lacks),
            Condition(Type.STALLED, TRUE, Reason.NOT_PERMITTED, advised(lacks, Reason.NOT_PERMITTED)),
        )
    without = f"not available without {tell(connection.optional)}" if connection.optional else ""
    return ready, Condition(Type.SYNCED, TRUE, Reason.IN_SYNC, without)


def is_paused(provider: Provider) -> bool:
    """Whether nothing is to be changed in this cloud."""
    return provider.spec.paused or provider.metadata.annotations.get(PAUSED) == "true"


def tell(rights: Iterable[Right]) -> str:
    """All of them in few words: those of one place and purpose together."""
    together = groupby(sorted(sorted(rights), key=_where), key=_where)
    return "; ".join(str(Right(", ".join(right.name for right in some), *where)) for where, some in together)


def _where(right: Right) -> tuple[str, str]:
    return right.place, right.purpose
