"""What clouds and an API server do to whoever asks: errors, throttling, breaks, slowness, silence; drawn from a seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.faultproxy import Answer, Api, Darkness, Delay, Effect, FaultControl, LoseAnswer, Reset, Rule

#: Requests of the API server that may fail: those for our own objects. Without its Lease an operator ends, as it must.
_OURS = "*/apis/hybridge.io/*"


@dataclass(frozen=True, slots=True)
class Spell:
    """Some seconds of bad weather: a rule for requests, or the dark."""

    name: str
    rule: Rule | None = None
    dark: Darkness | None = None


@dataclass(frozen=True, slots=True)
class Climate:
    """Seconds from and to which spells and the pauses between them last."""

    bad: tuple[float, float]
    fair: tuple[float, float]


def _spells(over: str, throttle: Answer) -> Sequence[Spell]:
    """What every API may do; of what changes something also the answer is lost after it has taken effect."""
    every: Mapping[str, tuple[str, Effect, float]] = {
        "errors": (over, Answer(500), 0.4),
        "throttling": (over, throttle, 0.6),
        "breaks": (over, Reset(), 0.4),
        "slowness": (over, Delay(1.0), 0.5),
        "lost answers": ("mutating", LoseAnswer("reset"), 0.5),
    }
    return [Spell(name, Rule(what, effect, probability=share)) for name, (what, effect, share) in every.items()]


def of_cloud(throttle: Answer) -> Sequence[Spell]:
    """What a cloud may do. ``throttle``: its own words for too many requests."""
    return [
        *_spells("*", throttle),
        Spell("no answers", Rule("mutating", LoseAnswer("timeout"), probability=0.3)),
        Spell("silence", dark="silent"),
        Spell("nobody there", dark="refuse"),
    ]


def of_kubernetes() -> Sequence[Spell]:
    """What the API server may do."""
    return [spell for spell in _spells(_OURS, Answer(429)) if spell.name != "lost answers"] + [
        Spell("lost answers", Rule(f"P{_OURS}", LoseAnswer("reset"), probability=0.3)),
        Spell("conflicts", Rule(f"PATCH {_OURS[1:]}", Answer(409), probability=0.3)),
    ]


class Weather:
    """The weather before one API."""

    def __init__(self, api: Api, door: FaultControl, spells: Sequence[Spell], climate: Climate, seed: int) -> None:
        self._api = api
        self._door = door
        self._spells = spells
        self._climate = climate
        self._random = random.Random(f"{seed} {api}")
        self.spells = 0

    def run(self, end: threading.Event) -> None:
        """Lets it rain until the end, and leaves everything as it was. LabError when the proxy does not obey."""
        while not end.wait(self._random.uniform(*self._climate.fair)):
            spell = self._random.choice(self._spells)
            seconds = self._random.uniform(*self._climate.bad)
            self.spells += 1
            if spell.rule is not None:
                self._door.inject(spell.rule)
            if spell.dark is not None:
                self._door.dark(spell.dark)
            end.wait(seconds)
            self._door.light()
            self._door.clear()
