"""What can be turned on the lab's EC2 while it runs: lag, request limits, capacity, quotas. No moto here."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: What EC2 calls a request class: each has its own bucket.
CLASSES = ("describe", "run", "mutate")


class Refusal(Exception):
    """An answer that is an AWS error: code, sentence and HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(slots=True)
class Tuning:
    """All that a test may turn. Seconds are real seconds."""

    #: How long a state change of an instance takes.
    transition_seconds: float = 0.2
    #: How long a new instance is unknown to every call but the one that made it.
    consistency_lag: float = 0.0
    #: With a seed each new instance has a lag of its own, drawn with it from nothing to ``consistency_lag``.
    consistency_seed: int | None = None
    #: For so long after its lag a new instance is known to one request and unknown to another, by chance.
    flapping_seconds: float = 0.0
    #: How long a terminated instance is still described, and its client token remembered.
    terminated_seconds: float = 3600.0
    #: Whether a token whose instance is terminated is refused with IdempotentInstanceTerminated.
    refuse_terminated_token: bool = False
    #: Request class (see CLASSES) to ``{"rate": requests per second, "burst": requests}``.
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    #: Instance types that a zone does not have: ``[{"type": …, "zone": …}]``, either may be missing and then means any.
    no_capacity: list[dict[str, str]] = field(default_factory=list)
    #: Zones that are not ``available``: name to EC2's state. Nothing can be started in one that is ``unavailable``.
    zone_states: dict[str, str] = field(default_factory=dict)
    #: Greatest sum of vCPUs of instances that are not terminated; None is no quota.
    vcpu_limit: int | None = None
    #: For how long a volume that was changed is not changed again; EC2's own is six hours.
    modification_seconds: float = 0.0
    #: What EC2 says of the snapshots of an image that it was to delete with it, and could not; nothing: it can.
    snapshots_kept: str = ""
    #: Whether the account has all new volumes encrypted.
    encrypt_volumes: bool = False
    #: Policies of accounts, by name, in place of those that they had at first.
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def update(self, wanted: Mapping[str, Any]) -> None:
        """Take new values by name; ValueError names one that does not exist."""
        known = {entry.name for entry in dataclasses.fields(self)}
        if unknown := sorted(set(wanted) - known):
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def lacks_capacity(self, instance_type: str, zone: str) -> bool:
        """Whether no instance of this type can be started in this zone now."""
        return self.zone_states.get(zone) == "unavailable" or any(
            rule.get("type", instance_type) == instance_type and rule.get("zone", zone) == zone
            for rule in self.no_capacity
        )


@dataclass(frozen=True, slots=True)
class Birth:
    """When an instance was made, in monotonic seconds, and as which one."""

    number: int
    at: float

    def hidden(self, now: float, tuning: Tuning, request: int) -> bool:
        """Whether this request does not know it yet; all that is asked within one request has the same answer."""
        lag, seed = tuning.consistency_lag, tuning.consistency_seed
        if seed is not None:
            lag *= random.Random(f"{seed} {self.number}").random()
        age = now - self.at
        if age < lag or age >= lag + tuning.flapping_seconds:
            return age < lag
        return random.Random(f"{seed} {self.number} {request}").random() < 0.5


def request_class(action: str) -> str:
    """The class whose bucket an action draws from."""
    if action == "RunInstances":
        return "run"
    return "describe" if action.startswith(("Describe", "Get")) else "mutate"


class Buckets:
    """Token buckets as EC2 has them: full at first, refilled at a rate, empty means RequestLimitExceeded."""

    def __init__(self, tuning: Tuning, clock: Callable[[], float] = time.monotonic) -> None:
        self._tuning = tuning
        self._clock = clock
        self._filled: dict[str, tuple[float, float]] = {}

    def take(self, action: str) -> None:
        """One request of this action. Refusal when its bucket is empty."""
        name = request_class(action)
        limit = self._tuning.limits.get(name)
        if limit is None:
            self._filled.pop(name, None)
            return
        now = self._clock()
        tokens, since = self._filled.get(name, (limit["burst"], now))
        tokens = min(limit["burst"], tokens + (now - since) * limit["rate"])
        self._filled[name] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise Refusal("RequestLimitExceeded", "Request limit exceeded.", status=503)


class ClientTokens:
    """Idempotency by client token: the same parameters get the first result, other parameters a refusal."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[str, Any]] = {}

    def known(self, action: str, token: str, parameters: str) -> Any | None:
        """What an earlier call with this token made, or None. Refusal when its parameters were others."""
        entry = self._made.get((action, token))
        if entry is None:
            return None
        if entry[0] != parameters:
            raise Refusal(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        return entry[1]

    def remember(self, action: str, token: str, parameters: str, made: Any) -> None:
        """Note what a call made."""
        self._made[action, token] = (parameters, made)

    def forget(self, action: str, token: str) -> None:
        """A token that is used again makes something new."""
        self._made.pop((action, token), None)
