"""Where the demo speaks: a table that moves on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from lab.demo_objects import Row, changes, live_table

_PLAIN_WIDTH = 200


def console() -> Console:
    """Standard output; without escape codes and wide enough for any line when nobody sits in front of it."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    # Line by line, so that a log shows what happens when it happens.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    return Console(highlight=False, force_terminal=False, color_system=None, width=_PLAIN_WIDTH)


class Board(Protocol):
    """Shows objects as they change."""

    def show(self, rows: Sequence[Row]) -> None:
        """All objects, as they are now."""

    def say(self, words: RenderableType) -> None:
        """A sentence about something else."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def board(screen: Console) -> Board:
    """The board that fits."""
    return _Moving(screen) if screen.is_terminal and not screen.is_dumb_terminal else _Lines(screen)


class _Moving:
    """A table that is drawn over."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._live = Live(console=screen, auto_refresh=False, vertical_overflow="crop")

    def show(self, rows: Sequence[Row]) -> None:
        self._live.update(live_table(rows, self._screen.width), refresh=True)

    def say(self, words: RenderableType) -> None:
        self._screen.print(words)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class _Lines:
    """A line for each change, with the seconds since the board was put up."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._rows: Sequence[Row] = ()
        self._started = time.monotonic()

    def show(self, rows: Sequence[Row]) -> None:
        for line in changes(self._rows, rows):
            self._screen.print(f"{time.monotonic() - self._started:6.1f} s  {line}", markup=False, soft_wrap=True)
        self._rows = rows

    def say(self, words: RenderableType) -> None:
        self._screen.print(words, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None
