"""Random walks of specs: some objects of a kind, each changed again and again, and brought back when that was no good."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hybridge.core.reasons import Reason
from lab.process import LabError
from tests.misoperation.schema import FieldPath, Schema, allowed, fields, forbidden
from tests.operator_bed import OperatorBed, condition_of

#: Seconds until an object stands as it is going to.
PATIENCE = 60.0
#: Seconds for which it stands so, before it is believed.
_STILL = 1.5
_LOOK = 0.1
#: Chances that a value is one that the schema forbids, and that a field is taken away.
_FORBIDDEN, _AWAY = 0.15, 0.15
#: Reasons that pass by themselves.
_PASSING = frozenset(
    {
        *(Reason.PENDING, Reason.CREATING, Reason.STARTING, Reason.STOPPING, Reason.UPDATING, Reason.SEARCHING),
        *(Reason.CONNECTING, Reason.WAITING_FOR_ADDRESS, Reason.DELETING, Reason.DETACHING, Reason.LOCKED),
    }
)
#: Reasons that stand for what nobody has foreseen.
_UNFORESEEN = frozenset({Reason.SWEEP_FAILED})


@dataclass
class Walker:
    """One object. ``good`` is the newest spec that it has reached."""

    plural: str
    name: str
    namespace: str
    good: dict[str, Any]
    last: str = ""
    undoing: bool = False


#: What is not in the cloud as these bodies want it, by the name of the object; and what is there besides.
Truth = Callable[[Mapping[str, Mapping[str, Any]]], list[str]]


@dataclass
class Walk:
    """Walks of several objects of one kind at once. ``offers``: values that this cloud has, by path."""

    bed: OperatorBed
    schema: Schema
    offers: Mapping[FieldPath, Sequence[Any]]
    walkers: list[Walker]
    mutations: Callable[[], int]
    forget: Callable[[], None]
    truth: Truth
    source: random.Random
    steps: Counter[str] = field(default_factory=Counter)
    tried: Counter[FieldPath] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    @property
    def transitions(self) -> int:
        """Changes so far."""
        return sum(self.tried.values())

    def begin(self) -> None:
        """Waits until all are as wanted. AssertionError."""
        self._settle(self.walkers)
        assert self.steps == {"as wanted": len(self.walkers)}, (self.steps, self.found)
        self.steps.clear()

    def round(self) -> None:
        """A change of every object, and its end; what did not come to be as wanted is taken back."""
        self._settle([walker for walker in self.walkers if self._change(walker)])
        back = [walker for walker in self.walkers if walker.undoing]
        for walker in back:
            if refusal := self._apply(walker, _replacing(self._spec(walker), walker.good)):
                self._note("stuck", walker, f"{walker.last}: cannot be taken back: {refusal}")
        self._settle(back)
        for walker in back:
            if walker.undoing:
                self._note("stuck", walker, f"{walker.last}, taken back: {self._told(walker)}")
        self._rest()

    def _change(self, walker: Walker) -> bool:
        """Whether the API server took the change."""
        path, schema = self.source.choice(list(fields(self.schema)))
        chance = self.source.random()
        if chance < _AWAY:
            value = None
        elif chance < _AWAY + _FORBIDDEN:
            value = forbidden(schema, self.source)
        else:
            value = allowed(schema, self.source, self.offers.get(path, ()))
        walker.last = f"{'.'.join(path)} = {value!r:.200}"
        self.tried[path] += 1
        patch: Any = value
        for name in reversed(path):
            patch = {name: patch}
        refusal = self._apply(walker, patch)
        if refusal:
            self.steps["refused by the API server"] += 1
            if path[0] not in refusal:
                self._note("wrong", walker, f"{walker.last}: refused without the field: {refusal}")
        walker.undoing = False
        return not refusal

    def _apply(self, walker: Walker, patch: Mapping[str, Any]) -> str:
        """What the API server refuses a change of the spec with; empty when it takes it."""
        try:
            self.bed.patch(walker.plural, walker.name, {"spec": patch}, walker.namespace)
        except LabError as error:
            return str(error)
        return ""

    def _settle(self, walkers: Sequence[Walker]) -> None:
        """Waits until every one of these stands, and sorts them: as wanted, or told why not."""
        waiting = {walker.name: walker for walker in walkers}
        since: dict[str, tuple[Any, float]] = {}
        deadline = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < deadline:
            for walker in list(waiting.values()):
                body = self.bed.get(walker.plural, walker.name, walker.namespace) or {"status": {}}
                standing = _standing(body)
                before, at = since.setdefault(walker.name, (standing, time.monotonic()))
                if before != standing:
                    since[walker.name] = (standing, time.monotonic())
                elif standing is not None and (standing[0] or time.monotonic() - at > _STILL):
                    self._sort(walker, body, *standing)
                    del waiting[walker.name]
            time.sleep(_LOOK)
        for walker in waiting.values():
            walker.undoing = True
            self._note("stuck", walker, f"{walker.last}: neither as wanted nor told: {self._told(walker)}")

    def _sort(self, walker: Walker, body: Mapping[str, Any], good: bool, reason: str, message: str) -> None:
        if good:
            self.steps["taken back" if walker.undoing else "as wanted"] += 1
            walker.good, walker.undoing = body["spec"], False
            return
        if not walker.undoing:
            self.steps["told"] += 1
        walker.undoing = True
        if reason not in set(Reason) or not message or Reason(reason) in _UNFORESEEN:
            self._note("wrong", walker, f"{walker.last}: told as {reason}: {message}")

    def _rest(self) -> None:
        """Nothing changes in the cloud once everything is as wanted, and everything is so there, too."""
        if any(walker.undoing for walker in self.walkers):
            return
        self.forget()
        time.sleep(_STILL)
        bodies = {walker.name: self.bed.get(walker.plural, walker.name, walker.namespace) for walker in self.walkers}
        false = self.truth({name: body for name, body in bodies.items() if body is not None})
        self.found += [one for one in false if one not in self.found]
        if number := self.mutations():
            words = ", ".join(walker.last for walker in self.walkers)
            self.found.append(f"wrong: {number} changing requests while all was as wanted, after {words}")

    def _note(self, kind: str, walker: Walker, words: str) -> None:
        self.found.append(f"{kind}: {walker.plural} {walker.name}: {words}")

    def _spec(self, walker: Walker) -> dict[str, Any]:
        return (self.bed.get(walker.plural, walker.name, walker.namespace) or {"spec": {}})["spec"]  # type: ignore[no-any-return]

    def _told(self, walker: Walker) -> str:
        body = self.bed.get(walker.plural, walker.name, walker.namespace) or {}
        return str([(one["type"], one["status"], one["reason"], one.get("message")) for one in _conditions(body)])[:600]


def _conditions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body.get("status", {}).get("conditions", [])
    return found


def _standing(body: Mapping[str, Any]) -> tuple[bool, str, str] | None:
    """Whether all is as wanted, else the reason and the words; None while it is under way."""
    conditions = [condition_of(body, kind) for kind in ("Ready", "Synced")]
    given = [one for one in conditions if one]
    if not given or not conditions[0]:
        return None
    if all(one["status"] == "True" for one in given):
        return (True, "", "")
    for one in reversed(given):
        if one["status"] != "True" and one["reason"] not in _PASSING:
            return (False, one["reason"], one.get("message", ""))
    return None


def _replacing(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch from one object to another."""
    patch: dict[str, Any] = dict.fromkeys(now.keys() - wanted.keys())
    for name, value in wanted.items():
        before = now.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = _replacing(before, value)
        elif before != value:
            patch[name] = value
    return patch
