"""Faults as data: what goes wrong, for which operations, how often. The server keeps them; users write them."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

import msgspec

from lab.faultproxy_garble import Way
from lab.faultproxy_operations import EVENT, Operation

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


class Past(_Effect, frozen=True, tag="past"):
    """The server never gets the read; the client gets what this very request was answered before: time travels back.

    One of the last ``most`` different answers is drawn. Answers are kept while the rule is in force, so that the first
    request passes.
    """

    most: Annotated[int, msgspec.Meta(ge=1)] = 8


class Repeat(_Effect, frozen=True, tag="repeat"):
    """An event of a watch is told, and told again after so many seconds, when it may be about the past."""

    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Garble(_Effect, frozen=True, tag="garble"):
    """The cloud gets the request and acts on it; its answer is rewritten, in this ``way`` or in one that chance chooses.

    ``seed``, the operation and how many of its requests came before decide at which place. A watch, whose answer has no
    end, gets none.
    """

    way: Way | None = None
    seed: int = 0


Effect: TypeAlias = Delay | LoseAnswer | Answer | Dark | Reset | Past | Repeat | Garble


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault.

    ``operation`` is a glob over the names of ``faultproxy_operations`` (``ec2:Run*``, ``POST /nodes/*/clone``), where
    ``*`` crosses slashes; the word ``mutating`` means every operation that may change something. The first ``after``
    matches pass; of the following each one is hit with ``probability`` (from a generator seeded with ``seed``) until
    ``times`` were hit, None being for ever. With ``each`` those two are counted for each path by itself.

    An operation that begins with ``EVENT`` is about what a watch tells, one event at a time: ``EVENT DELETED */secrets``;
    no other glob meets events, and ``each`` counts them by object. What ``Dark`` meets is never told, and a ``Delay``
    lets later events pass it; ``Answer`` ends the watch with these words (410: what it asks for is too old), and
    ``Reset`` and ``LoseAnswer`` break its connection.
    """

    operation: str
    effect: Effect
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    each: bool = False

    def matches(self, operation: Operation) -> bool:
        """Whether the rule is about this operation."""
        if self.operation == "mutating":
            return operation.mutating
        if operation.told and not self.operation.startswith(EVENT):
            return False
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
        self._each: dict[tuple[int, str], list[int]] = {}
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
        self._each = {key: counts for key, counts in self._each.items() if key[0] != number}
        return self._active.pop(number, None) is not None

    def clear(self) -> None:
        """Lift all rules."""
        self._active.clear()
        self._random.clear()
        self._each.clear()

    def active(self) -> list[ActiveRule]:
        """The rules in force, oldest first, spent ones included."""
        return list(self._active.values())

    def effects(self, operation: Operation, target: str) -> list[Effect]:
        """What hits this request: any delays, then at most one other effect, after which no rule is asked.

        ``target``: the path, without the query; of an event, the object.
        """
        chosen: list[Effect] = []
        for active in self._active.values():
            if not active.rule.matches(operation) or not self._hits(active, target):
                continue
            chosen.append(active.rule.effect)
            if not isinstance(active.rule.effect, Delay):
                break
        return chosen

    def remembers(self, operation: Operation) -> int:
        """How many answers of this operation a rule may want to give once more."""
        most = 0
        for active in self._active.values():
            effect = active.rule.effect
            if isinstance(effect, Past) and active.rule.matches(operation):
                most = max(most, effect.most)
        return most

    def _hits(self, active: ActiveRule, target: str) -> bool:
        rule = active.rule
        active.matched += 1
        counts = self._each.setdefault((active.id, target), [0, 0]) if rule.each else [active.matched - 1, active.hit]
        counts[0] += 1
        if counts[0] <= rule.after or (rule.times is not None and counts[1] >= rule.times):
            return False
        if rule.probability < 1 and self._random[active.id].random() >= rule.probability:
            return False
        counts[1] += 1
        active.hit += 1
        return True
