"""The engine on a cloud that shows late what was made, and then now and then: one machine, and none is let go unseen."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.machines import Machines as Ec2
from hybridge.drivers.base import Started, Sweep, SweepRequest
from tests.sweeps import shown
from tests.unit.engine.machine_bed import KEY, Cloud, MachineBed

#: Seconds for which the driver holds it possible that EC2 denies what it has made.
LAG = Ec2.traits.lag


class Fate(Enum):
    """What becomes of a request to make a machine."""

    GOOD = "good"
    UNSENT = "no answer, and no effect"
    UNHEARD = "no answer, but the effect"


class Event(Enum):
    """What happens to the object or its operator."""

    CRASH = "the operator ends and another begins"
    EDIT = "somebody changes a tag"
    DELETE = "the object is deleted"


@dataclass(frozen=True)
class History:
    """``late``: seconds until a new machine is shown at all; ``flaps``: seconds after that in which each look may find it
    or not, by ``seed``. ``fates``: of the requests to make one, in their order. ``events``: seconds and what happens.
    ``known``: whether the cloud knows the tokens of earlier requests, as EC2 does. ``recreate``: whether a lost machine is
    made anew.
    """

    late: float
    flaps: float
    seed: int
    fates: tuple[Fate, ...]
    events: tuple[tuple[float, Event], ...]
    known: bool
    recreate: bool
    #: Seconds from the beginning at which the cloud denies for some seconds all that it has, however old that is.
    denials: tuple[tuple[float, float], ...] = ()


class ShyCloud(Cloud):
    """EC2 at its worst. Whatever must not happen raises AssertionError at once."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.traits = replace(Ec2.traits, token_lifetime=Ec2.traits.token_lifetime if history.known else 0.0)
        self.clock: Callable[[], float] = lambda: 0.0
        self.denied = 0
        self._history = history
        self._fates = list(history.fates)
        self._chance = random.Random(history.seed)
        self._born: dict[str, float] = {}
        self._tokens: dict[str, str] = {}

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        fate = self._fates.pop(0) if self._fates else Fate.GOOD
        if fate is Fate.UNSENT:
            raise Unreachable("no answer", took_effect_possible=True)
        machine_id = self._tokens.get(intent.token) if self.traits.token_lifetime else None
        if machine_id is None:
            assert not self.there, f"a second machine beside {[*self.there]}"
            made = super().create(replace(intent, uuid=""), spec, marker)
            machine_id = self._tokens[intent.token] = str(made.id)
            self._born[machine_id] = self.clock()
        if fate is Fate.UNHEARD:
            raise Unreachable("no answer", took_effect_possible=True)
        return Started(machine_id, self.there.get(machine_id))

    def find(self, marker: Marker, intent: Intent | None) -> list[Machine]:
        return [one for one in super().find(marker, intent) if self._shows(one.id)]

    def get(self, machine_id: str) -> Machine | None:
        return super().get(machine_id) if self._shows(machine_id) else None

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        self._meet(machine.id)
        return super().configure(machine, spec, fields, intent, marker)

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        self._meet(machine.id)
        return super().set_power(machine, spec, power, hard=hard)

    def delete(self, machine: Machine) -> Started[Machine]:
        # The driver takes the cloud's word that there is nothing to delete for an answer, as it is given.
        return super().delete(machine) if self._shows(machine.id) else Started(machine.id)

    def sweep(self, _request: SweepRequest) -> Sweep:
        return Sweep({CloudKind.MACHINE: shown(one for one in self.there.values() if self._shows(one.id))})

    def _meet(self, machine_id: str) -> None:
        if not self._shows(machine_id):
            raise Refused(Reason.NOT_FOUND, f"{machine_id} does not exist")

    def _shows(self, machine_id: str) -> bool:
        if machine_id not in self._born or any(at <= self.clock() < at + lasts for at, lasts in self._history.denials):
            return False
        age = self.clock() - self._born[machine_id] - self._history.late
        shown = age >= 0 and (age >= self._history.flaps or self._chance.random() < 0.5)
        self.denied += not shown
        return shown


