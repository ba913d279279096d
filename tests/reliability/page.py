"""docs/reliability.md: one line of its table for each run, in the place of the line that an earlier run has measured."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.rows import BY_TITLE, LIMITS, Row

_COLUMNS = (
    "row",
    "cloud",
    "tried",
    "duplicates",
    "leaks",
    "stuck objects",
    "otherwise wrong",
    "besides",
    "minutes",
    "seed",
    "command",
)
_NUMBERS = _COLUMNS[3:7] + _COLUMNS[8:10]
_ORDER = {title: place for place, title in enumerate(BY_TITLE)}
_HEAD = """\
# Reliability

Every figure was measured by the command in its own line, on simulated clouds (moto, fakepve and govmomi's simulator, all
extended by the lab) and a real API server; `--write docs/reliability.md` puts the figures of another run in the place of
these. What is left to chance comes from the seed, which repeats the run.

- **duplicates**: machines beyond the one that an object wants.
- **leaks**: machines, disks, interfaces and media that no object and no machine has.
- **stuck objects**: what did not come to its end by itself.
- **otherwise wrong**: a machine that is not as its spec wants it, a foreign one that was touched, a status that is untrue.

"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of a row has shown for one cloud (or ``all``).

    ``tried``: how much, in words. ``found``: what was not as it should be, each as ``kind: words``, the kind being
    duplicate, leak, stuck or wrong. ``besides``: further figures, in words.
    """

    row: Row
    cloud: str
    tried: str
    found: Sequence[str]
    seconds: float
    seed: int
    command: str
    besides: str = ""

    def line(self) -> str:
        """The line of the table."""
        return _line(
            (
                self.row.value.title,
                self.cloud,
                self.tried,
                *(sum(one.startswith(f"{kind}:") for one in self.found) for kind in _KINDS),
                self.besides,
                f"{self.seconds / 60:.0f}",
                self.seed,
                f"`{self.command}`",
            )
        )


#: The kinds of what may be found, in the order of their columns.
_KINDS = ("duplicate", "leak", "stuck", "wrong")


def write(page: Path, figures: Figures) -> None:
    """Puts a run into the page; runs of several processes may end at once."""
    with page.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        key = _line((figures.row.value.title, figures.cloud))[:-1]
        lines = [line for line in measured(file.read()) if not line.startswith(key)]
        file.truncate(0)
        file.write(render([*lines, figures.line()]))


def measured(text: str) -> list[str]:
    """The lines of a page's table that tell of a run."""
    found = [line for line in text.splitlines() if line.startswith("| ")]
    return [line for line in found if _title(line) in BY_TITLE]


def render(lines: Iterable[str]) -> str:
    """The page with these lines in its table."""
    rule = "|" + "|".join(" ---: " if column in _NUMBERS else " --- " for column in _COLUMNS) + "|"
    rows = sorted(lines, key=lambda line: (_ORDER[_title(line)], line))
    told = [f"## {row.value.title}\n\n{row.value.text}\n" for row in Row]
    return "\n".join([_HEAD + _line(_COLUMNS), rule, *rows, "", *told, f"## What cannot be promised\n\n{LIMITS}"])


def _title(line: str) -> str:
    return line.split("|")[1].strip()


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
