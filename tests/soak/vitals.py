"""What a process takes: memory, tasks, threads, open files."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass

from lab.operator import Operator
from tests.integration.operator.series import value

#: Seconds from look to look at a process at rest.
_APART = 1.0
#: What memory may grow by, as a share.
MOST_GROWTH = 0.05


@dataclass(frozen=True, slots=True)
class Vitals:
    """``rss`` in bytes."""

    rss: int
    tasks: int
    threads: int
    files: int

    def __str__(self) -> str:
        return f"RSS {self.rss / 2**20:.0f} MiB, {self.tasks} tasks, {self.threads} threads, {self.files} files"


def look(operator: Operator) -> Vitals:
    """How it is now."""
    tasks = int(value(operator, "asyncio_tasks"))
    return Vitals(operator.rss(), tasks, operator.threads(), operator.open_files())


def at_rest(operator: Operator, looks: int) -> Vitals:
    """The least of each of so many looks: what comes and goes with a single sweep is no growth."""
    seen = []
    for _ in range(looks):
        seen.append(look(operator))
        time.sleep(_APART)
    return Vitals(*(min(values) for values in zip(*map(astuple, seen), strict=True)))


def grown(before: Vitals, after: Vitals, most_threads: int) -> list[str]:
    """What has grown from one rest of a process to another one, in words. Pools of threads fill as they are needed:
    ``most_threads`` are all that they may have.
    """
    found = []
    if after.rss > before.rss * (1 + MOST_GROWTH):
        found.append(f"leak: resident memory grew from {before.rss} to {after.rss} bytes")
    bounds = {"tasks": before.tasks, "threads": max(before.threads, most_threads), "files": before.files}
    for name, most in bounds.items():
        was, is_now = getattr(before, name), getattr(after, name)
        if is_now > most:
            found.append(f"leak: {name} grew from {was} to {is_now}")
    return found


def told(before: Vitals, after: Vitals) -> str:
    """Both, in words for a table."""
    growth = (after.rss / before.rss - 1) * 100
    words = f"RSS {before.rss / 2**20:.1f} → {after.rss / 2**20:.1f} MiB ({growth:+.1f} %)"
    counts = (f"{name} {getattr(before, name)} → {getattr(after, name)}" for name in ("tasks", "threads", "files"))
    return ", ".join([words, *counts])
