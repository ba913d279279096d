"""Errors that carry what to do next. Drivers classify a cloud's answers into these once, at the edge."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from enum import Enum
from typing import Self
from urllib.parse import quote

from hybridge.core.printable import printable
from hybridge.core.reasons import Reason

#: Characters of a message: a condition and an Event hold no more than this.
_MOST = 1024
#: A shorter text is in many messages by chance.
_LEAST_SECRET = 6
_HIDDEN = "(hidden)"


class Disposition(Enum):
    """What the engine does after an error."""

    RETRY = "retry"
    """Try again with exponential backoff."""
    WAIT = "wait"
    """Somebody else has to finish first; look again at the pace of a sweep."""
    STOP = "stop"
    """A person has to act; look again only when something changed, and rarely otherwise."""


class CloudError(Exception):
    """A call to a cloud did not succeed.

    ``took_effect_possible`` is True when the call may have changed the cloud although no good answer came (a timeout,
    a reset, a 5xx): the engine then searches before it repeats. It is False only where the cloud's own answer proves
    that nothing was changed.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        disposition: Disposition = Disposition.RETRY,
        took_effect_possible: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """``message`` holds the cloud's own words and no secret; ``retry_after`` is in seconds.

        What cannot be printed is blanked out of the message, and what is too long for people is cut.
        """
        told = printable(message[:_MOST])
        super().__init__(told)
        self.reason = reason
        self.message = told
        self.disposition = disposition
        self.took_effect_possible = took_effect_possible
        self.retry_after = retry_after

    def hide(self, secrets: Iterable[str]) -> Self:
        """Blanks these texts out of the message, also as they are written in URLs and in base64: there are endpoints that
        repeat in an error what they were sent.
        """
        told = self.message
        for secret in secrets:
            for written in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode()):
                if len(written) >= _LEAST_SECRET:
                    told = told.replace(written, _HIDDEN)
        self.message = told
        self.args = (told,)
        return self


class Unreachable(CloudError):
    """No usable answer came from the endpoint: it counts for the circuit breaker."""

    def __init__(self, message: str, *, took_effect_possible: bool = False) -> None:
        super().__init__(Reason.PROVIDER_DOWN, message, took_effect_possible=took_effect_possible)


class Unclear(CloudError):
    """An answer of success that cannot be understood: it says nothing of what was asked for, nor of the endpoint."""

    def __init__(self, message: str, *, took_effect_possible: bool = False) -> None:
        super().__init__(Reason.CLOUD_ERROR, message, took_effect_possible=took_effect_possible)


class Throttled(CloudError):
    """The cloud asked for fewer requests; nothing was changed."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(Reason.THROTTLED, message, retry_after=retry_after)


class Refused(CloudError):
    """The cloud understood and refused; nothing was changed, and a person has to act."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message, disposition=Disposition.STOP)


class Busy(CloudError):
    """Something else holds the object (a lock, a running task, a state in transition); nothing was changed."""

    def __init__(self, message: str, *, reason: Reason = Reason.LOCKED) -> None:
        super().__init__(reason, message, disposition=Disposition.WAIT)


class IdTaken(CloudError):
    """The id or name that the intent chose belongs to something that exists already; nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.NAME_TAKEN, message, disposition=Disposition.RETRY)


class TokenMismatch(CloudError):
    """The idempotency token was used before with other parameters (EC2 ``IdempotentParameterMismatch``)."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.SEARCHING, message, took_effect_possible=True)


class NotProven(CloudError):
    """A fresh look just before a change showed something else than what was to be changed; nothing was touched."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.IDENTITY_MISMATCH, message, disposition=Disposition.WAIT)
