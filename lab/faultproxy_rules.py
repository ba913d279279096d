"""Faults as data: what goes wrong, for which operations, how often. The server keeps them; users write them."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

import msgspec

from lab.faultproxy_operations import Operation

Darkness: TypeAlias = Literal["silent", "refuse"]
Loss: TypeAlias = Literal["timeout", "reset", "500", "503"]


class _Effect(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """One of the effects below; ``kind`` tells them apart in JSON."""


class Delay(_Effect, frozen=True, tag="delay"):
    """Wait before the request goes on; other rules still apply to it."""

    seconds: Annotated[float, msgspec.Meta(ge=0)]


class LoseAnswer(_Effect, frozen=True, tag="lose_answer"):
    """The cloud gets the request and acts on it; the client never sees the answer.

    ``timeout`` leaves the client waiting until it gives up, ``reset`` breaks its connection, and ``500`` and ``503``
    are the cloud's own words for these statuses.
    """

    how: Loss = "reset"


class Answer(_Effect, frozen=True, tag="answer"):
    """The cloud never gets the request; the client gets this answer.

    Without a ``body`` it is what the cloud itself would say with that status. ``code`` is then the AWS error code, the
    type of the vSphere fault (``NoPermission``; vSphere sends every SOAP fault with status 500) or the reason of the
    API server's Status, and ``message`` its text, which Proxmox VE also sends as the reason phrase. ``headers`` are added.
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    body: str | None = None
    headers: dict[str, str] = {}
    code: str | None = None
    message: str | None = None


class Dark(_Effect, frozen=True, tag="dark"):
    """The cloud never gets the request; the client waits until it gives up, or the faults are cleared."""


class Reset(_Effect, frozen=True, tag="reset"):
    """The cloud never gets the request; the client's connection breaks."""


Effect: TypeAlias = Delay | LoseAnswer | Answer | Dark | Reset


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault.

    ``operation`` is a glob over the names of ``faultproxy_operations`` (``ec2:Run*``, ``POST /nodes/*/clone``), where
    ``*`` crosses slashes; the word ``mutating`` means every operation that may change something. The first ``after``
    matches pass; of the following each one is hit with ``probability`` (from a generator seeded with ``seed``) until
    ``times`` were hit, None being for ever.
    """

    operation: str
    effect: Effect
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    after: Annotated[int, msgspec.Meta(ge=0)] = 0

    def matches(self, operation: Operation) -> bool:
        """Whether the rule is about this operation."""
        if self.operation == "mutating":
            return operation.mutating
        return fnmatchcase(operation.name, self.operation)


class ActiveRule(msgspec.Struct):
    """A rule in force: how many requests it ``matched`` and how many it ``hit``."""

    id: int
    rule: Rule
    matched: int = 0
    hit: int = 0


class Rules:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self._active: dict[int, ActiveRule] = {}
        self._random: dict[int, random.Random] = {}
        self._next = 1

    def add(self, rule: Rule) -> int:
        """Put a rule in force; its id."""
        number = self._next
        self._next += 1
        self._active[number] = ActiveRule(number, rule)
        self._random[number] = random.Random(rule.seed)
        return number

    def remove(self, number: int) -> bool:
        """Lift one rule; False when there is none of that id."""
        self._random.pop(number, None)
        return self._active.pop(number, None) is not None

    def clear(self) -> None:
        """Lift all rules."""
        self._active.clear()
        self._random.clear()

    def active(self) -> list[ActiveRule]:
        """The rules in force, oldest first, spent ones included."""
        return list(self._active.values())

    def effects(self, operation: Operation) -> list[Effect]:
        """What hits this request: any delays, then at most one other effect, after which no rule is asked."""
        chosen: list[Effect] = []
        for active in self._active.values():
            if not active.rule.matches(operation) or not self._hits(active):
                continue
            chosen.append(active.rule.effect)
            if not isinstance(active.rule.effect, Delay):
                break
        return chosen

    def _hits(self, active: ActiveRule) -> bool:
        rule = active.rule
        active.matched += 1
        if active.matched <= rule.after or (rule.times is not None and active.hit >= rule.times):
            return False
        if rule.probability < 1 and self._random[active.id].random() >= rule.probability:
            return False
        active.hit += 1
        return True
