"""Looks at the cloud objects of one kind, and at machines, in sweeps alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import ManagedObject, ManagedSpec, State
from hybridge.drivers.base import Driver, ObjectDriver, Portion
from tests.contract.bed import Bed, intended
from tests.contract.eye import PATIENCE, Eye, merged

S = TypeVar("S", bound=ManagedSpec)
M = TypeVar("M", bound=ManagedObject)
T = TypeVar("T")
_PAUSE = 0.05


@dataclass
class ObjectEye(Generic[S, M]):
    """The picture that the sweeps of one driver give of one kind."""

    bed: Bed
    driver: Driver
    kind: CloudKind
    part: ObjectDriver[S, M]
    eye: Eye = field(init=False)
    _known: dict[str, M] = field(default_factory=dict)
    _read: int = 0

    def __post_init__(self) -> None:
        self.eye = Eye(self.bed, self.driver, kinds=(CloudKind.MACHINE, self.kind))

    @property
    def seen(self) -> dict[str, M]:
        """All that the sweeps have shown so far, put together as the port says."""
        for sweep in self.eye.sweeps[self._read :]:
            portion: Portion[M] = sweep.portions.get(self.kind, Portion({}, full=False))  # type: ignore[assignment]
            self._known = merged(self._known, portion)
        self._read = len(self.eye.sweeps)
        return self._known

    def see(self, known_id: str, holds: Callable[[M], bool] = lambda _: True) -> M:
        """The object, as soon as it is there, so, and nothing holds it."""

        def so() -> bool:
            found = self.seen.get(known_id)
            return found is not None and found.state is State.READY and found.lock is None and holds(found)

        self.eye.until(so, f"{known_id} as wanted: {self.seen.get(known_id)}", refresh=[known_id])
        return self.seen[known_id]

    def is_gone(self, known_id: str) -> bool:
        """Whether the picture has no such object any more."""
        found = self.seen.get(known_id)
        return found is None or found.gone

    def insist(self, call: Callable[[], T]) -> T:
        """The call as the engine makes it: what has to wait, or had no good answer, is asked again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except CloudError as error:
                if error.disposition is Disposition.STOP or time.monotonic() > deadline:
                    raise
                self.eye.look()
                time.sleep(_PAUSE)

    def intent(self, spec: S, marker: Marker, attempt: int = 1) -> Intent:
        """The record of an attempt; ``spec`` is normal by then."""
        return intended(spec.name, marker, self.part.prepare(spec, ()), attempt)

    def create(self, spec: S, marker: Marker, intent: Intent | None = None) -> M:
        """Creates it, and waits until it is there."""
        spec = self.part.normalize(spec)
        intent = intent or self.intent(spec, marker)
        started = self.part.create(intent, spec, marker)
        task = self.eye.finish(started)
        made = started.id or (task.result if task else None)
        if made is None and self.part.traits.token_lifetime:
            # A plan asks again while it may, until it knows what came of it.
            made = self.part.create(intent, spec, marker).id
        if made is None:
            self.eye.until(lambda: bool(self.part.find(marker, intent)), f"something of {marker.owner}")
            (found,) = self.part.find(marker, intent)
            made = found.id
        return self.see(made)

    def configure(self, found: M, spec: S, fields: Collection[str], marker: Marker) -> str:
        """Changes fields, to the end; the id that it has then."""
        spec = self.part.normalize(spec)
        again, known = True, found.id
        while again:
            started = self.insist(lambda: self.part.configure(found, spec, fields, None, marker))
            self.eye.finish(started)
            again, known = started.again, started.id or known
        return known

    def mark(self, found: M, marker: Marker | None) -> M:
        """Gives it this marker, or takes its own away."""
        self.eye.finish(self.insist(lambda: self.part.mark(found, marker)))
        return self.see(found.id, lambda seen: seen.marker == marker)

    def delete(self, found: M) -> None:
        """Deletes it, and waits until it is gone."""
        again = True
        while again:
            started = self.insist(lambda: self.part.delete(found))
            self.eye.finish(started)
            again = started.again
        self.eye.until(lambda: self.is_gone(found.id), f"{found.id} gone")
