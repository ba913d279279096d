"""Answers of a life to rewrite: each operation of each step, in a way that chance chooses."""

from __future__ import annotations

import glob
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.faultproxy import Garble, Rule, Way
from tests.crash.hooks import Blow, Hook, How

#: How many answers in a row are rewritten, before the cloud is as it was.
TIMES = 3


@dataclass(frozen=True, slots=True)
class Rewriting(Blow):
    """Some answers to one operation of one step are rewritten."""

    way: Way
    seed: int

    def __str__(self) -> str:
        return f"{self.step}: {self.way}: {self.hook.api} {self.hook.operation} #{self.hook.nth} seed {self.seed}"

    def rule(self) -> Rule:
        """The fault, counted from the moment in which it is put in force."""
        return Rule(glob.escape(self.hook.operation), Garble(self.way, self.seed), times=TIMES, after=self.hook.nth - 1)


def rewritings(hooks: Mapping[str, Sequence[Hook]], seed: int, most: int | None = None) -> list[Rewriting]:
    """Each operation of each step in each way, in an order that the seed decides; with ``most``, so many of them, and
    every way and every step in its turn.
    """
    source = random.Random(seed)
    ways = itertools.cycle(source.sample(list(Way), len(Way)))
    first = {
        step: sorted({hook.operation: hook for hook in found if hook.api != "kubernetes"}.values(), key=str)
        for step, found in hooks.items()
    }
    every = [(step, hook) for step, found in first.items() for hook in found]
    source.shuffle(every)
    rounds = len(Way) if most is None else -(-most // max(1, len(every)))
    chosen: list[Rewriting] = []
    for _ in range(rounds):
        chosen += [Rewriting(step, hook, How.ERROR, next(ways), source.randrange(2**31)) for step, hook in every]
        next(ways)
    return chosen[:most]


def mistakes(log: str) -> list[str]:
    """What an operator's log in JSON tells of its own mistakes, each once."""
    found: dict[str, None] = {}
    for line in log.splitlines():
        if not line.startswith("{"):
            if line.strip():
                found[f"wrong: no JSON in the log: {line[:200]}"] = None
            continue
        told = json.loads(line)
        if "exception" in told:
            found[f"wrong: {told['message']}: {told['exception'].strip().splitlines()[-1][:300]}"] = None
        elif told["level"] == "error" and told["logger"].startswith("hybridge"):
            found[f"wrong: {told['message'][:500]}"] = None
    return list(found)