def live(history: History) -> MachineBed:
    """Lives it to its end."""
    cloud = ShyCloud(history)
    bed = MachineBed(cloud, lifecycle={"onLost": "Recreate" if history.recreate else "Report"})
    began = bed.now
    cloud.clock = lambda: bed.now - began
    for seconds, event in sorted(history.events, key=lambda one: one[0]):
        advance(bed, began + seconds)
        match event:
            case Event.CRASH:
                bed.link.bulkhead.close()
                bed.restart()
            case Event.EDIT:
                bed.edit(tags={"at": f"{seconds:.0f}"})
            case Event.DELETE if not bed.body["metadata"].get("deletionTimestamp"):
                bed.delete()
    # Without a token each request that had no answer is waited for, until what it made would be seen.
    advance(bed, began + (len(history.fates) + 3) * LAG)
    return bed


def advance(bed: MachineBed, until: float) -> None:
    """Lets the engine work until then, or until it has let go of the object."""
    while bed.now < until and not released(bed):
        bed.pass_time(min(60.0, until - bed.now))


def released(bed: MachineBed) -> bool:
    """Whether the object can go."""
    return bool(bed.body["metadata"].get("deletionTimestamp")) and not bed.body["metadata"].get("finalizers")


@st.composite
def histories(draw: st.DrawFn) -> History:
    late = draw(st.floats(0, 120))
    moments, outage = st.floats(0, 2 * LAG), draw(st.sampled_from([0, 0, 0, 12]))
    return History(
        late=late,
        flaps=draw(st.floats(0, LAG - late - 1)),
        seed=draw(st.integers(0, 2**32)),
        fates=(*[Fate.UNSENT] * outage, *draw(st.lists(st.sampled_from(Fate), max_size=4))),
        events=tuple(draw(st.lists(st.tuples(moments, st.sampled_from(Event)), max_size=5))),
        known=draw(st.booleans()),
        recreate=draw(st.booleans()),
    )


@settings(max_examples=2 * settings().max_examples)
@given(histories())
def test_what_is_shown_late_and_flaps_is_neither_doubled_nor_let_go(history: History) -> None:
    bed = live(history)
    try:
        if bed.body["metadata"].get("deletionTimestamp"):
            assert released(bed), bed.status
            assert bed.cloud.there == {}
        else:
            assert bed.told("Ready")[0] == "True", bed.status
            assert bed.status["id"] == bed.machine.id
            assert KEY in bed.api.objects
    finally:
        bed.close()


@pytest.mark.parametrize("recreate", [False, True])
def test_what_was_asked_for_again_long_after_its_first_request_may_be_shown_late(recreate: bool) -> None:
    unsent = (Fate.UNSENT,) * 400
    crash = (LAG + 20, Event.CRASH)
    bed = live(History(100.0, 0.0, 0, unsent, (crash,), known=True, recreate=recreate))
    assert bed.told("Ready")[0] == "True"
    bed.close()


@pytest.mark.parametrize("recreate", [False, True])
@pytest.mark.parametrize(
    "events", [(), ((20 * LAG - 1, Event.DELETE),), ((20 * LAG + 1, Event.CRASH), (20 * LAG + 2, Event.DELETE))]
)
def test_an_old_machine_that_is_denied_for_a_while_is_neither_doubled_nor_let_go(
    recreate: bool, events: tuple[tuple[float, Event], ...]
) -> None:
    """By every reading, as when a region of a cloud answers from an old copy."""
    history = History(0.0, 0.0, 0, (), (*events, (21 * LAG, Event.EDIT)), known=True, recreate=recreate)
    bed = live(replace(history, denials=((20 * LAG, 50.0),)))
    if events:
        assert released(bed)
        assert bed.cloud.there == {}
    else:
        assert bed.told("Ready")[0] == "True"
        assert [*bed.cloud.there] == ["101"]
    bed.close()
